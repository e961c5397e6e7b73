"""Parsing what HAProxy 2.6 says about itself."""

from __future__ import annotations

import pytest

from elbflow_agent.haproxy import model, running

INFO = "Name: HAProxy\nVersion: 2.6.12\nPid: 4711\nUptime: 0d\nnode: vm\ndescription: abc-1\n\n"
SERVERS = """1
# be_id be_name srv_id srv_name srv_addr srv_op_state srv_admin_state srv_uweight srv_iweight \
srv_time_since_last_change srv_check_status srv_check_result srv_check_health srv_check_state srv_agent_state \
bk_f_forced_id srv_f_forced_id srv_fqdn srv_port srvrecord srv_use_ssl srv_check_port srv_check_addr srv_agent_addr \
srv_agent_port
3 be-80 1 i-1 127.0.0.1 0 5 1 1 0 1 0 0 8 0 0 0 - 9 - 0 0 - - 0
3 be-80 2 i-2 127.0.0.2 2 4 1 1 0 1 0 0 0 0 0 0 - 9001 - 0 0 - - 0
3 be-80 3 i-3 127.0.0.3 2 8 1 1 0 1 0 0 0 0 0 0 - 9001 - 0 0 - - 0
5 be-81 1 i-1 127.0.0.1 0 1 1 1 0 1 0 0 0 0 0 0 - 9001 - 1 0 - - 0
"""
PROCESSES = """#<PID>          <type>          <reloads>       <uptime>        <version>
9562            master          2 [failed: 1]   0d00h00m01s     2.6.12-1+deb12u4
# workers
9693            worker          0               0d00h00m07s     2.6.12-1+deb12u4
# old workers
9563            worker          2               0d01h02m15s     2.6.12-1+deb12u4
9601            worker          1               0d01h02m05s     2.6.12-1+deb12u4
# programs

"""


def test_info() -> None:
    assert running.parse_info(INFO) == ("abc-1", 4711)
    assert running.parse_info("Pid: 1\n") == ("", 1)
    with pytest.raises(running.Unreadable):
        running.parse_info("Unknown command\n")


def test_servers_in_every_admin_state() -> None:
    found = running.parse_servers(SERVERS)
    assert {key: server.admin for key, server in found.items()} == {
        ("be-80", "i-1"): model.Admin.MAINT,
        ("be-80", "i-2"): model.Admin.READY,
        ("be-80", "i-3"): model.Admin.DRAIN,
        ("be-81", "i-1"): model.Admin.MAINT,
    }
    assert found["be-80", "i-2"].port == 9001
    assert running.parse_servers("1\n\n") == {}


def test_processes() -> None:
    assert running.parse_processes(PROCESSES) == running.Processes(
        *(9562, 9693, (9601, 9563), 2, 1), {9601: 7, 9563: 3725}
    )
    with pytest.raises(running.Unreadable):
        running.parse_processes("")


def test_after_a_refused_reload_of_later_versions_the_old_worker_serves() -> None:
    """HAProxy 3.2's answer: no worker but an old one, which nobody told to stop."""
    text = """#<PID>          <type>          <reloads>       <uptime>        <version>
1864            master          2 [failed: 1]   0d00h01m01s     3.2.26-1
# workers
# old workers
1866            worker          1               0d00h00m51s     3.2.26-1
1865            worker          2               0d00h01m00s     3.2.26-1

"""
    found = running.parse_processes(text)
    assert (found.worker, found.old_workers, found.failed_reloads) == (1866, (1865,), 1)
    assert running.parse_processes(text.replace("failed: 1", "failed: 0")).worker is None

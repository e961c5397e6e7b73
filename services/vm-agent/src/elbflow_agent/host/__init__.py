"""Many VMs in one process on loopback addresses: the embedded default and the scale harness (design section 7)."""

from __future__ import annotations

from elbflow_agent.host.addresses import AddressesExhausted
from elbflow_agent.host.host import Host, VmConflict
from elbflow_agent.host.records import VmRecord
from elbflow_agent.host.vm import HostedVm, VmState, VmView

__all__ = ["AddressesExhausted", "Host", "HostedVm", "VmConflict", "VmRecord", "VmState", "VmView"]

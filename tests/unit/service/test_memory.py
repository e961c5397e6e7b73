"""What a process gives back to the system."""

from __future__ import annotations

import subprocess
import sys

import pytest

from elbflow.service import memory

_SMAPS = """\
55d0a0000000-55d0a0002000 r--p 00000000 fe:00 11 /usr/bin/python3.11
Rss:                   8 kB
Anonymous:             0 kB
Swap:                  0 kB
VmFlags: rd mr mw me
55d0a0002000-55d0a0005000 r-xp 00002000 fe:00 11 /usr/lib/a name.so
Anonymous:             0 kB
Swap:                  0 kB
VmFlags: rd mr mw me
55d0a0005000-55d0a0006000 r--p 00005000 fe:00 11 /usr/bin/python3.11
Anonymous:             4 kB
Swap:                  0 kB
VmFlags: rd mr mw me
55d0a0006000-55d0a0007000 rw-p 00006000 fe:00 11 /usr/bin/python3.11
Anonymous:             0 kB
Swap:                  0 kB
VmFlags: rd mr mw me
55d0a0009000-55d0a000a000 r--p 00005000 fe:00 11 /usr/lib/swapped.so
Anonymous:             0 kB
Swap:                  4 kB
VmFlags: rd mr mw me
55d0a0007000-55d0a0008000 r--s 00006000 fe:00 12 /dev/shm/shared
Anonymous:             0 kB
Swap:                  0 kB
VmFlags: rd mr mw me
55d0a1000000-55d0a2000000 r--p 00000000 00:00 0
Anonymous:             0 kB
Swap:                  0 kB
VmFlags: rd mr mw me
55d0a2000000-55d0a3000000 rw-p 00000000 00:00 0 [heap]
Anonymous:             0 kB
Swap:                  0 kB
VmFlags: rd mr mw me
"""


def test_only_what_nobody_can_have_written_is_let_go() -> None:
    assert list(memory.unwritten(_SMAPS.splitlines())) == [(0x55D0A0000000, 0x2000), (0x55D0A0002000, 0x3000)]


@pytest.mark.skipif(sys.platform != "linux", reason="reads /proc")
def test_a_process_shrinks_and_goes_on() -> None:
    program = (
        "import re, pathlib, ssl, hashlib, pydantic\n"
        "from elbflow.service import memory\n"
        "def files(): return int(re.search(r'RssFile:\\s+(\\d+)', pathlib.Path('/proc/self/status').read_text())[1])\n"
        "before = files(); memory.give_back(); after = files()\n"
        "ssl.create_default_context(); pydantic.TypeAdapter(dict[str, int]).validate_json('{\"a\": 1}')\n"
        "print(before, after, hashlib.sha256(b'').hexdigest()[:8])\n"
    )
    done = subprocess.run([sys.executable, "-c", program], check=True, capture_output=True, text=True)
    before, after, digest = done.stdout.split()
    assert int(after) < int(before) / 2
    assert digest == "e3b0c442"

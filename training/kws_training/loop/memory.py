"""The memory that this process may still use."""

from __future__ import annotations

import os
from pathlib import Path

_MEMINFO = Path("/proc/meminfo")
_CGROUP = Path("/sys/fs/cgroup")


def free_bytes() -> int:
    """Memory that can be taken without swapping: the machine's, or what the container's limit leaves.

    Where the system does not tell, half of the machine's memory.
    """
    return max(0, min(_of_machine(), _of_container()))


def _of_machine() -> int:
    try:
        fields = dict(line.split(":", 1) for line in _MEMINFO.read_text(encoding="ascii").splitlines())
        return 1024 * int(fields["MemAvailable"].split()[0])
    except (OSError, ValueError, KeyError):
        return os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") // 2


def _of_container() -> int:
    """By the limit of control groups, version 2. Cached files are given back when memory is short."""
    try:
        limit = int((_CGROUP / "memory.max").read_text(encoding="ascii"))
        used = int((_CGROUP / "memory.current").read_text(encoding="ascii"))
        stat = dict(
            line.split() for line in (_CGROUP / "memory.stat").read_text(encoding="ascii").splitlines()
        )
        return limit - used + int(stat["inactive_file"])
    except (OSError, ValueError, KeyError):  # no control group, or "max": no limit
        return 1 << 62

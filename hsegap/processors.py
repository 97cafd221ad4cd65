"""How many processors this process may use.

What its affinity and the quota of its control group leave of the machine.
"""

from __future__ import annotations

import math
import os
from pathlib import Path

_CGROUPS = Path("/sys/fs/cgroup")
_OWN_CGROUP = Path("/proc/self/cgroup")


def usable_processors() -> int:
    """Processors that this process may keep busy, at least 1.

    A container or a job of a cluster sees all processors of its node, but is held back as soon as it uses more than its
    share. The share is the processor affinity, and the quota of the control group (cgroup v1 or v2) or of one that
    holds it; a part of a processor counts as a whole one.
    """
    affinity = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
    quota = cgroup_quota()
    return max(1, affinity if quota is None else min(affinity, math.ceil(quota)))


def cgroup_quota(*, root: Path = _CGROUPS, own: Path = _OWN_CGROUP) -> float | None:
    """Processors that the quotas of this process's control groups allow; None without a quota.

    Args:
        root: Where the control groups are mounted.
        own: The file that names those of this process.
    """
    try:
        lines = own.read_text(encoding="utf-8", errors="replace").splitlines()
    except OSError:
        return None
    quotas = []
    for line in lines:
        hierarchy, _, rest = line.partition(":")
        controllers, _, path = rest.partition(":")
        if hierarchy == "0":
            quotas += [_quota_v2(folder) for folder in _upwards(root, path)]
        elif "cpu" in controllers.split(","):
            quotas += [_quota_v1(folder) for base in (controllers, "cpu") for folder in _upwards(root / base, path)]
    known = [quota for quota in quotas if quota is not None]
    return min(known) if known else None


def _upwards(root: Path, path: str) -> list[Path]:
    """The group's folder and those of the groups that hold it.

    Inside a container only the mounted root may be there.
    """
    parts = [part for part in path.split("/") if part not in {"", ".", ".."}]
    return [root.joinpath(*parts[:count]) for count in range(len(parts), -1, -1)]


def _quota_v2(folder: Path) -> float | None:
    try:
        quota, period = (folder / "cpu.max").read_text(encoding="ascii").split()
        return int(quota) / int(period) if quota != "max" and int(period) > 0 else None
    except (OSError, ValueError):
        return None


def _quota_v1(folder: Path) -> float | None:
    try:
        quota = int((folder / "cpu.cfs_quota_us").read_text(encoding="ascii"))
        period = int((folder / "cpu.cfs_period_us").read_text(encoding="ascii"))
    except (OSError, ValueError):
        return None
    return quota / period if quota > 0 and period > 0 else None

"""Worker processes are counted by what this process may use, not by what the machine has."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from hsegap.processors import cgroup_quota, usable_processors


@pytest.fixture
def groups(tmp_path):
    """Write control-group files; give the quota that is read from them."""

    def quota(own: str, **files: str) -> float | None:
        (tmp_path / "own").write_text(own)
        for name, content in files.items():
            path = tmp_path / "groups" / name.replace("__", "/")
            path.parent.mkdir(parents=True, exist_ok=True)
            (path.parent / path.name.replace("_max", ".max").replace("cpu_cfs", "cpu.cfs")).write_text(content)
        return cgroup_quota(root=tmp_path / "groups", own=tmp_path / "own")

    return quota


def test_a_quota_of_version_2(groups):
    assert groups("0::/job\n", job__cpu_max="150000 100000\n") == 1.5


def test_no_quota(groups):
    assert groups("0::/job\n", job__cpu_max="max 100000\n") is None
    assert groups("0::/job\n") is None


def test_the_tightest_of_the_groups_that_hold_this_one(groups):
    assert (
        groups(
            "0::/node/job\n", cpu_max="800000 100000", node__cpu_max="300000 100000", node__job__cpu_max="max 100000"
        )
        == 3
    )


def test_a_path_of_the_host_that_is_not_mounted_here(groups):
    assert groups("0::/../../kubepods/pod7\n", cpu_max="200000 100000") == 2


def test_a_quota_of_version_1(groups):
    own = "7:memory:/x\n3:cpu,cpuacct:/docker/1\n"
    files = {"cpu,cpuacct__docker__1__cpu_cfs_quota_us": "50000", "cpu,cpuacct__docker__1__cpu_cfs_period_us": "100000"}
    assert groups(own, **files) == 0.5
    assert groups(own, **{"cpu,cpuacct__docker__1__cpu_cfs_quota_us": "-1"}) is None


def test_nonsense_is_no_quota(groups):
    assert groups("what\n0::/job\n", job__cpu_max="lots\n") is None
    assert cgroup_quota(own=Path("/nowhere")) is None


def test_a_part_of_a_processor_is_one(monkeypatch):
    import hsegap.processors as module

    monkeypatch.setattr(module, "cgroup_quota", lambda: 0.2)
    assert usable_processors() == 1
    monkeypatch.setattr(module, "cgroup_quota", lambda: None)
    assert usable_processors() == len(os.sched_getaffinity(0))


def test_the_affinity_counts():
    one = min(os.sched_getaffinity(0))
    code = (
        f"import os; os.sched_setaffinity(0, {{{one}}}); "
        "from hsegap.processors import usable_processors; print(usable_processors())"
    )
    assert (
        subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout.strip() == "1"
    )

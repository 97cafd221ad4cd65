"""The Ray engine on a local cluster of two nodes, one of which is killed on the way:
the rows are the local engine's.
"""

from __future__ import annotations

import json
import logging
import signal
import subprocess
import sys
from typing import TYPE_CHECKING, Any

import pytest

from hsegap.batch.problems import ScoringError
from support.broken_files import write_broken
from support.commands import COMMAND, environment
from support.needs import needed
from support.processes import stop, until

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

    from hsegap.artifact.artifact import Artifact
    from support.commands import Outcome

GOOD = 200


@pytest.fixture(scope="module")
def cluster() -> Iterator[Any]:
    """A head node and a second node, one core each."""
    needed("ray")
    from ray.cluster_utils import Cluster

    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("RAY_USAGE_STATS_ENABLED", "0")
        logging.getLogger("ray").setLevel(logging.ERROR)
        node = {"num_cpus": 1, "object_store_memory": 100 * 2**20, "include_dashboard": False}
        cluster = Cluster(initialize_head=True, head_node_args=node)
        cluster.add_node(num_cpus=1, object_store_memory=100 * 2**20)
        yield cluster
        cluster.shutdown()


def test_the_rows_are_the_local_ones_although_a_node_is_lost(
    cluster: Any, tmp_path: Path, crystals: dict[str, str], score: Callable[..., Outcome]
) -> None:
    folder = tmp_path / "mixed"
    folder.mkdir()
    texts = list(crystals.values())
    for number in range(GOOD):
        (folder / f"good{number:03}.cif").write_text(texts[number % len(texts)])
    write_broken(folder, crystals["ZnO"])
    arguments = [folder, "--batch-size", "4"]
    assert score(*arguments, "-o", "local.csv", "--quiet").status == 1

    run = [COMMAND, "score", *arguments, "-o", "ray.csv", "--engine", "ray", "--ray-address", cluster.address]
    with (tmp_path / "said").open("wb") as said:
        process = subprocess.Popen(run, cwd=tmp_path, env=environment(), stderr=said)
    state = tmp_path / ".ray.csv.hsegap" / "state.json"
    assert until(
        lambda: process.poll() is not None or (state.exists() and json.loads(state.read_text())["rows"] >= 12),
        within_s=300,
    )
    assert stop(process.pid), (tmp_path / "said").read_text()  # else all could be done before the node is lost
    rows_then = json.loads(state.read_text())["rows"]
    cluster.remove_node(cluster.worker_nodes.copy().pop(), allow_graceful=False)
    process.send_signal(signal.SIGCONT)
    assert process.wait(timeout=400) == 1, (tmp_path / "said").read_text()
    assert rows_then < GOOD
    assert (tmp_path / "ray.csv").read_bytes() == (tmp_path / "local.csv").read_bytes()
    assert "200 ok, 20 errors" in (tmp_path / "said").read_text()


def test_a_cluster_that_is_not_there_is_told(cifs: Path, score: Callable[..., Outcome]) -> None:
    outcome = score(cifs, "-o", "o.csv", "--engine", "ray", "--ray-address", "127.0.0.1:1")
    assert outcome.status == 1
    assert "Ray cluster 127.0.0.1:1" in outcome.stderr
    assert "Traceback" not in outcome.stderr


def test_without_ray_the_extra_is_named(artifact: Artifact, monkeypatch: pytest.MonkeyPatch) -> None:
    from hsegap.batch.pool import PoolOptions
    from hsegap.batch.ray_engine import RayEngine

    monkeypatch.setitem(sys.modules, "ray", None)
    with pytest.raises(ScoringError) as caught:
        RayEngine(artifact, PoolOptions())
    assert caught.value.code == "extra_missing"
    assert "hsegap[batch]" in caught.value.hint

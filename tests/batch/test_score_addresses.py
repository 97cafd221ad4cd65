"""Inputs and outputs in an object store: a local server that speaks S3, and fsspec's own memory."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

import pytest

from hsegap.batch import remote
from hsegap.batch.problems import ScoringError
from hsegap.batch.sources import InputOptions, Inputs
from support.needs import needed
from support.s3_server import Store

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

    from support.commands import Outcome

needed("fsspec")


@pytest.fixture
def store() -> Iterator[Store]:
    with Store() as server:
        yield server


@pytest.fixture
def access(store: Store) -> dict[str, str]:
    """What a client of the store finds in its environment."""
    return {
        "AWS_ENDPOINT_URL": store.url, "AWS_ACCESS_KEY_ID": "key", "AWS_SECRET_ACCESS_KEY": "secret",
        "AWS_REGION": "us-east-1", "AWS_EC2_METADATA_DISABLED": "true", "NO_PROXY": "127.0.0.1",
    }  # fmt: skip


def fill(store: Store, crystals: dict[str, str]) -> None:
    store.objects |= {f"bucket/cifs/{name}.cif": text.encode() for name, text in crystals.items()}
    store.objects["bucket/cifs/README.txt"] = b"not a structure"
    store.objects["bucket/cifs/broken.cif"] = b"nothing"


def test_from_a_store_into_a_store(
    store: Store, access: dict[str, str], crystals: dict[str, str], tmp_path: Path, score: Callable[..., Outcome]
) -> None:
    fill(store, crystals)
    outcome = score("s3://bucket/cifs", "-o", "s3://bucket/out/gaps.csv", env=access)
    assert outcome.status == 1, outcome.stderr
    assert "1 objects that are no structures" in outcome.stderr
    lines = store.objects["bucket/out/gaps.csv"].decode().splitlines()
    assert len(lines) == 10
    assert not any("README" in line for line in lines)
    assert lines[1].startswith("s3://bucket/cifs/C.cif,0,ok,C,")
    assert json.loads(store.objects["bucket/out/gaps.csv.run.json"])["tally"]["ok"] == 8
    assert not list(tmp_path.glob(".*hsegap")), "nothing is left on this machine"
    # What is there is not replaced by accident, and a finished run is known as one.
    assert score("s3://bucket/cifs", "-o", "s3://bucket/out/gaps.csv", env=access).status == 1
    before = store.objects["bucket/out/gaps.csv"]
    outcome = score("s3://bucket/cifs", "-o", "s3://bucket/out/gaps.csv", "--resume", env=access)
    assert outcome.status == 1, outcome.stderr
    assert store.objects["bucket/out/gaps.csv"] == before


def test_parquet_and_tables_and_the_cluster(
    store: Store, access: dict[str, str], crystals: dict[str, str], tmp_path: Path, score: Callable[..., Outcome]
) -> None:
    parquet = needed("pyarrow.parquet")
    import pyarrow as pa

    needed("ray")
    fill(store, crystals)
    arguments = ("s3://bucket/cifs/*.cif", "--batch-size", 3)
    assert score(*arguments, "-o", tmp_path / "local.csv", "--quiet", env=access).status == 1
    outcome = score(*arguments, "-o", "s3://bucket/out/gaps.parquet", "--engine", "ray", "--workers", 2, env=access)
    assert outcome.status == 1, outcome.stderr
    table = parquet.read_table(pa.BufferReader(store.objects["bucket/out/gaps.parquet"])).to_pylist()
    local = (tmp_path / "local.csv").read_text().splitlines()[1:]
    assert [row["id"] for row in table] == [line.split(",")[0] for line in local]
    assert [row["gap_ev"] for row in table if row["status"] == "ok"] == [
        float(line.split(",")[5]) for line in local if ",ok," in line
    ]


def test_an_object_that_changed_is_noticed(
    store: Store, access: dict[str, str], crystals: dict[str, str], monkeypatch: pytest.MonkeyPatch
) -> None:
    from hsegap.batch.batches import chain

    for name, value in access.items():
        monkeypatch.setenv(name, value)
    fill(store, crystals)

    def items(*, fetch: bool) -> list[object]:
        return list(Inputs(InputOptions(names=("s3://bucket/cifs",), fetch=fetch), note=print))

    here, elsewhere = chain("", items(fetch=True)), chain("", items(fetch=False))
    assert here == elsewhere, "whoever fetches, it is the same input"
    store.objects["bucket/cifs/Si.cif"] += b"\n"
    assert chain("", items(fetch=False)) != here


def test_tables_and_archives_in_fsspecs_memory(crystals: dict[str, str]) -> None:
    import fsspec

    system = fsspec.filesystem("memory")
    line = json.dumps({"id": "x", "cif": crystals["Si"]})
    system.pipe("/t/rows.jsonl", f"{line}\n".encode())
    items = list(
        Inputs(InputOptions(names=("memory://t/rows.jsonl", "memory://t/none.zip", "memory://t/none/")), note=print)
    )
    assert [item.id for item in items] == ["x", "memory://t/none.zip", "memory://t/none/"]
    assert [item.problem is None for item in items] == [True, False, False]


def test_an_address_of_no_known_kind(cifs: Path, score: Callable[..., Outcome]) -> None:
    outcome = score(cifs, "-o", "nowhere://bucket/o.csv")
    assert outcome.status == 1
    assert "nowhere" in outcome.stderr
    assert "Traceback" not in outcome.stderr


def test_a_store_that_does_not_answer(cifs: Path, access: dict[str, str], score: Callable[..., Outcome]) -> None:
    outcome = score(cifs, "-o", "s3://bucket/o.csv", env={**access, "AWS_ENDPOINT_URL": "http://127.0.0.1:9"})
    assert outcome.status == 1
    assert "s3://bucket/o.csv" in outcome.stderr
    assert "Traceback" not in outcome.stderr


def test_file_addresses_are_paths(cifs: Path, tmp_path: Path) -> None:
    assert not remote.is_address(f"file://{cifs}")
    assert remote.local_name(f"file://{cifs}/a%20b.cif") == f"{cifs}/a b.cif"
    items = list(Inputs(InputOptions(names=(f"file://{cifs}",)), note=print))
    assert len(items) == 8


def test_without_fsspec_the_extra_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(__import__("sys").modules, "fsspec", None)
    with pytest.raises(ScoringError) as caught:
        remote.exists("s3://bucket/key")
    assert "hsegap[batch]" in caught.value.hint

"""Archives by strangers: read in memory, bounded, and each trick ends in a clear message."""

from __future__ import annotations

import gzip
import io
import os
import struct
import tarfile
import tracemalloc
import zipfile
from typing import TYPE_CHECKING

import pytest

from hsegap.batch import archives
from hsegap.batch.sources import STRUCTURE_NAME, InputOptions, Inputs, count_inputs
from hsegap.batch.streams import MAX_BYTES

if TYPE_CHECKING:
    from pathlib import Path

    from hsegap.batch.batches import Item


def read(path: Path, notes: list[str] | None = None) -> list[Item]:
    return list(Inputs(InputOptions(names=(str(path),)), note=(notes if notes is not None else []).append))


def problems(items: list[Item]) -> dict[str, str]:
    return {
        item.id.rpartition("!")[2]: f"{item.problem.code}: {item.problem.message}" for item in items if item.problem
    }


def pack_zip(path: Path, members: dict[str, str | bytes]) -> Path:
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, content in members.items():
            archive.writestr(name, content)
    return path


def pack_tar(path: Path, members: dict[str, bytes], *, mode: str = "w:gz", links: dict[str, str] | None = None) -> Path:
    with tarfile.open(path, mode) as archive:
        for name, content in members.items():
            info = tarfile.TarInfo(name)
            info.size = len(content)
            archive.addfile(info, io.BytesIO(content))
        for name, target in (links or {}).items():
            info = tarfile.TarInfo(name)
            info.type, info.linkname = tarfile.SYMTYPE, target
            archive.addfile(info)
    return path


@pytest.mark.parametrize("suffix", ["zip", "tar", "tar.gz", "tgz", "tar.bz2", "tar.xz"])
def test_structures_of_an_archive_come_in_its_order(tmp_path: Path, crystals: dict[str, str], suffix: str) -> None:
    members = {
        "sub/ZnO.cif": crystals["ZnO"],
        "README.txt": "hello",
        "Si.cif": crystals["Si"],
        "__MACOSX/._Si.cif": "shadow",
    }
    path = tmp_path / f"a.{suffix}"
    if suffix == "zip":
        pack_zip(path, members)
        assert count_inputs([str(path)]) == 2
    else:
        kind = {"tar": "w", "tgz": "w:gz"}.get(suffix, f"w:{suffix.rpartition('.')[2]}")
        pack_tar(path, {name: text.encode() for name, text in members.items()}, mode=kind)
        assert count_inputs([str(path)]) is None
    notes: list[str] = []
    items = read(path, notes)
    assert [item.id for item in items] == [f"{path}!sub/ZnO.cif", f"{path}!Si.cif"]
    assert [item.structure for item in items] == [crystals["ZnO"], crystals["Si"]]
    assert notes == [f"{path}: 2 members that are no structures by their names were passed over"]


@pytest.mark.parametrize("name", ["../out.cif", "/etc/out.cif", "a/../../out.cif", "..\\out.cif", "C:\\out.cif"])
@pytest.mark.parametrize("kind", ["zip", "tar"])
def test_a_member_that_points_out_of_its_archive_is_refused(
    tmp_path: Path, crystals: dict[str, str], name: str, kind: str
) -> None:
    inner = tmp_path / "inner"
    inner.mkdir()
    text = crystals["Si"]
    if kind == "zip":
        path = pack_zip(inner / "a.zip", {name: text, "good.cif": text})
    else:
        path = pack_tar(inner / "a.tar.gz", {name: text.encode(), "good.cif": text.encode()})
    items = read(path)
    assert [item.problem is None for item in items] == [False, True]
    assert items[0].problem.code == "unsafe_archive"
    assert "out of the archive" in items[0].problem.message
    assert sorted(entry.name for entry in tmp_path.rglob("*")) == [path.name, "inner"], "nothing was written"


def test_links_and_devices_are_not_followed(tmp_path: Path, crystals: dict[str, str]) -> None:
    path = pack_tar(
        tmp_path / "a.tar", {"Si.cif": crystals["Si"].encode()}, mode="w", links={"passwd.cif": "/etc/passwd"}
    )
    found = problems(read(path))
    assert "is a link" in found["passwd.cif"]
    info = zipfile.ZipInfo("passwd.cif")
    info.external_attr = 0o120777 << 16
    with zipfile.ZipFile(tmp_path / "a.zip", "w") as archive:
        archive.writestr(info, "/etc/passwd")
    assert "is a link" in problems(read(tmp_path / "a.zip"))["passwd.cif"]


def test_a_member_larger_than_any_structure_is_not_unpacked(tmp_path: Path, crystals: dict[str, str]) -> None:
    zeros = bytes(3 * MAX_BYTES)
    for path in (
        pack_zip(tmp_path / "a.zip", {"big.cif": zeros, "Si.cif": crystals["Si"]}),
        pack_tar(tmp_path / "a.tar.gz", {"big.cif": zeros, "Si.cif": crystals["Si"].encode()}),
    ):
        tracemalloc.start()
        items = read(path)
        peak = tracemalloc.get_traced_memory()[1]
        tracemalloc.stop()
        assert problems(items)["big.cif"].startswith("payload_too_large")
        assert items[1].structure == crystals["Si"]
        assert peak < 2 * MAX_BYTES


@pytest.mark.parametrize("kind", ["attributes", "long name", "map of a sparse file", "sparse file"])
def test_a_header_larger_than_any_is_not_read(tmp_path: Path, kind: str) -> None:
    def header(name: str, kind: bytes, size: int) -> bytes:
        info = tarfile.TarInfo(name)
        info.type, info.size = kind, size
        return info.tobuf(tarfile.USTAR_FORMAT)

    good, long = b"data_x\n".ljust(512), 100 * 2**20
    records = b"22 GNU.sparse.major=1\n22 GNU.sparse.minor=0\n24 GNU.sparse.name=a.cif\n"
    parts = {
        "attributes": [header("x", tarfile.XHDTYPE, long), bytes(long)],
        "long name": [header("x", tarfile.GNUTYPE_LONGNAME, long), bytes(long)],
        "map of a sparse file": [
            header("x", tarfile.XHDTYPE, len(records)), records.ljust(512, b"\0"),
            header("a.cif", tarfile.REGTYPE, long), b"100000000\n".ljust(512, b"1") + b"1\n" * ((long - 512) // 2),
        ],
        "sparse file": [header("a.cif", tarfile.GNUTYPE_SPARSE, 512), bytes(512)],
    }[kind]  # fmt: skip
    path = tmp_path / "a.tar.gz"
    with gzip.open(path, "wb", compresslevel=1) as stream:
        stream.writelines([header("good.cif", tarfile.REGTYPE, 512), good, *parts, bytes(1024)])
    del parts
    tracemalloc.start()
    first, second = read(path)
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert first.structure is not None
    assert second.problem is not None
    assert second.problem.code == "unreadable_input"
    assert ("header of" if kind in {"attributes", "long name"} else "sparse file") in second.problem.message
    assert peak < 10_000_000


def test_a_zip_whose_size_is_a_lie_is_not_believed(tmp_path: Path) -> None:
    path = pack_zip(tmp_path / "a.zip", {"big.cif": bytes(3 * MAX_BYTES)})
    raw = bytearray(path.read_bytes())
    # The size in the central directory, which is what a reader is told first.
    place = raw.index(b"PK\x01\x02") + 24
    assert struct.unpack_from("<I", raw, place)[0] == 3 * MAX_BYTES
    struct.pack_into("<I", raw, place, 100)
    path.write_bytes(raw)
    (item,) = read(path)
    assert item.problem is not None
    assert item.structure is None


@pytest.mark.parametrize("kind", ["zip", "tar"])
def test_an_archive_that_grows_beyond_measure_is_left(
    tmp_path: Path, kind: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(archives, "FREE_BYTES", 10_000_000)
    monkeypatch.setattr(archives, "MAX_RATIO", 10)
    members = {f"{number}.cif": bytes(2_000_000) for number in range(20)}
    path = pack_zip(tmp_path / "a.zip", members) if kind == "zip" else pack_tar(tmp_path / "a.tar.gz", members)
    items = read(path)
    assert len(items) < 10
    assert items[-1].id == str(path)
    assert items[-1].problem.code == "unsafe_archive"
    assert "grows to more than" in items[-1].problem.message


@pytest.mark.parametrize("kind", ["zip", "tar.gz", "tar"])
def test_what_came_before_the_damage_is_kept(tmp_path: Path, crystals: dict[str, str], kind: str) -> None:
    noise = {f"{number}.cif": os.urandom(60_000) for number in range(5)}
    members = {"Si.cif": crystals["Si"].encode(), **noise}
    path = tmp_path / f"a.{kind}"
    pack_zip(path, members) if kind == "zip" else pack_tar(path, members, mode="w:gz" if kind == "tar.gz" else "w")
    path.write_bytes(path.read_bytes()[:150_000])
    items = read(path)
    assert items[-1].problem is not None
    if kind == "zip":  # its list of members stands at the end
        assert "cannot be read" in items[-1].problem.message
    else:
        assert items[0].structure == crystals["Si"]
        assert len(items) < 6


def test_a_damaged_member_costs_only_itself(tmp_path: Path, crystals: dict[str, str]) -> None:
    path = tmp_path / "a.zip"
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr("bad.cif", "data_bad " * 100)
        archive.writestr("Si.cif", crystals["Si"])
    raw = path.read_bytes().replace(b"data_bad data_bad", b"data_BAD data_bad", 1)
    path.write_bytes(raw)
    items = read(path)
    assert "CRC" in items[0].problem.message
    assert items[1].structure == crystals["Si"]


def test_what_is_no_archive_in_spite_of_its_name_is_told(tmp_path: Path) -> None:
    for name in ("a.zip", "b.tar", "c.tar.gz"):
        (tmp_path / name).write_text("not packed at all")
        (item,) = read(tmp_path / name)
        assert item.problem.code == "unreadable_input"
        assert name in item.problem.message


def test_the_members_of_a_long_tar_are_forgotten(tmp_path: Path) -> None:
    path = tmp_path / "a.tar"
    with tarfile.open(path, "w") as archive:
        for number in range(6000):
            info = tarfile.TarInfo(f"{number}.cif")
            info.size = 1
            archive.addfile(info, io.BytesIO(b"x"))

    def peak(limit: int) -> int:
        tracemalloc.start()
        assert sum(1 for _ in Inputs(InputOptions(names=(str(path),), limit=limit), note=print)) == limit
        peak = tracemalloc.get_traced_memory()[1]
        tracemalloc.stop()
        return peak

    # A buffer of another thread or one not collected yet may count once; members that are kept count each time.
    assert any(peak(6000) < 1.5 * peak(500) + 200_000 for _ in range(3))


def test_the_names_taken_for_structures() -> None:
    wanted = (
        "a.cif",
        "POSCAR",
        "CONTCAR.relaxed",
        "x.vasp",
        "a.CIF.gz",
        "mp-1_POSCAR",
        "b.extxyz",
        "c.json",
        "run.json",
        "a.run.cif",
    )
    others = ("a.txt", "README.md", "INCAR", "a.cif.bak", "png.png", "cif", "gaps.csv.run.json")
    assert all(STRUCTURE_NAME.search(name) for name in wanted)
    assert not any(STRUCTURE_NAME.search(name) for name in others)

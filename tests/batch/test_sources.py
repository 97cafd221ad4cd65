"""What is named on the command line becomes the same stream of crystals on every run."""

from __future__ import annotations

import io
import os
import resource
import sys
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from hsegap.batch.lookup import IN_MEMORY, SeenIds, sorted_names
from hsegap.batch.problems import ScoringError
from hsegap.batch.sources import InputOptions, Inputs, count_inputs

if TYPE_CHECKING:
    from hsegap.batch.batches import Item


def read(*names: object, notes: list[str] | None = None, **options: object) -> list[Item]:
    return list(
        Inputs(InputOptions(names=tuple(map(str, names)), **options), note=(notes if notes is not None else []).append)
    )


def ids(items: list[Item]) -> list[str]:
    return [item.id for item in items]


def test_a_folder_gives_its_structures_by_name_whatever_order_the_disk_has(tmp_path: Path) -> None:
    for name in (
        "z.cif",
        "a/POSCAR",
        "a/b/x.vasp",
        "B.xyz",
        "m.cif.gz",
        "README.md",
        ".hidden.cif",
        "a/OUTCAR",
        "10.json",
        "9.json",
    ):
        path = tmp_path / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text("x")
    notes: list[str] = []
    found = ids(read(tmp_path, notes=notes))
    assert [name.removeprefix(f"{tmp_path}/") for name in found] == [
        "10.json",
        "9.json",
        "B.xyz",
        "a/POSCAR",
        "a/b/x.vasp",
        "m.cif.gz",
        "z.cif",
    ]
    assert len(notes) == 2
    assert "README.md" in notes[1]
    assert "OUTCAR" in notes[0]
    assert count_inputs([str(tmp_path)]) == len(found)


def test_inputs_come_in_the_order_given_and_patterns_are_expanded(cifs: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(cifs.parent)
    assert ids(read("cifs/ZnO.cif", "cifs/[CG]*.cif", "cifs/**/M?O.cif")) == [
        "cifs/ZnO.cif", "cifs/C.cif", "cifs/CaF2.cif", "cifs/GaAs.cif", "cifs/Ge.cif", "cifs/MgO.cif",
    ]  # fmt: skip


def test_a_list_of_paths_on_standard_input(cifs: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    stream = io.TextIOWrapper(io.BytesIO(f"{cifs}/GaAs.cif\n\n{cifs}/nothing.cif\r\n".encode()))
    monkeypatch.setattr(sys, "stdin", stream)
    items = read("-")
    assert ids(items) == [f"{cifs}/GaAs.cif", f"{cifs}/nothing.cif"]
    assert items[0].structure
    assert items[1].problem.code == "unreadable_input"
    assert "no file" in items[1].problem.message


def test_what_is_not_there_costs_its_row_unless_nothing_is_there(cifs: Path) -> None:
    items = read(cifs / "GaAs.cif", cifs / "gone.cif", f"{cifs}/*.vasp")
    assert [item.problem is None for item in items] == [True, False, False]
    with pytest.raises(ScoringError) as caught:
        read(cifs / "gone.cif", cifs / "neither")
    assert caught.value.code == "no_inputs"
    assert "gone.cif" in caught.value.message


def test_a_folder_that_leads_back_to_itself_is_told_and_not_followed(cifs: Path) -> None:
    (cifs / "loop").symlink_to(cifs)
    (cifs / "self.cif").symlink_to("self.cif")
    notes: list[str] = []
    items = read(cifs, notes=notes)
    assert len(items) == 9
    assert any("leads back" in note for note in notes)
    broken = next(item for item in items if item.id.endswith("self.cif"))
    assert "symbolic links" in broken.problem.message


def test_a_folder_reached_by_a_link_is_read(cifs: Path, tmp_path: Path) -> None:
    outer = tmp_path / "outer"
    outer.mkdir()
    (outer / "linked").symlink_to(cifs)
    assert len(read(outer)) == 8


def test_a_folder_that_cannot_be_listed_is_a_row_with_an_error(cifs: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    # Refused here because CI runs as root, who may read every folder.
    (cifs / "locked").mkdir()
    real = os.scandir

    def scandir(path: Path) -> object:
        if str(path).endswith("locked"):
            raise PermissionError(13, "Permission denied")
        return real(path)

    monkeypatch.setattr(os, "scandir", scandir)
    items = read(cifs)
    (broken,) = [item for item in items if item.problem]
    assert broken.problem.code == "unreadable_input"
    assert "locked" in broken.problem.message
    assert "Permission denied" in broken.problem.message
    assert len(items) == 9, "the others are read all the same"


def test_a_pipe_does_not_keep_a_run_waiting(cifs: Path) -> None:
    os.mkfifo(cifs / "pipe.cif")
    broken = next(item for item in read(cifs) if item.id.endswith("pipe.cif"))
    assert "pipe" in broken.problem.message


def test_names_that_are_not_utf8_are_shown_and_sorted(tmp_path: Path) -> None:
    for name in (b"b\xff.cif", b"a.cif"):
        Path(os.fsdecode(os.fsencode(tmp_path) + b"/" + name)).write_text("x")
    found = ids(read(tmp_path))
    assert found == [f"{tmp_path}/a.cif", f"{tmp_path}/b\\xff.cif"]
    "".join(found).encode()


def test_an_identifier_that_comes_twice_is_told_apart(cifs: Path) -> None:
    inputs = Inputs(
        InputOptions(names=(f"{cifs}/Si.cif", f"{cifs}/Si.cif", f"{cifs}/Si.cif", f"{cifs}/Ge.cif")), note=print
    )
    items = list(inputs)
    assert ids(items) == [f"{cifs}/Si.cif", f"{cifs}/Si.cif#2", f"{cifs}/Si.cif#3", f"{cifs}/Ge.cif"]
    assert [len(item.notices) for item in items] == [0, 1, 1, 0]
    assert items[1].notices[0][0] == "duplicate_id"
    assert inputs.duplicates == 2


def test_a_made_up_identifier_does_not_collide_with_a_real_one() -> None:
    seen = SeenIds()
    assert [seen.unique(name) for name in ("x", "x#2", "x", "x", "x#2")] == ["x", "x#2", "x#3", "x#4", "x#2#2"]


def test_many_names_are_sorted_on_disk_as_few_are_in_memory() -> None:
    names = [f"n{(7919 * number) % (2 * IN_MEMORY)}" for number in range(2 * IN_MEMORY)]
    assert list(sorted_names(iter(names))) == sorted(names)


def test_a_full_temporary_folder_is_told(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """The kernel's limit on file sizes stands for the disk."""
    monkeypatch.setenv("SQLITE_TMPDIR", str(tmp_path))
    seen, long = SeenIds(), "x" * 200
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (100_000, hard))
    try:
        for remember in (lambda names: [seen.unique(name) for name in names], lambda names: list(sorted_names(names))):
            with pytest.raises(ScoringError) as caught:
                remember(f"{number}{long}" for number in range(60_000))
            assert caught.value.code == "disk_full"
            assert "TMPDIR" in caught.value.hint
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))


@pytest.mark.parametrize(
    ("name", "content"),
    [
        ("d.csv", "id,file,description\nmp-1,GaAs.cif,about GaAs\n,MgO.cif,about MgO\n,Unused.cif,nobody\nx,Si.cif,\n"),
        (
            "d.jsonl",
            (
                '{"id": "GaAs.cif", "description": "about GaAs"}\n{"file": "MgO", "text": "about MgO"}\n'
                '{"id": "q", "text": "nobody"}\n'
            ),
        ),
        ("d.json", '{"GaAs": "about GaAs", "MgO.cif": "about MgO", "q": "nobody"}'),
    ],
)
def test_descriptions_find_their_inputs_by_name(cifs: Path, tmp_path: Path, name: str, content: str) -> None:
    (tmp_path / name).write_text(content)
    notes: list[str] = []
    items = {Path(item.id).stem: item.description for item in read(cifs, descriptions=tmp_path / name, notes=notes)}
    assert items["GaAs"] == "about GaAs"
    assert items["MgO"] == "about MgO"
    assert items["Si"] is None
    assert notes == ["1 of 3 descriptions belong to no input"]


@pytest.mark.parametrize("content", ["", "a,b\n1,2\n", "id,description\nx,\n"])
def test_descriptions_without_any_are_refused(cifs: Path, tmp_path: Path, content: str) -> None:
    (tmp_path / "d.csv").write_text(content)
    with pytest.raises(ScoringError) as caught:
        read(cifs, descriptions=tmp_path / "d.csv")
    assert caught.value.code == "descriptions"


def test_limit_ends_the_stream(cifs: Path) -> None:
    assert len(read(cifs, limit=3)) == 3
    assert count_inputs([str(cifs)], limit=3) == 3

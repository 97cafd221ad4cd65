"""`hsegap read`: what was understood of a file, for people, for scripts and as a clean CIF."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from hsegap.structures import read

if TYPE_CHECKING:
    from collections.abc import Callable

    from support.commands import Outcome

ROOT = Path(__file__).resolve().parents[2]
GAN = ROOT / "examples" / "GaN.cif"
BROKEN = "data_x\n_cell_length_a 5\n"


def test_a_table_for_a_reader(cli: Callable[..., Outcome]) -> None:
    outcome = cli("read", GAN)
    assert outcome.status == 0
    for words in (
        "GaN, 4 atoms",
        "P6_3mc (186)",
        "3.1900, 3.1900, 5.1890 Å",
        "90.00, 90.00, 120.00°",
        "6.081 g/cm³",
        "Ga 0",
    ):
        assert words in outcome.stdout


def test_json_for_a_script(cli: Callable[..., Outcome], tmp_path: Path) -> None:
    (tmp_path / "broken.cif").write_text(BROKEN)
    outcome = cli("read", GAN, tmp_path / "broken.cif", tmp_path / "absent.cif", "--json")
    assert outcome.status == 1
    good, broken, absent = outcome.json
    assert (good["formula"], good["n_atoms"], good["space_group"]) == ("GaN", 4, {"symbol": "P6_3mc", "number": 186})
    assert good["lattice"]["gamma"] == 120
    assert [atom["element"] for atom in good["atoms"]] == ["Ga", "Ga", "N", "N"]
    assert broken["error"]["code"] == absent["error"]["code"] == "unreadable_structure"
    assert "no atoms" in broken["error"]["message"]


def test_the_cif_it_writes_is_the_crystal(cli: Callable[..., Outcome], tmp_path: Path) -> None:
    crystal = read(GAN)
    written = cli("read", GAN, "--cif", tmp_path / "out.cif")
    assert written.status == 0
    piped = cli("read", GAN, "--cif", "-")
    assert piped.stdout == (tmp_path / "out.cif").read_text()
    again = read(piped.stdout)
    assert again.symbols == crystal.symbols
    assert again.warnings == ()
    np.testing.assert_allclose(again.frac_coords, crystal.frac_coords, atol=1e-11)
    np.testing.assert_allclose(again.lattice, crystal.lattice, atol=1e-8)


def test_several_files_go_into_a_folder(cli: Callable[..., Outcome], tmp_path: Path) -> None:
    (tmp_path / "other").mkdir()
    twin = tmp_path / "other" / "GaN.cif"
    twin.write_text(GAN.read_text())
    outcome = cli("read", GAN, twin, "--cif", tmp_path / "clean")
    assert outcome.status == 0
    assert sorted(path.name for path in (tmp_path / "clean").iterdir()) == ["GaN-2.cif", "GaN.cif"]


def test_the_file_that_was_read_is_never_overwritten(cli: Callable[..., Outcome], tmp_path: Path) -> None:
    own = tmp_path / "GaN.cif"
    own.write_text(GAN.read_text())
    outcome = cli("read", own, "--cif", own)
    assert outcome.status == 1
    assert "is the file that was read" in outcome.stdout
    assert own.read_text() == GAN.read_text()


def test_what_cannot_be_meant(cli: Callable[..., Outcome], tmp_path: Path) -> None:
    for arguments in (
        ["read", GAN, GAN, "--cif", "-"],
        ["read", GAN, "--cif", "-", "--json"],
        ["read", GAN, GAN, "--cif", GAN],
    ):
        assert cli(*arguments).status == 2


def test_standard_input(cli: Callable[..., Outcome]) -> None:
    outcome = cli("read", "-", "--json", stdin=GAN.read_bytes())
    assert outcome.json[0]["formula"] == "GaN"

"""Where two other readers of CIF find the same crystal, we find no other one."""

from __future__ import annotations

import sysconfig
from pathlib import Path

import gemmi
import pytest

from hsegap.structures import StructureError, read
from support.cell_settings import cif_of, sites_of, ways_to_say
from support.other_readers import agreed, by_others, content_of, files_in

ROOT = Path(__file__).resolve().parents[2]
SHARED_CASES = ROOT.parent / "shared" / "cases" / "reading"
#: Cases that two others read alike and wrong, with the reason.
WRONG_ELSEWHERE = {
    "A14": "ase and pymatgen look no Hall symbol up and take the two sites for the whole cell",
    "B01": "they take the setting from the number 14, P 21/c, and not from the symbol P 21/n: O atoms 1.40 Å apart",
    "B03": "they take the first origin, although the symbol says Z, the second",
    "B04": "they take the first origin without a word: Ti and O 0.80 Å apart",
    "C04": "they take three operations that form no group as they stand",
    "D04": "gemmi and pymatgen take HO1 for holmium, although the formula has none",
}


def differs(text: str) -> str | None:
    """What two others agree upon, where we answer something else."""
    try:
        crystal = read(text)
    except StructureError:
        return None
    ours = content_of(crystal.symbols, crystal.frac_coords, crystal.lattice)
    for one, other, theirs in agreed(by_others(text)):
        if not ours.is_like(theirs):
            return f"{one} and {other} found {theirs}, we {ours}"
    return None


def is_compared(text: str) -> bool:
    """Whether two others agree upon a file that we read: where we refuse it, `differs` has nothing to say."""
    read(text)
    return bool(agreed(by_others(text)))


@pytest.mark.parametrize(
    "path",
    sorted([*(ROOT / "examples").glob("*.cif"), *(ROOT / "tests" / "odd").glob("*.cif")]),
    ids=lambda path: path.stem,
)
def test_our_own_files(path):
    text = path.read_text()
    assert differs(text) is None
    assert is_compared(text)
    assert len(by_others(text)) == 3, "the others have something to say"


@pytest.mark.shared_data
def test_the_cases_that_were_misread():
    if not SHARED_CASES.exists():
        pytest.skip("needs ../shared/cases/reading, which is not beside this repository")
    found = {path.name[:3] for path in SHARED_CASES.glob("*.cif") if differs(path.read_text())}
    assert found == WRONG_ELSEWHERE.keys()


def test_the_files_of_installed_packages():
    paths = [
        path
        for path in files_in([Path(sysconfig.get_path("purelib"))])
        if path.suffix == ".cif" and path.stat().st_size < 200_000
    ]
    assert len(paths) >= 5
    found = {path.name: differs(path.read_text(errors="replace")) for path in paths}
    assert not {name: why for name, why in found.items() if why}


@pytest.mark.shared_data
def test_real_crystals(val_rows):
    assert not [row["id"] for row in val_rows[:40] if differs(row["cif"])]
    assert sum(is_compared(row["cif"]) for row in val_rows[:40]) > 30


@pytest.mark.parametrize("way", ["symbol with suffix", "operations"])
def test_settings_of_the_table(way):
    """Every fortieth here; all of them are held against the direct expansion elsewhere."""
    compared = 0
    for setting in list(gemmi.spacegroup_table())[::40]:
        text = cif_of(setting, sites_of(setting), ways_to_say(setting)[way])
        assert differs(text) is None, setting.xhm()
        compared += is_compared(text)
    assert compared >= 8

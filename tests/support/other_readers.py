"""Structure files as pymatgen, ASE and gemmi read them beside us.

    python tests/support/other_readers.py                   # the structure files that come with installed packages
    python tests/support/other_readers.py FOLDER … [--list]  # those of folders

Closing figures: files answered, refused by code, and disagreements: files for which two of the others have the same
atoms and we answer other ones. ``--list`` names the refused files with their messages.
"""

from __future__ import annotations

import argparse
import io
import signal
import sysconfig
import warnings
from collections import Counter
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

PATTERNS = (
    "*.cif",
    "*.mcif",
    "*.vasp",
    "*.poscar",
    "POSCAR*",
    "CONTCAR*",
    "*.xsf",
    "*.extxyz",
    "*.res",
    "*.cell",
    "*.pdb",
)
#: Larger files are reflection data, and keep the others busy for minutes.
LARGEST = 500_000
SECONDS = 60


class Content(NamedTuple):
    """What a reader finds in a cell.

    Attributes:
        atoms: By element.
        shortest: Shortest distance between two atoms, Å; 9 if there is none below.
        volume: Of the cell, Å³.
    """

    atoms: dict[str, int]
    shortest: float
    volume: float

    def is_like(self, other: Content) -> bool:
        """Whether two readers found the same."""
        return (
            self.atoms == other.atoms
            and abs(self.shortest - other.shortest) < 0.05
            and abs(self.volume - other.volume) < 2e-3 * self.volume
        )


def content_of(symbols: list[str], frac_coords: Any, lattice: Any) -> Content:
    """Count and measure."""
    from ase import Atoms
    from ase.neighborlist import neighbor_list

    plain = ["H" if symbol in {"D", "T"} else symbol for symbol in symbols]
    atoms = Atoms(plain, scaled_positions=np.asarray(frac_coords), cell=np.asarray(lattice), pbc=True)
    distances = neighbor_list("d", atoms, 4.0)
    return Content(dict(Counter(plain)), float(distances.min(initial=9.0)), float(atoms.get_volume()))


def by_pymatgen(text: str) -> Content:
    from pymatgen.io.cif import CifParser

    structure = CifParser.from_str(text, occupancy_tolerance=1.01).parse_structures(primitive=False)[0]
    if not structure.is_ordered:
        raise ValueError("disordered")
    return content_of([site.specie.symbol for site in structure], structure.frac_coords, structure.lattice.matrix)


def by_ase(text: str) -> Content:
    from ase.io import read

    atoms = read(io.StringIO(text), format="cif", index=0, fractional_occupancies=True)
    occupied = atoms.info.get("occupancy", {})
    if any(len(kinds) > 1 or abs(next(iter(kinds.values())) - 1) > 0.01 for kinds in occupied.values()):
        raise ValueError("disordered")
    return content_of(atoms.get_chemical_symbols(), atoms.get_scaled_positions(), atoms.cell[:])


def by_gemmi(text: str) -> Content:
    import gemmi

    block = next(block for block in gemmi.cif.read_string(text) if block.find_values("_atom_site_fract_x"))
    small = gemmi.make_small_structure_from_block(block)
    if small.spacegroup is None or any(abs(site.occ - 1) > 0.01 for site in small.sites):
        raise ValueError("no space group, or disordered")
    small.setup_cell_images()
    sites = small.get_all_unit_cell_sites()
    lattice = np.array(small.cell.orth.mat.tolist()).T
    return content_of([site.element.name for site in sites], [site.fract.tolist() for site in sites], lattice)


READERS: dict[str, Callable[[str], Content]] = {"pymatgen": by_pymatgen, "ase": by_ase, "gemmi": by_gemmi}


def by_others(text: str) -> dict[str, Content]:
    """What each of the other readers finds, where it finds something."""
    found = {}
    for name, reader in READERS.items():
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            try:
                found[name] = reader(text)
            except Exception:
                continue
    return found


def agreed(found: dict[str, Content]) -> list[tuple[str, str, Content]]:
    """Pairs of readers that found the same."""
    names = sorted(found)
    return [
        (one, other, found[one])
        for index, one in enumerate(names)
        for other in names[index + 1 :]
        if found[one].is_like(found[other]) and found[one].shortest > 0.5
    ]


def files_in(folders: list[Path]) -> Iterator[Path]:
    for folder in folders:
        yield from sorted({path for pattern in PATTERNS for path in folder.rglob(pattern) if path.is_file()})


def compare(path: Path) -> tuple[str, str]:
    """What became of one file: ``answered``, a code or ``DISAGREEMENT``, and a message."""
    from hsegap.structures import StructureError, read

    try:
        crystal = read(path, max_atoms=5000)
    except StructureError as error:
        return error.code, error.message
    if path.suffix.lower() not in {".cif", ".mcif"} or path.stat().st_size > LARGEST:
        return "answered", ""
    ours = content_of(crystal.symbols, crystal.frac_coords, crystal.lattice)
    for one, other, theirs in agreed(by_others(path.read_text(errors="replace"))):
        if not ours.is_like(theirs):
            return (
                "DISAGREEMENT",
                f"{one} and {other} {theirs}, we {ours}; {[notice.code for notice in crystal.warnings]}",
            )
    return "answered", ",".join(notice.code for notice in crystal.warnings)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument(
        "folders", nargs="*", type=Path, default=[Path(sysconfig.get_path("purelib"))], metavar="FOLDER"
    )
    parser.add_argument("--list", action="store_true", help="name the refused files")
    chosen = parser.parse_args()
    signal.signal(signal.SIGALRM, lambda *_: (_ for _ in ()).throw(TimeoutError()))
    counts: Counter[str] = Counter()
    for path in files_in(chosen.folders):
        signal.alarm(SECONDS)
        try:
            outcome, message = compare(path)
        except TimeoutError:
            outcome, message = "too slow", ""
        finally:
            signal.alarm(0)
        counts[outcome] += 1
        if outcome == "DISAGREEMENT" or (chosen.list and outcome != "answered"):
            print(f"{outcome}: {path}: {message}", flush=True)
    print(f"{counts.total()} files: " + ", ".join(f"{count} {outcome}" for outcome, count in counts.most_common()))


if __name__ == "__main__":
    main()

"""How long a CIF takes to be read: P 1 and with symmetry operations, about 10, 50 and 200 atoms, beside other readers.

    python benchmarks/reading.py               # milliseconds, best of many rounds, over ../shared/data/hse
    python benchmarks/reading.py --rounds 50   # fewer rounds

The best of the rounds is printed and not their median: whatever else the machine does only ever adds to a time of some
0.1 ms. The files with symmetry are conventional cells written by pymatgen with the operations that it finds.
"""

from __future__ import annotations

import argparse
import gzip
import io
import json
import sys
import time
import warnings
from pathlib import Path
from typing import TYPE_CHECKING

ROOT = Path(__file__).resolve().parents[1]
sys.path[0] = str(ROOT)  # in place of this folder, whose modules would hide packages

from benchmarks.measuring import machine  # noqa: E402 - after the path

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

DATA = ROOT.parent / "shared" / "data" / "hse"
SIZES = (10, 50, 200)


def texts() -> Iterator[tuple[str, str]]:
    """Names and CIFs: P 1 cells, then conventional cells with symmetry."""
    from pymatgen.core import Structure
    from pymatgen.io.cif import CifWriter
    from pymatgen.symmetry.analyzer import SpacegroupAnalyzer

    with gzip.open(DATA / "test.jsonl.gz", "rt") as stream:
        rows = [json.loads(line) for line in stream]
    for size in SIZES:
        given = min(rows, key=lambda row: abs(row["n_sites"] - min(size, 50)))
        structure = Structure.from_str(given["cif"], fmt="cif")
        if size > 50:
            structure.make_supercell((2, 2, 1))
        yield f"P 1, {len(structure)} atoms", str(CifWriter(structure))
    symmetric = []
    for row in sorted(rows, key=lambda row: -row["n_sites"])[:60] + sorted(rows, key=lambda row: row["n_sites"])[:60]:
        found = SpacegroupAnalyzer(Structure.from_str(row["cif"], fmt="cif"), symprec=0.01)
        if len(found.get_symmetry_operations()) >= 8:
            symmetric.append(found.get_conventional_standard_structure())
    for size in SIZES:
        structure = min(symmetric, key=lambda one: abs(len(one) - size))
        text = str(CifWriter(structure, symprec=0.01))
        yield f"symmetry, {len(structure)} atoms, {text.count(', y') + text.count(',y')} operations or so", text


def readers() -> dict[str, Callable[[str], object]]:
    """Ours, and what it could have been."""
    import gemmi
    from ase.io import read as ase_read
    from pymatgen.core import Structure

    from hsegap.structures import read

    def bare_gemmi(text: str) -> object:
        small = gemmi.make_small_structure_from_block(gemmi.cif.read_string(text).sole_block())
        small.setup_cell_images()
        return small.get_all_unit_cell_sites()

    return {
        "hsegap": read,
        "gemmi alone": bare_gemmi,
        "pymatgen": lambda text: Structure.from_str(text, fmt="cif"),
        "ase": lambda text: ase_read(io.StringIO(text), format="cif"),
    }


def best_of(do: Callable[[str], object], text: str, rounds: int) -> float:
    """Shortest time, ms."""
    shortest = float("inf")
    for _ in range(rounds):
        started = time.perf_counter()
        do(text)
        shortest = min(shortest, time.perf_counter() - started)
    return 1e3 * shortest


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument(
        "--rounds", type=int, default=300, help="times that each file is read by hsegap; a tenth of it by slow readers"
    )
    chosen = parser.parse_args()
    print("\n".join(f"{name}: {value}" for name, value in machine().items()) + "\n", flush=True)
    warnings.simplefilter("ignore")
    contenders = readers()
    print(f"{'':52}" + "".join(f"{name:>14}" for name in contenders))
    for name, text in texts():
        times = [
            best_of(do, text, chosen.rounds if reader in {"hsegap", "gemmi alone"} else max(3, chosen.rounds // 10))
            for reader, do in contenders.items()
        ]
        print(f"{name:52}" + "".join(f"{value:>11.3f} ms" for value in times), flush=True)


if __name__ == "__main__":
    main()

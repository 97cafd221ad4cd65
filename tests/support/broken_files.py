"""Twenty kinds of files that are no crystals, as people have them."""

from __future__ import annotations

import gzip
import json
import os
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from pathlib import Path


def write_broken(folder: Path, good: str) -> set[str]:
    """Write one file of each kind; returns their names.

    Args:
        folder: Where to.
        good: Text of a good CIF, for those that begin as one.
    """
    lines = good.splitlines()
    atom = next(
        number
        for number, line in enumerate(lines)
        if line.split()[-1:] and line.split()[-1].replace(".", "").isdigit() and len(line.split()) > 5
    )
    jarvis = {
        "lattice_mat": [[4, 0, 0], [0, 4, 0], [0, 0, 4]],
        "coords": [[0, 0, 0], [0.5, 0.5, 0.5]],
        "elements": ["Na"],
        "cartesian": False,
    }
    texts: dict[str, str | bytes] = {
        "empty.cif": "",
        "blank.cif": " \n\n\t\n",
        "truncated.cif": good[: good.index("_atom_site_")],
        "prose.cif": "Dear colleague,\nplease find attached the structure.\n",
        "page.cif": "<!doctype html><html><body>404 Not Found</body></html>",
        "binary.cif": bytes(range(256)) * 40,
        "utf16.cif": good.encode("utf-16"),
        "damaged.cif.gz": gzip.compress(os.urandom(4000))[:-500],
        "no_cell.cif": "\n".join(line for line in lines if not line.startswith("_cell_")),
        "no_atoms.cif": "\n".join(lines[:atom]),
        "flat_cell.cif": "\n".join(
            "_cell_length_a 0.0" if line.startswith("_cell_length_a") else line for line in lines
        ),
        "impossible_angles.cif": "\n".join(
            "_cell_angle_alpha 179.9" if line.startswith("_cell_angle_alpha") else line for line in lines
        ),
        "unknown_element.cif": "\n".join(
            [*lines[:atom], lines[atom].replace(lines[atom].split()[0], "Xx", 1), *lines[atom + 1 :]]
        ),
        "disordered.cif": "\n".join([*lines[:atom], " ".join([*lines[atom].split()[:-1], "0.5"]), *lines[atom + 1 :]]),
        "overlapping.vasp": "two atoms in one place\n1.0\n4 0 0\n0 4 0\n0 0 4\nNa Cl\n1 1\nDirect\n0 0 0\n0.001 0 0\n",
        "short.POSCAR": "silicon\n1.0\n0 2.7 2.7\n2.7 0 2.7\n2.7 2.7 0\nSi\n2\nDirect\n0 0 0\n",
        "molecule.xyz": "3\nwater\nO 0 0 0\nH 0 0 1\nH 0 1 0\n",
        "broken.json": '{"lattice": ',
        "mismatch.json": json.dumps(jarvis),
    }  # fmt: skip
    for name, content in texts.items():
        (folder / name).write_bytes(content if isinstance(content, bytes) else content.encode())
    (folder / "dangling.cif").symlink_to("nowhere.cif")
    return {*texts, "dangling.cif"}

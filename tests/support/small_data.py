"""Textbook crystals as a data set in the CrysMMNet layout: small enough that a training run takes seconds."""

from __future__ import annotations

import csv
import json
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np

from hsegap.structures import Crystal

if TYPE_CHECKING:
    from pathlib import Path

FCC = np.array([[0.0, 0.5, 0.5], [0.5, 0.0, 0.5], [0.5, 0.5, 0.0]])
HALF, QUARTER = [0.5, 0.5, 0.5], [0.25, 0.25, 0.25]


class Sample(NamedTuple):
    id: str
    crystal: Crystal
    target: float
    description: str


def textbook(n: int = 24) -> list[Sample]:
    """Rock salt, zinc blende, caesium chloride and perovskite cells with made-up lattice constants and targets."""
    elements = [(11, 17, "NaCl"), (12, 8, "MgO"), (31, 33, "GaAs"), (30, 16, "ZnS"), (55, 53, "CsI"), (19, 9, "KF")]
    samples = []
    for index in range(n):
        a, b, formula = elements[index % len(elements)]
        size = 4.0 + 0.13 * index
        kind = index % 4
        if kind == 0:
            crystal, name = Crystal(size * FCC, np.array([[0.0] * 3, HALF]), np.array([a, b])), "Rock Salt"
        elif kind == 1:
            crystal, name = Crystal(size * FCC, np.array([[0.0] * 3, QUARTER]), np.array([a, b])), "Zincblende"
        elif kind == 2:
            crystal, name = (
                Crystal(0.7 * size * np.eye(3), np.array([[0.0] * 3, HALF]), np.array([a, b])),
                "Tetraauricupride",
            )
        else:
            coords = np.array([[0.0] * 3, HALF, [0.5, 0.5, 0.0], [0.5, 0.0, 0.5], [0.0, 0.5, 0.5]])
            crystal, name = Crystal(0.8 * size * np.eye(3), coords, np.array([a, 22, 8, 8, 8])), "(Cubic) Perovskite"
        text = f"{formula} is {name} structured, with a lattice constant of {size:.2f} Å."
        samples.append(Sample(f"sample-{index}", crystal, round(0.5 * kind + 0.1 * index, 3), text))
    return samples


def cif_text(crystal: Crystal) -> str:
    """P1, every atom written out."""
    from pymatgen.core import Lattice

    lattice = Lattice(crystal.lattice)
    lines = ["data_crystal"]
    for name, value in zip(("a", "b", "c"), lattice.abc, strict=True):
        lines.append(f"_cell_length_{name} {value:.10f}")
    for name, value in zip(("alpha", "beta", "gamma"), lattice.angles, strict=True):
        lines.append(f"_cell_angle_{name} {value:.10f}")
    lines += ["_symmetry_space_group_name_H-M 'P 1'", "loop_", " _symmetry_equiv_pos_as_xyz", " 'x, y, z'", "loop_"]
    lines += [f" _atom_site_{name}" for name in ("type_symbol", "label", "fract_x", "fract_y", "fract_z", "occupancy")]
    for index, (symbol, position) in enumerate(zip(crystal.symbols, crystal.frac_coords, strict=True)):
        lines.append(" ".join([symbol, f"{symbol}{index}", *(f"{x:.10f}" for x in position), "1"]))
    return "\n".join(lines) + "\n"


def write_jarvis(root: Path, *, property_folder: str = "gap", samples: list[Sample] | None = None) -> Path:
    """``ROOT/jarvis/PROPERTY/cif/ID.cif`` and ``description.csv``."""
    samples = textbook() if samples is None else samples
    folder = root / "jarvis" / property_folder
    write_cifs(folder / "cif", samples)
    with (folder / "description.csv").open("w", newline="", encoding="utf-8") as table:
        writer = csv.writer(table)
        writer.writerow(["id", "composition", "target", "description", "file"])
        writer.writerows([s.id, s.crystal.formula, s.target, s.description, f"{s.id}.cif"] for s in samples)
    return root


def write_cifs(folder: Path, samples: list[Sample]) -> None:
    folder.mkdir(parents=True, exist_ok=True)
    for sample in samples:
        (folder / f"{sample.id}.cif").write_text(cif_text(sample.crystal), encoding="utf-8")


def small_training(root: Path, out: Path) -> dict[str, Any]:
    """Options of a training on these crystals that takes a second."""
    return {
        "root_dir": str(root),
        "property": "gap",
        "cache_dir": str(root / "cache"),
        "output_dir": str(out),
        "epochs": 2,
        "batch_size": 8,
        "hidden_features": 12,
        "embedding_features": 8,
        "alignn_layers": 1,
        "gcn_layers": 1,
        "learning_rate": 0.01,
        "cross_modal_hidden_dim": 8,
        "n_train": 16,
        "n_val": 4,
        "n_test": 4,
    }


def history(folder: Path) -> list[dict[str, Any]]:
    """What a training noted after each epoch."""
    return json.loads((folder / "history.json").read_text())

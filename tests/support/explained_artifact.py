"""The tiny artifact that can be told facts, calibrated on made-up rows,
so that it explains its answers and names neighbours.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import pytest

from support.once import made_once

if TYPE_CHECKING:
    from pathlib import Path

    from hsegap.evaluation.rows import Row

_PAIRS = [("Na", "Cl"), ("K", "Br"), ("Mg", "O"), ("Ga", "As"), ("Zn", "S"), ("Li", "F"), ("Ca", "O"), ("In", "P")]


def rows_of(name: str, count: int) -> list[Row]:
    """Labelled crystals of two to four atoms, every third without a gap, all with a text and a PBE gap."""
    from hsegap.evaluation.rows import Row

    random = np.random.default_rng(len(name))
    rows = []
    for index in range(count):
        one, other = _PAIRS[index % len(_PAIRS)]
        a, c = random.uniform(3.6, 5.2, size=2)
        sites = [(one, "0 0 0"), (other, f"0.5 0.5 {random.uniform(0.4, 0.6):.4f}"), (other, "0 0.5 0.1")][
            : 2 + index % 2
        ]
        counts = (
            f"{len([site for site in sites if site[0] == one])} {len([site for site in sites if site[0] == other])}"
        )
        poscar = f"made up\n1.0\n{a:.4f} 0 0\n0 {a:.4f} 0\n0 0 {c + 1:.4f}\n{one} {other}\n{counts}\ndirect\n"
        poscar += "\n".join(place for _, place in sites) + "\n"
        gap = 0.0 if index % 3 == 0 else float(random.uniform(0.2, 6))
        text = f"{one}{other} is made up. Its cell is tetragonal, {index} of {count}."
        rows.append(
            Row(
                f"{name}-{index}",
                poscar,
                text,
                gap,
                round(0.7 * gap, 3),
                formula=f"{one}{other}",
                space_group=1 + index,
            )
        )
    return rows


@pytest.fixture(scope="session")
def explained_artifact(told_artifact: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Folder of a calibrated artifact with a reference of contributions and a table of 60 training crystals."""
    return made_once(tmp_path_factory, "explained", lambda place: _calibrate(told_artifact, place)) / "artifact"


def _calibrate(told_artifact: Path, place: Path) -> None:
    """Calibrate the tiny artifact on the made-up rows."""
    from hsegap.artifact import Artifact
    from hsegap.commands.calibrate import write
    from hsegap.evaluation.calibration import embedding_of, learn, observe
    from hsegap.evaluation.nearest_table import table_of
    from hsegap.prediction.predictor import Predictor

    validation, train = rows_of("validation", 150), rows_of("train", 60)
    with Predictor(Artifact.load(told_artifact)) as predictor:
        seen = observe(validation, predictor, with_text=True)
        training = observe(train, predictor, with_text=False)
        known = [
            item
            for with_text in (False, True)
            for item in observe(validation, predictor, with_text=with_text, with_facts=True)
        ]
        # The tiny encoder gives all texts nearly one vector, of which no spread can be learned.
        texts = np.random.default_rng(0).normal(size=(60, 16))
        learned = learn(seen, training, texts, [], coverage=0.9, known=known)
        table = table_of(train, predictor, embedding_of(learned), observed=training[:40])
    place.mkdir()
    write(told_artifact, learned, table, out=place / "artifact")

"""What a result can become: HTML, plain values, a pickle, a Structure, a frame; and the featuriser."""

from __future__ import annotations

import json
import pickle
import xml.etree.ElementTree as ET
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import pandas as pd
import pytest

import hsegap
from hsegap.python.picture import MOST_SITES, picture_svg
from hsegap.python.results import Result
from support.needs import needed

if TYPE_CHECKING:
    from hsegap.python.model import Model

EXAMPLES = Path(__file__).resolve().parents[2] / "examples"


@pytest.fixture(scope="session")
def gaas(model: Model) -> Result:
    return model.predict(EXAMPLES / "GaAs.cif", "<b>GaAs</b> is Zincblende structured.")


def test_it_says_itself_in_a_line(gaas: Result) -> None:
    assert str(gaas).startswith(f"GaAs: HSE06 gap {gaas.gap_ev:.2f} eV [")
    assert repr(gaas).startswith("<GaAs")
    assert "8 atoms" in repr(gaas)


def svgs(html: str) -> list[ET.Element]:
    return [
        ET.fromstring(part[: part.index("</svg>") + 6]) for part in ("<svg" + rest for rest in html.split("<svg")[1:])
    ]


def test_a_notebook_shows_gap_scale_picture_and_warnings(gaas: Result) -> None:
    html = gaas._repr_html_()
    assert f"{gaas.gap_ev:.2f} eV" in html
    assert f"{gaas.interval_ev[0]:.2f} – {gaas.interval_ev[1]:.2f} eV" in html
    assert "<b>GaAs</b> is" not in html, "words from outside are escaped"
    assert "&lt;b&gt;GaAs&lt;/b&gt; is" in html
    assert "<script" not in html
    assert gaas.warnings
    for warning in gaas.warnings:
        assert warning.code in html
    scale, picture = svgs(html)
    # The mark stands where the gap is, the words beside it where the materials are.
    mark = [element for element in scale if element.tag == "circle"]
    assert len(mark) == 1
    assert float(mark[0].get("cx")) == pytest.approx(440 * gaas.gap_ev / 10, abs=0.1)
    assert "Si" in {text for element in scale.iter("text") for text in element.itertext()}
    balls = [element for element in picture if element.tag == "circle"]
    assert len(balls) == 18, "4 + 4 atoms of a zinc blende cell, and 10 images on corners and faces"
    assert len(ET.tostring(picture)) < 20_000


def test_the_picture_is_the_crystal_seen_from_one_side() -> None:
    lattice = np.diag([3.0, 4.0, 5.0])
    [drawing] = svgs(picture_svg(["Si"], np.array([[0.5, 0.5, 0.5]]), lattice))
    [ball] = [element for element in drawing if element.tag == "circle"]
    edges = [element for element in drawing if element.tag == "line"]
    assert len(edges) == 12
    middle = np.mean([[float(edge.get(name)) for name in ("x1", "y1", "x2", "y2")] for edge in edges], axis=0)
    np.testing.assert_allclose([float(ball.get("cx")), float(ball.get("cy"))], (middle[:2] + middle[2:]) / 2, atol=0.2)
    assert picture_svg(["Si"] * (MOST_SITES + 1), np.zeros((MOST_SITES + 1, 3)), lattice) == ""


def test_plain_values_are_the_json_of_the_api(gaas: Result) -> None:
    values = gaas.to_dict()
    assert json.loads(json.dumps(values)) == values
    again = Result.model_validate(values)
    assert again.to_dict() == values
    assert again.gap_ev == gaas.gap_ev
    assert again._repr_html_().count("<svg") == 1, "no picture without the cell"
    with pytest.raises(hsegap.HsegapError, match="cell"):
        again.to_structure()


def test_it_pickles_whole(gaas: Result) -> None:
    again = pickle.loads(pickle.dumps(gaas))
    assert again == gaas
    assert again.to_structure() == gaas.to_structure()
    assert again._repr_html_() == gaas._repr_html_()


def test_a_structure_carries_the_maps(gaas: Result, model: Model) -> None:
    structure = gaas.to_structure()
    assert structure.composition.reduced_formula == "GaAs"
    [layer] = gaas.atoms[0].gate
    for name in ("gate", "importance", "text_share"):
        assert structure.site_properties[f"{name}_{layer}"] == [getattr(atom, name)[layer] for atom in gaas.atoms]
    assert structure.properties["gap_ev"] == gaas.gap_ev
    bare = model.predict(structure, gaas.description.text, atoms=False)
    assert bare.gap_raw_ev == gaas.gap_raw_ev, "and can be predicted again"
    assert not bare.to_structure().site_properties


def test_a_frame_of_atoms(gaas: Result, model: Model) -> None:
    frame = gaas.atoms_frame()
    assert frame.index.tolist() == list(range(8)), "numbered as everywhere"
    assert frame["element"].tolist() == [atom.element for atom in gaas.atoms]
    assert frame[["a", "b", "c"]].to_numpy().tolist() == [atom.frac_coords for atom in gaas.atoms]
    silent = model.predict(EXAMPLES / "GaAs.cif").atoms_frame()
    shares = [name for name in silent if name.startswith("text_share")]
    assert silent[shares].isna().all(axis=None)
    assert set(silent.dtypes[shares]) == {np.dtype("float64")}
    with pytest.raises(hsegap.HsegapError, match="atoms=True"):
        model.predict(EXAMPLES / "GaAs.cif", atoms=False).atoms_frame()


@pytest.mark.slow
def test_a_featuriser_for_matminer(model: Model) -> None:
    needed("matminer")
    from hsegap.python.featurizer import GapFeaturizer

    structures = [model.predict(EXAMPLES / f"{name}.cif").to_structure() for name in ("Si", "MgO")]
    frame = pd.DataFrame({"structure": [*structures, "gone.cif"]})
    made = GapFeaturizer(model).featurize_dataframe(
        frame, "structure", ignore_errors=True, return_errors=True, pbar=False
    )
    assert made["hse_gap_ev"][0] == model.predict(structures[0]).gap_ev
    assert (made["hse_gap_low_ev"][:2] <= made["hse_gap_ev"][:2]).all()
    assert made["hse_gap_ev"].isna().tolist() == [False, False, True]
    assert "unreadable_structure" in made["GapFeaturizer Exceptions"][2]
    with pytest.raises(hsegap.HsegapError):
        GapFeaturizer(model).featurize("gone.cif")

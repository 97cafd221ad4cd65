"""What each atom adds to the gap: sums, symmetry, supercells, order, what was told, and artifacts that cannot say."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest
import torch
from pymatgen.core import Lattice, Structure

from hsegap.artifact import Artifact
from hsegap.export.head import HeadLine, example_line, export_head
from hsegap.export.torchscript import load_torchscript
from hsegap.models.config import LATE_FUSION_TYPES
from hsegap.prediction.contributions import CLOSED_EV, HEAD_FILE, Head, Vectors, contributions
from hsegap.prediction.predictor import Predictor
from hsegap.prediction.schemas import Prediction, PredictRequest
from support.networks import TOLD, random_network
from support.service_samples import NACL

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

TEXT = "NaCl is Halite, Rock Salt structured and crystallizes in the cubic Fm-3m space group. It is colourless."
RUTILE = Structure.from_spacegroup(
    "P4_2/mnm", Lattice.tetragonal(4.594, 2.959), ["Ti", "O"], [[0, 0, 0], [0.305, 0.305, 0]]
)
CASES: list[dict[str, Any]] = [
    {},
    {"description": TEXT},
    {"known": {"pbe_gap_ev": 5.0}},
    {"description": TEXT, "known": {"pbe_gap_ev": 0.0}},
]


@pytest.fixture(scope="module")
def explaining(explained_artifact: Path) -> Iterator[Predictor]:
    """A predictor on a network that takes the PBE gap and says what each atom adds."""
    with Predictor(Artifact.load(explained_artifact)) as made:
        yield made


def answer(predictor: Predictor, structure: Structure | str = NACL, **request: object) -> Prediction:
    text = structure if isinstance(structure, str) else json.dumps(structure.as_dict())
    (result,) = predictor.predict([PredictRequest.model_validate({"structure": text} | request)])
    assert isinstance(result, Prediction), result
    return result


def column(prediction: Prediction, name: str = "contribution_ev") -> np.ndarray:
    return np.array([getattr(atom, name) for atom in prediction.atoms or ()], dtype=float)


@pytest.mark.parametrize("told", CASES)
@pytest.mark.parametrize("structure", [NACL, RUTILE])
def test_they_sum_to_the_raw_gap_minus_the_reference(explaining, structure, told):
    got = answer(explaining, structure, **told)
    assert column(got).sum() == pytest.approx(got.gap_raw_ev - got.reference_ev, abs=1e-5)
    assert np.ptp(column(got)) > 1e-3, "atoms of two elements add the same"
    assert got.absent == {}


def test_the_reference_does_not_depend_on_the_crystal_or_on_what_is_told(explaining):
    references = [answer(explaining, crystal, **told).reference_ev for crystal in (NACL, RUTILE) for told in CASES]
    assert np.ptp(references) < 1e-6


@pytest.mark.parametrize("told", CASES)
def test_effects_of_what_was_told_sum_to_the_change_of_the_answer(explaining, told):
    got, bare = answer(explaining, RUTILE, **told), answer(explaining, RUTILE)
    if not told:
        assert got.told_effect_ev is got.text_effect_ev is None
        assert {atom.told_effect_ev for atom in got.atoms} == {atom.text_effect_ev for atom in got.atoms} == {None}
        return
    assert got.told_effect_ev == pytest.approx(got.gap_raw_ev - bare.gap_raw_ev, abs=1e-5)
    assert column(got, "told_effect_ev").sum() == pytest.approx(got.told_effect_ev, abs=1e-5)
    np.testing.assert_allclose(column(got, "told_effect_ev"), column(got) - column(bare), atol=1e-5)
    without_text = answer(explaining, RUTILE, **{key: value for key, value in told.items() if key != "description"})
    if "description" in told:
        assert got.text_effect_ev == pytest.approx(got.gap_raw_ev - without_text.gap_raw_ev, abs=1e-5)
        np.testing.assert_allclose(column(got, "text_effect_ev"), column(got) - column(without_text), atol=1e-5)
    else:
        assert got.text_effect_ev is None


@pytest.mark.parametrize("told", CASES)
def test_equivalent_atoms_add_the_same_and_a_doubled_cell_halves_it(explaining, told):
    got = column(answer(explaining, RUTILE, **told))
    np.testing.assert_allclose(got[:2], got[0], atol=1e-5)
    np.testing.assert_allclose(got[2:], got[2], atol=1e-5)
    doubled = RUTILE.copy()
    doubled.make_supercell([1, 1, 2])
    twice = column(answer(explaining, doubled, **told))
    ti = np.array([site.specie.symbol == "Ti" for site in doubled])
    np.testing.assert_allclose(twice[ti], got[0] / 2, atol=2e-5)
    np.testing.assert_allclose(twice[~ti], got[2] / 2, atol=2e-5)


def test_the_order_of_atoms_and_the_orientation_change_nothing(explaining):
    first = column(answer(explaining, RUTILE, description=TEXT))
    order = [4, 0, 3, 5, 1, 2]
    turn = np.linalg.qr(np.random.default_rng(0).normal(size=(3, 3)))[0]
    turned = Structure(
        RUTILE.lattice.matrix @ turn, [RUTILE[i].specie for i in order], [RUTILE[i].frac_coords for i in order]
    )
    np.testing.assert_allclose(column(answer(explaining, turned, description=TEXT)), first[order], atol=1e-4)


def test_atoms_are_left_out_with_the_maps(explaining):
    got = answer(explaining, atoms=False)
    assert got.atoms is got.reference_ev is None
    assert "contribution_ev" not in got.absent


def test_an_artifact_without_head_or_reference_says_so(predictor, told_artifact):
    shipped = answer(predictor)
    assert HEAD_FILE in predictor.artifact.manifest.files
    assert shipped.absent == {}
    assert sum(atom.contribution_ev for atom in shipped.atoms) == pytest.approx(
        shipped.gap_raw_ev - shipped.reference_ev, abs=1e-3
    )
    with Predictor(Artifact.load(told_artifact)) as uncalibrated:
        bare = answer(uncalibrated)
    assert bare.atoms[0].contribution_ev is None
    assert "hsegap calibrate" in bare.absent["contribution_ev"]
    assert "hsegap calibrate" in bare.absent["neighbours"]


def settings() -> list[dict[str, Any]]:
    late = [{**TOLD, "late_fusion_type": name} for name in LATE_FUSION_TYPES]
    graph_only = {"use_text": False, "pbe_head": "base", "link": "log"}
    return [*late, {"use_cross_modal_attention": True, "pbe_head": "free"}, graph_only]


class _Folder:
    """As much of an artifact as a head reads."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder

    def path(self, name: str) -> Path:
        return self.folder / name


@pytest.mark.slow
@pytest.mark.usefixtures("one_thread")
@pytest.mark.parametrize("options", settings(), ids=lambda options: options.get("late_fusion_type", "other"))
def test_every_late_fusion_closes_and_both_exported_forms_agree(options, tmp_path):
    network = random_network(**options)
    export_head(network, tmp_path)
    head, script, eager = Head(_Folder(tmp_path)), load_torchscript(tmp_path / "head.pt"), HeadLine(network)  # type: ignore[arg-type]
    line = example_line(network.config, seed=2)
    ends = [{name: part[row].numpy() for name, part in zip(eager.names, line, strict=True)} for row in (0, 1)]
    gap, gradient = head.line(*ends)
    for form in (eager(*line), script(*line)):
        np.testing.assert_allclose(gap, form[0].detach().numpy(), atol=1e-4)
        for name, part, end in zip(eager.names, form[1:], line, strict=True):
            way = (end[1] - end[0]).numpy()
            assert gradient[name] @ way == pytest.approx(float(part.detach().numpy() @ way), abs=1e-4)

    random = np.random.default_rng(1)
    width, told = network.config.hidden_features, network.config.use_text
    vectors = Vectors(
        0.0,
        random.normal(size=(3, width)),
        random.normal(size=64) if told else None,
        random.normal(size=(3, width)) if "structure" in head.names else None,
        0.7 if "shift" in head.names else 0.0,
    )
    reference = {name: random.normal(size=end.shape[1]) for name, end in zip(eager.names, line, strict=True)}
    reference = {name: value for name, value in reference.items() if name != "shift"}
    with torch.no_grad():
        point = vectors.point()
        end_gap = float(eager.gap(*(torch.tensor(point[name], dtype=torch.float32)[None] for name in eager.names))[0])
    parts = contributions(head, reference, vectors._replace(gap_ev=end_gap))
    start = {"shift": np.zeros(1), **reference}
    gaps, mean = head.gradient(start, point)
    along = sum(float(mean[name] @ (point[name] - start[name])) for name in head.names)
    assert gaps[1] - gaps[0] == pytest.approx(along, abs=5 * CLOSED_EV), "what the quadrature leaves"
    assert parts.ev.sum() + parts.reference_ev == pytest.approx(end_gap, abs=1e-6)

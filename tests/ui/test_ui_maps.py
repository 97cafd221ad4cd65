"""The page's maps in eV: a fixed scale with its numbers, words where nothing changed, the inner maps one tab away."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

import pytest
from pymatgen.core import Lattice, Structure

from hsegap.prediction.schemas import Prediction, PredictRequest
from hsegap.ui.explained import explained_html
from hsegap.ui.maps import NEARLY_FLAT, SCALES_EV, maps_of, said_of_told, scale_for
from hsegap.ui.words import Words
from support.ui_samples import COLOUR_BAR, atom, prediction

if TYPE_CHECKING:
    from collections.abc import Callable

    from hsegap.prediction.predictor import Predictor
    from support.visits import Visit


def told(effect_ev: float | None):
    atoms = [atom(index, "O").model_copy(update={"contribution_ev": value}) for index, value in enumerate((0.2, -0.05))]
    made = prediction(atoms=atoms)
    return made.model_copy(update={"told_effect_ev": effect_ev, "reference_ev": 2.0})


def test_scales_are_fixed_and_hold_the_values() -> None:
    assert [scale_for([value]) for value in (1e-9, -0.1, 0.11, -2.9, 40.0)] == [0.1, 0.1, 0.3, 3.0, SCALES_EV[-1]]


def test_words_come_before_the_map_where_nothing_changed() -> None:
    assert "changed nothing" in said_of_told(told(-0.0199))
    assert "changed nothing" not in said_of_told(told(0.021))
    assert said_of_told(told(None)) == ""


def test_contribution_comes_first_and_equal_atoms_are_called_flat() -> None:
    first = maps_of(told(None))[0]
    assert (first.name, first.unit, first.scale, first.flat) == ("contribution_ev", "eV", 0.3, False)
    assert "Sum +0.150 eV" in first.note
    same = [atom(index, "O").model_copy(update={"contribution_ev": 0.2}) for index in range(2)]
    [flat, *_] = maps_of(prediction(atoms=same))
    assert flat.flat
    assert "every atom adds +0.200 eV" in flat.note
    assert "One atom" in maps_of(prediction(atoms=same[:1]))[0].note


@pytest.mark.parametrize(
    ("centring", "words"), [([[0, 0, 0]], "One atom"), ([[0, 0, 0], [0.5, 0.5, 0.5]], "every atom adds")]
)
def test_one_atom_and_equal_atoms_give_a_flat_map_that_says_so(
    predictor: Predictor, centring: list[list[float]], words: str
) -> None:
    iron = Structure(Lattice.cubic(2.87), ["Fe"] * len(centring), centring)
    [answer] = predictor.predict([PredictRequest(structure=json.dumps(iron.as_dict()))])
    assert isinstance(answer, Prediction)
    first, *inner = maps_of(answer)
    assert (first.name, first.flat) == ("contribution_ev", True)
    assert words in first.note
    assert sum(first.values) == pytest.approx(answer.gap_raw_ev - answer.reference_ev, abs=1e-3)
    assert inner
    assert all(entry.flat for entry in inner)


@pytest.mark.browser
@pytest.mark.parametrize("language", ["en", "zh"])
def test_an_inner_map_of_small_spread_is_drawn_on_the_whole_scale(visit: Callable[..., Visit], language: str) -> None:
    found = visit(locale={"en": "en-US", "zh": "zh-CN"}[language])
    found.example("NaCl.cif")  # gate and importance differ by less than 0.02, text share by more
    found.page.locator("#hs-maps [data-role=maps] input[value=inside]").check()
    flat = 0
    for radio in found.page.locator("#hs-maps [data-role=inside] input").all():
        name = str(radio.get_attribute("value"))
        radio.check()
        found.wait_drawn(f"{name}/")
        values = found.page.evaluate(
            "(name) => window.hsegap.result.maps.find((map) => map.name === name).values", arg=name
        )
        low, high, _ = found.page.evaluate(COLOUR_BAR)
        spread = max(values) - min(values)
        if spread <= NEARLY_FLAT:
            assert (low, high) == (0, 1), name
            note = found.page.inner_text("#hs-maps [data-role=note]")
            assert {"en": "0 to 1", "zh": "0 到 1"}[language] in note
            flat += 1
        else:
            assert (low, high) == pytest.approx((min(values), max(values)))
    assert flat


def test_neighbours_are_escaped() -> None:
    from hsegap.prediction.schemas import NeighbourReport

    one = NeighbourReport(id="<b>", formula="<i>", space_group=None, hse_gap_ev=1, pbe_gap_ev=None, distance=0.5)
    made = explained_html(prediction().model_copy(update={"neighbours": [one], "sensitivity_ev": (3.3, 2.9)}), Words())
    assert "<b>" not in made
    assert "<i>" not in made
    assert "2.90 – 3.30 eV" in made

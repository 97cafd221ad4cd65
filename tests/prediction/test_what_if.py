"""What if: strained alike or along an axis, elements swapped, and refusals;
the same as predicting those crystals one by one.
"""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

import pytest
from pymatgen.core import Lattice, Structure

from hsegap.artifact import Artifact
from hsegap.prediction.errors import Failure
from hsegap.prediction.predictor import Predictor
from hsegap.prediction.schemas import Prediction, PredictRequest
from hsegap.prediction.what_if import (
    MOST_SUGGESTED,
    STRAINS_PERCENT,
    Swap,
    WhatIf,
    WhatIfRequest,
    suggested,
    what_if,
    what_if_async,
)
from support.loops import in_own_loop

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence
    from pathlib import Path

RUTILE = Structure.from_spacegroup(
    "P4_2/mnm", Lattice.tetragonal(4.594, 2.959), ["Ti", "O"], [[0, 0, 0], [0.305, 0.305, 0]]
)
ELEMENTS = ("O", "S", "Ti", "Zr", "Ga", "As", "P")
TEXT = "TiO2 is Rutile structured. It is white."


@pytest.fixture(scope="module")
def explaining(explained_artifact: Path) -> Iterator[Predictor]:
    with Predictor(Artifact.load(explained_artifact)) as made:
        yield made


def request(**fields: object) -> WhatIfRequest:
    return WhatIfRequest.model_validate({"structure": json.dumps(RUTILE.as_dict())} | fields)


def tried(predictor: Predictor, elements: Sequence[str] = ELEMENTS, **fields: object) -> WhatIf:
    found = what_if(predictor.predict, request(**fields), elements=elements)
    assert isinstance(found, WhatIf), found
    return found


def alone(predictor: Predictor, structure: Structure, **fields: object) -> Prediction:
    asked = PredictRequest.model_validate({"structure": json.dumps(structure.as_dict())} | fields)
    [answer] = predictor.predict([asked])
    assert isinstance(answer, Prediction), answer
    return answer


@pytest.mark.parametrize(("along", "factors"), [("all", (1.03, 1.03, 1.03)), ("b", (1, 1.03, 1)), ("c", (1, 1, 1.03))])
def test_a_strained_cell_is_predicted_as_if_it_had_been_sent(explaining, along, factors):
    curve = tried(explaining, strain=along, swaps=[], description=TEXT, known={"pbe_gap_ev": 1.8}).strain
    stretched = Structure(
        Lattice.tetragonal(4.594, 2.959).matrix * [[f] for f in factors], RUTILE.species, RUTILE.frac_coords
    )
    for place, structure in ((-1, stretched), (STRAINS_PERCENT.index(0.0), RUTILE)):
        own = alone(explaining, structure, description=TEXT, known={"pbe_gap_ev": 1.8})
        assert curve.gap_ev[place] == pytest.approx(own.gap_ev, abs=1e-4)
        assert curve.interval_ev[place] == pytest.approx(own.interval_ev, abs=1e-4)
        assert curve.pbe_gap_estimate_ev[place] == pytest.approx(own.pbe_gap_estimate_ev, abs=1e-4)
        assert [warning for warning in curve.warnings[place] if warning.code != "neighbours_changed"] == own.warnings
    assert curve.percent == list(STRAINS_PERCENT)


def test_strain_that_breaks_ties_among_neighbours_is_warned_of(explaining):
    # Simple cubic: six nearest neighbours and twelve second ones, four of which stay where they are when c shrinks.
    cubic = json.dumps(Structure(Lattice.cubic(3.35), ["Te"], [[0, 0, 0]]).as_dict())
    for along, warned in (("c", True), ("all", False)):
        curve = tried(explaining, structure=cubic, strain=along, swaps=[]).strain
        codes = [{warning.code for warning in each} for each in curve.warnings]
        assert "neighbours_changed" not in codes[STRAINS_PERCENT.index(0.0)]
        assert ("neighbours_changed" in codes[0]) is warned


def test_a_swapped_crystal_goes_without_what_was_told_of_the_old_one(explaining):
    found = tried(explaining, strain=None, swaps=[{"element": "Ti", "by": "Zr"}], description=TEXT)
    assert found.strain is None
    [swap] = found.swaps
    other = RUTILE.copy()
    other.replace_species({"Ti": "Zr"})
    own = alone(explaining, other)
    assert (swap.formula, swap.gap_ev) == ("ZrO2", pytest.approx(own.gap_ev, abs=1e-4))
    assert swap.change_ev == pytest.approx(own.gap_ev - alone(explaining, RUTILE).gap_ev, abs=1e-4)
    assert {warning.code for warning in own.warnings} <= {warning.code for warning in swap.warnings}


def test_suggestions_are_isovalent_of_the_training_set_and_not_in_the_crystal(explaining):
    assert suggested(["Ti", "O", "O"], ELEMENTS) == [Swap(element="Ti", by="Zr"), Swap(element="O", by="S")]
    assert suggested(["Ti", "Zr", "O"], ELEMENTS) == [Swap(element="O", by="S")]
    assert len(suggested(["Sc"], ["Y", "La", "Lu", "Gd", "Ce", "Pr"])) == MOST_SUGGESTED
    swaps = tried(explaining, strain=None).swaps
    assert {(swap.element, swap.by) for swap in swaps} == {("Ti", "Zr"), ("O", "S")}
    by = {swap.by: {warning.code for warning in swap.warnings} for swap in swaps}
    assert "swap_changes_size" in by["S"], "sulphur does not fit where oxygen was"
    assert "swap_changes_size" not in by["Zr"]


def test_what_cannot_be_swapped_or_read_is_named(explaining):
    for fields, code in (
        ({"swaps": [{"element": "Xe", "by": "Kr"}]}, "invalid_request"),
        ({"swaps": [{"element": "Ti", "by": "Qq"}]}, "unknown_element"),
        ({"structure": "?"}, "unsupported_format"),
        ({"swaps": [{"element": "Ti", "by": "Rf"}]}, "unknown_element"),
    ):
        found = what_if(explaining.predict, request(**fields), elements=ELEMENTS)
        assert isinstance(found, Failure), fields
        assert (found.error.code, found.error.index) == (code, None)


def test_both_ways_of_asking_give_the_same(explaining):
    asked = request(strain="a", swaps=[{"element": "O", "by": "S"}])

    async def predict(requests):
        return explaining.predict(list(requests))

    one = what_if(explaining.predict, asked, elements=ELEMENTS)
    assert isinstance(one, WhatIf), one
    assert in_own_loop(what_if_async(predict, asked, elements=ELEMENTS)) == one

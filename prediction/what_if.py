"""What if the crystal were another: strained, alike or along one axis, or with one element in another's place.

One piece of logic for HTTP, page and command line: :func:`steps` says which crystals to predict and makes the answer of
their answers; :func:`what_if` and :func:`what_if_async` ask for them. Each crystal that is made up is read, run and
warned of as any other.
"""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Literal

import numpy as np
from pydantic import BaseModel, ConfigDict, Field

from hsegap.prediction.errors import Failure
from hsegap.prediction.limits import MAX_DESCRIPTION_CHARS
from hsegap.prediction.schemas import DescribeRequest, Known, Prediction, PredictRequest, Warn
from hsegap.structures.crystal import Crystal
from hsegap.structures.isovalent import isovalent

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Generator, Sequence

Along = Literal["all", "a", "b", "c"]
#: Strains that are tried, percent of the length of a lattice vector.
STRAINS_PERCENT = tuple(step / 2 for step in range(-6, 7))
#: Elements whose atomic radii differ by a larger share do not fit each other's cells (Hume-Rothery's rule).
FITS = 0.15
#: Swaps that are tried at once, and that are suggested for each element of the crystal: the nearest in radius.
MOST_SWAPS = 12
MOST_SUGGESTED = 3


class Swap(BaseModel):
    """All atoms of one element replaced."""

    model_config = ConfigDict(extra="forbid", strict=True)

    element: str = Field(max_length=2, description="An element of the crystal.")
    by: str = Field(max_length=2, description="The element that takes its place.")


class WhatIfRequest(DescribeRequest):
    """One crystal and what to change of it."""

    description: str | None = Field(
        default=None,
        max_length=MAX_DESCRIPTION_CHARS,
        description="A description of the crystal; strained cells keep it, swapped crystals go without.",
    )
    known: Known | None = Field(
        default=None, description="What is known of the crystal; strained cells keep it, swapped crystals go without."
    )
    strain: Along | None = Field(
        default="all",
        description="Lattice vectors to stretch by -3 to +3 %: `all` alike, or one of them; null for no curve.",
    )
    swaps: list[Swap] | None = Field(
        default=None,
        max_length=MOST_SWAPS,
        description="Elements to swap; null takes isovalent elements of the training set, `[]` none.",
    )


class StrainCurve(BaseModel):
    """The gap of the strained cells, one value per strain in each list."""

    along: Along
    percent: list[float] = Field(description="Strain of the stretched lattice vectors, percent.")
    gap_ev: list[float]
    interval_ev: list[tuple[float, float] | None] = Field(description="As in a prediction.")
    pbe_gap_estimate_ev: list[float | None] = Field(description="As in a prediction.")
    warnings: list[list[Warn]] = Field(description="What a reader of each value should know.")


class SwapReport(Swap):
    """The crystal with one element in another's place, nothing told."""

    formula: str
    gap_ev: float
    change_ev: float = Field(description="`gap_ev` minus the crystal's own `gap_without_text_ev`.")
    interval_ev: tuple[float, float] | None = Field(description="As in a prediction.")
    pbe_gap_estimate_ev: float | None = Field(description="As in a prediction.")
    warnings: list[Warn] = Field(description="As in a prediction.")


class WhatIf(BaseModel):
    """The answer of ``POST /what_if``. Cells keep their shape and atoms their places: nothing is relaxed."""

    formula: str
    gap_ev: float = Field(description="Of the crystal as it is, with text and facts.")
    gap_without_text_ev: float = Field(description="Of the crystal as it is, from the structure alone.")
    strain: StrainCurve | None = Field(description="Null where no curve is asked for.")
    swaps: list[SwapReport] = Field(description="In the order asked for; suggestions by element.")


def crystal_of(prediction: Prediction) -> Crystal:
    """The crystal that was predicted, as a process that may be killed has read it.

    A stranger's file is never parsed here.

    Raises:
        ValueError: If the prediction carries no atoms or no cell.
    """
    from pymatgen.core import Element

    if prediction.atoms is None or prediction.lattice is None:
        raise ValueError("the prediction was made without atoms")
    return Crystal(
        lattice=np.array(prediction.lattice),
        frac_coords=np.array([atom.frac_coords for atom in prediction.atoms]),
        atomic_numbers=np.array([Element(atom.element).Z for atom in prediction.atoms]),
    )


def suggested(symbols: Sequence[str], among: Sequence[str]) -> list[Swap]:
    """Isovalent swaps of a crystal's elements.

    Args:
        symbols: Element of each atom.
        among: Elements of the training set.

    Returns:
        For each element the nearest few in radius that the crystal doesn't have yet, at most :data:`MOST_SWAPS`.
    """
    there = dict.fromkeys(symbols)
    found = []
    for element in there:
        others = [other for other in isovalent(element, among) if other not in there]
        found += [Swap(element=element, by=other) for other in others[:MOST_SUGGESTED]]
    return found[:MOST_SWAPS]


def steps(
    request: WhatIfRequest, *, elements: Sequence[str]
) -> Generator[list[PredictRequest], list[Prediction | Failure], WhatIf | Failure]:
    """Rounds of crystals to predict, and what their answers come to.

    Args:
        request: The crystal and what to change of it.
        elements: Of the training set, for suggestions.

    Yields:
        Requests of one round, whose answers are sent in. Returns the answer, or the first failure.
    """
    told = PredictRequest(
        structure=request.structure, format=request.format, description=request.description, known=request.known
    )
    [own] = yield [told]
    if isinstance(own, Failure):
        return own.at(None)
    crystal = crystal_of(own)
    swaps = suggested(crystal.symbols, elements) if request.swaps is None else request.swaps
    if (refusal := _refusal(swaps, crystal.symbols)) is not None:
        return refusal
    strains = STRAINS_PERCENT if request.strain else ()
    asked = [
        told.model_copy(
            update={
                "structure": _strained(crystal, percent, along=request.strain or "all"),
                "format": "pymatgen",
                "atoms": False,
            }
        )
        for percent in strains
    ]
    asked += [PredictRequest(structure=_swapped(crystal, swap), format="pymatgen", atoms=False) for swap in swaps]
    answers = (yield asked) if asked else []
    good = [answer for answer in answers if isinstance(answer, Prediction)]
    if failed := [answer for answer in answers if isinstance(answer, Failure)]:
        return failed[0].at(None)
    changed = good[len(strains) :]
    return WhatIf(
        formula=own.formula,
        gap_ev=own.gap_ev,
        gap_without_text_ev=own.gap_without_text_ev,
        strain=_curve(request.strain, good[: len(strains)], own) if request.strain else None,
        swaps=[_swap_report(swap, answer, own) for swap, answer in zip(swaps, changed, strict=True)],
    )


def what_if(
    ask: Callable[[list[PredictRequest]], list[Prediction | Failure]],
    request: WhatIfRequest,
    *,
    elements: Sequence[str],
) -> WhatIf | Failure:
    """Try what is asked for.

    Args:
        ask: Predicts crystals, in order.
        request: As for :func:`steps`.
        elements: As for :func:`steps`.
    """
    going = steps(request, elements=elements)
    try:
        asked = next(going)
        while True:
            asked = going.send(ask(asked))
    except StopIteration as done:
        return done.value


async def what_if_async(
    ask: Callable[[Sequence[PredictRequest | Failure]], Awaitable[list[Prediction | Failure]]],
    request: WhatIfRequest,
    *,
    elements: Sequence[str],
) -> WhatIf | Failure:
    """:func:`what_if` for a caller that must not block."""
    going = steps(request, elements=elements)
    try:
        asked = next(going)
        while True:
            asked = going.send(await ask(asked))
    except StopIteration as done:
        return done.value


def _refusal(swaps: Sequence[Swap], symbols: Sequence[str]) -> Failure | None:
    """Why a swap cannot be made."""
    from pymatgen.core import Element

    for swap in swaps:
        if swap.element not in symbols:
            return Failure.make("invalid_request", f"The crystal has no {swap.element} to swap.")
        if not Element.is_valid_symbol(swap.by):
            return Failure.make("unknown_element", f"There is no element {swap.by}.")
    return None


def _strained(crystal: Crystal, percent: float, *, along: Along) -> str:
    """The crystal as pymatgen JSON, its lattice vectors, or one of them, longer by ``percent``."""
    from pymatgen.core import Lattice, Structure

    factors = np.array([1 + percent / 100 if along in ("all", axis) else 1.0 for axis in "abc"])
    lattice = Lattice(crystal.lattice * factors[:, None])
    return json.dumps(Structure(lattice, crystal.symbols, crystal.frac_coords).as_dict())


def _swapped(crystal: Crystal, swap: Swap) -> str:
    """The crystal as pymatgen JSON with one element in another's place."""
    from pymatgen.core import Lattice, Structure

    symbols = [swap.by if symbol == swap.element else symbol for symbol in crystal.symbols]
    return json.dumps(Structure(Lattice(crystal.lattice), symbols, crystal.frac_coords).as_dict())


def _curve(along: Along, answers: Sequence[Prediction], own: Prediction) -> StrainCurve:
    return StrainCurve(
        along=along,
        percent=list(STRAINS_PERCENT),
        gap_ev=[answer.gap_ev for answer in answers],
        interval_ev=[answer.interval_ev for answer in answers],
        pbe_gap_estimate_ev=[answer.pbe_gap_estimate_ev for answer in answers],
        warnings=[[*answer.warnings, *_other_neighbours(answer, own)] for answer in answers],
    )


def _other_neighbours(strained: Prediction, own: Prediction) -> list[Warn]:
    """A warning where strain makes neighbours unequally far that were equally far: then the graph has others."""
    if strained.n_edges == own.n_edges or strained.n_edges is None or own.n_edges is None:
        return []
    message = (
        f"Equal distances became unequal: the network sees {strained.n_edges / strained.n_atoms:.1f} neighbours of an "
        f"atom in place of {own.n_edges / own.n_atoms:.1f}, and part of the change is the graph's."
    )
    return [Warn(code="neighbours_changed", message=message)]


def _swap_report(swap: Swap, answer: Prediction, own: Prediction) -> SwapReport:
    return SwapReport(
        element=swap.element,
        by=swap.by,
        formula=answer.formula,
        gap_ev=answer.gap_ev,
        change_ev=answer.gap_ev - own.gap_without_text_ev,
        interval_ev=answer.interval_ev,
        pbe_gap_estimate_ev=answer.pbe_gap_estimate_ev,
        warnings=[*answer.warnings, *_misfit(swap)],
    )


def _misfit(swap: Swap) -> list[Warn]:
    """A warning where the new element is so much larger or smaller that the old cell says little about the new one."""
    from pymatgen.core import Element

    old, new = (Element(name).atomic_radius for name in (swap.element, swap.by))
    if not old or not new or abs(float(new) / float(old) - 1) <= FITS:
        return []
    change = 100 * (float(new) / float(old) - 1)
    message = f"The atomic radius of {swap.by} is {change:+.0f} % off that of {swap.element}, the cell is as before."
    return [Warn(code="swap_changes_size", message=message)]

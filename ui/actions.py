"""What the page's buttons and its scripts' users call: one way into the service's core, the same as HTTP's."""

from __future__ import annotations

import asyncio
import contextlib
import csv
import io
import json
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np
from pydantic import ValidationError

from hsegap.prediction.errors import Failure, internal_error
from hsegap.prediction.schemas import DescribeRequest, Prediction, PredictRequest
from hsegap.ui.explained import explained_html
from hsegap.ui.maps import atom_table, maps_of, said_of_told
from hsegap.ui.words import Words

if TYPE_CHECKING:
    from hsegap.prediction.schemas import GeneratedDescription
    from hsegap.structures import Crystal
    from hsegap.ui.backend import Backend
    from hsegap.ui.maps import Map

#: Isotropic strains offered by "What if", percent.
STRAINS_PERCENT = tuple(step / 2 for step in range(-6, 7))


class Answer(NamedTuple):
    """A prediction with what the page shows around it.

    Attributes:
        prediction: What was asked for.
        payload: What the browser draws and offers to take away.
    """

    prediction: Prediction
    payload: dict[str, Any]


def make_request(
    structure: str,
    format: str | None = None,  # noqa: A002 - the field's name
    description: str | None = None,
    pbe_gap_ev: str | float | None = None,
    **options: bool,
) -> PredictRequest | Failure:
    """Validate a request as HTTP does.

    Args:
        structure: Text of the structure file.
        format: Its format; None, empty or ``auto`` recognise it.
        description: The text; blank means none.
        pbe_gap_ev: A PBE gap that is known, eV, as it was typed; empty for none.
        options: ``describe`` and ``atoms``.
    """
    gap: str | float = "" if pbe_gap_ev is None else str(pbe_gap_ev).strip().replace(",", ".")
    with contextlib.suppress(ValueError):  # what is no number is refused by the field's name
        gap = float(gap)
    fields = {
        "structure": structure or "",
        "format": None if format in (None, "", "auto") else format,
        "description": description if description and description.strip() else None,
        **({} if gap == "" else {"known": {"pbe_gap_ev": gap}}),
        **options,
    }
    try:
        return PredictRequest.model_validate(fields)
    except ValidationError as error:
        return Failure.from_validation(error)


async def ask(core: Backend, request: PredictRequest | Failure) -> Prediction | Failure:
    """Predict one crystal, or hand the failure through."""
    return request if isinstance(request, Failure) else await core.predict_one_async(request)


def crystal_of(prediction: Prediction) -> Crystal:
    """The crystal that was predicted, as a process that may be killed has read it.

    A stranger's file is never parsed here.

    Raises:
        ValueError: If the prediction carries no atoms or no cell.
    """
    from pymatgen.core import Element

    from hsegap.structures import Crystal

    if prediction.atoms is None or prediction.lattice is None:
        raise ValueError("the prediction was made without atoms")
    return Crystal(
        lattice=np.array(prediction.lattice),
        frac_coords=np.array([atom.frac_coords for atom in prediction.atoms]),
        atomic_numbers=np.array([Element(atom.element).Z for atom in prediction.atoms]),
    )


async def predict(core: Backend, request: PredictRequest | Failure, words: Words | None = None) -> Answer | Failure:
    """Predict a crystal and gather what the page draws.

    Args:
        core: What answers.
        request: What was asked, or why it cannot be asked.
        words: In which language; None takes English.
    """
    if isinstance(request, Failure):
        return request
    try:
        prediction = await core.predict_one_async(request)
        if isinstance(prediction, Failure):
            return prediction
        return Answer(prediction, await asyncio.to_thread(_payload, request, prediction, words or Words()))
    except Exception as error:  # the page goes on; what happened stands in the log
        return internal_error(error, "showing an answer")


def _payload(request: PredictRequest, prediction: Prediction, words: Words) -> dict[str, Any]:
    """What the browser gets beside the answer's HTML: picture, what was read, maps, table, files to take away."""
    from hsegap.structures import summary_of
    from hsegap.ui.crystal_view import scene
    from hsegap.ui.read_panel import read_html

    crystal = crystal_of(prediction)
    maps, english = maps_of(prediction, words), maps_of(prediction)
    return {
        "scene": scene(crystal),
        "read": read_html(summary_of(crystal), prediction, words),
        "maps": [entry.as_json() for entry in maps],
        "told": said_of_told(prediction, words),
        "explained": explained_html(prediction, words),
        "table": atom_table(prediction, maps, words),
        "prediction": prediction.model_dump(mode="json"),
        "request": request.model_dump(mode="json"),
        # Files have the same columns in every language.
        "csv": table_csv(atom_table(prediction, english)),
        "cif": cif_with_maps(crystal, prediction, maps),
    }


def table_csv(table: dict[str, Any]) -> str:
    """The atom table as CSV, values in full precision."""
    stream = io.StringIO()
    writer = csv.writer(stream, lineterminator="\n")
    writer.writerow([column["label"] for column in table["columns"]])
    writer.writerows(table["rows"])
    return stream.getvalue()


def cif_with_maps(crystal: Crystal, prediction: Prediction, maps: list[Map]) -> str:
    """The crystal as a CIF of its whole cell, the maps as further columns of the atom loop and the gap in a comment."""
    from pymatgen.io.cif import CifWriter

    structure = crystal.to_pymatgen()
    for entry in maps:
        structure.add_site_property(
            f"{entry.name}_{entry.layer}".rstrip("_"), [round(value, 6) for value in entry.values]
        )
    head = (
        f"# hsegap {prediction.model.name} {prediction.model.version}: predicted HSE06 gap {prediction.gap_ev:.4f} eV\n"
    )
    return head + str(CifWriter(structure, write_site_properties=bool(maps)))


async def strain_curve(core: Backend, request: PredictRequest | Failure) -> dict[str, Any] | Failure:
    """The gap of the crystal with its cell stretched the same way along all directions.

    Args:
        core: What answers.
        request: The crystal and the description, which is kept as it is.

    Returns:
        ``percent`` and ``gap_ev`` of each strain, or the failure of the first that failed.
    """
    if isinstance(request, Failure):
        return request
    try:
        return await _strain_curve(core, request)
    except Exception as error:  # as in predict
        return internal_error(error, "straining a crystal")


async def _strain_curve(core: Backend, request: PredictRequest) -> dict[str, Any] | Failure:
    first = await core.predict_one_async(request)
    if isinstance(first, Failure):
        return first
    crystal = await asyncio.to_thread(crystal_of, first)
    steps = [
        request.model_copy(update={"structure": _strained(crystal, percent), "format": "pymatgen", "atoms": False})
        for percent in STRAINS_PERCENT
    ]
    answers = await core.predict_many_async(steps)
    for answer in answers:
        if isinstance(answer, Failure):
            return answer
    return {
        "formula": crystal.formula,
        "percent": list(STRAINS_PERCENT),
        "gap_ev": [answer.gap_ev for answer in answers if isinstance(answer, Prediction)],
        "origin": first.description.origin,
    }


def _strained(crystal: Crystal, percent: float) -> str:
    """The crystal as pymatgen JSON with every lattice vector longer by ``percent``."""
    from pymatgen.core import Lattice, Structure

    lattice = Lattice(crystal.lattice * (1 + percent / 100))
    return json.dumps(Structure(lattice, crystal.symbols, crystal.frac_coords).as_dict())


async def describe(core: Backend, request: PredictRequest | Failure) -> GeneratedDescription | Failure:
    """Describe the crystal of a request."""
    if isinstance(request, Failure):
        return request
    return await core.describe_async(DescribeRequest(structure=request.structure, format=request.format))

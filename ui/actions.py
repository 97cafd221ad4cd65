"""What the page's buttons and its scripts' users call: one way into the service's core, the same as HTTP's."""

from __future__ import annotations

import asyncio
import contextlib
import csv
import io
from typing import TYPE_CHECKING, Any, NamedTuple

from pydantic import ValidationError

from hsegap.prediction.errors import Failure, internal_error
from hsegap.prediction.schemas import DescribeRequest, Prediction, PredictRequest
from hsegap.prediction.what_if import WhatIfRequest, crystal_of, what_if_async
from hsegap.ui.explained import explained_html
from hsegap.ui.maps import atom_table, maps_of, said_of_told
from hsegap.ui.words import Words

if TYPE_CHECKING:
    from hsegap.prediction.schemas import GeneratedDescription
    from hsegap.prediction.what_if import WhatIf
    from hsegap.structures import Crystal
    from hsegap.ui.backend import Backend
    from hsegap.ui.maps import Map


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


async def what_if(core: Backend, request: PredictRequest | Failure, **changes: Any) -> WhatIf | Failure:
    """The crystal strained, or with one element in another's place.

    Args:
        core: What answers.
        request: The crystal, its description and what is known of it.
        changes: ``strain`` and ``swaps`` of :class:`WhatIfRequest`.
    """
    if isinstance(request, Failure):
        return request
    told = request.model_dump(include={"structure", "format", "description", "known"})
    try:
        asked = WhatIfRequest.model_validate(told | changes)
        return await what_if_async(core.predict_many_async, asked, elements=core.artifact.manifest.elements)
    except ValidationError as error:
        return Failure.from_validation(error)
    except Exception as error:  # as in predict
        return internal_error(error, "changing a crystal")


async def strain_curve(core: Backend, request: PredictRequest | Failure, along: str) -> dict[str, Any] | Failure:
    """The gap of the crystal with its cell stretched, as lists with one value per strain, the crystal's own gap beside.

    Args:
        core: What answers.
        request: The crystal and what is told of it, which is kept as it is.
        along: ``all`` lattice vectors alike, or ``a``, ``b`` or ``c``.
    """
    found = await what_if(core, request, strain=along, swaps=[])
    if isinstance(found, Failure) or found.strain is None:
        return found if isinstance(found, Failure) else {}
    origin = "none" if isinstance(request, Failure) or request.description is None else "given"
    return {"formula": found.formula, "origin": origin, **found.strain.model_dump(mode="json")}


async def describe(core: Backend, request: PredictRequest | Failure) -> GeneratedDescription | Failure:
    """Describe the crystal of a request."""
    if isinstance(request, Failure):
        return request
    return await core.describe_async(DescribeRequest(structure=request.structure, format=request.format))

"""Every way a request can fail: its code, and one sentence on what to do next."""

from __future__ import annotations

import logging
import uuid
from typing import TYPE_CHECKING, Any, Literal

from pydantic import BaseModel, ConfigDict, Field, SerializerFunctionWrapHandler, ValidationError, model_serializer

from hsegap.prediction.limits import MAX_DESCRIPTION_CHARS, MAX_ITEMS, MAX_STRUCTURE_CHARS
from hsegap.structures.errors import DescriptionCode, StructureCode
from hsegap.text.stated import MAX_GAP_EV

if TYPE_CHECKING:
    from collections.abc import Sequence

    from hsegap.errors import HsegapError, Problem

logger = logging.getLogger("hsegap.prediction")

ErrorCode = Literal[
    StructureCode,
    DescriptionCode,
    "text_too_long",
    "gap_out_of_range",
    "too_many_items",
    "invalid_request",
    "unauthorized",
    "forbidden",
    "payload_too_large",
    "unsupported_media_type",
    "overloaded",
    "not_ready",
    "timeout",
    "internal",
]

#: What to do next, used where the raiser gives no hint of its own.
HINTS: dict[str, str] = {
    "unreadable_structure": "Check that the whole file was sent and that it opens in a structure viewer; "
    "name its format.",
    "unsupported_format": "Send a CIF, POSCAR/CONTCAR, extended XYZ, pymatgen JSON or JARVIS Atoms JSON, and name "
    "the format if in doubt.",
    "disordered_structure": "Replace partial occupancies by an ordered cell (pymatgen's "
    "OrderDisorderedStructureTransformation makes one).",
    "overlapping_atoms": "Remove duplicate atoms; check the space-group setting and the coordinates.",
    "degenerate_cell": "Check the lattice vectors: lengths in Å, angles in degrees, a cell with volume.",
    "unknown_element": "Use chemical element symbols from H to Lr (D and T are read as hydrogen); remove dummy atoms.",
    "too_many_atoms": "Send the primitive cell: the prediction is the same for every cell of a crystal.",
    "too_many_edges": "Send the primitive cell: the prediction is the same for every cell of a crystal.",
    "not_describable": "Write a description yourself, or predict without text.",
    "describe_unavailable": "Install the extra `describe` where the server runs, write a description yourself, or "
    "predict without text.",
    "text_too_long": "Shorten the description; the first sentences carry what the model uses.",
    "gap_out_of_range": "Give it in eV, as a number without its unit; 0 for a metal; leave it out where it is not "
    "known.",
    "too_many_items": "Split the batch, or use `hsegap score` for many files.",
    "invalid_request": "Compare the request with docs/api.md or with /docs.json.",
    "unauthorized": "Send the header `Authorization: Bearer TOKEN` with the token the server was started with.",
    "forbidden": "Address the server by its own name; the operator names others in HSEGAP_HOSTS and HSEGAP_ORIGINS.",
    "payload_too_large": "Send fewer items or the primitive cell; `hsegap score` takes any number of files.",
    "unsupported_media_type": "Send JSON with the header `Content-Type: application/json`.",
    "overloaded": "Try again after the seconds named in the Retry-After header, or send batches to /predict_batch.",
    "not_ready": "Try again after the seconds named in the Retry-After header; "
    "/readyz answers 200 when the server is ready.",
    "timeout": "Check the cell for a near-zero volume, send the primitive cell, or raise the deadline of the server.",
    "internal": "Try again; if it happens again, report it with the identifier in the message and the server's log.",
}


class ErrorInfo(BaseModel):
    """What went wrong with one item, and what to do next."""

    model_config = ConfigDict(extra="forbid")

    code: ErrorCode = Field(description="Stable name of the error; see docs/errors.md.")
    message: str = Field(description="What is wrong, in one sentence.")
    hint: str = Field(description="What to do next, in one sentence.")
    index: int | None = Field(
        default=None, ge=0, description="Place of the item in a batch; absent for a single request."
    )

    @model_serializer(mode="wrap")
    def _without_absent_index(self, handler: SerializerFunctionWrapHandler) -> dict[str, Any]:
        data: dict[str, Any] = handler(self)
        if data.get("index") is None:
            data.pop("index", None)
        return data


class Failure(BaseModel):
    """The object every failed request, batch item and command-line input is answered with."""

    model_config = ConfigDict(extra="forbid")

    error: ErrorInfo

    @classmethod
    def make(cls, code: str, message: str, hint: str = "", *, index: int | None = None) -> Failure:
        """Build a failure, with the code's own hint when none is given.

        Args:
            code: One of :data:`ErrorCode`. Another one becomes ``internal``, so that a surprise stays a named error.
            message: What is wrong.
            hint: What to do next.
            index: Place of the item in its batch.
        """
        known: ErrorCode = code if code in HINTS else "internal"  # type: ignore[assignment]  # narrowed by the test
        return cls(error=ErrorInfo(code=known, message=message, hint=hint or HINTS[known], index=index))

    @classmethod
    def of(cls, error: HsegapError | Problem, *, index: int | None = None) -> Failure:
        """What an exception of ours, or its three parts, says."""
        return cls.make(error.code, error.message, error.hint, index=index)

    @classmethod
    def from_validation(cls, error: ValidationError | Sequence[Any], *, index: int | None = None) -> Failure:
        """Turn what pydantic found wrong with a request into the one failure a client reads.

        Args:
            error: The exception, or its list of errors (``type``, ``loc`` and ``msg`` are read).
            index: Place of the item in its batch.

        Returns:
            ``text_too_long``, ``gap_out_of_range``, ``too_many_items`` or ``payload_too_large`` where a bound was
            crossed, else ``invalid_request`` naming the first field that is wrong.
        """
        errors = (
            error.errors(include_url=False, include_context=False, include_input=False)
            if isinstance(error, ValidationError)
            else error
        )
        first = errors[0] if errors else {"type": "", "loc": (), "msg": "the request is not valid"}
        location = tuple(first.get("loc", ()))
        kind, name = first.get("type", ""), ".".join(str(part) for part in location)
        if kind == "string_too_long" and location[-1:] == ("description",):
            return cls.make(
                "text_too_long", f"The description is longer than {MAX_DESCRIPTION_CHARS} characters.", index=index
            )
        if kind == "string_too_long" and location[-1:] == ("structure",):
            return cls.make(
                "payload_too_large", f"The structure is longer than {MAX_STRUCTURE_CHARS} characters.", index=index
            )
        if location[-2:] == ("known", "pbe_gap_ev"):
            message = f"The PBE gap (`{name}`) is no number from 0 to {MAX_GAP_EV:g} eV."
            return cls.make("gap_out_of_range", message, index=index)
        if kind == "too_long" and location == ("items",):
            return cls.make("too_many_items", f"The batch has more than {MAX_ITEMS} items.", index=index)
        if kind == "literal_error" and location[-1:] == ("format",):
            message = "The format is not one of cif, poscar, xyz, pymatgen, jarvis."
            return cls.make("unsupported_format", message, index=index)
        if kind == "json_invalid":
            return cls.make("invalid_request", f"The body is not JSON: {first.get('msg', '')}.", index=index)
        if kind == "extra_forbidden":
            return cls.make("invalid_request", f"There is no field `{name}`.", index=index)
        if kind == "missing":
            return cls.make("invalid_request", f"The field `{name}` is missing.", index=index)
        where = f"The field `{name}`" if name else "The request"
        more = f" ({len(errors)} errors in all)" if len(errors) > 1 else ""
        return cls.make("invalid_request", f"{where} is not valid: {first.get('msg', '')}{more}.", index=index)

    def at(self, index: int | None) -> Failure:
        """The same failure, placed at ``index`` of a batch."""
        return Failure(error=self.error.model_copy(update={"index": index}))


def internal_error(error: BaseException | str, doing: str) -> Failure:
    """Log a surprise under an identifier, and name only that identifier to the client.

    Args:
        error: The exception, or a worker's account of it.
        doing: What was going on, for the log.
    """
    identifier = uuid.uuid4().hex[:12]
    exception = error if isinstance(error, BaseException) else None
    logger.error("%s: error %s%s", doing, identifier, "" if exception else f"\n{error}", exc_info=exception)
    return Failure.make("internal", f"Something went wrong inside the server (error {identifier}).")

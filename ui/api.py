"""The same answers for scripts: functions that ``gradio_client`` calls by stable names."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from hsegap.prediction.errors import Failure
from hsegap.prediction.limits import MAX_ITEMS
from hsegap.ui import actions

if TYPE_CHECKING:
    from hsegap.ui.backend import Backend


def add(core: Backend, *, answers_at_once: int) -> None:
    """Register the functions inside the current ``gr.Blocks``.

    Each answers with the JSON that HTTP gives, errors included.
    """
    _add_predictions(core, answers_at_once=answers_at_once)
    _add_changes(core)


def _add_predictions(core: Backend, *, answers_at_once: int) -> None:
    """Predictions, descriptions, and what is known about the model."""
    import gradio as gr

    async def predict(
        structure: str,
        description: str = "",
        format: str = "",  # noqa: A002 - as over HTTP
        describe: bool = False,
        atoms: bool = True,
    ) -> dict:
        """Predict the HSE06 gap of one crystal.

        Args:
            structure: Text of the structure file.
            description: A description; empty predicts from the structure alone.
            format: cif, poscar, xyz, pymatgen or jarvis; empty recognises it.
            describe: Generate the description (seconds).
            atoms: Report the per-atom maps.
        """
        request = actions.make_request(structure, format, description, describe=describe, atoms=atoms)
        return (await actions.ask(core, request)).model_dump(mode="json")

    async def predict_batch(items: list[dict]) -> list[dict]:
        """Predict many crystals.

        Each item has the fields of /predict, each answer is a prediction or an error, in order.
        """
        if not 1 <= len(items) <= MAX_ITEMS:
            return [Failure.make("too_many_items", f"A batch has 1 to {MAX_ITEMS} items.").model_dump(mode="json")]
        answers = await core.predict_many_async([_item(item) for item in items])
        return [answer.model_dump(mode="json") for answer in answers]

    async def describe(structure: str, format: str = "") -> dict:  # noqa: A002 - as over HTTP
        """Generate the description of one crystal."""
        return (await actions.describe(core, actions.make_request(structure, format))).model_dump(mode="json")

    async def model() -> dict:
        """What is known about the artifact that answers."""
        return core.model_info().model_dump(mode="json")

    many: dict[str, Any] = {"concurrency_limit": answers_at_once}
    gr.api(predict, api_name="predict", **many)
    gr.api(predict_batch, api_name="predict_batch", concurrency_limit=4)
    gr.api(describe, api_name="describe", concurrency_limit=4, concurrency_id="describe")
    gr.api(model, api_name="model", **many)


def _add_changes(core: Backend) -> None:
    """Crystals strained, and with elements swapped."""
    import gradio as gr

    async def strain(structure: str, description: str = "", format: str = "", along: str = "all") -> dict:  # noqa: A002 - as over HTTP
        """The gap of a crystal under -3 to +3 % strain of all lattice vectors alike, or of a, b or c."""
        result = await actions.strain_curve(core, actions.make_request(structure, format, description), along)
        return result.model_dump(mode="json") if isinstance(result, Failure) else result

    async def what_if(
        structure: str,
        description: str = "",
        format: str = "",  # noqa: A002 - as over HTTP
        strain: str | None = "all",
        swaps: list[dict] | None = None,
    ) -> dict:
        """A crystal strained, and with elements swapped: as POST /what_if."""
        request = actions.make_request(structure, format, description)
        return (await actions.what_if(core, request, strain=strain, swaps=swaps)).model_dump(mode="json")

    gr.api(strain, api_name="strain", concurrency_limit=4)
    gr.api(what_if, api_name="what_if", concurrency_limit=4)


def _item(fields: dict[str, Any]) -> Any:
    """One item of a batch, validated as HTTP validates it."""
    from pydantic import ValidationError

    from hsegap.prediction.schemas import PredictRequest

    try:
        return PredictRequest.model_validate(fields)
    except ValidationError as error:
        return Failure.from_validation(error)

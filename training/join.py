"""Networks trained apart become one checkpoint whose answer is their weighted mean (:mod:`hsegap.models.members`)."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from pydantic import ValidationError

from hsegap.models import FusionConfig

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence


def join(network: Mapping[str, Any], members: Sequence[Mapping[str, Any]], *, share: float) -> dict[str, Any]:
    """One checkpoint of a network and its members.

    Args:
        network: Content of the network's checkpoint; what it has beside weights is kept. Members it has already are
            left out.
        members: Contents of its members' checkpoints.
        share: Weight of the members' mean answer, between 0 and 1.

    Raises:
        ValueError: If a checkpoint does not hold its configuration, or their answers cannot be averaged; says why.
    """
    for content in (network, *members):
        if not isinstance(content.get("config"), dict):
            raise ValueError("a checkpoint without its configuration cannot be joined: train it here")  # noqa: TRY004 - what callers report
    config = {
        **network["config"],
        "members": [member["config"] for member in members],
        "members_share": share,
    }
    try:
        checked = FusionConfig.model_validate(config).model_dump(mode="json")
    except ValidationError as error:
        raise ValueError("; ".join(item["msg"] for item in error.errors())) from error
    own = {key: value for key, value in network["model"].items() if not key.startswith("members.")}
    theirs = {
        f"members.{place}.{key}": value
        for place, member in enumerate(members)
        for key, value in member["model"].items()
    }
    return {**network, "config": checked, "model": own | theirs}

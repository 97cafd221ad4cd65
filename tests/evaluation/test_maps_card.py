"""What the benchmark of the maps wrote goes into the card of the network that it was measured on, and into no other."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from hsegap.commands.card import _maps
from hsegap.evaluation.card import model_card
from hsegap.evaluation.rows import EvaluationError

if TYPE_CHECKING:
    from pathlib import Path

    from hsegap.artifact import Artifact


def test_tables_of_the_maps_stand_in_the_card(artifact: Artifact, tmp_path: Path) -> None:
    (tmp_path / "maps.md").write_text(f"<!-- measured_on {artifact.prediction_sha256()} -->\n## Maps\n\n| a |\n")
    card = model_card(artifact.manifest.model_dump(mode="json"), _maps(tmp_path / "maps.md", artifact), measured="## M")
    assert "## M\n\n## Maps\n\n| a |\n\n" in card
    assert "measured_on" not in card
    assert card.index("## Maps") < card.index("## Not for")


@pytest.mark.parametrize(("head", "says"), [("<!-- measured_on 00 -->", "another network"), ("## Maps", "is not what")])
def test_tables_of_another_network_and_other_files_are_refused(
    artifact: Artifact, tmp_path: Path, head: str, says: str
) -> None:
    (tmp_path / "maps.md").write_text(f"{head}\n## Maps\n")
    with pytest.raises(EvaluationError, match=says):
        _maps(tmp_path / "maps.md", artifact)

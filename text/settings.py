"""What a text encoder is, as its folder and an artifact's manifest state it."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any, Literal

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from hsegap.text.errors import TextEncoderError

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

#: File names of an exported text encoder; an artifact holds the same names.
MODEL_FILE = "text_encoder.onnx"
TOKENIZER_FILE = "tokenizer.json"
#: Settings beside an exported encoder that stands alone; an artifact keeps them in its manifest instead.
SETTINGS_FILE = "text_encoder.json"

Pooling = Literal["mean", "cls"]


class TextEncoderSettings(BaseModel):
    """Everything about a text encoder that its weights and tokenizer do not say themselves.

    Attributes:
        name: Name of the model (``all-MiniLM-L6-v2``), for people.
        width: Numbers per token.
        max_tokens: Longest text in tokens, ``[CLS]`` and ``[SEP]`` included; longer texts are cut at the end.
        pooling: What stands in token 0 and is therefore the pooled vector: ``cls`` the hidden state of ``[CLS]``,
            ``mean`` the mean of the hidden states of all tokens.
        lowercase: Whether the tokenizer folds case.
        quantised: Whether the weight matrices are stored as 8-bit integers instead of float32.
        licence: SPDX identifier of the weights' licence, ``unknown`` where the source does not state one.
        normalisation_table: File name of the character table inside the encoder's folder; None maps characters
            by Unicode compatibility.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    name: str = Field(min_length=1)
    width: int = Field(gt=0)
    max_tokens: int = Field(ge=3)
    pooling: Pooling = "mean"
    lowercase: bool = False
    quantised: bool = False
    licence: str = "unknown"
    # A name without separators: settings come with artifacts from elsewhere and must not reach outside the folder.
    normalisation_table: str | None = Field(default=None, pattern=r"^[A-Za-z0-9_][A-Za-z0-9_.-]*$")

    @classmethod
    def from_manifest(cls, entry: Mapping[str, Any]) -> TextEncoderSettings:
        """Take over what an artifact's manifest says under ``text_encoder``.

        Raises:
            TextEncoderError: If the entry is something else than settings.
        """
        try:
            return cls.model_validate(dict(entry))
        except ValidationError as error:
            raise TextEncoderError(
                f"the manifest does not describe a text encoder: {error}", "Build the artifact again."
            ) from error

    def save(self, folder: Path) -> None:
        """Write the settings beside the exported encoder in ``folder``."""
        text = json.dumps(self.model_dump(), indent=2, sort_keys=True)
        (folder / SETTINGS_FILE).write_text(text + "\n", encoding="utf-8")

    @classmethod
    def read(cls, folder: Path) -> TextEncoderSettings:
        """Read the settings beside the exported encoder in ``folder``.

        Raises:
            TextEncoderError: If the file is missing or says something else than settings.
        """
        path = folder / SETTINGS_FILE
        try:
            return cls.model_validate_json(path.read_bytes())
        except FileNotFoundError as error:
            raise TextEncoderError(
                f"{path} is missing.", "Export the encoder again, or pass the settings of the artifact's manifest."
            ) from error
        except ValidationError as error:
            raise TextEncoderError(
                f"{path} does not hold the settings of a text encoder: {error}", "Export the encoder again."
            ) from error

"""Where the shared material is, the published network's inputs and outputs, and a tiny text encoder."""

from __future__ import annotations

import gzip
import json
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest

if TYPE_CHECKING:
    from hsegap.models import GraphBatch
    from hsegap.structures import CrystalGraph

SHARED = Path(__file__).resolve().parents[3] / "shared"
#: The configurations whose outputs stand in ../shared/reference.
REFERENCES = ("recommended", "no_middle_concat", "fine_grained_adaptive")


def load_rows(name: str, *, count: int | None = None) -> list[dict[str, Any]]:
    """The first rows of a file of ../shared/data/hse; the test is skipped where that isn't there."""
    path = SHARED / "data" / "hse" / name
    if not path.exists():
        pytest.skip(f"needs ../shared/data/hse/{name}, which is not beside this repository")
    with gzip.open(path, "rt", encoding="utf-8") as file:
        return [json.loads(line) for _, line in zip(range(count or 10**9), file, strict=False)]


@dataclass(frozen=True)
class PublishedNetwork:
    """Inputs of the published network and what it answered."""

    folder: Path
    graphs: list[CrystalGraph]
    tokens: np.ndarray
    mask: np.ndarray

    def checkpoint(self, name: str) -> Path:
        return self.folder / f"{name}.pt"

    def answers(self, name: str) -> dict[str, Any]:
        return json.loads((self.folder / f"{name}.json").read_text())

    def maps(self, name: str, kind: str) -> np.ndarray:
        """``gate`` or ``importance``, one column per fusion layer, ascending."""
        answers = self.answers(name)
        keys = sorted(
            (key for key in answers if key.startswith(f"{kind}_layer_")), key=lambda key: int(key.rsplit("_", 1)[1])
        )
        n_atoms = sum(len(graph.atomic_numbers) for graph in self.graphs)
        return np.array([answers[key] for key in keys]).T if keys else np.zeros((n_atoms, 0))

    def batch(self) -> GraphBatch:
        from hsegap.models import collate

        return collate(self.graphs)


def write_tiny_transformer(folder: Path, *, width: int = 16, layers: int = 1, seed: int = 0) -> Path:
    """A BERT with random weights and a vocabulary of single characters, as a transformers folder."""
    import torch
    from transformers import BertConfig, BertModel, BertTokenizerFast

    folder.mkdir(parents=True, exist_ok=True)
    letters = [chr(code) for code in range(33, 127)]
    words = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]", *letters, *(f"##{letter}" for letter in letters)]
    (folder / "vocab.txt").write_text("\n".join(words) + "\n", encoding="utf-8")
    torch.manual_seed(seed)
    config = BertConfig(
        vocab_size=len(words),
        hidden_size=width,
        num_hidden_layers=layers,
        num_attention_heads=2,
        intermediate_size=2 * width,
        max_position_embeddings=64,
    )
    BertModel(config).save_pretrained(folder)
    BertTokenizerFast(vocab_file=str(folder / "vocab.txt"), do_lower_case=False).save_pretrained(folder)
    return folder

"""The network with plain tensors in and out, as exporters want it, and crystals to trace it on."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import torch
from torch import Tensor, nn

from hsegap.models import GraphBatch
from hsegap.structures import Crystal, CrystalGraph, build_graph, collate_arrays
from hsegap.structures.batch import GraphArrays

if TYPE_CHECKING:
    from collections.abc import Sequence

    from hsegap.models import CrystalTextNetwork, FusionConfig

#: Inputs and outputs of every exported network, in order.
INPUT_NAMES = (*GraphArrays._fields, "tokens", "mask", "has_text")
OUTPUT_NAMES = ("gap", "gates", "importance", "text_share", "modality_weights", "graph_embedding")
#: Further inputs of a network that can be told facts (:class:`hsegap.models.FusionConfig`, ``facts``).
FACT_INPUTS = ("fact_values", "fact_known")


def input_names(config: FusionConfig) -> tuple[str, ...]:
    """Inputs of the exported network, in order."""
    return (*INPUT_NAMES, *FACT_INPUTS) if config.facts else INPUT_NAMES


def output_names(config: FusionConfig) -> tuple[str, ...]:
    """Outputs of the exported network, in order.

    The answer with nothing told comes from the same run where facts can be told.
    """
    without = ("gap_without", "embedding_without") if config.facts else ()
    pbe = ("pbe_gap",) if config.pbe_head != "none" else ()
    return (*OUTPUT_NAMES, *without, *pbe, *vector_names(config))


def vector_names(config: FusionConfig) -> tuple[str, ...]:
    """Outputs that hold what the gap is read from.

    The atoms' vectors and that of what is told, see :mod:`hsegap.export.head`.
    """
    text = ("text_vector",) if config.use_text else ()
    without = ("fused_atoms_without", "text_vector_without") if config.facts else ()
    structure = ("structure_atoms",) if config.pbe_head == "base" else ()
    return ("fused_atoms", *text, *without, *structure)


class FlatNetwork(nn.Module):
    """Positional tensors in (:func:`input_names`), a tuple of tensors out (:func:`output_names`)."""

    def __init__(self, network: CrystalTextNetwork) -> None:
        super().__init__()
        self.network = network

    def prepared(self, batch: GraphBatch) -> GraphBatch:
        """What the network is given; another form of the network may want more of it."""
        return batch

    def forward(  # noqa: PLR0917 - exporters want one positional tensor per input
        self,
        atomic_numbers: Tensor,
        r: Tensor,
        src: Tensor,
        dst: Tensor,
        line_src: Tensor,
        line_dst: Tensor,
        atom_incoming: Tensor,
        bond_incoming: Tensor,
        atom_crystal: Tensor,
        crystal_atoms: Tensor,
        tokens: Tensor,
        mask: Tensor,
        has_text: Tensor,
        fact_values: Tensor | None = None,
        fact_known: Tensor | None = None,
    ) -> tuple[Tensor, ...]:
        """Run the network.

        Shapes are those of :class:`hsegap.structures.batch.GraphArrays` and :class:`hsegap.models.NetworkOutput`.
        """
        batch = GraphBatch(
            atomic_numbers, r, src, dst, line_src, line_dst, atom_incoming, bond_incoming, atom_crystal, crystal_atoms
        )
        batch, config = self.prepared(batch), self.network.config
        output = self.network(batch, tokens, mask, has_text, fact_values, fact_known, without=bool(config.facts))
        return tuple(getattr(output, name) for name in output_names(config))


def example_crystals() -> list[Crystal]:
    """Rock salt and silicon in their primitive cells, and a tetragonal cell with three elements.

    Different sizes and degrees.
    """
    fcc = np.array([[0.0, 0.5, 0.5], [0.5, 0.0, 0.5], [0.5, 0.5, 0.0]])
    half, quarter = [0.5, 0.5, 0.5], [0.25, 0.25, 0.25]
    return [
        Crystal(5.64 * fcc, np.array([[0.0, 0.0, 0.0], half]), np.array([11, 17])),
        Crystal(5.43 * fcc, np.array([[0.0, 0.0, 0.0], quarter]), np.array([14, 14])),
        Crystal(
            np.diag([3.9, 3.9, 4.1]),
            np.array([[0.0, 0.0, 0.0], [0.5, 0.5, 0.52], [0.5, 0.5, 0.03], [0.5, 0.0, 0.5], [0.0, 0.5, 0.5]]),
            np.array([56, 22, 8, 8, 8]),
        ),
    ]


def graphs_for(config: FusionConfig, crystals: Sequence[Crystal]) -> list[CrystalGraph]:
    """Graphs of crystals, built as the network's configuration says."""
    return [
        build_graph(crystal, cutoff=config.cutoff, max_neighbors=config.max_neighbors, flavour=config.graph_flavour)
        for crystal in crystals
    ]


def example_inputs(
    config: FusionConfig, graphs: Sequence[CrystalGraph] | None = None, *, n_tokens: int = 5, seed: int = 0
) -> tuple[Tensor, ...]:
    """Inputs of :class:`FlatNetwork` with random text vectors, some crystals without text, some tokens masked.

    Args:
        config: Of the network.
        graphs: The crystals; default those of :func:`example_crystals`.
        n_tokens: Tokens per text.
        seed: Of the text vectors.
    """
    if graphs is None:
        graphs = graphs_for(config, example_crystals())
    arrays = collate_arrays(graphs)
    random = torch.Generator().manual_seed(seed)
    n_crystals = len(graphs)
    mask = torch.ones(n_crystals, n_tokens, dtype=torch.int64)
    mask[::2, (n_tokens + 1) // 2 :] = 0
    mask[:, 0] = 1
    tokens = torch.randn(n_crystals, n_tokens, config.text_features, generator=random)
    told: tuple[Tensor, ...] = (tokens, mask, torch.arange(n_crystals) % 3 != 1)
    if config.facts:
        values = 4.0 * torch.rand(n_crystals, len(config.facts), generator=random)
        values[2::5] = 0.0
        told = (*told, values, torch.arange(n_crystals)[:, None].expand(-1, len(config.facts)) % 2 == 0)
    return (*(torch.from_numpy(array) for array in arrays), *told)

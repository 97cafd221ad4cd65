"""Do the exported forms give the numbers of the eager network, on sizes that they have not seen at export?"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
import torch

from hsegap.errors import OneKindError
from hsegap.export.flat import FlatNetwork, example_crystals, example_inputs, graphs_for, input_names, output_names
from hsegap.export.head import (
    ONNX_FILE,
    SCRIPT_FILE,
    HeadLine,
    example_line,
    head_inputs,
    head_outputs,
)
from hsegap.export.torchscript import load_torchscript
from hsegap.structures import Crystal, CrystalGraph

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from hsegap.models import CrystalTextNetwork, FusionConfig

#: Largest difference of any output, in its own units (eV for the gap), that an export may show.
TOLERANCE = 1e-4
EMBEDDINGS = frozenset(
    {
        "graph_embedding",
        "embedding_without",
        "fused_atoms",
        "fused_atoms_without",
        "structure_atoms",
        "text_vector",
        "text_vector_without",
    }
)


class ParityError(OneKindError, RuntimeError):
    """An exported form gives other numbers than the network it came from."""

    CODE = "parity"


@dataclass(frozen=True)
class Difference:
    """Largest difference of each output between one exported form and the eager network.

    Attributes:
        form: ``onnx`` or ``torchscript``.
        case: What was predicted.
        largest: By output name.
    """

    form: str
    case: str
    largest: dict[str, float]


def supercell(crystal: Crystal, repeats: tuple[int, int, int]) -> Crystal:
    """Repeat a cell; atoms of one copy stay together."""
    shifts = np.array(list(np.ndindex(*repeats)))
    size = np.array(repeats)
    coords = ((crystal.frac_coords[None] + shifts[:, None]) / size).reshape(-1, 3)
    return Crystal(crystal.lattice * size[:, None], coords, np.tile(crystal.atomic_numbers, len(shifts)))


def unseen_graphs(config: FusionConfig) -> dict[str, list[CrystalGraph]]:
    """Batches of other sizes than the traced one: single atoms to 3 × its atoms, batches of 1, 2 and 32."""
    salt, silicon, perovskite = example_crystals()
    copper = Crystal(silicon.lattice * (3.61 / 5.43), np.zeros((1, 3)), np.array([29]))
    *small, large = graphs_for(config, [copper, salt, silicon, perovskite, supercell(perovskite, (3, 2, 1))])
    return {
        "one atom": small[:1],
        "one crystal": small[3:],
        "two crystals": [small[2], large],
        "32 crystals of mixed sizes": [(*small, large)[index % 5] for index in range(32)],
    }


def compare_forms(
    network: CrystalTextNetwork, folder: Path, *, batches: dict[str, list[CrystalGraph]] | None = None, threads: int = 1
) -> list[Difference]:
    """Run the exported files in ``folder`` beside the eager network.

    Args:
        network: The source of the files.
        folder: Holds ``network.onnx`` and ``network.pt``.
        batches: Crystals to predict, by name; default :func:`unseen_graphs`.
        threads: Of ONNX Runtime.

    Returns:
        The largest differences per form and batch.
    """
    import onnxruntime

    network.eval()
    outputs = output_names(network.config)
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = threads
    session = onnxruntime.InferenceSession(str(folder / "network.onnx"), options, providers=["CPUExecutionProvider"])
    script = load_torchscript(folder / "network.pt") if (folder / "network.pt").is_file() else None
    differences = []
    cases = [(case, True, graphs) for case, graphs in (batches or unseen_graphs(network.config)).items()]
    # The file has a way of its own where nothing is told.
    cases += [(f"{case}, nothing told", False, graphs) for case, _, graphs in cases[-1:] if network.config.facts]
    for case, told, graphs in cases:
        inputs = example_inputs(network.config, graphs, n_tokens=3 + len(graphs) % 7, seed=len(graphs))
        if not told:
            silence = [torch.zeros_like(part) for part in (inputs[-3], inputs[-1])]
            inputs = (*inputs[:-3], silence[0], inputs[-2], silence[1])
        with torch.no_grad():
            expected = [tensor.numpy() for tensor in FlatNetwork(network)(*inputs)]
            feeds = onnx_feeds(session, input_names(network.config), inputs)
            differences.append(_difference("onnx", case, outputs, session.run(list(outputs), feeds), expected))
            if script is not None:
                differences.append(
                    _difference("torchscript", case, outputs, [tensor.numpy() for tensor in script(*inputs)], expected)
                )
    return differences


def compare_heads(network: CrystalTextNetwork, folder: Path, *, lines: int = 4) -> list[Difference]:
    """Run ``head.onnx`` and ``head.pt`` beside the eager head on random lines.

    Gradients are compared in eV, as they enter contributions: times the way from end to end, summed over the vector.
    """
    import onnxruntime

    module = HeadLine(network.eval())
    session = onnxruntime.InferenceSession(str(folder / ONNX_FILE), providers=["CPUExecutionProvider"])
    script = load_torchscript(folder / SCRIPT_FILE)
    differences = []
    for seed in range(1, lines + 1):
        ends = example_line(network.config, seed=seed)
        forms = {
            "eager": [part.detach().numpy() for part in module(*ends)],
            "head.onnx": session.run(
                list(head_outputs(network.config)), onnx_feeds(session, list(head_inputs(network.config)), ends)
            ),
            "head.pt": [part.numpy() for part in script(*ends)],
        }
        ways = [(end[1] - end[0]).numpy() for end in ends]
        in_ev = {
            form: [gap, *((gradient * way).sum() for gradient, way in zip(gradients, ways, strict=True))]
            for form, (gap, *gradients) in forms.items()
        }
        expected = in_ev.pop("eager")
        differences += [
            _difference(form, f"line {seed}", head_outputs(network.config), got, expected)
            for form, got in in_ev.items()
        ]
    return differences


def onnx_feeds(session: Any, names: Sequence[str], inputs: Sequence[torch.Tensor]) -> dict[str, np.ndarray]:
    """Inputs by name, as the session wants them: unused ones are dropped at export, masks may have become bool."""
    arrays = {name: tensor.numpy() for name, tensor in zip(names, inputs, strict=True)}
    wanted = {node.name: node.type for node in session.get_inputs()}
    return {
        name: arrays[name].astype(bool) if kind == "tensor(bool)" else arrays[name] for name, kind in wanted.items()
    }


def _difference(
    form: str, case: str, names: Sequence[str], got: Sequence[np.ndarray], expected: Sequence[np.ndarray]
) -> Difference:
    largest = {}
    for name, one, other in zip(names, got, expected, strict=True):
        if one.shape != other.shape:
            raise ParityError(f"{form}, {case}: {name} has shape {one.shape}, the network gives {other.shape}")
        largest[name] = float(np.abs(one - other).max()) if other.size else 0.0
    return Difference(form, case, largest)


def require_parity(differences: list[Difference], *, tolerance: float = TOLERANCE) -> float:
    """Refuse an export that differs; gives the largest difference found.

    Embeddings may differ ten times more: they are not in eV, and their numbers are larger than one.

    Raises:
        ParityError: Naming form, case, output and difference.
    """
    worst = 0.0
    for difference in differences:
        for name, value in difference.largest.items():
            limit = tolerance * 10 if name in EMBEDDINGS else tolerance
            if not value <= limit:
                raise ParityError(
                    f"{difference.form} differs from the network by {value:.2e} in {name} ({difference.case}); "
                    f"at most {limit:g} is allowed"
                )
            if name not in EMBEDDINGS:
                worst = max(worst, value)
    return worst

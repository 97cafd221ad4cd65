"""Sanity of contributions for benchmarks/maps.py.

A shuffled head, changes that must change nothing, ions in simple salts.
"""

from __future__ import annotations

import copy
import json
from typing import TYPE_CHECKING, Any

import numpy as np
import torch

from hsegap.export.head import HeadLine
from hsegap.prediction.contributions import Head, Vectors, contributions
from hsegap.prediction.schemas import Prediction, PredictRequest
from hsegap.structures import Crystal, read

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from benchmarks.maps_network import Opened
    from hsegap.prediction.predictor import Predictor

ANIONS = frozenset({"O", "F", "Cl", "Br", "I"})


class EagerHead(Head):
    """The head in torch, so that its weights can be shuffled."""

    def __init__(self, network: Any) -> None:
        self._module = HeadLine(network)
        self.names = self._module.names

    def line(
        self, start: Mapping[str, np.ndarray], end: Mapping[str, np.ndarray]
    ) -> tuple[np.ndarray, dict[str, np.ndarray]]:
        """As :meth:`Head.line`."""
        ends = [torch.tensor(np.stack([start[name], end[name]]), dtype=torch.float32) for name in self.names]
        gap, *gradients = (part.detach().numpy().astype(np.float64) for part in self._module(*ends))
        return gap, dict(zip(self.names, gradients, strict=True))


def shuffled(predictor: Predictor, opened: Opened, rows: Sequence[dict[str, Any]]) -> dict[str, float]:
    """Rank correlation over atoms between contributions and those of a head whose weights are permuted.

    Mean, mean absolute.
    """
    from scipy.stats import spearmanr

    network = copy.deepcopy(opened.network)
    random = torch.Generator().manual_seed(0)
    parts = [getattr(network, name, None) for name in ("graph_projection", "fusion_module", "fc1", "fc", "pbe_head")]
    for parameter in [parameter for part in parts if part is not None for parameter in part.parameters()]:
        flat = parameter.data.flatten()
        parameter.data = flat[torch.randperm(len(flat), generator=random)].view_as(parameter)
    head, reference = EagerHead(network), predictor._reporter.reference or {}  # noqa: SLF001 - what it reports by
    found = []
    for row in rows:
        nodes = opened.nodes(read(row["cif"], format="cif"), opened.tokens(row["description"]), has_text=True)
        vectors = Vectors(0.0, nodes.fused.numpy(), nodes.text.numpy(), nodes.structure.numpy())
        end = EagerHead(network).line({"shift": np.zeros(1), **reference}, vectors.point())[0][1]
        other = contributions(head, reference, vectors._replace(gap_ev=float(end))).ev
        own = [atom.contribution_ev for atom in _answer(predictor, row["cif"], row["description"]).atoms or ()]
        found.append(float(spearmanr(own, other).statistic))
    return {"mean": float(np.nanmean(found)), "mean absolute": float(np.nanmean(np.abs(found))), "crystals": len(found)}


def invariances(predictor: Predictor, rows: Sequence[dict[str, Any]]) -> dict[str, dict[str, float]]:
    """Largest and mean change of an atom's contribution, eV, with the crystal described otherwise, and under noise."""
    random = np.random.default_rng(0)
    differences: dict[str, list[np.ndarray]] = {}
    for row in rows:
        crystal = read(row["cif"], format="cif")
        n_atoms = crystal.n_atoms
        own = _values(predictor, crystal, row)
        order = random.permutation(n_atoms)
        turn = np.linalg.qr(random.normal(size=(3, 3)))[0]
        noise = random.normal(size=(n_atoms, 3)) * 0.01 @ np.linalg.inv(crystal.lattice)
        doubled = Crystal(
            crystal.lattice * np.array([[2.0], [1.0], [1.0]]),
            np.concatenate(
                [(crystal.frac_coords + np.array([copy_, 0, 0])) / np.array([2.0, 1.0, 1.0]) for copy_ in (0, 1)]
            ),
            np.tile(crystal.atomic_numbers, 2),
        )
        variants = {
            "order": _values(predictor, _with(crystal, crystal.frac_coords[order], order), row) - own[order],
            "rotation": _values(
                predictor, Crystal(crystal.lattice @ turn, crystal.frac_coords, crystal.atomic_numbers), row
            )
            - own,
            "supercell, both copies together": _values(predictor, doubled, row).reshape(2, -1).sum(axis=0) - own,
            "noise of 0.01 Å": _values(predictor, _with(crystal, crystal.frac_coords + noise), row) - own,
        }
        for name, change in variants.items():
            differences.setdefault(name, []).append(np.abs(change))
    return {
        name: {"largest": float(np.concatenate(values).max()), "mean": float(np.concatenate(values).mean())}
        for name, values in differences.items()
    }


def oxides_and_halides(predictor: Predictor, rows: Sequence[dict[str, Any]]) -> list[dict[str, Any]]:
    """Binary oxides and halides with a gap: mean contribution of cations and anions, nothing told."""
    from pymatgen.core import Element

    found = []
    for row in rows:
        crystal = read(row["cif"], format="cif")
        kinds = set(crystal.symbols)
        if len(kinds) != 2 or len(kinds & ANIONS) != 1 or row["hse_gap_ev"] <= 0:
            continue
        [cation] = kinds - ANIONS
        if not Element(cation).is_metal:
            continue
        answer = _answer(predictor, row["cif"], None)
        parts: dict[str, list[float]] = {"cation": [], "anion": []}
        for atom in answer.atoms or ():
            parts["anion" if atom.element in ANIONS else "cation"].append(float(atom.contribution_ev or 0))
        sums = {name: float(np.sum(values)) for name, values in parts.items()}
        found.append(
            {
                "formula": answer.formula,
                "gap_ev": answer.gap_raw_ev,
                "reference_ev": answer.reference_ev,
                **{f"all {name}s": value for name, value in sums.items()},
                **{f"per {name}": float(np.mean(values)) for name, values in parts.items()},
            }
        )
    return found


def _with(crystal: Crystal, coords: np.ndarray, order: np.ndarray | None = None) -> Crystal:
    numbers = crystal.atomic_numbers if order is None else crystal.atomic_numbers[order]
    return Crystal(crystal.lattice, coords, numbers)


def _values(predictor: Predictor, crystal: Crystal, row: dict[str, Any]) -> np.ndarray:
    structure = json.dumps(crystal.to_pymatgen().as_dict())
    answer = _answer(predictor, structure, row["description"])
    return np.array([atom.contribution_ev for atom in answer.atoms or ()], dtype=float)


def _answer(predictor: Predictor, structure: str, description: str | None) -> Prediction:
    [answer] = predictor.predict([PredictRequest(structure=structure, description=description)])
    if not isinstance(answer, Prediction):
        raise SystemExit(f"{answer.error.code}: {answer.error.message}")
    return answer

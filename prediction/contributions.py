"""How many eV each atom adds to the gap, relative to the mean training crystal.

Integrated gradients over what the head reads.

The network reads the gap from means over atoms, so that the way from the reference to the crystal is a mean of the
atoms' ways. With ``g`` the gradient's mean along the straight line between both, atom ``i`` of ``N`` adds ``(v_i -
reference) · g / N``, summed over its vectors after the last layer and, where the gap is counted from an estimate of the
PBE gap, before anything was told. What belongs to no atom (the vector of text and facts in late fusion, a stated PBE
gap in the estimate's place, what the quadrature leaves) is shared by all atoms in equal parts. The parts sum to the gap
minus the reference's, are equal on equivalent atoms, and halve when the cell doubles. docs/maps.md has the formula, its
source and a worked crystal.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

import numpy as np

if TYPE_CHECKING:
    from collections.abc import Mapping

    from onnxruntime import InferenceSession

    from hsegap.artifact.artifact import Artifact

#: File of the artifact that holds the head; :mod:`hsegap.export.head` writes it.
HEAD_FILE = "head.onnx"
#: What the quadrature may leave of a gap, eV, before it is shared equally; and the most pieces a line is cut into.
CLOSED_EV = 1e-3
MOST_PIECES = 64
#: Atoms whose contributions differ by less are called equal, eV: single precision leaves about 1e-6.
SAME_EV = 1e-5


class Vectors(NamedTuple):
    """What the head reads of one crystal, as told or with nothing told.

    Attributes:
        gap_ev: The network's number.
        fused: Atoms' vectors after the last layer, ``[N, H]``.
        told: Vector of text and facts, ``[64]``; None for a graph-only network.
        structure: Atoms' vectors before anything is told, ``[N, H]``; None where no PBE gap is the base.
        shift: By how much the stated PBE gap lies above the estimate, eV; 0 where none is stated.
    """

    gap_ev: float
    fused: np.ndarray
    told: np.ndarray | None = None
    structure: np.ndarray | None = None
    shift: float = 0.0

    def point(self) -> dict[str, np.ndarray]:
        """The head's inputs by name: means over atoms."""
        return {name: value.mean(axis=0) if value.ndim == 2 else value for name, value in self._given().items()}

    def _given(self) -> dict[str, np.ndarray]:
        given = {"fused": self.fused, "told": self.told, "structure": self.structure, "shift": np.array([self.shift])}
        return {name: value.astype(np.float64) for name, value in given.items() if value is not None}


class Contributions(NamedTuple):
    """What each atom adds.

    Attributes:
        ev: ``[N]``; they sum to the gap minus ``reference_ev``.
        reference_ev: The head's gap of the reference.
        shared_ev: What belongs to no atom and is in ``ev`` in equal parts, together.
    """

    ev: np.ndarray
    reference_ev: float
    shared_ev: float


class Head:
    """The end of one artifact's network.

    Args:
        artifact: A checked artifact that has :data:`HEAD_FILE`.

    Raises:
        ValueError: If the file does not give a gap and a gradient for each input.
    """

    def __init__(self, artifact: Artifact) -> None:
        import onnxruntime

        options = onnxruntime.SessionOptions()
        options.intra_op_num_threads = options.inter_op_num_threads = 1
        options.log_severity_level = 3
        options.add_session_config_entry("session.intra_op.allow_spinning", "0")
        self._session: InferenceSession = onnxruntime.InferenceSession(
            artifact.path(HEAD_FILE), options, providers=["CPUExecutionProvider"]
        )
        self.names = tuple(node.name for node in self._session.get_inputs())
        self._outputs = ["gap", *(f"{name}_gradient" for name in self.names)]
        there = {node.name for node in self._session.get_outputs()}
        if missing := [name for name in self._outputs if name not in there]:
            raise ValueError(f"{HEAD_FILE} has no output {', '.join(missing)}")

    def line(
        self, start: Mapping[str, np.ndarray], end: Mapping[str, np.ndarray]
    ) -> tuple[np.ndarray, dict[str, np.ndarray]]:
        """Gaps at both ends ``[2]``, eV, and the gradient's mean between them, by input.

        Args:
            start: A point, the head's inputs by name, each ``[width]``.
            end: Another.
        """
        feeds = {name: np.stack([start[name], end[name]]).astype(np.float32) for name in self.names}
        gap, *gradients = self._session.run(self._outputs, feeds)
        return np.asarray(gap, dtype=np.float64), {
            name: np.asarray(values, dtype=np.float64) for name, values in zip(self.names, gradients, strict=True)
        }

    def gradient(
        self, start: Mapping[str, np.ndarray], end: Mapping[str, np.ndarray]
    ) -> tuple[np.ndarray, dict[str, np.ndarray]]:
        """:meth:`line` to :data:`CLOSED_EV`: where the gap bends sharply the line is cut, the worst piece first.

        Returns:
            Gaps at both ends and the gradient's mean, whose product with the way from end to end is their difference.
        """
        way = {name: end[name] - start[name] for name in self.names}
        pieces = [self._piece(start, way, 0.0, 1.0)]
        while len(pieces) < MOST_PIECES and sum(piece.left for piece in pieces) > CLOSED_EV:
            worst = max(pieces, key=lambda piece: piece.left)
            pieces.remove(worst)
            middle = (worst.low + worst.high) / 2
            pieces += [self._piece(start, way, worst.low, middle), self._piece(start, way, middle, worst.high)]
        pieces.sort(key=lambda piece: piece.low)
        mean = {
            name: np.sum([piece.gradient[name] * (piece.high - piece.low) for piece in pieces], axis=0)
            for name in self.names
        }
        return np.array([pieces[0].gap[0], pieces[-1].gap[1]]), mean

    def _piece(self, start: Mapping[str, np.ndarray], way: Mapping[str, np.ndarray], low: float, high: float) -> _Piece:
        ends = [{name: start[name] + share * way[name] for name in self.names} for share in (low, high)]
        gap, gradient = self.line(*ends)
        found = sum(float(gradient[name] @ way[name]) for name in self.names) * (high - low)
        return _Piece(low, high, gap, gradient, abs(gap[1] - gap[0] - found))


class _Piece(NamedTuple):
    """A piece of a line.

    Its ends as shares of the whole, gaps there, mean gradient, and what the quadrature leaves, eV.
    """

    low: float
    high: float
    gap: np.ndarray
    gradient: dict[str, np.ndarray]
    left: float


def contributions(head: Head, reference: Mapping[str, np.ndarray], vectors: Vectors) -> Contributions:
    """Share a crystal's gap out to its atoms.

    Args:
        head: Of the artifact.
        reference: The mean training crystal with nothing told, the head's inputs by name.
        vectors: The crystal.
    """
    start = {"shift": np.zeros(1), **reference}
    gaps, gradient = head.gradient(start, vectors.point())
    n_atoms = len(vectors.fused)
    ev = (vectors.fused - start["fused"]) @ gradient["fused"] / n_atoms
    if "structure" in gradient and vectors.structure is not None:
        ev += (vectors.structure - start["structure"]) @ gradient["structure"] / n_atoms
    reference_ev = float(gaps[0])
    shared = vectors.gap_ev - reference_ev - float(ev.sum())
    return Contributions(ev + shared / n_atoms, reference_ev, shared)

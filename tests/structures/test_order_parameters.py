"""Order parameters by arrays beside pymatgen's own loops."""

from __future__ import annotations

from types import SimpleNamespace
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest

from hsegap.structures.order_parameters import MOTIFS
from support.needs import installed, needed_robocrys

if TYPE_CHECKING:
    from hsegap.structures.condense import ArrayOrderParams

installed("robocrys")


def fingerprint() -> Any:
    """What a description's sites are compared by; its import brings robocrys, which is no matter of collecting."""
    needed_robocrys()
    from hsegap.structures.condense import _fingerprint

    return _fingerprint()


def motifs() -> list[tuple[int, ArrayOrderParams]]:
    """Every motif that a description asks for, with the number of neighbours it is for."""
    asked = fingerprint().ops
    from hsegap.structures.condense import ArrayOrderParams

    return [
        (number, motif) for number, found in asked.items() for motif in found if isinstance(motif, ArrayOrderParams)
    ]


def surroundings(count: int, seed: int) -> np.ndarray:
    """Neighbours around a centre: regular ones, those of a plane or an axis, and random ones."""
    random = np.random.default_rng(seed)
    axes = np.concatenate([np.eye(3), -np.eye(3)])
    corners = np.array([[a, b, c] for a in (1, -1) for b in (1, -1) for c in (1, -1)], dtype=float)
    edges = np.array([v for v in np.ndindex(3, 3, 3) if sorted(np.abs(np.array(v) - 1)) == [0, 1, 1]], dtype=float) - 1
    turned = 2 * np.pi * np.arange(count) / count
    plane = np.stack([np.cos(turned), np.sin(turned), np.zeros(count)], axis=1)
    regular = {0: axes, 1: corners, 2: edges, 3: plane}.get(seed % 6)
    if regular is not None and len(regular) >= count:
        return 2.0 * regular[:count] + (0.05 * random.normal(size=(count, 3)) if seed >= 6 else 0.0)
    return random.normal(size=(count, 3)) * 2.0


def test_every_geometric_motif_of_a_description_is_computed_by_arrays():
    kinds = {motif._types[0] for found in fingerprint().ops.values() for motif in found if motif != "wt"}
    assert kinds - set(MOTIFS) == {"sgl_bd", "q2", "q4", "q6"}
    assert len(motifs()) > 20


@pytest.mark.parametrize("seed", range(12))
def test_array_order_parameters_are_those_of_pymatgen(seed):
    from pymatgen.core.local_env import LocalStructOrderParams

    for count, motif in motifs():
        coords = np.array([0.3, -1.0, 4.0]) + np.concatenate([np.zeros((1, 3)), surroundings(count, seed)])
        sites = [SimpleNamespace(coords=place) for place in coords]
        theirs = LocalStructOrderParams(motif._types, parameters=motif._params)
        neighbours = list(range(1, len(sites)))
        (expected,) = theirs.get_order_parameters(sites, 0, indices_neighs=neighbours)
        (found,) = motif.get_order_parameters(sites, 0, indices_neighs=neighbours)
        assert found == pytest.approx(expected, abs=1e-9), (motif._types, count)

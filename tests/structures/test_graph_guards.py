"""What the graph builder refuses, quickly and before memory is gone."""

from __future__ import annotations

import time
import tracemalloc

import numpy as np
import pytest

from hsegap.structures import StructureError, build_graph
from support.crystals import silicon, simple


def refused(crystal, **options):
    start = time.process_time()
    with pytest.raises(StructureError) as caught:
        build_graph(crystal, **options)
    assert time.process_time() - start < 2
    assert caught.value.message
    assert caught.value.hint
    return caught.value.code


@pytest.mark.parametrize(
    "lattice",
    [
        np.zeros((3, 3)),
        np.eye(3) * 1e-9,
        [[3, 0, 0], [0, 3, 0], [3, 3, 1e-9]],
        [[3, 0, 0], [6, 0, 0], [0, 0, 3]],
        np.full((3, 3), np.nan),
        np.full((3, 3), np.inf),
        np.eye(3) * 1e6,
        [[1e-6, 0, 0], [0, 1e3, 0], [0, 0, 1e3]],
    ],
)
def test_degenerate_cells(lattice):
    assert refused(simple(lattice, [[0, 0, 0]])) == "degenerate_cell"


def test_coordinates_that_are_no_numbers():
    assert refused(simple(np.eye(3) * 4, [[0, 0, np.nan]])) == "unreadable_structure"
    assert refused(simple(np.eye(3) * 4, [[0, 0, 1e30]])) == "unreadable_structure"
    assert refused(simple(np.eye(3) * 4, np.zeros((0, 3)))) == "unreadable_structure"


def test_atoms_on_top_of_each_other():
    assert refused(simple(np.eye(3) * 5, [[0, 0, 0], [0, 0, 1]])) == "overlapping_atoms"
    assert refused(simple(np.eye(3) * 5, [[0, 0, 0], [0.5, 0.5, 0.5], [0.5, 0.5, 0.51]])) == "overlapping_atoms"


def test_limits():
    assert refused(silicon(), max_atoms=1) == "too_many_atoms"
    assert refused(silicon(), max_edges=31) == "too_many_edges"
    assert refused(silicon(), max_edges=10) == "too_many_edges"
    assert refused(silicon(), max_line_edges=511) == "too_many_edges"
    build_graph(silicon(), max_atoms=2, max_edges=32, max_line_edges=512)


def test_a_ring_of_ties_is_refused_before_its_line_graph_is_written():
    """1 500 atoms at one distance from a hub: two million bond pairs from 40 000 bonds."""
    angle = np.linspace(0, 2 * np.pi, 1500, endpoint=False)
    ring = np.column_stack([np.cos(angle), np.sin(angle), 0 * angle]) * 0.3
    crystal = simple(np.eye(3) * 900, np.vstack([ring, [[0, 0, 0]]]))
    tracemalloc.start()
    try:
        assert refused(crystal, max_line_edges=1_000_000) == "too_many_edges"
        assert tracemalloc.get_traced_memory()[1] < 100e6
    finally:
        tracemalloc.stop()


@pytest.mark.parametrize(
    ("name", "lattice", "frac_coords"),
    [
        ("sheared", [[3, 0, 0], [999.1, 3, 0], [500, 400, 3]], [[0, 0, 0]]),
        ("needle", [[900, 0, 0], [0, 1, 0], [0, 0, 1]], [[0, 0, 0]]),
        ("smallest cell", np.eye(3) * 0.6, [[0, 0, 0]]),
        ("three atoms in a huge box", np.eye(3) * 1000, [[0, 0, 0], [0.5, 0.5, 0.5], [0.9, 0.9, 0.9]]),
        ("far outside the cell", np.eye(3) * 4, [[9000.3, 0, 0], [0.5, 0.5, -9000.2]]),
    ],
)
def test_odd_but_valid_cells_are_quick_and_small(name, lattice, frac_coords):
    tracemalloc.start()
    start = time.process_time()
    graph = build_graph(simple(lattice, frac_coords))
    assert time.process_time() - start < 2, name
    assert tracemalloc.get_traced_memory()[1] < 100e6
    tracemalloc.stop()
    assert len(graph.src) >= 12 * len(frac_coords)


def test_wrong_options():
    with pytest.raises(ValueError, match="flavour"):
        build_graph(silicon(), flavour="dgl")
    with pytest.raises(ValueError, match="positive"):
        build_graph(silicon(), cutoff=0)
    with pytest.raises(ValueError, match="positive"):
        build_graph(silicon(), max_neighbors=0)

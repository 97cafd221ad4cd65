"""Graphs against the published network's, and against jarvis-tools with DGL run here."""

from __future__ import annotations

from collections import Counter

import numpy as np
import pytest

from hsegap.structures import build_graph, read
from support.needs import needed_dgl

pytestmark = pytest.mark.shared_data


def images_of(crystal, src, dst, r, lattice):
    """Image of each bond, from its displacement."""
    exact = r.astype(float) @ np.linalg.inv(lattice) + crystal.frac_coords[src] - crystal.frac_coords[dst]
    images = np.rint(exact).astype(int)
    assert np.abs(exact - images).max() < 1e-4
    return images


def bonds(crystal, src, dst, r, *, lattice=None):
    images = images_of(crystal, src, dst, r, crystal.lattice if lattice is None else lattice)
    return Counter(zip(src.tolist(), dst.tolist(), map(tuple, images.tolist()), strict=True))


def line_pairs(crystal, ends, pairs, *, lattice=None):
    (src, dst, r), (line_src, line_dst) = ends, pairs
    images = images_of(crystal, src, dst, r, crystal.lattice if lattice is None else lattice)
    keys = list(zip(src.tolist(), dst.tolist(), map(tuple, images.tolist()), strict=True))
    return Counter((keys[a], keys[b]) for a, b in zip(line_src.tolist(), line_dst.tolist(), strict=True))


#: jarvis-tools compares distances as raw floats, so which of several equally long bonds it keeps hung on the processor
#: that made the references; here they differ on every processor alike.
EXCHANGED = {"mp-7431"}


def tied_with_the_twelfth(crystal, graph, bond, lattice):
    """Whether a bond is as long as the twelfth-nearest neighbour of one of its ends is far away."""
    start, end, image = bond
    length = np.linalg.norm((crystal.frac_coords[end] + image - crystal.frac_coords[start]) @ lattice)
    lengths = np.linalg.norm(graph.r.astype(float), axis=1)
    return any(abs(length - np.sort(lengths[graph.src == atom])[11]) < 5e-6 for atom in (start, end))


def test_reference_graphs_of_the_published_network(reference):
    crystals, arrays = reference
    for index, row in enumerate(crystals):
        crystal = read(row["cif"])
        assert crystal.atomic_numbers.tolist() == row["atomic_numbers"], row["id"]
        graph = build_graph(crystal, flavour="jarvis")
        src, dst, r, line_src, line_dst, cosine = (
            arrays[f"{index}_{name}"] for name in ("src", "dst", "r", "line_src", "line_dst", "cosine")
        )
        rounded = np.around(crystal.lattice, 5)
        ours = bonds(crystal, graph.src, graph.dst, graph.r, lattice=rounded)
        theirs = bonds(crystal, src, dst, r, lattice=rounded)
        if row["id"] in EXCHANGED:
            every = build_graph(crystal)
            apart = (ours - theirs) + (theirs - ours)
            assert apart, f"{row['id']} is as jarvis-tools made it: take it out of EXCHANGED"
            assert all(tied_with_the_twelfth(crystal, every, bond, crystal.lattice) for bond in apart), row["id"]
            continue
        assert (len(graph.src), len(graph.line_src)) == (row["n_edges"], row["n_line_edges"]), row["id"]
        assert ours == theirs, row["id"]
        pairs = line_pairs(crystal, (graph.src, graph.dst, graph.r), (graph.line_src, graph.line_dst), lattice=rounded)
        assert pairs == line_pairs(crystal, (src, dst, r), (line_src, line_dst), lattice=rounded), row["id"]
        a, b = graph.r[graph.line_src].astype(float), graph.r[graph.line_dst].astype(float)
        angles = -(a * b).sum(1) / np.linalg.norm(a, axis=1) / np.linalg.norm(b, axis=1)
        np.testing.assert_allclose(np.sort(angles.clip(-1, 1)), np.sort(cosine), atol=2e-6)


@pytest.fixture(scope="module")
def jarvis_graphs(val_rows):
    """(crystal, DGL graph, DGL line graph) of 210 real crystals."""
    needed_dgl()  # which jarvis.core.graphs needs
    from jarvis.core.atoms import Atoms
    from jarvis.core.graphs import Graph

    graphs = []
    for row in sorted(val_rows, key=lambda row: row["n_sites"])[::2][:210]:
        crystal = read(row["cif"])
        atoms = Atoms(
            lattice_mat=crystal.lattice, coords=crystal.frac_coords, elements=crystal.symbols, cartesian=False
        )
        graph, line_graph = Graph.atom_dgl_multigraph(
            atoms, cutoff=8.0, max_neighbors=12, atom_features="atomic_number"
        )
        graphs.append((row["id"], crystal, graph, line_graph))
    assert len(graphs) >= 200
    return graphs


def test_jarvis_flavour_is_what_jarvis_gives(jarvis_graphs):
    """Raw-float ties depend on the last bit, so equality everywhere is luck of the platform; nine in ten is not."""
    same = 0
    for name, crystal, graph, line_graph in jarvis_graphs:
        ours = build_graph(crystal, flavour="jarvis")
        rounded = np.around(crystal.lattice, 5)
        src, dst = (ends.numpy() for ends in graph.edges())
        r = graph.edata["r"].numpy()
        theirs = bonds(crystal, src, dst, r, lattice=rounded)
        if bonds(crystal, ours.src, ours.dst, ours.r, lattice=rounded) != theirs:
            continue
        same += 1
        line_src, line_dst = (ends.numpy() for ends in line_graph.edges())
        ours_pairs = line_pairs(crystal, (ours.src, ours.dst, ours.r), (ours.line_src, ours.line_dst), lattice=rounded)
        assert ours_pairs == line_pairs(crystal, (src, dst, r), (line_src, line_dst), lattice=rounded), name
    assert same >= 0.9 * len(jarvis_graphs), f"{same} of {len(jarvis_graphs)} graphs equal"


def test_symmetric_flavour_has_every_bond_of_jarvis_and_only_ties_beyond(jarvis_graphs):
    beyond = 0
    for name, crystal, graph, _ in jarvis_graphs:
        ours = build_graph(crystal)
        src, dst = (ends.numpy() for ends in graph.edges())
        theirs = set(bonds(crystal, src, dst, graph.edata["r"].numpy(), lattice=np.around(crystal.lattice, 5)))
        counted = bonds(crystal, ours.src, ours.dst, ours.r)
        assert max(counted.values()) == 1, name
        assert theirs <= set(counted), name
        length = np.linalg.norm(ours.r.astype(float), axis=1)
        twelfth = np.array([np.sort(length[ours.src == atom])[11] for atom in range(crystal.n_atoms)])
        for index, bond in enumerate(
            zip(
                ours.src.tolist(),
                ours.dst.tolist(),
                map(tuple, images_of(crystal, ours.src, ours.dst, ours.r, crystal.lattice).tolist()),
                strict=True,
            )
        ):
            if bond not in theirs:
                beyond += 1
                # 5e-6 for float32 displacements.
                assert any(abs(length[index] - twelfth[end]) <= 1e-4 + 5e-6 for end in bond[:2]), (name, bond)
    assert beyond > 0, "no ties among 200 real crystals: the test can't have looked at them"

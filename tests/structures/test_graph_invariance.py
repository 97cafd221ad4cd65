"""The symmetric flavour sees the crystal, not the cell somebody chose for it."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from hsegap.structures import build_graph, read
from support.crystals import silicon, simple


def fingerprint(graph):
    """Per atom: sorted lengths of its bonds, and sorted cosines of the angles of the bond pairs that end at it."""
    r = graph.r.astype(float)
    length = np.linalg.norm(r, axis=1)
    a, b = r[graph.line_src], r[graph.line_dst]
    cosine = -(a * b).sum(1) / (length[graph.line_src] * length[graph.line_dst])
    middle = graph.src[graph.line_dst]
    atoms = range(len(graph.atomic_numbers))
    return [
        (int(graph.atomic_numbers[i]), np.sort(length[graph.dst == i]), np.sort(cosine[middle == i])) for i in atoms
    ]


def assert_same(first, second):
    for (za, la, ca), (zb, lb, cb) in zip(first, second, strict=True):
        assert za == zb
        assert la.shape == lb.shape, "another number of bonds"
        assert ca.shape == cb.shape, "another number of bond pairs"
        np.testing.assert_allclose(la, lb, atol=5e-6)
        np.testing.assert_allclose(ca, cb, atol=1e-5)


def repeated(crystal, counts):
    """A supercell; atom k of the result is atom k mod n of the crystal."""
    shifts = np.stack(np.meshgrid(*(np.arange(n) for n in counts), indexing="ij"), axis=-1).reshape(-1, 3)
    frac = (crystal.frac_coords[None] + shifts[:, None]).reshape(-1, 3) / np.array(counts)
    lattice = crystal.lattice * np.array(counts)[:, None]
    return simple(lattice, frac, np.tile(crystal.atomic_numbers, len(shifts)))


def rotation(seed):
    q, _ = np.linalg.qr(np.random.default_rng(seed).normal(size=(3, 3)))
    return q if np.linalg.det(q) > 0 else -q


@st.composite
def random_crystals(draw):
    """One to six atoms in a random triclinic cell, no two too near. Decimals, so that ties occur."""
    n = draw(st.integers(1, 6))
    lengths = [draw(st.integers(25, 90)) / 10 for _ in range(3)]
    angles = [draw(st.sampled_from([60, 75, 90, 90, 90, 100, 115])) for _ in range(3)]
    from pymatgen.core import Lattice

    lattice = np.array(Lattice.from_parameters(*lengths, *angles).matrix)
    frac = np.array([[draw(st.integers(0, 7)) / 8 for _ in range(3)] for _ in range(n)])
    frac = np.unique(frac, axis=0)
    return simple(lattice, frac, draw(st.lists(st.integers(1, 103), min_size=len(frac), max_size=len(frac))))


many = settings(max_examples=40, deadline=None)


@many
@given(random_crystals(), st.sampled_from([(2, 1, 1), (1, 1, 3), (2, 2, 2)]))
def test_supercell(crystal, counts):
    base = fingerprint(build_graph(crystal))
    larger = fingerprint(build_graph(repeated(crystal, counts)))
    assert_same(base * int(np.prod(counts)), larger)


@many
@given(random_crystals(), st.integers(0, 10**6))
def test_rotation(crystal, seed):
    turned = simple(crystal.lattice @ rotation(seed), crystal.frac_coords, crystal.atomic_numbers)
    assert_same(fingerprint(build_graph(crystal)), fingerprint(build_graph(turned)))


@many
@given(random_crystals(), st.integers(0, 10**6))
def test_translation_and_atoms_outside_the_cell(crystal, seed):
    generator = np.random.default_rng(seed)
    moved = crystal.frac_coords + generator.uniform(-1, 1, 3) + generator.integers(-3, 4, crystal.frac_coords.shape)
    assert_same(
        fingerprint(build_graph(crystal)),
        fingerprint(build_graph(simple(crystal.lattice, moved, crystal.atomic_numbers))),
    )


@many
@given(random_crystals(), st.randoms(use_true_random=False))
def test_permutation(crystal, random):
    order = list(range(crystal.n_atoms))
    random.shuffle(order)
    shuffled = simple(crystal.lattice, crystal.frac_coords[order], crystal.atomic_numbers[order])
    base = fingerprint(build_graph(crystal))
    assert_same([base[i] for i in order], fingerprint(build_graph(shuffled)))


@many
@given(random_crystals(), st.integers(0, 10**6))
def test_another_cell_of_the_same_lattice(crystal, seed):
    """A sheared cell, which takes the way through the reduced lattice."""
    generator = np.random.default_rng(seed)
    change = np.eye(3, dtype=int)
    for _ in range(4):
        i, j = generator.permutation(3)[:2]
        change[i] += int(generator.integers(-2, 3)) * change[j]
    sheared = simple(change @ crystal.lattice, crystal.frac_coords @ np.linalg.inv(change), crystal.atomic_numbers)
    assert_same(fingerprint(build_graph(crystal)), fingerprint(build_graph(sheared)))


@many
@given(random_crystals(), st.floats(2.0, 15.0), st.integers(1, 20))
def test_the_first_cutoff_does_not_change_the_graph(crystal, cutoff, max_neighbors):
    usual = build_graph(crystal, max_neighbors=max_neighbors)
    other = build_graph(crystal, cutoff=cutoff, max_neighbors=max_neighbors)
    assert all(
        np.array_equal(getattr(usual, name), getattr(other, name))
        for name in ("src", "dst", "r", "line_src", "line_dst")
    )


@pytest.mark.shared_data
def test_supercells_of_real_crystals(val_rows):
    for row in [row for row in val_rows if row["n_sites"] <= 20][:60]:
        crystal = read(row["cif"])
        base = fingerprint(build_graph(crystal))
        assert_same(base * 2, fingerprint(build_graph(repeated(crystal, (2, 1, 1)))))
        assert_same(base * 8, fingerprint(build_graph(repeated(crystal, (2, 2, 2)))))


def test_against_a_brute_force_search():
    """All neighbours of a few crystals by looping over images: nothing shared with the code under test."""
    generator = np.random.default_rng(5)
    for _ in range(12):
        lattice = np.diag(generator.uniform(3, 6, 3)) + generator.uniform(-1, 1, (3, 3))
        crystal = simple(lattice, np.array([[0, 0, 0], [0.5, 0.5, 0.4], [0.2, 0.7, 0.9]]))
        graph = build_graph(crystal)
        images = np.stack(np.meshgrid(*[np.arange(-5, 6)] * 3, indexing="ij"), axis=-1).reshape(-1, 3)
        wanted = set()
        for i in range(3):
            found = sorted(
                (
                    float(np.linalg.norm((crystal.frac_coords[j] + image - crystal.frac_coords[i]) @ lattice)),
                    j,
                    tuple(image.tolist()),
                )
                for j in range(3)
                for image in images
                if j != i or image.any()
            )
            last = found[11][0]
            for distance, j, image in found:
                if distance <= last + 1e-4:
                    wanted |= {(i, j, image), (j, i, tuple(-x for x in image))}
        exact = (
            graph.r.astype(float) @ np.linalg.inv(lattice)
            + crystal.frac_coords[graph.src]
            - crystal.frac_coords[graph.dst]
        )
        got = list(
            zip(graph.src.tolist(), graph.dst.tolist(), map(tuple, np.rint(exact).astype(int).tolist()), strict=True)
        )
        assert len(got) == len(set(got))
        assert set(got) == wanted


def test_silicon_by_hand():
    """4 neighbours at 2.352 Å and 12 at 3.840 Å, all tied: 16 bonds an atom,
    and every pair of bonds in the line graph.
    """
    graph = build_graph(silicon())
    assert (len(graph.src), len(graph.line_src)) == (32, 2 * 16 * 16)
    lengths, counts = np.unique(np.linalg.norm(graph.r, axis=1).round(3), return_counts=True)
    np.testing.assert_allclose(lengths, [2.352, 3.840], atol=1e-3)
    assert counts.tolist() == [8, 24]
    cosines = fingerprint(graph)[0][2]
    assert np.any(np.abs(cosines + 1 / 3) < 1e-5), "the tetrahedral angle is missing"
    assert graph.r.dtype == np.float32
    assert all(
        getattr(graph, name).dtype == np.int64 for name in ("atomic_numbers", "src", "dst", "line_src", "line_dst")
    )


def test_line_graph_is_every_pair_of_consecutive_bonds():
    graph = build_graph(simple(np.diag([3.0, 4.0, 5.0]), [[0, 0, 0], [0.5, 0.5, 0.5]]))
    pairs = set(zip(graph.line_src.tolist(), graph.line_dst.tolist(), strict=True))
    assert pairs == {
        (a, b) for a in range(len(graph.src)) for b in range(len(graph.src)) if graph.dst[a] == graph.src[b]
    }
    assert len(pairs) == len(graph.line_src)
    jarvis = build_graph(simple(np.diag([3.0, 4.0, 5.0]), [[0, 0, 0], [0.5, 0.5, 0.5]]), flavour="jarvis")
    assert not np.any(jarvis.line_src == jarvis.line_dst)


def test_every_bond_has_its_way_back():
    crystal = simple([[3.1, 0, 0.2], [0.3, 4, 0], [0, 0.1, 5]], [[0, 0, 0], [0.4, 0.5, 0.6]])
    for flavour in ("symmetric", "jarvis"):
        graph = build_graph(crystal, flavour=flavour)
        forth = sorted(zip(graph.src.tolist(), graph.dst.tolist(), map(tuple, graph.r.tolist()), strict=True))
        back = sorted(zip(graph.dst.tolist(), graph.src.tolist(), map(tuple, (-graph.r).tolist()), strict=True))
        assert forth == back, "a bond and its way back have to be exact opposites"

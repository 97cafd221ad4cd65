"""Physics for free: gap and maps do not change with the choice of cell,
the order of atoms or the frame, on random real crystals.
"""

from __future__ import annotations

import gzip
import json

import numpy as np
import pytest
import torch
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from hsegap.models import CrystalTextNetwork, FusionConfig, collate
from hsegap.structures import Crystal, build_graph, read
from support.networks import FULL_MIDDLE, random_network, some_crystals
from support.shared_material import SHARED

pytestmark = pytest.mark.usefixtures("one_thread")
MAPS = ("gates", "importance", "text_share")
#: Of gap and maps; sums run in another order in another cell.
TOLERANCE = 2e-5
MOST_ATOMS = 12
many = settings(
    max_examples=20, deadline=None, derandomize=True, suppress_health_check=[HealthCheck.function_scoped_fixture]
)


@pytest.fixture(scope="module")
def crystals():
    """Real crystals where the shared data are there, textbook ones and a low-symmetry one beside them."""
    found = some_crystals()
    path = SHARED / "data" / "hse" / "val.jsonl.gz"
    if path.is_file():
        with gzip.open(path, "rt", encoding="utf-8") as lines:
            rows = [json.loads(line) for line in lines]
        found += [read(row["cif"]) for row in rows if row["n_sites"] <= MOST_ATOMS]
    return found


@pytest.fixture(scope="module", params=["random", "trained"])
def network(request):
    """A random network with everything in it, and the shipped one."""
    if request.param == "random":
        return random_network(
            seed=3, hidden_features=16, use_fine_grained_attention=True, middle_fusion_layers="0,2", **FULL_MIDDLE
        )
    from safetensors.torch import load_file

    from hsegap.artifact.artifact import default_artifact

    folder = default_artifact()
    network = CrystalTextNetwork(FusionConfig(**json.loads((folder / "manifest.json").read_text())["config"]))
    network.load_state_dict(load_file(folder / "weights.safetensors"))
    assert network.config.graph_flavour == "symmetric"
    return network.eval()


def predict(network, crystal):
    """Gap and maps of one crystal, with a text that depends on nothing."""
    random = torch.Generator().manual_seed(5)
    tokens = torch.randn(1, 5, network.config.text_features, generator=random)
    with torch.no_grad():
        output = network(collate([build_graph(crystal)]), tokens)
    return float(output.gap[0]), {name: getattr(output, name).numpy() for name in MAPS}


def assert_same(network, crystal, other, origin=None):
    """``origin[k]``: which atom of ``crystal`` the k-th atom of ``other`` is (default: the same)."""
    gap, maps = predict(network, crystal)
    other_gap, other_maps = predict(network, other)
    assert abs(gap - other_gap) < TOLERANCE
    origin = np.arange(crystal.n_atoms) if origin is None else origin
    for name in MAPS:
        np.testing.assert_allclose(other_maps[name], maps[name][origin], atol=TOLERANCE, err_msg=name)


def pick(data, crystals):
    return crystals[data.draw(st.integers(0, len(crystals) - 1))]


@many
@given(st.data())
def test_rotation(network, crystals, data):
    crystal = pick(data, crystals)
    q, _ = np.linalg.qr(np.random.default_rng(data.draw(st.integers(0, 10**6))).normal(size=(3, 3)))
    # Reflections too: the network sees distances and angles only.
    assert_same(network, crystal, Crystal(crystal.lattice @ q, crystal.frac_coords, crystal.atomic_numbers))


@many
@given(st.data())
def test_translation_and_atoms_wrapped_out_of_the_cell(network, crystals, data):
    crystal = pick(data, crystals)
    random = np.random.default_rng(data.draw(st.integers(0, 10**6)))
    moved = crystal.frac_coords + random.uniform(-1, 1, 3) + random.integers(-2, 3, crystal.frac_coords.shape)
    assert_same(network, crystal, Crystal(crystal.lattice, moved, crystal.atomic_numbers))


@many
@given(st.data())
def test_permutation(network, crystals, data):
    crystal = pick(data, crystals)
    order = np.random.default_rng(data.draw(st.integers(0, 10**6))).permutation(crystal.n_atoms)
    assert_same(
        network, crystal, Crystal(crystal.lattice, crystal.frac_coords[order], crystal.atomic_numbers[order]), order
    )


@many
@given(st.data())
def test_another_primitive_cell(network, crystals, data):
    crystal = pick(data, crystals)
    random = np.random.default_rng(data.draw(st.integers(0, 10**6)))
    change = np.eye(3, dtype=int)
    for _ in range(3):
        i, j = random.permutation(3)[:2]
        change[i] += int(random.integers(-1, 2)) * change[j]
    other = Crystal(change @ crystal.lattice, crystal.frac_coords @ np.linalg.inv(change), crystal.atomic_numbers)
    assert_same(network, crystal, other)


@many
@given(st.data())
def test_supercells(network, crystals, data):
    crystal = pick(data, [one for one in crystals if one.n_atoms <= 6])
    repeats = np.array(data.draw(st.sampled_from([(2, 1, 1), (2, 2, 2), (1, 3, 1)])))
    shifts = np.array(list(np.ndindex(*repeats)))
    coords = ((crystal.frac_coords[None] + shifts[:, None]) / repeats).reshape(-1, 3)
    larger = Crystal(crystal.lattice * repeats[:, None], coords, np.tile(crystal.atomic_numbers, len(shifts)))
    assert_same(network, crystal, larger, np.tile(np.arange(crystal.n_atoms), len(shifts)))


@many
@given(st.data())
def test_symmetry_equivalent_atoms_share_their_values(network, crystals, data):
    import spglib

    crystal = pick(data, crystals)
    symmetry = spglib.get_symmetry_dataset((crystal.lattice, crystal.frac_coords, crystal.atomic_numbers), symprec=1e-5)
    assert symmetry is not None
    _, maps = predict(network, crystal)
    for name in MAPS:
        np.testing.assert_allclose(maps[name], maps[name][symmetry.equivalent_atoms], atol=1e-4, err_msg=name)


def test_the_values_differ_between_atoms_that_are_not_equivalent(network):
    """Else the tests above would pass on a constant."""
    gaps = [predict(network, crystal)[0] for crystal in some_crystals()]
    assert np.ptp(gaps) > 1000 * TOLERANCE
    _, maps = predict(network, some_crystals()[4])
    for name in MAPS:
        assert np.ptp(maps[name], axis=0).min() > 50 * TOLERANCE, name


@pytest.mark.shared_data
def test_the_jarvis_flavour_does_change_with_the_cell(crystals):
    """Why there is a symmetric one: it has to be visible that these tests can fail."""
    network = random_network(seed=3, use_text=False, graph_flavour="jarvis")
    worst = 0.0
    for crystal in crystals[:60]:
        doubled = Crystal(
            crystal.lattice * np.array([[2], [1], [1]]),
            np.concatenate([crystal.frac_coords, crystal.frac_coords + np.array([1, 0, 0])]) / [2, 1, 1],
            np.tile(crystal.atomic_numbers, 2),
        )
        with torch.no_grad():
            one, two = (
                float(network(collate([build_graph(entry, flavour="jarvis")])).gap) for entry in (crystal, doubled)
            )
        worst = max(worst, abs(one - two))
    assert worst > 10 * TOLERANCE

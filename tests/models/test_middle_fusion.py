"""Middle fusion against its formulas, written out atom by atom, for every combination of switches."""

from __future__ import annotations

import itertools

import pytest
import torch
from torch.nn import functional as F

from support.networks import FULL_MIDDLE, random_network, some_batch, some_texts

pytestmark = pytest.mark.usefixtures("one_thread")

SWITCHES = [
    {
        "middle_fusion_use_gate_norm": norm,
        "middle_fusion_use_learnable_scale": scale,
        "use_improved_middle_fusion": improved,
        "middle_fusion_use_residual_scaling": residual,
        "middle_fusion_use_dynamic_gating": dynamic,
    }
    for norm, scale, improved, residual, dynamic in itertools.product([False, True], repeat=5)
]


def by_formula(state, prefix, settings, atoms, text, atom_crystal):  # noqa: PLR0917 - the formula's symbols
    """One atom after the other, from the names in the state dict and nothing of the module's code."""

    def linear(name, x):
        return F.linear(x, state[f"{prefix}{name}.weight"], state[f"{prefix}{name}.bias"])

    def norm(name, x):
        return F.layer_norm(x, x.shape, state[f"{prefix}{name}.weight"], state[f"{prefix}{name}.bias"])

    improved = settings["use_improved_middle_fusion"]
    residual = improved and settings["middle_fusion_use_residual_scaling"]
    dynamic = improved and settings["middle_fusion_use_dynamic_gating"]
    outputs, gates, importances, shares = [], [], [], []
    for atom, crystal in zip(atoms, atom_crystal.tolist(), strict=True):
        t = linear("text_transform.3", torch.relu(linear("text_transform.0", text[crystal])))
        t = t * (state[prefix + "text_scale"] if settings["middle_fusion_use_learnable_scale"] else 1.0)
        both = torch.cat([atom, t])
        gate = torch.sigmoid(
            linear("gate.0", norm("gate_norm", both) if settings["middle_fusion_use_gate_norm"] else both)
        )
        if dynamic:
            importance = torch.sigmoid(
                linear("importance_predictor.3", torch.relu(linear("importance_predictor.0", atom)))
            )
            gate = gate * (1 + importance * state[prefix + "importance_modulation"])
            importances.append(importance)
        node = atom * state[prefix + "node_scale"] if residual else atom
        outputs.append(norm("layer_norm", node + gate * t))
        gates.append(gate.mean())
        shares.append((gate * t).norm() / (node.norm() + (gate * t).norm()))
    return (
        torch.stack(outputs),
        torch.stack(gates),
        torch.stack(importances) if importances else atoms[:, :0],
        torch.stack(shares),
    )


@pytest.mark.parametrize("settings", SWITCHES, ids=lambda s: "".join("01"[value] for value in s.values()))
def test_every_combination_of_switches_computes_its_formula(settings):
    network = random_network(use_middle_fusion=True, middle_fusion_initial_scale=3.0, **settings)
    module = network.middle_fusion_modules["layer_2"]
    random = torch.Generator().manual_seed(3)
    atoms, text = torch.randn(7, 12, generator=random), torch.randn(3, 64, generator=random)
    atom_crystal = torch.tensor([0, 0, 1, 2, 2, 2, 2])
    with torch.no_grad():
        got = module(atoms, text, atom_crystal)
        wanted = by_formula(network.state_dict(), "middle_fusion_modules.layer_2.", settings, atoms, text, atom_crystal)
    for one, other in zip(got, wanted, strict=True):
        torch.testing.assert_close(one, other, atol=1e-5, rtol=1e-5)


def test_initial_values_of_the_scales():
    from hsegap.models import CrystalTextNetwork, FusionConfig

    config = FusionConfig(middle_fusion_initial_node_scale=0.5, **FULL_MIDDLE)
    module = CrystalTextNetwork(config).middle_fusion_modules["layer_2"]
    assert (module.text_scale.item(), module.node_scale.item(), module.importance_modulation.item()) == (12.0, 0.5, 1.0)


@pytest.mark.parametrize("layers", ["2", "0", "1,2", "2,0,1"])
def test_maps_have_a_column_per_fusion_layer_in_ascending_order(layers):
    network = random_network(middle_fusion_layers=layers, **FULL_MIDDLE)
    wanted = sorted(int(part) for part in layers.split(","))
    assert list(network.config.fusion_layers) == wanted
    batch = some_batch()
    tokens, mask = some_texts(network.config)
    seen = {}
    for layer in wanted:
        network.middle_fusion_modules[f"layer_{layer}"].register_forward_hook(
            lambda _m, _i, out, layer=layer: seen.update({layer: out})
        )
    with torch.no_grad():
        output = network(batch, tokens, mask)
    n_atoms = len(batch.atomic_numbers)
    assert output.gates.shape == output.importance.shape == output.text_share.shape == (n_atoms, len(wanted))
    for column, layer in enumerate(wanted):
        assert torch.equal(output.gates[:, column], seen[layer].gate)
        assert torch.equal(output.importance[:, column], seen[layer].importance[:, 0])
        assert torch.equal(output.text_share[:, column], seen[layer].text_share)
    assert torch.all((output.text_share > 0) & (output.text_share < 1))


def test_without_dynamic_gating_importance_has_no_columns():
    network = random_network(**{**FULL_MIDDLE, "middle_fusion_use_dynamic_gating": False})
    tokens, mask = some_texts(network.config)
    with torch.no_grad():
        output = network(some_batch(), tokens, mask)
    assert output.importance.shape == (len(output.gates), 0)
    assert not network.config.has_importance


def test_text_reaches_the_atoms_of_its_own_crystal_only():
    network = random_network(**FULL_MIDDLE)
    batch = some_batch()
    tokens, mask = some_texts(network.config)
    changed = tokens.clone()
    changed[3] += 1.0
    with torch.no_grad():
        before, after = network(batch, tokens, mask), network(batch, changed, mask)
    own = batch.atom_crystal == 3
    assert torch.all((before.gates - after.gates).abs()[own] > 0)
    torch.testing.assert_close(before.gates[~own], after.gates[~own], atol=1e-6, rtol=0)
    others = torch.arange(5) != 3
    torch.testing.assert_close(before.gap[others], after.gap[others], atol=1e-6, rtol=0)
    assert abs(float(before.gap[3] - after.gap[3])) > 1e-4

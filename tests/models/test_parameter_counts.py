"""Names, shapes and numbers of parameters are those of the published family."""

from __future__ import annotations

import pytest

from hsegap.models import CrystalTextNetwork, FusionConfig

CONFIGURATIONS = ("seed_recommended", "baseline_concat", "bilinear", "adaptive", "tucker_fine_grained")
RECOMMENDED = {
    "use_middle_fusion": True,
    "use_improved_middle_fusion": True,
    "middle_fusion_use_gate_norm": True,
    "middle_fusion_use_learnable_scale": True,
    "middle_fusion_initial_scale": 12.0,
    "late_fusion_type": "gated",
    "use_cross_modal_attention": False,
    "no_text": "encode_empty",
}


def network(**settings) -> CrystalTextNetwork:
    return CrystalTextNetwork(FusionConfig(**settings))


def count(**settings) -> int:
    return sum(parameter.numel() for parameter in network(**settings).parameters())


@pytest.mark.shared_data
def test_no_configuration_is_left_out(published_shapes):
    assert set(published_shapes) == set(CONFIGURATIONS)


@pytest.mark.shared_data
@pytest.mark.parametrize("name", CONFIGURATIONS)
def test_names_shapes_and_counts_of_published_checkpoints(published_shapes, name):
    entry = published_shapes[name]
    ours = network(**entry["config"], no_text="encode_empty")
    shapes = {key: list(value.shape) for key, value in ours.state_dict().items()}
    assert {key: shapes.get(key) for key in entry["keys"]} == entry["keys"]
    assert sum(parameter.numel() for parameter in ours.parameters()) == entry["n_parameters"]
    if name == "seed_recommended":  # the one whose list is whole
        assert set(shapes) == set(entry["keys"])


def test_the_recommended_configuration_has_4_324_871_parameters():
    assert count(**RECOMMENDED) == 4_324_871


def test_what_the_two_improvements_cost():
    without = {**RECOMMENDED, "use_improved_middle_fusion": False}
    baseline = count(**without)
    residual = count(**{**RECOMMENDED, "middle_fusion_use_dynamic_gating": False})
    dynamic = count(**{**RECOMMENDED, "middle_fusion_use_residual_scaling": False})
    neither = count(
        **{**RECOMMENDED, "middle_fusion_use_residual_scaling": False, "middle_fusion_use_dynamic_gating": False}
    )
    assert residual - baseline == 1
    assert dynamic - baseline == 33_026
    assert neither == baseline
    assert count(**RECOMMENDED) - baseline == 33_027 < 0.05 * baseline


def test_constant_scales_are_buffers_under_the_same_names():
    constant = network(
        **{**RECOMMENDED, "middle_fusion_use_learnable_scale": False, "middle_fusion_use_residual_scaling": False}
    )
    learned = network(**RECOMMENDED)
    assert set(constant.state_dict()) == set(learned.state_dict())
    for name in ("text_scale", "node_scale"):
        key = f"middle_fusion_modules.layer_2.{name}"
        assert key in dict(learned.named_parameters())
        assert key in dict(constant.named_buffers())
        assert float(constant.state_dict()[key]) == 1.0
    assert float(learned.state_dict()["middle_fusion_modules.layer_2.text_scale"]) == 12.0


def test_the_vector_for_a_missing_text_is_the_only_name_of_ours():
    published = set(network(**RECOMMENDED).state_dict())
    assert set(network(**{**RECOMMENDED, "no_text": "learned"}).state_dict()) - published == {"no_text_vector"}

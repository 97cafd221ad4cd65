"""The configuration refuses what cannot be built, says why, and survives JSON."""

from __future__ import annotations

import pytest
from pydantic import ValidationError

from hsegap.models import FusionConfig


@pytest.mark.parametrize(
    ("settings", "said"),
    [
        (
            {"use_middle_fusion": True, "middle_fusion_layers": "4"},
            "layer 4, but the 4 ALIGNN layers are numbered 0 to 3",
        ),
        ({"use_middle_fusion": True, "middle_fusion_layers": "1,7"}, "layer 7"),
        ({"use_middle_fusion": True, "middle_fusion_layers": ""}, "empty"),
        ({"use_middle_fusion": True, "middle_fusion_layers": "two"}, "list of layer numbers"),
        ({"use_middle_fusion": True, "middle_fusion_layers": "-1"}, "list of layer numbers"),
        ({"cross_modal_hidden_dim": 250}, "cross_modal_hidden_dim (250) is not divisible by cross_modal_num_heads (4)"),
        (
            {"use_fine_grained_attention": True, "fine_grained_num_heads": 7},
            "fine_grained_hidden_dim (256) is not divisible",
        ),
        ({"late_fusion_type": "sum"}, "concat"),
        ({"hidden_features": 0}, "greater than or equal"),
        ({"graph_dropout": 1.0}, "less than 1"),
        ({"no_such_setting": 1}, "Extra inputs"),
        ({"contrastive_temperature": 0}, "greater than 0"),
    ],
)
def test_what_cannot_be_built_is_refused_with_the_reason(settings, said):
    with pytest.raises(ValidationError) as error:
        FusionConfig(**settings)
    assert said in str(error.value)


def test_switched_off_parts_are_not_checked():
    FusionConfig(use_middle_fusion=False, middle_fusion_layers="9")
    FusionConfig(use_cross_modal_attention=False, cross_modal_hidden_dim=250)


@pytest.mark.parametrize(
    ("given", "wanted"),
    [("2", (2,)), ("2,3", (2, 3)), (" 3, 1 ", (1, 3)), (2, (2,)), ([3, 2, 3], (2, 3)), ((0,), (0,))],
)
def test_ways_to_write_the_fusion_layers(given, wanted):
    assert FusionConfig(use_middle_fusion=True, middle_fusion_layers=given).middle_fusion_layers == wanted


def test_json_round_trip_and_frozen():
    config = FusionConfig(
        use_middle_fusion=True, middle_fusion_layers="1,3", late_fusion_type="tucker", graph_flavour="jarvis"
    )
    assert FusionConfig.model_validate_json(config.model_dump_json()) == config
    with pytest.raises(ValidationError):
        config.hidden_features = 3


def test_importance_exists_with_dynamic_gating_only():
    on = {"use_middle_fusion": True, "use_improved_middle_fusion": True}
    assert FusionConfig(**on).has_importance
    assert not FusionConfig(**on, middle_fusion_use_dynamic_gating=False).has_importance
    assert not FusionConfig(**{**on, "use_improved_middle_fusion": False}).has_importance
    assert not FusionConfig(**on, use_text=False).has_importance
    assert FusionConfig(**on, use_text=False).fusion_layers == ()

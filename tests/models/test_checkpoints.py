"""Checkpoints of ours and of strangers: what loads, what is inferred and said, what is refused and why."""

from __future__ import annotations

import itertools
import json
import os
import pickle
import zipfile

import pytest
import torch

from hsegap.models import CheckpointError, FusionConfig, load_checkpoint, read_checkpoint
from support.networks import FULL_MIDDLE, SMALL, random_network, randomise, some_batch, some_texts

pytestmark = [pytest.mark.usefixtures("one_thread"), pytest.mark.filterwarnings("ignore:Detected pickle protocol")]


def gap_of(network):
    tokens, mask = some_texts(network.config)
    with torch.no_grad():
        return network(some_batch(), tokens, mask).gap


def save(path, network, *, config=None, **entries):
    content = {"model": network.state_dict(), **entries}
    if config is not None:
        content["config"] = config
    torch.save(content, path)
    return path


def test_our_own_checkpoint_comes_back_whole(tmp_path):
    network = random_network(late_fusion_type="tucker", middle_fusion_layers="0,2", **FULL_MIDDLE)
    path = save(tmp_path / "best_model.pt", network, config=network.config.model_dump(mode="json"), epoch=3)
    loaded = read_checkpoint(path)
    assert loaded.network.config == network.config
    assert loaded.assumed == []
    assert not loaded.network.training
    assert torch.equal(gap_of(loaded.network), gap_of(network))


def test_the_weights_of_an_artifact_come_back_with_the_configuration_of_its_manifest(tmp_path):
    from safetensors.torch import save_file

    network = random_network(late_fusion_type="gated", max_neighbors=8)
    path = tmp_path / "weights.safetensors"
    save_file(network.state_dict(), path)
    manifest = tmp_path / "manifest.json"
    manifest.write_text(json.dumps({"config": network.config.model_dump(mode="json")}))
    loaded = read_checkpoint(path)
    assert loaded.network.config == network.config
    assert loaded.assumed == []
    assert torch.equal(gap_of(loaded.network), gap_of(network))
    manifest.unlink()
    assert any("no config" in line for line in read_checkpoint(path).assumed)
    for damaged in (manifest, path):
        damaged.write_bytes(b"{}")
        with pytest.raises(CheckpointError, match="not readable"):
            read_checkpoint(path)
        damaged.unlink()
    with pytest.raises(CheckpointError, match="does not exist"):
        read_checkpoint(path)


FOREIGN = [
    {"late_fusion_type": late, "use_cross_modal_attention": cross, "use_fine_grained_attention": fine, **middle}
    for late, cross, fine, middle in itertools.product(
        ("concat", "gated", "bilinear", "adaptive", "tucker"),
        (False, True),
        (False, True),
        ({}, FULL_MIDDLE, {"use_middle_fusion": True, "middle_fusion_layers": "0,2"}),
    )
]


@pytest.mark.parametrize("settings", FOREIGN, ids=str)
def test_a_foreign_state_dict_without_config_is_read_off_names_and_shapes(settings, tmp_path):
    network = random_network(
        no_text="encode_empty",
        graph_flavour="jarvis",
        fine_grained_use_projection=len(str(settings)) % 2 == 0,
        **settings,
    )
    path = save(tmp_path / "foreign.pt", network)
    heads = {"fine_grained_num_heads": "4"} if settings["use_fine_grained_attention"] else {}
    loaded = read_checkpoint(path, overrides=heads)
    assert torch.equal(gap_of(loaded.network), gap_of(network))
    config = loaded.network.config
    assert (config.graph_flavour, config.no_text) == ("jarvis", "encode_empty")
    said = " ".join(loaded.assumed)
    for piece in ("no config", "graph_flavour = jarvis", "no_text = encode_empty", "classification = False"):
        assert piece in said
    assert ("cross_modal_num_heads" in said) == settings["use_cross_modal_attention"]
    assert "fine_grained_num_heads" not in said, "it was given"


def test_switches_of_middle_fusion_are_read_off_too(tmp_path):
    for residual, dynamic, norm, scale in itertools.product([False, True], repeat=4):
        settings = {
            "middle_fusion_use_residual_scaling": residual,
            "middle_fusion_use_dynamic_gating": dynamic,
            "middle_fusion_use_gate_norm": norm,
            "middle_fusion_use_learnable_scale": scale,
        }
        network = random_network(no_text="encode_empty", **{**FULL_MIDDLE, **settings})
        config = read_checkpoint(save(tmp_path / "x.pt", network)).network.config
        assert {key: getattr(config, key) for key in settings} == settings
        assert config.use_improved_middle_fusion


def test_constant_and_learned_scales_that_the_file_lacks_or_has_too_many(tmp_path):
    """Versions of the family differ on whether constant scales stand in the state dict."""
    network = random_network(no_text="encode_empty", use_middle_fusion=True, middle_fusion_use_gate_norm=True)
    config = {"use_middle_fusion": True, "use_cross_modal_attention": False, "middle_fusion_use_gate_norm": True}
    without = {key: value for key, value in network.state_dict().items() if not key.endswith("text_scale")}
    with_more = {**network.state_dict(), "middle_fusion_modules.layer_2.node_scale": torch.tensor(1.0)}
    for state in (without, with_more):
        torch.save({"model": state, "config": config}, tmp_path / "x.pt")
        assert torch.equal(gap_of(load_checkpoint(tmp_path / "x.pt")), gap_of(network))
    torch.save(
        {
            "model": {**network.state_dict(), "middle_fusion_modules.layer_2.node_scale": torch.tensor(2.0)},
            "config": config,
        },
        tmp_path / "x.pt",
    )
    loaded = load_checkpoint(tmp_path / "x.pt")  # a scale other than 1 acts, whatever the config forgot to say
    assert float(loaded.state_dict()["middle_fusion_modules.layer_2.node_scale"]) == 2.0
    assert not torch.equal(gap_of(loaded), gap_of(network))


def test_scales_with_an_axis_and_a_modulation_that_modulates_nothing(tmp_path):
    network = random_network(no_text="encode_empty", **{**FULL_MIDDLE, "middle_fusion_use_dynamic_gating": False})
    state = {key: value.reshape(1) if key.endswith("_scale") else value for key, value in network.state_dict().items()}
    state["middle_fusion_modules.layer_2.importance_modulation"] = torch.tensor(1.0)
    torch.save({"model": state}, tmp_path / "x.pt")
    loaded = load_checkpoint(tmp_path / "x.pt")
    assert not loaded.config.middle_fusion_use_dynamic_gating
    assert torch.equal(gap_of(loaded), gap_of(network))


@pytest.mark.parametrize("improved", [False, True])
def test_constant_scales_act_with_the_value_they_have_in_the_file(improved, tmp_path):
    """They are 1 where the family made them; whatever else stands in the file is what the network was trained with."""
    settings = {
        "use_middle_fusion": True,
        "use_improved_middle_fusion": improved,
        "middle_fusion_use_residual_scaling": False,
    }
    network = random_network(no_text="encode_empty", middle_fusion_layers="0,2", **settings)
    before = gap_of(network)
    with torch.no_grad():
        for name, value in network.named_buffers():
            if name.endswith(("text_scale", "node_scale")):
                value.fill_(1.7)
    assert not torch.equal(gap_of(network), before)
    for config in (None, {**SMALL, **settings, "middle_fusion_layers": [0, 2]}):
        loaded = load_checkpoint(save(tmp_path / "x.pt", network, config=config))
        assert torch.equal(gap_of(loaded), gap_of(network))


def test_entries_without_a_value_say_nothing(tmp_path):
    network = random_network(no_text="encode_empty", late_fusion_type="tucker")
    loaded = read_checkpoint(
        save(tmp_path / "x.pt", network, config={"late_fusion_rank": None, "classification": None})
    )
    assert torch.equal(gap_of(loaded.network), gap_of(network))
    assert "classification = False" in loaded.assumed


def test_counters_that_batch_norm_does_not_need_may_be_missing(tmp_path):
    network = random_network(no_text="encode_empty")
    state = {key: value for key, value in network.state_dict().items() if not key.endswith("num_batches_tracked")}
    torch.save({"model": state}, tmp_path / "x.pt")
    assert torch.equal(gap_of(load_checkpoint(tmp_path / "x.pt")), gap_of(network))


def test_bare_state_dicts_and_the_prefix_of_data_parallel(tmp_path):
    network = random_network(no_text="encode_empty")
    torch.save({f"module.{key}": value for key, value in network.state_dict().items()}, tmp_path / "x.pt")
    assert torch.equal(gap_of(load_checkpoint(tmp_path / "x.pt")), gap_of(network))
    for entry in ("state_dict", "model_state_dict"):
        torch.save({"epoch": 3, entry: network.state_dict()}, tmp_path / "x.pt")
        assert torch.equal(gap_of(load_checkpoint(tmp_path / "x.pt")), gap_of(network))


def test_plain_alignn_checkpoints_load_as_graph_only(tmp_path):
    network = random_network(use_text=False)
    path = save(tmp_path / "alignn.pt", network)
    loaded = load_checkpoint(path)
    assert not loaded.config.use_text
    with torch.no_grad():
        assert torch.equal(loaded(some_batch()).gap, network(some_batch()).gap)


def test_what_the_caller_says_wins_over_the_file_and_strings_are_read(tmp_path):
    network = random_network(use_cross_modal_attention=True, no_text="encode_empty")
    path = save(
        tmp_path / "x.pt", network, config={**SMALL, "use_cross_modal_attention": True, "cross_modal_num_heads": 4}
    )
    loaded = read_checkpoint(
        path, overrides={"cross_modal_num_heads": "2", "classification": "True", "graph_flavour": "symmetric"}
    )
    config = loaded.network.config
    assert (config.cross_modal_num_heads, config.classification, config.graph_flavour) == (2, True, "symmetric")
    assert not any("graph_flavour" in line or "classification" in line for line in loaded.assumed)


def test_entries_that_mean_nothing_to_the_network_are_named(tmp_path):
    network = random_network(no_text="encode_empty")
    path = save(
        tmp_path / "x.pt",
        network,
        config={"use_cross_modal_attention": False, "name": "alignn", "favourite_colour": "blue"},
    )
    said = " ".join(read_checkpoint(path).assumed)
    assert "favourite_colour" in said
    assert "'name'" not in said, "the family writes it always"


def test_an_unknown_override_lists_the_known_ones(tmp_path):
    path = save(tmp_path / "x.pt", random_network())
    with pytest.raises(CheckpointError, match=r"unknown setting heads; known are: .*cross_modal_num_heads"):
        read_checkpoint(path, overrides={"heads": 3})


def test_missing_unknown_and_misshapen_names_are_all_listed(tmp_path):
    network = random_network(**FULL_MIDDLE)
    state = dict(network.state_dict())
    del state["gcn_layers.1.bn_nodes.bias"]
    del state["fc.bias"]
    state["extra.weight"] = torch.zeros(2)
    state["gcn_layers.0.src_gate.weight"] = torch.zeros(3, 3)
    torch.save({"model": state, "config": network.config.model_dump(mode="json")}, tmp_path / "x.pt")
    with pytest.raises(CheckpointError) as error:
        load_checkpoint(tmp_path / "x.pt")
    said = str(error.value)
    missing, rest = said.split("unknown:")
    assert "gcn_layers.1.bn_nodes.bias" in missing
    assert "fc.bias" in missing
    assert "extra.weight" in rest.split("wrong shape")[0]
    assert "gcn_layers.0.src_gate.weight: file [3, 3], network [12, 12]" in rest


def test_a_config_that_contradicts_the_shapes_is_refused_with_them(tmp_path):
    network = random_network(no_text="encode_empty")
    path = save(tmp_path / "x.pt", network, config={"hidden_features": 16, "use_cross_modal_attention": False})
    with pytest.raises(CheckpointError, match=r"file \[12"):
        load_checkpoint(path)


def test_a_config_that_cannot_be_built_says_which_entry(tmp_path):
    path = save(tmp_path / "x.pt", random_network(), config={"use_middle_fusion": True, "middle_fusion_layers": [7]})
    with pytest.raises(CheckpointError, match="layer 7"):
        load_checkpoint(path)
    torch.save(
        {"model": {**random_network().state_dict(), "atom_embedding.layer.0.weight": torch.zeros(12, 11)}},
        tmp_path / "y.pt",
    )
    with pytest.raises(CheckpointError, match="atom_input_features"):
        load_checkpoint(tmp_path / "y.pt")


class Shell:
    """What an attacker would put into a pickle."""

    def __init__(self, command):
        self.command = command

    def __reduce__(self):
        return (os.system, (self.command,))


def test_a_pickle_that_wants_to_run_code_is_refused_and_not_run(tmp_path):
    trace = tmp_path / "trace"
    torch.save({"model": random_network().state_dict(), "config": Shell(f"touch {trace}")}, tmp_path / "evil.pt")
    with pytest.raises(CheckpointError, match="refused: it holds more than tensors"):
        load_checkpoint(tmp_path / "evil.pt")
    (tmp_path / "old.pt").write_bytes(pickle.dumps(Shell(f"touch {trace}")))
    with pytest.raises(CheckpointError):
        load_checkpoint(tmp_path / "old.pt")
    assert not trace.exists()


def test_files_that_are_no_checkpoints(tmp_path):
    (tmp_path / "text.pt").write_text("not a checkpoint")
    (tmp_path / "empty.pt").write_bytes(b"")
    with zipfile.ZipFile(tmp_path / "zip.pt", "w") as archive:
        archive.writestr("hello", "world")
    torch.save([1, 2], tmp_path / "list.pt")
    torch.save({"epoch": 3}, tmp_path / "counter.pt")
    torch.save({"model": {}}, tmp_path / "hollow.pt")
    whole = tmp_path / "whole.pt"
    save(whole, random_network())
    (tmp_path / "cut.pt").write_bytes(whole.read_bytes()[:2000])
    for name in ("text", "empty", "zip", "list", "counter", "hollow", "cut"):
        with pytest.raises(CheckpointError, match=rf"{name}\.pt"):
            load_checkpoint(tmp_path / f"{name}.pt")
    with pytest.raises(CheckpointError, match="does not exist"):
        load_checkpoint(tmp_path / "nowhere.pt")
    with pytest.raises(CheckpointError, match=r"counter\.pt.*epoch: int"):
        load_checkpoint(tmp_path / "counter.pt")


def test_weights_of_another_precision_are_taken_over(tmp_path):
    network = random_network(no_text="encode_empty")
    torch.save(
        {
            "model": {
                key: value.double() if value.is_floating_point() else value
                for key, value in network.state_dict().items()
            }
        },
        tmp_path / "x.pt",
    )
    loaded = load_checkpoint(tmp_path / "x.pt")
    assert next(loaded.parameters()).dtype == torch.float32
    assert torch.equal(gap_of(loaded), gap_of(network))


@pytest.mark.shared_data
@pytest.mark.parametrize("name", ["baseline_concat", "bilinear", "adaptive", "tucker_fine_grained"])
def test_configurations_of_the_published_family_survive_without_their_config(published_shapes, name, tmp_path):
    """The published names at their published widths, inferred from a whole state dict."""
    from hsegap.models import CrystalTextNetwork

    config = FusionConfig(**published_shapes[name]["config"], no_text="encode_empty", graph_flavour="jarvis")
    network = CrystalTextNetwork(config)
    randomise(network)  # a learned scale that is still exactly 1 could not be told from a constant
    inferred = read_checkpoint(save(tmp_path / "x.pt", network)).network.config
    # Initial values say nothing about a finished network, nor do the switches of a module that is off.
    skipped = {"middle_fusion_initial_scale", "middle_fusion_initial_node_scale"}
    if not config.use_improved_middle_fusion:
        skipped |= {"middle_fusion_use_residual_scaling", "middle_fusion_use_dynamic_gating"}
    ours, theirs = (
        {
            key: value
            for key, value in entry.model_dump().items()
            if key not in skipped and (config.use_middle_fusion or "middle_fusion" not in key)
        }
        for entry in (inferred, config)
    )
    assert ours == theirs

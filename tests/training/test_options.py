"""Every flag of the published script with its default and its help; what does not fit together is refused in words."""

from __future__ import annotations

import json
import re

import pytest

from hsegap.training.ablation import plan_runs
from hsegap.training.flags import build_parser, parse_options
from hsegap.training.options import OptionsError, TrainingOptions, options_from
from hsegap.training.pipeline import read_recipe

#: The table of model.md.
PUBLISHED = {
    "root_dir": "../dataset/",
    "dataset": "jarvis",
    "property": "formation_energy",
    "train_ratio": 0.8,
    "val_ratio": 0.1,
    "test_ratio": 0.1,
    "n_train": None,
    "n_val": None,
    "n_test": None,
    "batch_size": 64,
    "epochs": 1000,
    "learning_rate": 0.001,
    "weight_decay": 1e-5,
    "warmup_steps": 2000,
    "alignn_layers": 4,
    "gcn_layers": 4,
    "hidden_features": 256,
    "graph_dropout": 0.0,
    "use_cross_modal": True,
    "cross_modal_hidden_dim": 256,
    "cross_modal_num_heads": 4,
    "cross_modal_dropout": 0.1,
    "late_fusion_type": "concat",
    "late_fusion_rank": 16,
    "late_fusion_output_dim": 64,
    "use_preprocessed": False,
    "preprocessed_dir": "preprocessed_data",
    "random_seed": 123,
    "mask_stopwords": False,
    "remove_stopwords": False,
    "stopwords_dir": "",
    "output_dir": "./output/",
    "use_middle_fusion": False,
    "middle_fusion_layers": "2",
    "middle_fusion_hidden_dim": 128,
    "middle_fusion_num_heads": 2,
    "middle_fusion_dropout": 0.1,
    "middle_fusion_use_gate_norm": False,
    "middle_fusion_use_learnable_scale": False,
    "middle_fusion_initial_scale": 1.0,
    "use_improved_middle_fusion": False,
    "middle_fusion_use_residual_scaling": True,
    "middle_fusion_use_dynamic_gating": True,
    "middle_fusion_initial_node_scale": 1.0,
    "use_fine_grained_attention": False,
    "fine_grained_hidden_dim": 256,
    "fine_grained_num_heads": 8,
    "fine_grained_dropout": 0.1,
    "fine_grained_use_projection": True,
    "use_contrastive": False,
    "contrastive_weight": 0.1,
    "contrastive_temperature": 0.1,
    "classification": False,
    "classification_threshold": 0.5,
    "resume": False,
    "early_stopping_patience": None,
    "num_workers": 0,
    "cross_modal_attention_type": "bidirectional",
    "config_file": None,
}


def parse(line):
    return parse_options(line.split())


def test_every_published_flag_has_its_default():
    options = parse_options([])
    for name, default in PUBLISHED.items():
        value = getattr(options, name)
        assert value == default, name
        assert type(value) is type(default), name


def test_the_help_lists_every_flag_with_its_default_and_ours_apart():
    text = build_parser().format_help()
    published, added = text.split("options added by hsegap")
    assert "published flags" in published
    joined = re.sub(r"\s+", " ", published)
    for name, default in PUBLISHED.items():
        assert re.search(
            rf"--{name} [^(]*\([^(]*default: {re.escape(str(default))}\)"
            rf"|--{name} .*?\(default: {re.escape(str(default))}\)",
            joined,
        ), name
    ours = set(TrainingOptions.model_fields) - set(PUBLISHED)
    assert {"text_encoder", "text_dropout", "init_from", "device", "amp"} <= ours
    for name in ours:
        assert re.search(rf"--{name}\b", added), name
        assert not re.search(rf"--{name}\b", published), name
    assert "30 % of all" in joined


@pytest.mark.parametrize("word", ["True", "true", "yes", "1", "TRUE", "on", "t", "Y"])
def test_words_for_true(word):
    assert parse_options(["--use_middle_fusion", word]).use_middle_fusion is True


@pytest.mark.parametrize("word", ["False", "false", "no", "0", "FALSE", "off", "f", "N"])
def test_words_for_false(word):
    assert parse_options(["--use_cross_modal", word]).use_cross_modal is False


@pytest.mark.parametrize("flag", ["--resume", "--classification", "--mask_stopwords", "--remove_stopwords"])
def test_flags_the_published_script_takes_as_0_and_1(flag):
    more = ["--stopwords_dir", "words.txt"] if "stopwords" in flag else []
    assert getattr(parse_options([flag, "1", *more]), flag[2:]) is True
    assert getattr(parse_options([flag, "0"]), flag[2:]) is False


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        ("--use_middle_fusion maybe", "expected True or False"),
        ("--use_middle_fusion", "expected one argument"),
        ("--dataset qm9", "invalid choice"),
        ("--late_fusion_type sum", "invalid choice"),
        ("--epochs many", "invalid int"),
        ("--epoch 3", "unrecognized arguments"),  # no abbreviations: a new flag would change what they mean
    ],
)
def test_what_cannot_be_parsed(arguments, said, capsys):
    with pytest.raises(SystemExit) as stop:
        parse(arguments)
    assert stop.value.code == 2
    assert said in capsys.readouterr().err


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        ("--use_middle_fusion True --middle_fusion_layers 4", "layer 4, but the 4 ALIGNN layers are numbered 0 to 3"),
        ("--use_middle_fusion True --alignn_layers 2 --middle_fusion_layers 0,2", "layer 2, but the 2 ALIGNN layers"),
        ("--use_middle_fusion True --middle_fusion_layers two", "list of layer numbers"),
        ("--cross_modal_hidden_dim 250", "cross_modal_hidden_dim (250) is not divisible by cross_modal_num_heads (4)"),
        ("--use_fine_grained_attention True --fine_grained_num_heads 7", "not divisible by fine_grained_num_heads (7)"),
        ("--train_ratio 0.9 --val_ratio 0.2", "together they are at most 1"),
        ("--train_ratio 1.5", "less than or equal to 1"),
        ("--test_ratio -0.1", "greater than or equal to 0"),
        ("--batch_size 0", "greater than or equal to 1"),
        ("--epochs 0", "greater than or equal to 1"),
        ("--learning_rate 0", "greater than 0"),
        ("--graph_dropout 1", "less than 1"),
        ("--coordinate_noise -0.1", "greater than or equal to 0"),
        ("--use_contrastive True --batch_size 1", "batch_size has to be 2 or more"),
        ("--train_file a.jsonl.gz", "train_file and val_file go together"),
        ("--lattice_slope=-12", "give that too"),
        ("--mask_stopwords 1", "need stopwords_dir"),
        ("--mask_stopwords 1 --remove_stopwords 1 --stopwords_dir x", "not both"),
        ("--text_dropout 2", "less than or equal to 1"),
        ("--hidden_features 1", "hidden_features"),
        ("--alignn_layers -1", "alignn_layers"),
        ("--early_stopping_patience 0", "greater than or equal to 1"),
        ("--classification 1 --loss mae", "classification has its own loss"),
    ],
)
def test_wrong_combinations_are_refused_in_words(arguments, said):
    with pytest.raises(OptionsError) as error:
        parse(arguments)
    assert said in str(error.value)
    assert "validation error" not in str(error.value), "pydantic's own words are for programmers"


def test_several_problems_are_said_at_once():
    with pytest.raises(OptionsError) as error:
        parse("--epochs 0 --batch_size -3")
    assert "--epochs" in str(error.value)
    assert "--batch_size" in str(error.value)


@pytest.mark.parametrize(
    ("short", "folder"),
    [
        ("formation_energy", "formation_energy_peratom"),
        ("fe", "formation_energy_peratom"),
        ("total_energy", "optb88vdw_total_energy"),
        ("opt_bandgap", "optb88vdw_bandgap"),
        ("bulk_modulus", "bulk_modulus_kv"),
        ("shear_modulus", "shear_modulus_gv"),
        ("hse_bandgap-2", "hse_bandgap-2"),
    ],
)
def test_short_names_of_properties(short, folder):
    options = parse_options(["--property", short])
    assert options.property_folder == folder
    assert options.output_folder.parts[-1] == short


def test_flags_become_the_networks_configuration():
    options = parse(
        "--use_middle_fusion True --middle_fusion_layers 2,3 --use_improved_middle_fusion yes --use_cross_modal False "
        "--late_fusion_type gated --use_contrastive True --contrastive_weight 0.3 --hidden_features 32 "
        "--graph_flavour jarvis"
    )
    config = options.fusion_config(text_features=384)
    assert config.fusion_layers == (2, 3)
    assert (config.use_cross_modal_attention, config.use_contrastive_loss, config.contrastive_loss_weight) == (
        False,
        True,
        0.3,
    )
    assert (config.hidden_features, config.text_features, config.graph_flavour, config.late_fusion_type) == (
        32,
        384,
        "jarvis",
        "gated",
    )


@pytest.mark.parametrize("suffix", ["json", "yaml"])
def test_a_file_of_flags_and_the_command_line_that_wins(suffix, tmp_path):
    import yaml

    path = tmp_path / f"flags.{suffix}"
    values = {"epochs": 7, "use_middle_fusion": True, "middle_fusion_layers": [1, 2], "hidden_features": 32}
    path.write_text(json.dumps(values) if suffix == "json" else yaml.safe_dump(values))
    options = parse_options(["--config_file", str(path), "--epochs", "9"])
    assert (options.epochs, options.hidden_features, options.middle_fusion_layers) == (9, 32, "1,2")


@pytest.mark.parametrize(
    ("content", "said"),
    [
        ("epochs: [", "--config_file"),
        ("- a\n- b\n", "expected a mapping"),
        ("colour: blue\n", "colour"),
        (None, "No such file"),
    ],
)
def test_files_of_flags_that_cannot_be_used(content, said, tmp_path):
    path = tmp_path / "flags.yaml"
    if content is not None:
        path.write_text(content)
    with pytest.raises(OptionsError, match=said):
        parse_options(["--config_file", str(path)])


def test_our_recipes_are_flags_that_fit():
    from pathlib import Path

    recipes = sorted((Path(__file__).resolve().parents[2] / "training" / "recipes").glob("*.yaml"))
    assert recipes
    for recipe in recipes:
        import yaml

        values = yaml.safe_load(recipe.read_text())
        if "steps" in values:
            assert all(step.name for step in read_recipe(recipe).steps)
        elif "variants" in values:
            assert len(plan_runs(values, [0], Path("runs"))) == len(values["variants"])
        else:
            options_from(values.get("base", values))


def test_the_recipe_for_crystals_of_ones_own_takes_over_the_whole_shipped_network():
    from pathlib import Path

    from hsegap.models import CrystalTextNetwork, read_checkpoint
    from hsegap.training.run import initialise

    root = Path(__file__).resolve().parents[2]
    options = parse_options(["--config_file", str(root / "training" / "recipes" / "your_own.yaml")])
    weights = root / options.init_from
    shipped = read_checkpoint(weights).network
    network = CrystalTextNetwork(options.fusion_config(text_features=shipped.config.text_features))
    n = len(network.state_dict())
    assert initialise(network, str(weights)).endswith(f"{n} of {n} tensors")
    # Dropouts aside, it also says the same thing of a crystal.
    same = {"graph_dropout": 0.0}
    assert network.config.model_copy(update=same) == shipped.config.model_copy(update=same)

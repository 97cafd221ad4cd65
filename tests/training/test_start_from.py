"""Starting from other weights under other names, and rows that are not trained on."""

from __future__ import annotations

import csv

import pytest
import torch

from hsegap.models import read_checkpoint
from hsegap.text import TextEncoder
from hsegap.training.errors import DataError
from hsegap.training.options import OptionsError, options_from
from hsegap.training.run import run_training
from support.small_data import write_jarvis

pytestmark = pytest.mark.usefixtures("one_thread")


@pytest.fixture(scope="module")
def root(tmp_path_factory):
    return write_jarvis(tmp_path_factory.mktemp("data"))


@pytest.fixture
def train(root, tiny_encoder, tmp_path):
    """Run a small training with a fusion at one layer; the folder of its results."""

    def run(**values):
        options = {
            "root_dir": str(root),
            "property": "gap",
            "cache_dir": str(root / "cache"),
            "output_dir": str(tmp_path),
            "epochs": 1,
            "batch_size": 8,
            "hidden_features": 12,
            "embedding_features": 8,
            "alignn_layers": 2,
            "gcn_layers": 1,
            "use_middle_fusion": True,
            "use_cross_modal": False,
            "late_fusion_type": "gated",
            "n_train": 16,
            "n_val": 4,
            "n_test": 4,
        }
        return run_training(
            options_from(options | values),
            load_encoder=lambda _options: TextEncoder.load(tiny_encoder),
            report=lambda _line: None,
        )

    return run


def test_weights_are_taken_over_under_other_names(train, tmp_path):
    first = train(output_dir=str(tmp_path / "first"), middle_fusion_layers="0", random_seed=1)
    second = train(
        output_dir=str(tmp_path / "second"),
        middle_fusion_layers="1",
        init_from=str(first / "best_model.pt"),
        init_rename="middle_fusion_modules.layer_0=middle_fusion_modules.layer_1, fc.=",
        learning_rate=1e-12,
        random_seed=2,
    )
    old, new = (read_checkpoint(folder / "best_model.pt").network.state_dict() for folder in (first, second))
    moved = [name for name in old if "layer_0" in name and name.endswith("weight")]
    assert moved
    for name in [*moved, "atom_embedding.layer.0.weight"]:
        torch.testing.assert_close(new[name.replace("layer_0", "layer_1")], old[name])
    assert not torch.allclose(old["fc.weight"], new["fc.weight"], atol=1e-3), "an empty name leaves out"


def test_pairs_that_are_none_are_refused(train, tmp_path):
    weights = tmp_path / "any.pt"
    weights.touch()
    with pytest.raises(OptionsError, match="old=new"):
        train(init_from=str(weights), init_rename="fc", middle_fusion_layers="0")


def test_excluded_rows_are_not_trained_on(train, root, tmp_path):
    everything = train(output_dir=str(tmp_path / "all"), middle_fusion_layers="0")
    about = torch.load(everything / "best_model.pt", weights_only=True)["facts"]
    names = tmp_path / "wrong.txt"
    table = next(root.rglob("description.csv"))
    ids = [row[0] for row in csv.reader(table.open())][1:]
    names.write_text("# labels that cannot be right\n" + "".join(f"{name}  # a metal?\n" for name in ids[:10]))
    folder = train(middle_fusion_layers="0", exclude=str(names))
    reasons = {row[0]: row[1] for row in csv.reader((folder / "skipped.csv").open())}
    excluded = [name for name in ids[:10] if name in reasons]
    assert excluded, "of ten rows some are in the training part"
    assert all(reasons[name] == f"excluded by {names}" for name in excluded)
    rows = torch.load(folder / "best_model.pt", weights_only=True)["facts"]["n_rows"]
    assert rows == about["n_rows"] - len(excluded)
    with pytest.raises(DataError, match="--exclude"):
        train(exclude=str(tmp_path / "absent.txt"), middle_fusion_layers="0")

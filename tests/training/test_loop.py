"""What the training loop optimises, when it stops, and what it writes."""

from __future__ import annotations

import csv
import json

import numpy as np
import pytest
import torch

from hsegap.models import load_checkpoint, read_checkpoint
from hsegap.structures import build_graph, read
from hsegap.training.augment import displaced, strained_pair
from hsegap.training.loop import Trainer
from hsegap.training.options import OptionsError, options_from
from hsegap.training.run import stopword_rewriter
from support.needs import needed_dgl
from support.small_data import history, small_training, textbook, write_jarvis

pytestmark = pytest.mark.usefixtures("one_thread")


def test_it_learns(train):
    entries = history(train(epochs=40, n_train=20, n_val=4, n_test=0, text_dropout=0.0, learning_rate=0.02))
    assert entries[-1]["train_loss"] < 0.2 * entries[0]["train_loss"]


def test_what_a_run_leaves_behind(run_once):
    folder = run_once()
    assert {path.name for path in folder.iterdir()} == {
        "best_model.pt",
        "last_checkpoint.pt",
        "config.json",
        "history.json",
        "timings.json",
        "test_metrics.json",
        "prediction_results_test_set.csv",
    }
    content = torch.load(folder / "best_model.pt", weights_only=True)
    assert content["facts"]["n_rows"] == 16
    assert content["facts"]["n_described"] == 16
    assert content["facts"]["text_encoder"]["width"] == 16
    assert (
        set()
        < set(content["facts"]["elements"])
        <= {
            "Na",
            "Cl",
            "Mg",
            "O",
            "Ga",
            "As",
            "Zn",
            "S",
            "Cs",
            "I",
            "K",
            "F",
            "Ti",
        }
    )
    assert read_checkpoint(folder / "best_model.pt").assumed == []
    config = json.loads((folder / "config.json").read_text())
    assert config["options"]["hidden_features"] == config["config"]["hidden_features"] == 12
    with (folder / "prediction_results_test_set.csv").open(newline="") as table:
        rows = list(csv.DictReader(table))
    targets = {sample.id: sample.target for sample in textbook()}
    assert len(rows) == 4
    assert all(float(row["target"]) == pytest.approx(targets[row["id"]]) for row in rows)
    metrics = json.loads((folder / "test_metrics.json").read_text())
    for name, column in (("test", "prediction"), ("test_without_text", "prediction_without_text")):
        errors = np.array([float(row[column]) - float(row["target"]) for row in rows])
        assert metrics[name]["mae"] == pytest.approx(np.abs(errors).mean(), rel=1e-4)
    assert metrics["test"] != metrics["test_without_text"]
    assert any("rows: 16 training, 4 validation, 4 test, 0 skipped" in line for line in run_once.lines)


def test_skipped_rows_are_counted_and_listed(train, tmp_path):
    other = write_jarvis(tmp_path / "data")
    cif = other / "jarvis" / "gap" / "cif"
    (cif / "sample-3.cif").unlink()
    (cif / "sample-5.cif").write_text("no cif")
    folder = train(root_dir=str(other), n_train=15)
    listed = (folder / "skipped.csv").read_text()
    assert "sample-3,its CIF file is missing" in listed
    assert "sample-5," in listed
    assert any("2 rows were skipped" in line and "skipped.csv" in line for line in train.lines)


def test_best_weights_are_those_of_the_best_epoch(train):
    folder = train(epochs=5, learning_rate=0.05)
    best = min(history(folder), key=lambda entry: entry["val_mae"])
    content = torch.load(folder / "best_model.pt", weights_only=True)
    assert content["epoch"] == best["epoch"]
    assert content["metrics"]["val_mae"] == best["val_mae"]


def test_coordinate_noise_is_only_for_training(train, monkeypatch):
    crystals, shifts = [], []

    def watched(graph, deviation):
        moved = displaced(graph, deviation)
        crystals.append(len(graph.crystal_atoms))
        shifts.append(float((moved.r - graph.r).abs().max()))
        return moved

    monkeypatch.setattr("hsegap.training.loop.displaced", watched)
    options = {"learning_rate": 1e-12, "weight_decay": 0.0, "epochs": 1}
    still, moved = (history(train(coordinate_noise=noise, **options))[0] for noise in (0.0, 0.1))
    assert moved["train_loss"] != still["train_loss"]
    # Each of the 16 training crystals once; neither the four of validation nor those of the test.
    assert sum(crystals) == 16
    assert min(shifts) > 0.1


def test_a_share_of_the_steps_compares_the_mean_of_two_strained_lattices(train, tmp_path, monkeypatch):
    """The strains are replaced by one of nothing: then the mean answer is the crystal's own, without its text."""
    seen = []

    def unstrained(graph):
        seen.append(len(graph.crystal_atoms))
        return strained_pair(graph, most=0.0)

    monkeypatch.setattr("hsegap.training.loop.strained_pair", unstrained)
    monkeypatch.setattr("torch.nn.functional.dropout", lambda values, *_: values)
    options = {"learning_rate": 1e-12, "weight_decay": 0.0, "epochs": 1, "graph_dropout": 0.0}
    hidden = history(train(output_dir=str(tmp_path / "a"), text_dropout=1.0, **options))[0]
    assert not seen
    pairs = history(train(output_dir=str(tmp_path / "b"), text_dropout=0.0, strain_pairs=1.0, **options))[0]
    assert sum(seen) == 16
    assert pairs["train_loss"] == pytest.approx(hidden["train_loss"], rel=1e-4)
    seen.clear()
    train(output_dir=str(tmp_path / "c"), strain_pairs=0.5, batch_size=1, **options)
    assert 0 < sum(seen) < 16


def test_a_steep_change_with_strain_costs_what_it_is_weighed_with(train, tmp_path, monkeypatch):
    """A few gaps of a network from random numbers are steeper than any material's; where none is, it costs nothing."""
    options = {"learning_rate": 1e-12, "weight_decay": 0.0, "epochs": 1, "graph_dropout": 0.0, "strain_pairs": 1.0}

    def loss(name, weight):
        return history(train(output_dir=str(tmp_path / name), strain_slope=weight, **options))[0]["train_loss"]

    free, weighed, twice = loss("a", 0.0), loss("b", 1e3), loss("c", 2e3)
    assert weighed > 1.01 * free
    assert twice - free == pytest.approx(2 * (weighed - free), rel=1e-3)
    monkeypatch.setattr("hsegap.training.objective.STEEPEST", 1e9)
    assert loss("d", 1e3) == pytest.approx(free, rel=1e-6)


def test_early_stopping(train):
    entries = history(
        train(epochs=30, learning_rate=1e-12, weight_decay=0.0, early_stopping_patience=3, graph_dropout=0.0)
    )
    best = min(range(len(entries)), key=lambda index: entries[index]["val_mae"])
    assert len(entries) == best + 1 + 3
    assert len(entries) < 30


def test_the_learning_rate_rises_for_at_most_30_percent_of_the_steps(root, tiny_encoder, tmp_path):
    from hsegap.models import CrystalTextNetwork

    for warmup, share in ((2000, 0.3), (4, 4 / 40), (1, 0.0), (0, 0.0)):
        options = options_from(small_training(root, tmp_path) | {"epochs": 20, "warmup_steps": warmup})
        trainer = object.__new__(Trainer)
        dataset = type(
            "Rows",
            (),
            {"sizes": np.arange(1, 17), "__len__": lambda _self: 16, "draws": lambda _self, **_: np.arange(16)},
        )()
        network = CrystalTextNetwork(options.fusion_config(text_features=4))
        trainer.__init__(network, options, train=dataset, val=dataset, folder=tmp_path, facts={})
        rates = []
        for _ in range(40):
            trainer.optimizer.step()
            rates.append(trainer.optimizer.param_groups[0]["lr"])
            if len(rates) < 40:
                trainer.scheduler.step()
        assert max(rates) == pytest.approx(0.01, rel=1e-3)
        assert abs(int(np.argmax(rates)) - share * 40) <= 1.01


def test_contrastive_loss_is_added_with_its_weight(train, run_once):
    plain = history(run_once())[0]
    more = history(train(epochs=1, n_test=0, use_contrastive=True, contrastive_weight=0.5))[0]
    assert more["train_loss"] > plain["train_loss"] + 0.1


def test_text_dropout_of_one_never_shows_a_text(train, run_once, tmp_path):
    other = write_jarvis(
        tmp_path / "data", samples=[sample._replace(description="Something else.") for sample in textbook()]
    )
    one = history(train(text_dropout=1.0, output_dir=str(tmp_path / "a")))
    two = history(train(text_dropout=1.0, output_dir=str(tmp_path / "b"), root_dir=str(other)))
    assert [entry["train_loss"] for entry in one] == [entry["train_loss"] for entry in two]
    assert [entry["val_mae_without_text"] for entry in one] == [entry["val_mae_without_text"] for entry in two]
    assert one[-1]["val_mae"] != two[-1]["val_mae"]
    shown = history(run_once(text_dropout=0.0))
    assert shown[-1]["train_loss"] != one[-1]["train_loss"]


def test_rows_without_a_description_train_the_vector_for_a_missing_text(train, tmp_path):
    other = write_jarvis(tmp_path / "data", samples=[sample._replace(description="") for sample in textbook()])
    folder = train(text_dropout=0.0, root_dir=str(other))
    state = torch.load(folder / "best_model.pt", weights_only=True)
    assert state["model"]["no_text_vector"].abs().max() > 0
    assert state["facts"]["n_described"] == 0
    metrics = json.loads((folder / "test_metrics.json").read_text())
    assert metrics["test"] == metrics["test_without_text"]


def test_classification(train):
    folder = train(classification=True, classification_threshold=1.5, epochs=3)
    assert set(history(folder)[0]) >= {
        "val_accuracy",
        "val_precision",
        "val_recall",
        "val_roc_auc",
        "val_accuracy_without_text",
    }
    network = load_checkpoint(folder / "best_model.pt")
    assert network.config.classification
    with (folder / "prediction_results_test_set.csv").open(newline="") as table:
        rows = list(csv.DictReader(table))
    assert len(rows) == 4
    assert all(0 < float(row["prediction"]) < 1 for row in rows)
    assert all(float(row["target"]) in {0.0, 1.0} for row in rows)


def test_classification_where_validation_knows_one_class_only(train):
    folder = train(classification=True, classification_threshold=99.0)
    assert history(folder)[0]["val_roc_auc"] is None, "JSON has no NaN"
    assert (folder / "best_model.pt").is_file()


def test_starting_from_other_weights(train, tmp_path):
    first = train(output_dir=str(tmp_path / "first"), use_middle_fusion=True, middle_fusion_layers="0")
    train(
        output_dir=str(tmp_path / "second"),
        use_middle_fusion=True,
        middle_fusion_layers="0",
        use_improved_middle_fusion=True,
        init_from=str(first / "best_model.pt"),
    )
    said = next(line for line in train.lines if line.startswith("started from"))
    copied, total = (int(word) for word in said.rsplit(": ", 1)[1].replace(" tensors", "").split(" of "))
    assert total - copied == 6, "node_scale, importance_modulation and the predictor's two layers are new"
    with pytest.raises(OptionsError, match="there is no checkpoint"):
        train(init_from=str(tmp_path / "nowhere.pt"))


def test_text_enters_with_fine_grained_attention_and_every_token(train):
    folder = train(
        use_fine_grained_attention=True,
        fine_grained_hidden_dim=8,
        fine_grained_num_heads=2,
        late_fusion_type="adaptive",
    )
    assert load_checkpoint(folder / "best_model.pt").config.use_fine_grained_attention


@pytest.mark.parametrize("late", ["gated", "bilinear", "adaptive", "tucker", "concat"])
def test_every_late_fusion_trains(train, late):
    assert np.isfinite(
        history(train(late_fusion_type=late, use_cross_modal=late in {"tucker", "concat"}, epochs=1))[0]["train_loss"]
    )


def test_bf16_is_close_to_full_precision(run_once):
    full, half = history(run_once()), history(run_once(amp="bf16"))
    assert half[0]["train_loss"] != full[0]["train_loss"]
    assert half[0]["train_loss"] == pytest.approx(full[0]["train_loss"], rel=0.05)


def test_bf16_is_taken_by_itself_where_the_processor_computes_in_it(train, run_once, monkeypatch):
    wanted = history(run_once(amp="bf16"))
    monkeypatch.setattr("hsegap.training.precision.computes_in_bf16", lambda _device: True)
    assert history(train(amp="auto")) == wanted
    assert any(line.endswith("matrix products in bfloat16") for line in train.lines)


def test_a_compiled_network_trains_to_the_same_numbers_and_its_checkpoint_is_a_plain_one(train, run_once, monkeypatch):
    """Traced by torch.compile, run without code generation: this machine may have no compiler."""
    plain = history(run_once())
    real, compiled = torch.compile, []

    def trace(network, **options):
        compiled.append(options)
        return real(network, backend="eager", **options)

    monkeypatch.setattr(torch, "compile", trace)
    folder = train(compile=True)
    assert compiled == [{"dynamic": True}]
    assert history(folder)[-1]["train_loss"] == pytest.approx(plain[-1]["train_loss"], rel=1e-4)
    assert not any(name.startswith("_orig_mod") for name in load_checkpoint(folder / "best_model.pt").state_dict())


def test_stop_words(tmp_path):
    (tmp_path / "words").mkdir()
    (tmp_path / "words" / "a.txt").write_text("the\nbond lengths\n")
    (tmp_path / "words" / "b.txt").write_text("Is\n\n")
    text = "The structure is cubic. There are equal bond lengths; this one is theirs."
    where = {"stopwords_dir": str(tmp_path / "words")}
    masked = stopword_rewriter(options_from({"mask_stopwords": True, **where}))(text)
    removed = stopword_rewriter(options_from({"remove_stopwords": True, **where}))(text)
    assert masked == "[MASK] structure [MASK] cubic. There are equal [MASK]; this one [MASK] theirs."
    assert removed == "structure cubic. There are equal ; this one theirs."
    one_file = stopword_rewriter(
        options_from({"remove_stopwords": True, "stopwords_dir": str(tmp_path / "words" / "b.txt")})
    )
    assert one_file(text) == "The structure cubic. There are equal bond lengths; this one theirs."
    assert stopword_rewriter(options_from({})) is None
    with pytest.raises(OptionsError, match="no stop words"):
        stopword_rewriter(options_from({"mask_stopwords": True, "stopwords_dir": str(tmp_path / "nowhere")}))


def test_stop_words_change_what_the_network_reads(train, run_once, tmp_path):
    (tmp_path / "words.txt").write_text("structured\nlattice\n")
    plain = history(run_once(text_dropout=0.0))
    masked = history(
        train(
            output_dir=str(tmp_path / "b"),
            text_dropout=0.0,
            mask_stopwords=True,
            stopwords_dir=str(tmp_path / "words.txt"),
        )
    )
    assert plain[0]["train_loss"] != masked[0]["train_loss"]


def test_saved_dgl_graphs_give_the_run_that_cif_files_give(train, run_once, root, tmp_path):
    needed_dgl()
    from hsegap.training.saved_graphs import save_graphs

    cifs = root / "jarvis" / "gap" / "cif"
    graphs = {path.stem: build_graph(read(path)) for path in sorted(cifs.glob("*.cif"))}
    save_graphs(tmp_path / "saved" / "jarvis" / "gap", graphs, flavour="symmetric")
    bare = write_jarvis(tmp_path / "bare")
    for path in (bare / "jarvis" / "gap" / "cif").iterdir():
        path.unlink()
    wanted = history(run_once())
    preprocessed = {"use_preprocessed": True, "preprocessed_dir": str(tmp_path / "saved")}
    got = history(
        train(output_dir=str(tmp_path / "b"), root_dir=str(bare), cache_dir=str(tmp_path / "cache"), **preprocessed)
    )
    for one, other in zip(got, wanted, strict=True):
        assert one["train_loss"] == pytest.approx(other["train_loss"], rel=1e-4)
        assert one["val_mae"] == pytest.approx(other["val_mae"], rel=1e-4)
    from hsegap.training.data import DataError

    with pytest.raises(DataError, match="--graph_flavour symmetric"):
        train(graph_flavour="jarvis", **preprocessed)
    with pytest.raises(DataError, match="does not exist"):
        train(use_preprocessed=True, preprocessed_dir=str(tmp_path / "nowhere"))


@pytest.mark.parametrize(("device", "said"), [("tpu9", "is no device"), ("cuda", "sees no GPU")])
def test_devices_that_are_not_there(train, device, said):
    if device == "cuda" and torch.cuda.is_available():
        pytest.skip("there is a GPU here")
    with pytest.raises(OptionsError, match=said):
        train(device=device)

"""`hsegap export`: a stranger's checkpoint becomes an artifact that serves and verifies;
what cannot be is refused before it costs time.
"""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import numpy as np
import pytest
import torch

from hsegap.artifact.artifact import Artifact
from support.commands import run_here
from support.networks import random_network
from support.shared_material import write_tiny_transformer
from support.small_data import cif_text, textbook

pytestmark = pytest.mark.usefixtures("one_thread")
TEXT = "NaCl is Halite, Rock Salt structured."


@pytest.fixture(scope="module")
def golden(tmp_path_factory):
    """Three crystals to keep the predictions of."""
    folder = tmp_path_factory.mktemp("golden")
    for sample in textbook(3):
        (folder / f"{sample.id}.cif").write_text(cif_text(sample.crystal))
    return folder


@pytest.fixture(scope="module")
def wide_transformer(tmp_path_factory):
    """A random encoder as wide as MatSciBERT."""
    return write_tiny_transformer(tmp_path_factory.mktemp("wide") / "wide-bert", width=768)


@pytest.fixture
def forms_at_hand(told_artifact, monkeypatch):
    """The told network's forms are copied instead of exported again, which takes seconds;
    that they agree with the network is checked as ever.
    """

    def copied(*names):
        return lambda _, place: [
            shutil.copy(told_artifact / name, place / name if place.is_dir() else place) for name in names
        ]

    monkeypatch.setattr("hsegap.export.build.export_onnx", copied("network.onnx"))
    monkeypatch.setattr("hsegap.export.build.export_head", copied("head.onnx", "head.pt"))


@pytest.fixture(scope="module")
def exported(published, wide_transformer, golden, tmp_path_factory):
    """The published checkpoint without its config, exported by the command."""
    place = tmp_path_factory.mktemp("export")
    content = torch.load(published.checkpoint("recommended"), weights_only=True)
    torch.save({"model": content["model"]}, place / "theirs.pt")
    done = run_here(
        *(
            "export",
            "theirs.pt",
            "--text-encoder",
            wide_transformer,
            "-o",
            "artifact",
            "--golden",
            golden,
            "--no-describe",
        ),
        *("--set", "max_neighbors=12", "--name", "theirs", "--version", "2.1"),
        cwd=place,
    )
    assert done.status == 0, done.stderr
    return place / "artifact", done


@pytest.mark.shared_data
def test_what_was_assumed_is_printed(exported):
    _, done = exported
    for piece in (
        "assumed: the file has no config",
        "assumed: graph_flavour = jarvis",
        "assumed: no_text = encode_empty",
        "agree with the network",
    ):
        assert piece in done.stderr
    assert "3 golden crystals reproduced" in done.stdout


@pytest.mark.shared_data
def test_the_artifact_says_what_it_is(exported):
    manifest = Artifact.load(exported[0]).manifest
    assert (manifest.name, manifest.version) == ("theirs", "2.1")
    raw = json.loads((exported[0] / "manifest.json").read_text())
    assert raw["graph"] == {"flavour": "jarvis", "cutoff": 8.0, "max_neighbors": 12}
    assert (raw["text_encoder"]["pooling"], raw["text_encoder"]["width"]) == ("cls", 768)
    assert raw["training"]["known"] is False
    assert "unknown: the checkpoint does not say" in (exported[0] / "MODEL_CARD.md").read_text()
    assert str(Path.home()) not in json.dumps(raw)


@pytest.mark.shared_data
def test_the_service_predicts_what_the_stranger_s_network_says(exported, published):
    from hsegap.models import collate, load_checkpoint
    from hsegap.prediction.predictor import Predictor
    from hsegap.prediction.schemas import PredictRequest
    from hsegap.structures import build_graph, read
    from hsegap.text import TextEncoder

    artifact = Artifact.load(exported[0])
    network = load_checkpoint(published.checkpoint("recommended"))
    raw = json.loads((exported[0] / "manifest.json").read_text())
    encoder = TextEncoder.load(exported[0], settings=raw["text_encoder"])
    requests = [
        PredictRequest(structure=cif_text(s.crystal), description=text) for s in textbook(4) for text in (TEXT, None)
    ]
    with Predictor(artifact) as predictor:
        answers = predictor.predict(requests)
    for request, answer in zip(requests, answers, strict=True):
        graph = build_graph(read(request.structure), flavour="jarvis")
        tokens = torch.from_numpy(encoder.encode(request.description or "")[None])
        with torch.no_grad():
            wanted = network(collate([graph]), tokens)
        assert answer.gap_raw_ev == pytest.approx(float(wanted.gap), abs=1e-5)
        gates = [atom.gate["layer_2"] for atom in answer.atoms]
        np.testing.assert_allclose(gates, wanted.gates[:, 0], atol=1e-5)


@pytest.mark.shared_data
def test_verify_passes_from_elsewhere(exported, tmp_path):
    done = run_here("verify", exported[0], "--json", cwd=tmp_path)
    assert done.status == 0, done.stderr
    assert json.loads(done.stdout)["passed"]


@pytest.mark.usefixtures("forms_at_hand")
def test_our_checkpoint_takes_the_encoder_it_was_trained_with(told_artifact, tiny_encoder, golden, tmp_path):
    from hsegap.text import TextEncoder

    told = torch.load(told_artifact.parent / "told.pt", weights_only=True)
    settings = TextEncoder.load(tiny_encoder).settings.model_dump(mode="json")
    content = {
        **told,
        "options": {
            "text_encoder": str(tiny_encoder),
            "train_file": "/home/someone/train.jsonl.gz",
            "cache_dir": "/home/someone/cache",
        },
        "facts": {"n_rows": 3, "max_atoms": 5, "median_atoms": 2.0, "elements": ["Na", "Cl"], "text_encoder": settings},
        "epoch": 7,
        "averaged": ["/home/someone/one.pt", "/home/someone/two.pt"],
    }
    torch.save(content, tmp_path / "best_model.pt")
    done = run_here("export", "best_model.pt", "-o", "mine", "--golden", golden, "--no-describe", cwd=tmp_path)
    assert done.status == 0, done.stderr
    assert "assumed" not in done.stderr
    raw = json.loads((tmp_path / "mine" / "manifest.json").read_text())
    assert raw["elements"] == ["Na", "Cl"]
    assert (raw["training"]["epoch"], raw["training"]["averaged"]) == (7, 2)
    # Epochs are counted from one, as the training prints them.
    assert (
        "weights of epoch 7; the mean of the weights of 2 networks" in (tmp_path / "mine" / "MODEL_CARD.md").read_text()
    )
    assert raw["training"]["options"]["train_file"] == "train.jsonl.gz"
    assert "/home/someone" not in json.dumps(raw)
    assert raw["config"]["no_text"] == "learned"

    # The same again, with an encoder that reads texts otherwise than in training.
    content["facts"]["text_encoder"] = {**settings, "max_tokens": 20}
    torch.save(content, tmp_path / "best_model.pt")
    done = run_here("export", "best_model.pt", "-o", "other", "--golden", golden, "--no-describe", cwd=tmp_path)
    assert done.status == 1
    assert "max_tokens" in done.stderr
    assert not (tmp_path / "other").exists()


def save_foreign(path, **settings):
    network = random_network(no_text="encode_empty", **settings)
    torch.save({"model": network.state_dict()}, path)


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["--set", "heads=3"], "unknown setting heads; known are"),
        (["--set", "heads"], "--set takes key=value"),
        (["--set", "hidden_features=64"], "wrong shape"),
        (["--text-encoder", "./no/such/folder"], "there is no folder"),
        (["--text-encoder", "ENCODER"], "reads texts of width 10, tiny-bert gives 16"),
        (["--text-encoder", "ENCODER", "--pooling", "cls"], "exported with pooling mean, not cls"),
        (["--text-encoder", "TRANSFORMER", "--table", "nowhere.txt"], "no character table nowhere.txt"),
    ],
)
def test_what_cannot_be_exported_is_said_and_nothing_is_written(  # noqa: PLR0917 - fixtures
    arguments, said, tiny_encoder, tiny_transformer, golden, tmp_path
):
    save_foreign(tmp_path / "x.pt")
    places = {"ENCODER": str(tiny_encoder), "TRANSFORMER": str(tiny_transformer)}
    done = run_here(
        "export",
        "x.pt",
        "-o",
        "out",
        "--golden",
        golden,
        "--no-describe",
        *(places.get(part, part) for part in arguments),
        cwd=tmp_path,
    )
    assert done.status == (2 if said.startswith("--set takes") else 1)
    assert said in done.stderr
    assert "Traceback" not in done.stderr
    assert not (tmp_path / "out").exists()
    assert not [path for path in tmp_path.iterdir() if path.name.startswith(".out")]


def test_a_folder_that_is_no_artifact_is_not_overwritten(tiny_encoder, golden, tmp_path):
    from hsegap.export.build import build_artifact
    from hsegap.export.golden import golden_inputs

    save_foreign(tmp_path / "x.pt", text_features=16)
    (tmp_path / "thesis").mkdir()
    (tmp_path / "thesis" / "chapter1.txt").write_text("dear to me")
    with pytest.raises(ValueError, match="not an artifact"):
        build_artifact(
            tmp_path / "x.pt",
            tmp_path / "thesis",
            encoder_folder=tiny_encoder,
            golden=golden_inputs(golden, describe=False),
        )
    assert (tmp_path / "thesis" / "chapter1.txt").read_text() == "dear to me"


@pytest.mark.usefixtures("forms_at_hand")
def test_an_artifact_is_replaced_whole_or_not_at_all(tiny_encoder, told_artifact, tmp_path, monkeypatch):
    """There is the artifact that another process may have made of the same checkpoint;
    exported again it has the same bytes.
    """
    from hsegap.export.build import build_artifact
    from hsegap.export.golden import golden_inputs
    from hsegap.export.onnx import export_onnx
    from hsegap.export.parity import Difference, ParityError

    inputs = golden_inputs(told_artifact.parent / "golden", describe=False)
    out = tmp_path / "out"
    shutil.copytree(told_artifact, out)
    before = {path.name: path.read_bytes() for path in out.iterdir()}

    def build():
        return build_artifact(
            told_artifact.parent / "told.pt", out, encoder_folder=tiny_encoder, golden=inputs, report=lambda _line: None
        )

    with monkeypatch.context() as patch:
        patch.setattr("hsegap.export.build.compare_forms", lambda *_: [Difference("onnx", "made up", {"gap": 1.0})])
        with pytest.raises(ParityError, match="made up"):
            build()
    assert {path.name: path.read_bytes() for path in out.iterdir()} == before
    assert [path.name for path in tmp_path.iterdir() if path.name.startswith(".")] == []
    monkeypatch.setattr("hsegap.export.build.export_onnx", export_onnx)
    again = build()
    for name in ("network.onnx", "weights.safetensors", "golden.json"):
        assert (again / name).read_bytes() == before[name], name


@pytest.mark.usefixtures("forms_at_hand")
def test_an_encoder_whose_words_cannot_be_cut_leaves_nothing_behind(tiny_encoder, told_artifact, tmp_path):
    """The tiny encoder's tokenizer knows its special pieces only, its table has more rows."""
    from hsegap.export.build import build_artifact
    from hsegap.export.golden import golden_inputs
    from hsegap.text import TextEncoderError

    (tmp_path / "words.txt").write_text("NaCl is cubic", encoding="utf-8")
    with pytest.raises(TextEncoderError, match="no table of 5 pieces"):
        build_artifact(
            told_artifact.parent / "told.pt",
            tmp_path / "out",
            encoder_folder=tiny_encoder,
            golden=golden_inputs(told_artifact.parent / "golden", describe=False),
            vocabulary=[tmp_path / "words.txt"],
            report=lambda _line: None,
        )
    assert [path.name for path in tmp_path.iterdir()] == ["words.txt"]


def test_words_of_a_file_that_is_not_there_are_refused_at_once(tmp_path):
    done = run_here("export", "no.pt", "-o", "out", "--vocabulary", "absent.txt", cwd=tmp_path)
    assert done.status == 2
    assert "absent.txt" in done.stderr

"""One code path: order kept, neighbours untouched, a batch the same as its singles, every answer as documented."""

from __future__ import annotations

import json
import threading
from typing import TYPE_CHECKING

import numpy as np
import pytest

from hsegap.artifact.artifact import Artifact
from hsegap.artifact.manifest import write_manifest
from hsegap.prediction.errors import Failure
from hsegap.prediction.predictor import Predictor
from hsegap.prediction.prepared import fusion_layer_names
from hsegap.prediction.schemas import Prediction, PredictRequest, kind_of
from hsegap.structures import build_graph, read
from support.service_samples import BAD, GAAS, GOOD, MGO, NACL, SILICON, cif, supercell

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

TEXT = (
    "NaCl is Halite, Rock Salt structured and crystallizes in the cubic Fm-3m space group. "
    "Na is bonded to six equivalent Cl atoms."
)


def ask(structure: str, **more: object) -> PredictRequest:
    return PredictRequest.model_validate({"structure": structure} | more)


def predicted(answer: Prediction | Failure) -> Prediction:
    assert isinstance(answer, Prediction), answer
    return answer


def numbers(answer: Prediction | Failure) -> dict[str, object]:
    """All that a prediction says but its place and its times."""
    return predicted(answer).model_dump(exclude={"index", "timings_ms"})


def test_the_answer_is_as_documented(predictor: Predictor, artifact: Artifact) -> None:
    answer = predicted(predictor.predict([ask(NACL, description=TEXT)])[0])
    data = json.loads(answer.model_dump_json())
    assert list(data) == [
        *("index", "formula", "n_atoms", "gap_ev", "gap_raw_ev", "gap_without_text_ev", "pbe_gap_estimate_ev"),
        *("reference_ev", "shared_ev", "told_effect_ev", "text_effect_ev", "sentences", "sensitivity_ev", "neighbours"),
        *(
            "absent",
            "interval_ev",
            "coverage",
            "kind",
            "description",
            "facts",
            "modality_weights",
            "atoms",
            "warnings",
            "model",
            "timings_ms",
        ),
    ]
    assert (data["index"], data["formula"], data["n_atoms"]) == (0, "NaCl", 8)
    assert data["description"] == {"text": TEXT, "origin": "given"}
    assert data["model"] == {
        "name": artifact.manifest.name,
        "version": artifact.manifest.version,
        "sha256": artifact.sha256,
    }
    assert data["gap_ev"] == max(0.0, data["gap_raw_ev"])
    assert data["kind"] == kind_of(data["gap_ev"], metal_below_ev=predictor.metal_below_ev)
    assert sum(data["modality_weights"].values()) == pytest.approx(1, abs=1e-5)
    config = artifact.manifest.config
    later = [config["alignn_layers"] + layer for layer in config.get("middle_fusion_gcn_layers") or ()]
    layers = [f"layer_{layer}" for layer in sorted([*config["middle_fusion_layers"], *later])]
    assert layers
    assert [atom["element"] for atom in data["atoms"]] == ["Na"] * 4 + ["Cl"] * 4
    assert [atom["frac_coords"] for atom in data["atoms"]][1] == [0, 0.5, 0.5]
    for index, atom in enumerate(data["atoms"]):
        assert atom["index"] == index
        assert list(atom["gate"]) == list(atom["text_share"]) == layers
        assert all(0 < value < 1 for value in atom["text_share"].values())
    stages = data["timings_ms"]
    assert stages["total"] >= stages["network"] > 0
    assert stages["describe"] == 0


def test_without_text_the_text_share_is_null(predictor: Predictor) -> None:
    bare, blank, with_text = (
        predicted(answer)
        for answer in predictor.predict([ask(NACL), ask(NACL, description=" \n "), ask(NACL, description=TEXT)])
    )
    for answer in (bare, blank):
        assert answer.description.model_dump() == {"text": None, "origin": "none"}
        assert answer.gap_raw_ev == bare.gap_raw_ev
        assert answer.atoms is not None
        shares = [share for atom in answer.atoms for share in atom.text_share.values()]
        assert shares
        assert shares == [None] * len(shares)
    assert with_text.gap_raw_ev != bare.gap_raw_ev


def test_equivalent_atoms_share_their_values(predictor: Predictor) -> None:
    atoms = predicted(predictor.predict([ask(NACL, description=TEXT)])[0]).atoms
    assert atoms is not None
    for name in atoms[0].gate:
        for symbol in ("Na", "Cl"):
            values = [atom.gate[name] for atom in atoms if atom.element == symbol]
            assert max(values) - min(values) < 1e-5


def test_a_supercell_and_another_format_give_the_same_gap(predictor: Predictor) -> None:
    one, eight, poscar, moved = (
        predicted(answer).gap_raw_ev
        for answer in predictor.predict(
            [
                ask(NACL),
                ask(supercell(2)),
                ask(GAAS),
                ask(GAAS.replace("0 0 0", ".5 .5 .5").replace(".25 .25 .25", ".75 .75 .75")),
            ]
        )
    )
    assert one == pytest.approx(eight, abs=1e-4)
    assert poscar == pytest.approx(moved, abs=1e-4)


def test_maps_are_left_out_when_not_asked_for(predictor: Predictor) -> None:
    with_maps, without = predictor.predict([ask(NACL), ask(NACL, atoms=False)])
    assert predicted(without).atoms is None
    assert predicted(without).gap_raw_ev == predicted(with_maps).gap_raw_ev


def test_a_batch_gives_exactly_what_its_singles_give(predictor: Predictor) -> None:
    requests = [
        ask(text, description=description)
        for text in (*GOOD.values(), supercell(2))
        for description in (None, TEXT, "Short text.")
    ]
    singles = [numbers(predictor.predict([request])[0]) for request in requests]
    order = np.random.default_rng(1).permutation(len(requests))
    batch = predictor.predict([requests[i] for i in order])
    assert [answer.index for answer in batch if isinstance(answer, Prediction)] == list(range(len(requests)))
    for place, i in enumerate(order):
        assert numbers(batch[place]) == singles[i]


def test_bad_items_cost_their_neighbours_nothing(predictor: Predictor) -> None:
    alone = {name: numbers(predictor.predict([ask(text)])[0]) for name, text in GOOD.items()}
    mixed: list[tuple[str, str, str | None]] = [(name, text, None) for name, text in GOOD.items()]
    mixed += [(name, text, code) for name, (text, code) in BAD.items()]
    mixed = [mixed[i] for i in np.random.default_rng(2).permutation(len(mixed))]
    refused = Failure.make("invalid_request", "This item did not validate.")
    answers = predictor.predict([*(ask(text) for _, text, _ in mixed), refused])
    for place, (answer, (name, _, code)) in enumerate(zip(answers, mixed, strict=False)):
        if code is None:
            assert numbers(answer) == alone[name]
            assert predicted(answer).index == place
        else:
            assert isinstance(answer, Failure)
            assert (answer.error.code, answer.error.index) == (code, place)
    assert answers[-1] == refused.at(len(mixed))


def test_every_failure_is_named_and_says_what_to_do(predictor: Predictor) -> None:
    for name, (text, code) in BAD.items():
        [answer] = predictor.predict([ask(text)])
        assert isinstance(answer, Failure), name
        assert answer.error.code == code, name
        assert answer.error.hint, name
        assert answer.error.index is None, name
        assert len(answer.error.message) < 400, name


def test_names_are_copied_into_the_predictions(predictor: Predictor) -> None:
    first, second = predictor.predict([ask(SILICON), ask("")], ids=["a.cif", "b.cif"])
    assert predicted(first).id == "a.cif"
    assert json.loads(predicted(first).model_dump_json())["id"] == "a.cif"
    assert isinstance(second, Failure)
    with pytest.raises(ValueError, match="fewer ids"):
        predictor.predict([ask(SILICON), ask(SILICON)], ids=["only one"])


def test_results_of_a_stream_come_before_its_end(predictor: Predictor) -> None:
    taken = []

    def endless() -> Iterator[PredictRequest]:
        while True:
            taken.append(1)
            yield ask(SILICON, atoms=False)

    answers = predictor.predict_iter(endless())
    assert [predicted(next(answers)).index for _ in range(3)] == [0, 1, 2]
    assert len(taken) < 200
    answers.close()  # type: ignore[attr-defined]  # a generator


def test_nothing_asked_nothing_answered(predictor: Predictor) -> None:
    assert predictor.predict([]) == []


def test_threads_share_a_predictor(predictor: Predictor) -> None:
    expected = {name: numbers(predictor.predict([ask(text)])[0]) for name, text in GOOD.items()}
    right: list[bool] = []

    def work(name: str) -> None:
        right.extend(numbers(predictor.predict([ask(GOOD[name])])[0]) == expected[name] for _ in range(5))

    threads = [threading.Thread(target=work, args=(name,)) for name in [*GOOD] * 2]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert right == [True] * 5 * len(threads), "what a thread raises is seen by its answers missing"


def test_a_long_text_is_cut_with_a_warning_and_a_longer_one_refused(predictor: Predictor, artifact: Artifact) -> None:
    limit = artifact.manifest.limits.max_text_chars
    fits, too_long = predictor.predict(
        [ask(SILICON, description="Si is bonded. " * (limit // 14)), ask(SILICON, description="x" * (limit + 1))]
    )
    assert "text_truncated" in [warning.code for warning in predicted(fits).warnings]
    assert isinstance(too_long, Failure)
    assert too_long.error.code == "text_too_long"
    short = predicted(predictor.predict([ask(SILICON, description="Si is bonded.")])[0])
    assert "text_truncated" not in [warning.code for warning in short.warnings]


def test_repaired_input_is_told(predictor: Predictor) -> None:
    two_blocks = f"{SILICON}\n{MGO.replace('data_test', 'data_other')}"
    answer = predicted(predictor.predict([ask(two_blocks)])[0])
    assert answer.formula == "Si"
    assert answer.warnings


def test_elements_and_sizes_outside_training_are_told(predictor: Predictor, artifact: Artifact) -> None:
    manifest = artifact.manifest
    unseen = next(symbol for symbol in ("Lr", "No", "Md", "Fm", "Es") if symbol not in manifest.elements)
    answer = predicted(predictor.predict([ask(cif([(unseen, 0, 0, 0), ("O", 0.5, 0.5, 0.5)], 4.2))])[0])
    [warning] = [warning for warning in answer.warnings if warning.code == "element_not_in_training"]
    assert unseen in warning.message
    largest = manifest.training.get("max_atoms")
    assert largest, "the artifact says how large its training crystals were"
    if largest < manifest.limits.max_atoms:
        n = next(n for n in range(1, 30) if 8 * n**3 > largest)
        if 8 * n**3 <= manifest.limits.max_atoms:
            answer = predicted(predictor.predict([ask(supercell(n))])[0])
            assert "larger_than_training" in [warning.code for warning in answer.warnings]


def changed_artifact(source: Path, target: Path, **changes: object) -> Artifact:
    """A copy of an artifact (links to its files would be refused) with another manifest."""
    target.mkdir()
    for path in source.iterdir():
        if path.name not in {"manifest.json", "network.pt", "weights.safetensors"}:
            target.joinpath(path.name).hardlink_to(
                path
            ) if path.stat().st_dev == target.stat().st_dev else target.joinpath(path.name).write_bytes(
                path.read_bytes()
            )
    manifest = json.loads((source / "manifest.json").read_text())
    write_manifest(target, manifest | changes)
    return Artifact.load(target)


@pytest.fixture
def with_manifest(artifact_folder: Path, tmp_path: Path) -> Iterator[Callable[..., Predictor]]:
    """Predictors on the artifact under test with parts of its manifest replaced."""
    made: list[Predictor] = []

    def make(**changes: object) -> Predictor:
        made.append(Predictor(changed_artifact(artifact_folder, tmp_path / f"artifact{len(made)}", **changes)))
        return made[-1]

    yield make
    for predictor in made:
        predictor.close()


def test_limits_of_the_manifest_hold(with_manifest: Callable[..., Predictor]) -> None:
    silicon, mgo = (len(build_graph(read(text)).src) for text in (SILICON, MGO))
    assert silicon < mgo
    few = with_manifest(limits={"max_atoms": 4, "max_edges": silicon, "max_text_chars": 10})
    *refused, answered = few.predict(
        [ask(NACL), ask(SILICON, description="x" * 11), ask(MGO), ask(SILICON, description="x" * 10)]
    )
    codes = [answer.error.code for answer in refused if isinstance(answer, Failure)]
    assert codes == ["too_many_atoms", "text_too_long", "too_many_edges"]
    assert predicted(answered).n_atoms == 2


def test_a_calibrated_artifact_gives_intervals_and_names_the_unlike(
    with_manifest: Callable[..., Predictor], artifact: Artifact
) -> None:
    settings = artifact.manifest.calibration
    assert settings is not None, "the shipped artifact is calibrated"
    scaled, limits = settings["scaled"], settings["scaled"]["limits"]

    def answers(quantile: float, **changed: float) -> list[Prediction]:
        """Rock salt without and with a text, of an artifact whose widths and limits are others."""
        widths = {"quantile": 2 * quantile, "quantile_no_text": quantile, "limits": limits | changed}
        predictor = with_manifest(calibration=settings | {"scaled": scaled | widths})
        return [predicted(answer) for answer in predictor.predict([ask(NACL), ask(NACL, description=TEXT)])]

    narrow, wide = answers(0.01, embedding=1e-9, text=1e6), answers(1e3, embedding=1e6, text=1e-9)
    halves = []
    for answer in narrow:
        assert answer.coverage == settings["coverage"]
        assert answer.interval_ev is not None
        low, high = answer.interval_ev
        assert (low + high) / 2 == pytest.approx(answer.gap_raw_ev)
        halves.append((high - low) / 2)
        codes = [warning.code for warning in answer.warnings]
        assert "crystal_unlike_training" in codes
        assert "text_unlike_training" not in codes
    for answer, half, factor in zip(wide, halves, (1e5, 1e5), strict=True):
        assert answer.interval_ev is not None
        assert answer.interval_ev[0] == 0, "no interval reaches below zero"
        assert answer.interval_ev[1] == pytest.approx(answer.gap_raw_ev + factor * half, rel=1e-3)
        reasons = [warning.message for warning in answer.warnings if warning.code == "crystal_unlike_training"]
        assert not any("embedding" in reason for reason in reasons)
    assert "text_unlike_training" in [warning.code for warning in wide[1].warnings]


def test_a_network_that_cannot_be_loaded_is_an_internal_error(artifact_folder: Path, tmp_path: Path) -> None:
    folder = tmp_path / "broken"
    changed_artifact(artifact_folder, folder)
    (folder / "network.onnx").unlink()
    (folder / "network.onnx").write_bytes(b"not a network")
    manifest = json.loads((folder / "manifest.json").read_text())
    write_manifest(folder, manifest)
    with Predictor(Artifact.load(folder)) as predictor:
        answers = predictor.predict([ask(SILICON), ask("")])
    assert [answer.error.code for answer in answers if isinstance(answer, Failure)] == [
        "internal",
        "unreadable_structure",
    ]
    assert "Traceback" not in answers[0].model_dump_json()


def test_columns_are_named_in_ascending_order() -> None:
    assert fusion_layer_names({"middle_fusion_layers": [3, 1]}, columns=2) == ["layer_1", "layer_3"]
    assert fusion_layer_names({"middle_fusion_layers": [2]}, columns=0) == []
    with pytest.raises(ValueError, match="columns"):
        fusion_layer_names({"middle_fusion_layers": [2]}, columns=2)


def test_a_predictor_that_was_never_used_has_started_nothing(artifact: Artifact) -> None:
    predictor = Predictor(artifact, workers=4)
    assert predictor.readers.pids() == []
    assert predictor.describers.pids() == []
    predictor.close()

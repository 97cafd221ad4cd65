"""`hsegap.predict`: one crystal in every form, tables of them, streams; and what goes wrong."""

from __future__ import annotations

import itertools
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd
import pytest

import hsegap
from hsegap.batch.rows import COLUMNS
from hsegap.prediction.errors import Failure
from hsegap.prediction.schemas import PredictRequest
from hsegap.python.results import Result

if TYPE_CHECKING:
    from collections.abc import Iterator

    from hsegap.python.model import Model

EXAMPLES = Path(__file__).resolve().parents[2] / "examples"
SILICON, MAGNESIA = EXAMPLES / "Si.cif", EXAMPLES / "MgO.cif"
TEXT = "MgO is Halite, Rock Salt structured and crystallizes in the cubic Fm-3m space group."


def test_one_crystal_in_every_form_has_one_gap(model: Model, objects: dict[str, Any]) -> None:
    results = {name: model.predict(value) for name, value in objects.items()}
    gaps = {name: result.gap_raw_ev for name, result in results.items()}
    assert gaps == pytest.approx(dict.fromkeys(objects, gaps["path"]), abs=1e-5), (
        "a CIF of rounded coordinates says the same"
    )
    assert gaps["pymatgen"] == gaps["our own"] == gaps["pymatgen dictionary"]
    for name, result in results.items():
        assert type(result) is Result
        assert (result.formula, result.n_atoms) == ("TiO2", 6), name
        assert [atom.element for atom in result.atoms or ()] == objects["our own"].symbols, name
        assert result.id == (str(objects["path"]) if name in {"path", "name"} else None)
        assert not [warning for warning in result.warnings if warning.code == "not_periodic"], name


def test_the_public_function_uses_the_shipped_model_and_keeps_it() -> None:
    first, second = (hsegap.predict(SILICON, atoms=False) for _ in range(2))
    assert first.gap_ev == second.gap_ev
    assert first.model.name == hsegap.load().artifact.manifest.name
    assert first.atoms is None


def test_words_and_atoms_are_passed_on(model: Model) -> None:
    told = model.predict(MAGNESIA, TEXT, atoms=False)
    assert (told.description.text, told.description.origin) == (TEXT, "given")
    assert told.atoms is None
    assert [site.element for site in told.sites].count("Mg") == 4, "the crystal is known all the same"
    assert model.predict(MAGNESIA).description.origin == "none"


def test_a_known_pbe_gap_is_told_to_the_model(model: Model) -> None:
    told = model.predict(MAGNESIA, pbe_gap_ev=4.5, atoms=False)
    [fact] = told.facts
    assert (fact.name, fact.value, fact.origin) == ("pbe_gap_ev", 4.5, "request")
    assert fact.used == ("pbe_gap_ev" in model.artifact.manifest.config.get("facts", ()))
    assert "stated pbe gap 4.5 eV" in told._repr_html_()
    several = list(model.predict(iter([MAGNESIA, MAGNESIA]), pbe_gap_ev=[np.float32(4.5), None], atoms=False))
    assert [len(result.facts) for result in several] == [1, 0]
    with pytest.raises(hsegap.HsegapError, match="pbe_gap_ev"):
        model.predict(MAGNESIA, pbe_gap_ev="4.5")


def test_a_list_is_a_table_in_its_order(model: Model, objects: dict[str, Any]) -> None:
    inputs = [SILICON, "gone.cif", objects["ase"], MAGNESIA, 5]
    frame = model.predict(inputs, [None, None, float("nan"), TEXT, None])
    assert list(frame.columns) == [name for name in COLUMNS if name != "index"]
    assert list(frame["status"]) == ["ok", "error", "ok", "ok", "error"]
    assert list(frame["formula"][[0, 2, 3]]) == ["Si", "TiO2", "MgO"]
    assert frame["gap_ev"].dtype == np.float64
    assert frame["gap_ev"].notna().tolist() == [True, False, True, True, False]
    assert frame["gap_ev"][3] == pytest.approx(model.predict(MAGNESIA, TEXT).gap_ev, abs=1e-6)
    assert frame["description_origin"][3] == "given"
    assert frame["error_code"][1] == "unreadable_structure"
    assert "builtins.int" in frame["error_message"][4]
    assert frame["id"][0] == str(SILICON)
    assert pd.isna(frame["id"][2])
    with_atoms = model.predict([SILICON], atoms=True)
    assert len(with_atoms["atoms"][0]) == 8


def test_a_column_of_a_frame_keeps_its_index(model: Model) -> None:
    crystals = pd.DataFrame({"file": [SILICON, MAGNESIA], "text": [None, TEXT]}, index=["a", "b"])
    joined = crystals.join(
        model.predict(crystals["file"], crystals["text"])[["formula", "gap_ev", "description_origin"]]
    )
    assert joined.loc["b", "formula"] == "MgO"
    assert joined["description_origin"].tolist() == ["none", "given"]
    assert model.predict(np.array([str(SILICON)]))["formula"].tolist() == ["Si"]
    assert model.predict([]).empty
    assert "gap_ev" in model.predict([])


def test_a_generator_is_read_as_results_are_asked_for(model: Model) -> None:
    taken = []

    def endless() -> Iterator[Path]:
        for number in itertools.count():
            taken.append(number)
            yield SILICON if number != 1 else Path("gone.cif")

    answers = model.predict(endless(), atoms=False)
    assert not taken, "nothing happens before the first is asked for"
    first, failed, third = itertools.islice(answers, 3)
    assert isinstance(first, Result)
    assert isinstance(failed, Failure)
    assert failed.error.code == "unreadable_structure"
    assert (first.gap_ev, first.id) == (third.gap_ev, str(SILICON))
    assert len(taken) < 100, "a bounded number ahead"
    answers.close()


def test_requests_go_through_as_they_are(model: Model) -> None:
    request = PredictRequest(structure=SILICON.read_text(), description="Si is diamond structured.")
    assert model.predict(request).description.origin == "given"
    assert model.predict([request])["description_origin"].tolist() == ["given"]


@pytest.mark.parametrize(
    ("value", "code", "said"),
    [
        ("gone.cif", "unreadable_structure", "No such file"),
        ("mp-149", "unreadable_structure", "the Materials Project"),
        ("data_x\nno crystal\n", "unreadable_structure", ""),
        (5, "invalid_request", "builtins.int"),
        (None, "invalid_request", "NoneType"),
        (b"bytes", "invalid_request", "bytes"),
        ({"no": "structure"}, "unsupported_format", ""),
    ],
)
def test_what_is_no_crystal_has_a_name(model: Model, value: object, code: str, said: str) -> None:
    with pytest.raises(hsegap.HsegapError) as caught:
        model.predict(value)
    assert caught.value.code == code
    assert said in caught.value.message


def test_objects_that_are_no_crystals(model: Model) -> None:
    from ase.build import bulk, molecule
    from pymatgen.core import Lattice, Molecule, Structure

    disordered = Structure(Lattice.cubic(4), [{"Ga": 0.5, "Al": 0.5}, "As"], [[0, 0, 0], [0.5, 0.5, 0.5]])
    dummy = Structure(Lattice.cubic(4), ["X0+"], [[0, 0, 0]])
    shared = bulk("GaAs", "zincblende", a=5.65)
    shared.info["occupancy"] = {"0": {"Ga": 0.7, "Al": 0.3}, "1": {"As": 1.0}}  # as ASE reads it from a CIF
    for value, code in (
        (Molecule(["H", "H"], [[0, 0, 0], [0, 0, 0.74]]), "unreadable_structure"),
        (molecule("H2O"), "degenerate_cell"),
        (disordered, "disordered_structure"),
        (shared, "disordered_structure"),
        (dummy, "unknown_element"),
    ):
        with pytest.raises(hsegap.HsegapError) as caught:
            model.predict(value)
        assert caught.value.code == code, value
    crystal = bulk("Si")
    crystal.info["occupancy"] = {"0": {"Si": 1.0}}
    crystal.pbc = False
    assert "not_periodic" in [warning.code for warning in model.predict(crystal).warnings]


def test_texts_and_gaps_must_be_as_many_as_crystals(model: Model) -> None:
    with pytest.raises(hsegap.HsegapError, match="2 crystals but 1 descriptions"):
        model.predict([SILICON, MAGNESIA], [TEXT])
    with pytest.raises(hsegap.HsegapError, match="2 crystals but 3 PBE gaps"):
        model.predict([SILICON, MAGNESIA], pbe_gap_ev=[1.0, 2.0, 3.0])
    with pytest.raises(hsegap.HsegapError, match="more crystals than"):
        list(model.predict(iter([SILICON, MAGNESIA]), [TEXT]))


def test_an_artifact_of_ones_own(artifact_folder: Path, tmp_path: Path) -> None:
    with hsegap.load(artifact_folder, workers=1) as own:
        assert "hsegap model" in repr(own)
        assert own.predict(SILICON).formula == "Si"
    with pytest.raises(hsegap.HsegapError) as caught:
        hsegap.load(tmp_path)
    assert caught.value.code == "artifact_missing"

"""Effect of each sentence: the answer minus the one without it,
spans that cut the text where its sentences end, facts and bounds.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from hsegap.artifact import Artifact
from hsegap.prediction import sentences
from hsegap.prediction.predictor import Predictor
from hsegap.prediction.schemas import Prediction, PredictRequest
from support.service_samples import NACL

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

FIRST = "NaCl is Halite, Rock Salt structured and crystallizes in the cubic Fm-3m space group."
SECOND = "Na is bonded to six equivalent Cl atoms."
THIRD = "All Na–Cl bond lengths are 2.82 Å."
FACT = "The PBE band gap is 5.0 eV."


@pytest.fixture(scope="module")
def explaining(explained_artifact: Path) -> Iterator[Predictor]:
    with Predictor(Artifact.load(explained_artifact)) as made:
        yield made


def answer(predictor: Predictor, text: str | None, *, explain: bool = True) -> Prediction:
    [result] = predictor.predict([PredictRequest(structure=NACL, description=text, explain=explain)])
    assert isinstance(result, Prediction), result
    return result


def parts(text: str, found: Prediction) -> list[str]:
    return [text[slice(*report.span)] for report in found.sentences or []]


def test_each_effect_is_the_answer_minus_the_one_without_the_sentence(explaining):
    text = f"{FIRST} {SECOND} {THIRD}"
    found = answer(explaining, text)
    assert parts(text, found) == [FIRST, SECOND, THIRD]
    left_out = (f"{SECOND} {THIRD}", f"{FIRST} {THIRD}", f"{FIRST} {SECOND}")
    for report, others in zip(found.sentences, left_out, strict=True):
        bare = answer(explaining, others, explain=False)
        assert report.effect_ev == pytest.approx(found.gap_raw_ev - bare.gap_raw_ev, abs=1e-5)
    assert any(abs(report.effect_ev) > 1e-6 for report in found.sentences), "no sentence does anything"


def test_the_only_sentence_has_the_effect_of_the_text(explaining):
    found = answer(explaining, FIRST)
    [report] = found.sentences
    assert report.effect_ev == pytest.approx(found.text_effect_ev, abs=1e-5)


def test_a_sentence_that_states_a_gap_is_a_fact_and_is_not_listed(explaining):
    text = f"{FIRST} {FACT} {SECOND}"
    found = answer(explaining, text)
    assert parts(text, found) == [FIRST, SECOND]
    assert found.facts[0].used
    assert answer(explaining, FACT).sentences == []


def test_it_is_reported_only_where_it_is_asked_for(explaining):
    assert answer(explaining, FIRST, explain=False).sentences is None
    assert answer(explaining, None).sentences == []


def test_beyond_the_most_sentences_none_is_tried(explaining, monkeypatch):
    monkeypatch.setattr(sentences, "MOST_SENTENCES", 2)
    found = answer(explaining, f"{FIRST} {SECOND} {THIRD}")
    assert [report.effect_ev is None for report in found.sentences] == [False, False, True]


def test_the_same_sentence_twice_is_left_out_once_each(explaining):
    text = f"{SECOND} {FIRST} {SECOND}"
    found = answer(explaining, text)
    assert parts(text, found) == [SECOND, FIRST, SECOND]
    left_out = (f"{FIRST} {SECOND}", f"{SECOND} {SECOND}", f"{SECOND} {FIRST}")
    for report, others in zip(found.sentences, left_out, strict=True):
        bare = answer(explaining, others, explain=False)
        assert report.effect_ev == pytest.approx(found.gap_raw_ev - bare.gap_raw_ev, abs=1e-5)

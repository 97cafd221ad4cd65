"""Known facts on the way to an answer: what the network is told, what is only listed,
and by how much each fact moves the gap.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from pydantic import ValidationError

from hsegap.artifact.artifact import Artifact
from hsegap.prediction.golden import verify
from hsegap.prediction.known import MOST_LISTED, MOST_WARNINGS, far_from_estimate, gather
from hsegap.prediction.predictor import Predictor
from hsegap.prediction.schemas import Known, Prediction, PredictRequest
from support.service_samples import MGO, NACL

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

TEXT = "NaCl is Halite, Rock Salt structured and crystallizes in the cubic Fm-3m space group."
TAKES = ("pbe_gap_ev",)


@pytest.fixture(scope="module")
def told(told_artifact: Path) -> Iterator[Predictor]:
    """A predictor on a network that takes the PBE gap."""
    with Predictor(Artifact.load(told_artifact)) as made:
        yield made


def answer(predictor: Predictor, **request: object) -> Prediction:
    (result,) = predictor.predict([PredictRequest.model_validate({"structure": NACL} | request)])
    assert isinstance(result, Prediction), result
    return result


def codes(prediction: Prediction) -> list[str]:
    return [warning.code for warning in prediction.warnings]


@pytest.mark.parametrize("value", [-0.1, 30.1, float("nan"), float("inf"), "1.17", True, None])
def test_a_pbe_gap_that_cannot_be_is_refused_by_name(value):
    if value is None:
        assert Known(pbe_gap_ev=None).pbe_gap_ev is None
        return
    with pytest.raises(ValidationError, match="pbe_gap_ev"):
        PredictRequest.model_validate({"structure": NACL, "known": {"pbe_gap_ev": value}})


def test_a_misspelt_fact_is_refused():
    with pytest.raises(ValidationError, match="pbe_gap"):
        PredictRequest.model_validate({"structure": NACL, "known": {"pbe_gap": 1.0}})


def test_whole_numbers_are_numbers():
    assert Known.model_validate({"pbe_gap_ev": 2}).pbe_gap_ev == 2.0


class TestGather:
    def test_a_fact_of_the_text_reaches_the_network_and_its_sentence_does_not_reach_the_encoder(self):
        known = gather(f"{TEXT} Its PBE band gap is 5.0 eV.", None, takes=TAKES)
        assert known.values == {"pbe_gap_ev": 5.0}
        assert known.text == TEXT
        assert known.warnings == ()
        (fact,) = known.reports({"pbe_gap_ev": 0.25})
        assert (fact.name, fact.value, fact.unit, fact.origin, fact.used, fact.effect_ev) == (
            "pbe_gap_ev",
            5.0,
            "eV",
            "text",
            True,
            0.25,
        )
        assert fact.span == (len(TEXT) + 1, len(TEXT) + 1 + len("Its PBE band gap is 5.0 eV."))

    def test_the_request_counts_before_the_text(self):
        known = gather("PBE gap: 1.1 eV", Known(pbe_gap_ev=5.0), takes=TAKES)
        assert known.values == {"pbe_gap_ev": 5.0}
        assert [(fact.origin, fact.value, fact.used) for fact in known.facts] == [
            ("request", 5.0, True),
            ("text", 1.1, False),
        ]
        (warning,) = known.warnings
        assert warning.code == "fact_conflict"
        assert "1.1 eV" in warning.message
        assert "5 eV" in warning.message

    def test_the_same_in_both_is_no_conflict(self):
        known = gather("PBE gap: 5.02 eV", Known(pbe_gap_ev=5.0), takes=TAKES)
        assert known.warnings == ()
        assert [fact.used for fact in known.facts] == [True, False]

    def test_a_model_without_facts_lists_them_and_says_so(self):
        known = gather("PBE gap: 5.0 eV", None, takes=())
        assert known.values == {}
        assert known.text is None
        assert [warning.code for warning in known.warnings] == ["fact_not_used"]
        assert "takes no known facts" in known.warnings[0].message
        assert known.pbe_gap_ev == 5.0
        assert known.reports({})[0].used is False

    def test_facts_that_no_model_takes_have_their_reason(self):
        known = gather("The HSE06 gap is 8 eV. The experimental gap is 8.5 eV.", None, takes=TAKES)
        assert [warning.code for warning in known.warnings] == ["fact_not_used", "fact_not_used"]
        assert "8 eV" in known.warnings[0].message
        assert '"The HSE06 gap is 8 eV."' in known.warnings[0].message
        assert known.pbe_gap_ev is None

    def test_thousands_of_facts_make_no_thousands_of_warnings(self):
        text = " ".join(f"The HSE06 gap is {value / 100:.2f} eV." for value in range(2000)) + " PBE gap: 5 eV."
        known = gather(text, None, takes=TAKES)
        assert len(known.warnings) == MOST_WARNINGS + 1
        assert "1990 more" in known.warnings[-1].message
        reports = known.reports({"pbe_gap_ev": 0.1})
        assert len(reports) == MOST_LISTED + 1
        assert reports[-1].used

    def test_far_from_the_estimate(self):
        known = gather("PBE gap: 5 eV", None, takes=TAKES)
        warning = far_from_estimate(known, 1.0)
        assert warning is not None
        assert (warning.code, "5.00 eV" in warning.message, "1.00 eV" in warning.message) == (
            "fact_far_from_estimate",
            True,
            True,
        )
        assert far_from_estimate(known, 4.5) is None
        assert far_from_estimate(known, None) is None
        assert far_from_estimate(gather(None, None, takes=TAKES), 4.5) is None


class TestPredictor:
    def test_a_network_that_takes_facts_is_moved_by_one(self, told):
        plain, known = answer(told), answer(told, known={"pbe_gap_ev": 5.0})
        assert plain.facts == []
        assert plain.gap_without_text_ev == max(0.0, plain.gap_raw_ev)
        assert plain.pbe_gap_estimate_ev == known.pbe_gap_estimate_ev is not None
        (fact,) = known.facts
        assert fact.used
        assert fact.effect_ev == pytest.approx(known.gap_raw_ev - plain.gap_raw_ev, abs=1e-5)
        assert abs(fact.effect_ev) > 1e-3
        assert known.gap_without_text_ev == pytest.approx(plain.gap_ev, abs=1e-5)

    def test_text_and_request_say_the_same_thing(self, told):
        by_text = answer(told, description="PBE band gap: 5.0 eV")
        by_field = answer(told, known={"pbe_gap_ev": 5.0})
        assert by_text.gap_raw_ev == by_field.gap_raw_ev
        assert (by_text.facts[0].origin, by_field.facts[0].origin) == ("text", "request")
        assert by_text.description.model_dump() == {"text": "PBE band gap: 5.0 eV", "origin": "given"}

    def test_the_effect_of_a_fact_beside_a_text_is_the_answer_minus_the_one_with_the_text_alone(self, told):
        both = answer(told, description=f"{TEXT} PBE gap: 5 eV.")
        text = answer(told, description=TEXT)
        assert both.facts[0].effect_ev == pytest.approx(both.gap_raw_ev - text.gap_raw_ev, abs=1e-6)
        assert both.gap_without_text_ev == pytest.approx(answer(told).gap_ev, abs=1e-5)

    def test_zero_is_a_fact(self, told):
        metal, unknown = answer(told, description="metallic in PBE"), answer(told)
        assert (metal.facts[0].value, metal.facts[0].used) == (0.0, True)
        assert metal.gap_raw_ev != unknown.gap_raw_ev

    @settings(max_examples=15, deadline=None)
    @given(
        st.integers(0, 2000),
        st.integers(0, 2000),
        st.sampled_from(["The HSE06 gap is {} eV.", "Its experimental band gap: {} eV.", "Eg = {} eV."]),
    )
    def test_a_fact_that_is_not_used_moves_nothing(self, told, one, other, sentence):
        answers = [
            answer(told, description=f"{TEXT} {sentence.format(value / 100)} PBE gap: 5 eV.") for value in (one, other)
        ]
        without = answer(told, description=f"{TEXT} PBE gap: 5 eV.")
        assert {got.gap_raw_ev for got in answers} == {without.gap_raw_ev}
        assert answers[0].atoms == answers[1].atoms == without.atoms

    def test_maps_speak_of_a_fact_without_a_text(self, told):
        known = answer(told, known={"pbe_gap_ev": 5.0})
        assert all(0 < share < 1 for atom in known.atoms or () for share in atom.text_share.values())
        assert list((known.atoms or [])[0].text_share) == ["layer_1"]
        assert {share for atom in answer(told).atoms for share in atom.text_share.values()} == {None}

    def test_a_gap_far_from_the_estimate_is_warned_of(self, told):
        estimate = answer(told).pbe_gap_estimate_ev
        assert "fact_far_from_estimate" in codes(answer(told, known={"pbe_gap_ev": estimate + 3.0}))
        assert "fact_far_from_estimate" not in codes(answer(told, known={"pbe_gap_ev": estimate}))

    def test_a_text_of_facts_alone_leaves_room_for_a_generated_description(self, told):
        both = answer(told, description="PBE gap: 5 eV", describe=True)
        assert both.description.origin == "generated"
        assert "Halite" in (both.description.text or "")
        assert both.facts[0].used
        # Cut alike, but nobody wrote the end of the generated one.
        assert "text_truncated" not in codes(both)
        assert "text_truncated" in codes(answer(told, description=both.description.text))

    def test_another_crystal_in_the_sentence_of_a_fact_is_still_seen(self, told):
        assert "text_contradicts_crystal" in codes(
            answer(told, structure=MGO, description="The PBE gap of GaAs is 0.5 eV.")
        )
        assert "text_contradicts_crystal" not in codes(
            answer(told, structure=MGO, description="The PW91 gap of MgO is 4.5 eV.")
        )

    def test_many_answers_are_those_of_one_by_one(self, told):
        requests = [
            PredictRequest.model_validate({"structure": NACL} | more)
            for more in (
                {},
                {"known": {"pbe_gap_ev": 5}},
                {"description": TEXT},
                {"description": f"{TEXT} PBE gap: 1 eV."},
            )
        ]
        together = [answer.gap_raw_ev for answer in told.predict(requests)]
        assert together == [told.predict([request])[0].gap_raw_ev for request in requests]
        assert len(set(together)) == 4

    def test_its_golden_values_come_out(self, told_artifact):
        report = verify(Artifact.load(told_artifact))
        assert report.passed
        assert [case.id for case in report.cases] == ["NaCl", "NaCl, PBE gap known"]

    def test_the_shipped_artifact_answers_as_before_and_says_what_it_did_not_use(self, predictor):
        takes = predictor.artifact.manifest.config.get("facts", ())
        plain, known = answer(predictor), answer(predictor, known={"pbe_gap_ev": 5.0})
        assert known.facts[0].used == bool(takes)
        if not takes:
            assert known.gap_raw_ev == plain.gap_raw_ev
            assert codes(known).count("fact_not_used") == 1
            assert known.pbe_gap_estimate_ev is None
        else:
            assert known.gap_raw_ev != plain.gap_raw_ev

    def test_the_gap_without_text_is_that_of_a_request_without_text(self, predictor):
        assert answer(predictor, description=TEXT).gap_without_text_ev == pytest.approx(
            answer(predictor).gap_ev, abs=1e-6
        )

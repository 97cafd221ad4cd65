"""`hsegap what-if`, and `hsegap predict` with --explain and --sensitivity: what is printed is what the JSON holds."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from collections.abc import Callable

    from support.commands import Outcome

EXAMPLES = Path(__file__).resolve().parents[2] / "examples"
GAAS = EXAMPLES / "GaAs.cif"
TEXT = "GaAs is Zincblende structured. Ga is bonded to four equivalent As atoms."


def test_a_curve_and_swaps_are_printed_and_the_same_in_json(here: Callable[..., Outcome]) -> None:
    outcome = here("what-if", GAAS, "--strain", "c", "--swap", "As=P")
    assert outcome.status == 0, outcome.stderr
    found = here("what-if", GAAS, "--strain", "c", "--swap", "As=P", "--json").json
    assert "vector c, %" in outcome.stdout
    assert any(found["strain"]["warnings"])
    for percent, gap, warnings in zip(*(found["strain"][k] for k in ("percent", "gap_ev", "warnings")), strict=True):
        [line] = [line for line in outcome.stdout.splitlines() if line.startswith(f" {percent:+.1f} ")]
        assert f" {gap:.2f} " in line
        assert all(warning["code"] in line for warning in warnings)
    assert "As → P" in outcome.stdout
    [swap] = found["swaps"]
    assert swap["formula"] == "GaP"
    assert f"{swap['change_ev']:+.2f}" in outcome.stdout


def test_no_warning_is_cut_off_in_eighty_columns(here: Callable[..., Outcome]) -> None:
    shown = here("what-if", "examples/TiO2_rutile.cif", "--strain", "none", "--swap", "O=Te").stdout
    assert "swap_changes_size" in "".join(shown.split())


def test_what_cannot_be_tried_is_named(here: Callable[..., Outcome]) -> None:
    assert here("what-if", GAAS, "--swap", "Xe=Kr", "--json").json["error"]["code"] == "invalid_request"
    missing = here("what-if", "no-such-file.cif")
    assert missing.status == 1
    assert "unreadable_structure" in missing.stdout
    assert here("what-if", GAAS, "--swap", "As=P", "--no-swaps").status == 2
    for pair in ("Ga", "Ga=", "=Al"):
        outcome = here("what-if", GAAS, "--swap", pair)
        assert (outcome.status, "OLD=NEW" in outcome.stderr) == (2, True), pair
    outcome = here("what-if", GAAS, "--pbe-gap", "-1")
    assert (outcome.status, "between 0 and 30 eV" in outcome.stderr) == (2, True)
    nothing = here("what-if", GAAS, "--strain", "none", "--no-swaps", "--json")
    assert (nothing.status, nothing.json["strain"], nothing.json["swaps"]) == (0, None, [])


def test_sentences_and_sensitivity_are_asked_for_and_printed(here: Callable[..., Outcome]) -> None:
    options = ("predict", GAAS, "--text", TEXT, "--explain", "--sensitivity")
    [entry] = here(*options, "--json").json
    assert len(entry["sentences"]) == 2
    shown = here(*options).stdout
    for report in entry["sentences"]:
        assert f"{report['effect_ev']:+.3f} eV" in shown
    smaller, larger = entry["sensitivity_ev"]
    assert f"{smaller:.2f} eV smaller, {larger:.2f} eV larger" in shown
    assert f"{entry['atoms'][0]['contribution_ev']:+.3f}" in shown
    [bare] = here("predict", GAAS, "--json").json
    assert bare["sentences"] is bare["sensitivity_ev"] is None
    assert entry["gap_without_text_ev"] == pytest.approx(bare["gap_ev"], abs=1e-4)

"""`hsegap predict --pbe-gap`: a known gap on the command line."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from support.service_samples import NACL

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from support.commands import Outcome


@pytest.fixture
def salt(tmp_path: Path) -> Path:
    path = tmp_path / "NaCl.cif"
    path.write_text(NACL)
    return path


def test_a_known_gap_is_told_and_its_effect_is_shown(
    cli: Callable[..., Outcome], told_artifact: Path, salt: Path
) -> None:
    (plain,) = cli("predict", salt, "--artifact", told_artifact, "--json").json
    (known,) = cli("predict", salt, "--artifact", told_artifact, "--json", "--pbe-gap", "5.1").json
    (fact,) = known["facts"]
    assert (fact["name"], fact["value"], fact["origin"], fact["span"], fact["used"]) == (
        "pbe_gap_ev",
        5.1,
        "request",
        None,
        True,
    )
    assert fact["effect_ev"] == pytest.approx(known["gap_raw_ev"] - plain["gap_raw_ev"], abs=1e-5)
    shown = cli("predict", salt, "--artifact", told_artifact, "--pbe-gap", "5.1").stdout
    for piece in ("PBE gap 5.10 eV, as given, which moves the gap by", "structure alone", "PBE gap, estimate"):
        assert piece in shown


def test_a_gap_in_the_text_counts_as_well(cli: Callable[..., Outcome], told_artifact: Path, salt: Path) -> None:
    (by_text,) = cli("predict", salt, "--artifact", told_artifact, "--json", "--text", "PBE gap: 5100 meV").json
    (by_option,) = cli("predict", salt, "--artifact", told_artifact, "--json", "--pbe-gap", "5.1").json
    assert by_text["gap_raw_ev"] == by_option["gap_raw_ev"]
    assert by_text["facts"][0]["span"] == [0, 17]


@pytest.mark.parametrize("value", ["-1", "31", "nan", "inf", "much"])
def test_a_gap_that_cannot_be_is_a_usage_error(cli: Callable[..., Outcome], salt: Path, value: str) -> None:
    outcome = cli("predict", salt, f"--pbe-gap={value}")
    assert outcome.status == 2
    assert "--pbe-gap" in outcome.stderr


def test_python_takes_it_too() -> None:
    import hsegap

    answer = hsegap.predict(NACL, pbe_gap_ev=5.1)
    assert answer.facts[0].value == 5.1
    with pytest.raises(hsegap.HsegapError, match="pbe_gap_ev"):
        hsegap.predict(NACL, pbe_gap_ev=-1.0)

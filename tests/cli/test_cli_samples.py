"""What the documents show of the commands is what they print."""

from __future__ import annotations

import functools
from pathlib import Path

import pytest

from hsegap.commands.samples import printed, samples, without_times

ROOT = Path(__file__).resolve().parents[2]
PAGES = sorted([*ROOT.glob("*.md"), *(ROOT / "docs").glob("*.md")])
SHOWN = [(page, command, text) for page in PAGES for command, text in samples(page.read_text(encoding="utf-8"))]


printed_once = functools.cache(printed)


def test_there_are_samples():
    assert len(SHOWN) >= 3


@pytest.mark.parametrize(
    ("page", "command", "text"), SHOWN, ids=[f"{page.name}-{n}" for n, (page, _, _) in enumerate(SHOWN)]
)
def test_a_sample_is_what_the_command_prints(page, command, text, monkeypatch):
    monkeypatch.chdir(ROOT)
    assert without_times(printed_once(command)) == without_times(text), f"{page}: make docs writes it anew"

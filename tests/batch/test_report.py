"""The page about a run: what is on it, and that it needs nothing but itself."""

from __future__ import annotations

import re
from html.parser import HTMLParser
from typing import TYPE_CHECKING

import pytest

from hsegap.batch.batches import Item, Scored
from hsegap.batch.journal import Journal
from hsegap.batch.page import TABLE, render
from hsegap.batch.problems import ScoringError
from hsegap.batch.report import amounts, make_report, read_rows
from hsegap.batch.rows import row_of
from hsegap.batch.target import target_of
from support.journals import run

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from support.commands import Outcome


@pytest.mark.parametrize(
    ("formula", "expected"),
    [
        ("Si", {"Si": 1}),
        ("Mg(ScSe2)2", {"Mg": 1, "Sc": 2, "Se": 4}),
        ("Ca5P3(O4F)3", {"Ca": 5, "P": 3, "O": 12, "F": 3}),
        ("Al2(Si(OH)2)3", {"Al": 2, "Si": 3, "O": 6, "H": 6}),
        ("Li0.5CoO2", {"Li": 0.5, "Co": 1, "O": 2}),
        ("", {}),
    ],
)
def test_formulas_are_taken_apart(formula: str, expected: dict[str, float]) -> None:
    assert amounts(formula) == expected


def write(out: Path, rows: list[dict[str, object]], *, start: int = 0) -> Path:
    journal = Journal.open(target_of(str(out)), settings={}, layers=None, resume=False, force=True)
    made = [row_of(Item(str(row["id"])), row["answer"], index=start + number) for number, row in enumerate(rows)]
    journal.commit(Scored(0, "", made))
    journal.finish()
    journal.close()
    return out


def prediction(formula: str, gap: float, *, warnings: list[dict[str, str]] | None = None) -> dict[str, object]:
    kind = "metal" if gap < 0.1 else "semiconductor" if gap < 4 else "insulator"
    return {
        "formula": formula, "n_atoms": 4, "gap_ev": max(gap, 0.0), "gap_raw_ev": gap,
        "interval_ev": [max(0.0, gap - 0.5), gap + 0.5], "coverage": 0.9, "kind": kind,
        "description": {"text": None, "origin": "none"}, "modality_weights": {"graph": 1, "text": 0},
        "warnings": warnings or [],
        "model": {"name": "m", "version": "1", "sha256": "ab" * 32},
    }  # fmt: skip


@pytest.mark.parametrize("suffix", ["csv", "jsonl", "parquet"])
def test_rows_come_back_as_they_were_written(tmp_path: Path, suffix: str) -> None:
    from hsegap.batch.rows import flat

    run(tmp_path / "reference.jsonl")
    run(tmp_path / f"o.{suffix}")
    import json

    expected = [flat(json.loads(line)) for line in (tmp_path / "reference.jsonl").read_text().splitlines()]
    assert list(read_rows(tmp_path / f"o.{suffix}")) == expected


def test_the_page_says_what_is_in_the_rows(tmp_path: Path) -> None:
    # Oxides near 5 eV, sulfides near 2 eV; one oxide far from the others.
    rows: list[dict[str, object]] = []
    for number, metal in enumerate(["Mg", "Ca", "Sr", "Ba", "Zn", "Cd"] * 20):
        rows.append({"id": f"o{number}", "answer": prediction(f"{metal}O", 5 + 0.01 * (number % 6))})
        rows.append({"id": f"s{number}", "answer": prediction(f"{metal}S", 2 + 0.01 * (number % 6))})
    rows.append(
        {
            "id": "odd one",
            "answer": prediction("MgO", 0.7, warnings=[{"code": "crystal_unlike_training", "message": "far away"}]),
        }
    )
    rows.append({"id": "negative", "answer": prediction("CaS", -0.2)})
    rows += [
        {"id": f"e{n}", "answer": {"error": {"code": "overlapping_atoms", "message": f"atoms {n}", "hint": "move"}}}
        for n in range(30)
    ]
    report = make_report(write(tmp_path / "o.csv", rows))
    assert (report.ok, report.failed) == (242, 30)
    assert report.kinds == {"insulator": 120, "semiconductor": 121, "metal": 1}
    assert report.unusual[0][0]["id"] == "odd one"
    assert report.unusual[0][1] == pytest.approx(5, abs=0.5)
    assert report.spreads[0][0] == "MgO"
    assert report.spreads[0][1].low == (0.7, "odd one")
    assert report.highest[0]["gap_ev"] == 5.05
    assert report.lowest[0]["id"] == "odd one", "zero gaps are not among the lowest above zero"
    assert report.elements["Mg"] == [41, pytest.approx(20 * 5.0 + 20 * 2.0 + 0.7)]
    assert report.interval_ev == pytest.approx(1.0, abs=0.01)
    page = render(report, title="A run <of> mine")
    assert "A run &lt;of&gt; mine" in page
    assert "overlapping_atoms</span> 30" in page
    assert "and 15 more" in page
    assert "far away" in page


class Watcher(HTMLParser):
    """Collects whatever would make a browser ask for something, and checks that tags are closed."""

    def __init__(self) -> None:
        super().__init__()
        self.asks: list[str] = []
        self.open: list[str] = []
        self.text = ""

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        if tag not in {"meta", "rect", "line", "input"}:
            self.open.append(tag)
        if tag in {"script", "link", "img", "iframe", "object", "embed", "form", "a"}:
            self.asks.append(tag)
        self.asks += [
            f"{name}={value}"
            for name, value in attrs
            if name in {"src", "href", "action", "onload", "onclick"} or "url(" in (value or "")
        ]

    def handle_startendtag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        pass

    def handle_endtag(self, tag: str) -> None:
        if tag not in {"rect", "line"}:
            assert self.open.pop() == tag

    def handle_data(self, data: str) -> None:
        self.text += data


def test_the_page_needs_nothing_and_runs_nothing_whatever_is_in_the_rows(tmp_path: Path) -> None:
    nasty = '<script src="https://example.org/x.js">alert(1)</script><img src=x onerror=alert(1)>'
    rows: list[dict[str, object]] = [
        {"id": f"{nasty}{n}", "answer": prediction("MgO", 1.0 * n, warnings=[{"code": nasty, "message": nasty}])}
        for n in range(5)
    ]
    rows.append({"id": nasty, "answer": {"error": {"code": "internal", "message": nasty, "hint": nasty}}})
    page = render(make_report(write(tmp_path / "o.jsonl", rows)))
    watcher = Watcher()
    watcher.feed(page)
    assert watcher.asks == []
    assert watcher.open == []
    assert nasty in watcher.text
    assert "default-src 'none'" in page
    assert "@import" not in page


def test_an_empty_run_and_one_without_predictions_have_a_page(tmp_path: Path) -> None:
    (tmp_path / "empty.csv").write_text("")
    empty = Watcher()
    empty.feed(render(make_report(tmp_path / "empty.csv")))
    assert "no prediction" in empty.text
    rows: list[dict[str, object]] = [
        {"id": "a", "answer": {"error": {"code": "internal", "message": "m", "hint": "h"}}}
    ]
    watcher = Watcher()
    watcher.feed(render(make_report(write(tmp_path / "o.csv", rows))))
    assert "no prediction" in watcher.text


@pytest.mark.parametrize("content", ["a,b\n1,2\n", "\x00\x01"])
def test_other_files_are_refused(tmp_path: Path, content: str) -> None:
    for name in ("o.csv", "o.jsonl", "o.parquet", "o.txt"):
        (tmp_path / name).write_text(content)
        with pytest.raises(ScoringError):
            make_report(tmp_path / name)


def test_the_command_writes_the_page_beside_the_rows(tmp_path: Path, score: Callable[..., Outcome]) -> None:
    write(tmp_path / "o.csv", [{"id": "a", "answer": prediction("Si", 1.1)}])
    outcome = score("o.csv", command="report")
    assert outcome.status == 0, outcome.stderr
    assert "1 predictions and 0 errors in o.html" in outcome.stderr
    assert outcome.stdout == ""
    assert (tmp_path / "o.html").read_text().startswith("<!doctype html>")
    assert score("none.csv", command="report").status == 1
    assert score("o.csv", "-o", "no/where.html", command="report").status == 1


def test_the_periodic_table_holds_each_element_once() -> None:
    symbols = [symbol for symbol in TABLE.split() if symbol != "."]
    assert len(symbols) == len(set(symbols)) == 103
    assert all(len(line.split()) == 18 for line in TABLE.strip().splitlines())
    assert re.fullmatch(r"([A-Z][a-z]? ?)+", " ".join(symbols))
    from pymatgen.core import Element

    assert {Element(symbol).Z for symbol in symbols} == set(range(1, 104))

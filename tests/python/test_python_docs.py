"""docs/python.md and the example notebook, run from their first line to their last."""

from __future__ import annotations

import ast
import json
import re
from pathlib import Path
from typing import Any

import pytest

import hsegap
from support.needs import needed

ROOT = Path(__file__).resolve().parents[2]
PAGE = (ROOT / "docs" / "python.md").read_text(encoding="utf-8")
NOTEBOOK = ROOT / "examples" / "python.ipynb"

pytestmark = [pytest.mark.slow, pytest.mark.process]


@pytest.fixture
def place(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder that looks like the repository's root to a reader, but can be written to."""
    for name in ("examples", "artifacts"):
        (tmp_path / name).symlink_to(ROOT / name)
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("MPLBACKEND", "Agg")
    return tmp_path


def run(source: str, names: dict[str, Any], label: str) -> Any:
    """Run lines as a notebook does: the value of a last expression is what they show."""
    tree = ast.parse(source, label)
    last = tree.body.pop() if isinstance(tree.body[-1], ast.Expr) else None
    exec(compile(tree, label, "exec"), names)
    return None if last is None else eval(compile(ast.Expression(last.value), label, "eval"), names)


def test_every_block_of_the_page_runs(place: Path, capsys: pytest.CaptureFixture[str]) -> None:
    needed("matminer")
    blocks = re.findall(r"^```python\n(.*?)^```", PAGE, re.MULTILINE | re.DOTALL)
    assert len(blocks) >= 8
    names: dict[str, Any] = {}
    shown = [run(block, names, f"docs/python.md, block {number}") for number, block in enumerate(blocks, 1)]
    said = capsys.readouterr().out
    assert "GaAs: HSE06 gap" in said
    assert "https://materialsproject.org/materials/mp-149" in said
    assert "unreadable_structure" in said
    assert any(value is True for value in shown), "a pickled result is the same result"
    assert list(shown[-1]["hse_gap_ev"].notna()) == [True]


def test_the_page_names_what_there_is() -> None:
    options = re.findall(r"^\| `(\w+)=", PAGE, re.MULTILINE)
    assert options
    for option in options:
        assert option in hsegap.predict.__annotations__
    assert set(hsegap.__all__) >= {"load", "predict"}


def test_the_notebook_runs_and_shows_something(place: Path) -> None:
    book = json.loads(NOTEBOOK.read_text(encoding="utf-8"))
    assert (book["nbformat"], book["nbformat_minor"]) == (4, 5)
    assert not [cell for cell in book["cells"] if cell.get("outputs")], "outputs grow old: a reader makes them"
    names: dict[str, Any] = {"__name__": "__main__"}
    shown = [
        run("".join(cell["source"]), names, f"cell {number}")
        for number, cell in enumerate(book["cells"])
        if cell["cell_type"] == "code"
    ]
    pictures = [value._repr_html_() for value in shown if hasattr(value, "_repr_html_")]
    assert len(pictures) >= 4
    assert sum("<svg" in picture for picture in pictures) == 2
    table = shown[3]
    assert table["error_code"].notna().tolist() == [False] * 6 + [True]
    assert all(
        low <= gap <= high
        for low, gap, high in table.iloc[:6][["interval_ev_low", "gap_ev", "interval_ev_high"]].to_numpy()
    )
    assert len(names["gaps"]) == 5
    assert all(gap > 1 for gap in names["gaps"]), "magnesium oxide is an insulator, pressed or pulled"

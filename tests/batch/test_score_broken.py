"""A folder with twenty kinds of broken files among two hundred good ones:
two hundred rows that are ok, twenty named errors.
"""

from __future__ import annotations

from collections import Counter
from pathlib import Path
from typing import TYPE_CHECKING

from support.broken_files import write_broken
from support.commands import csv_rows

if TYPE_CHECKING:
    from collections.abc import Callable

    from support.commands import Outcome


def test_each_broken_file_costs_its_own_row(
    tmp_path: Path, crystals: dict[str, str], score: Callable[..., Outcome]
) -> None:
    folder = tmp_path / "mixed"
    folder.mkdir()
    texts = list(crystals.values())
    for number in range(200):
        (folder / f"good{number:03}.cif").write_text(texts[number % len(texts)])
    broken = write_broken(folder, crystals["ZnO"])
    assert len(broken) == 20
    outcome = score(folder, "-o", "o.csv", "--batch-size", 16)
    assert outcome.status == 1, outcome.stderr
    assert "200 ok, 20 errors" in outcome.stderr
    rows = csv_rows(tmp_path / "o.csv")
    assert [row["id"] for row in rows] == sorted(row["id"] for row in rows)
    assert Counter(row["status"] for row in rows) == {"ok": 200, "error": 20}
    failed = {Path(row["id"]).name: row for row in rows if row["status"] == "error"}
    assert set(failed) == broken
    for name, row in failed.items():
        assert row["error_code"] not in {"", "internal"}, name
        assert row["error_message"], name
        assert row["error_hint"], name
    assert failed["overlapping.vasp"]["error_code"] == "overlapping_atoms"
    assert failed["disordered.cif"]["error_code"] == "disordered_structure"
    assert failed["unknown_element.cif"]["error_code"] == "unknown_element"
    # Equal crystals have equal rows, whoever their neighbours were.
    good = [row for row in rows if row["status"] == "ok"]
    same = {(row["formula"], row["gap_raw_ev"]) for row in good}
    assert len(same) == len({row["formula"] for row in good})

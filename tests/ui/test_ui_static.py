"""The page's own files: no foreign address anywhere, templates that Gradio leaves as they are,
examples with their own descriptions.
"""

from __future__ import annotations

import hashlib
import json
import re
from pathlib import Path

import pytest

from hsegap.ui import skeletons
from hsegap.ui.components import STATIC_FOLDER
from hsegap.ui.examples import DESCRIPTIONS, EXAMPLES_FOLDER, load_examples

UI = Path(__file__).resolve().parents[2] / "ui"
#: Names of XML vocabularies look like addresses and are never asked for.
VOCABULARIES = {"http://www.w3.org/2000/svg"}


def test_no_file_of_the_page_names_a_foreign_address() -> None:
    found = {}
    for path in [*UI.rglob("*.py"), *STATIC_FOLDER.iterdir()]:
        addresses = set(re.findall(r"https?://[\w./-]+", path.read_text(encoding="utf-8"))) - VOCABULARIES
        if addresses:
            found[path.name] = addresses
    assert not found


@pytest.mark.parametrize("name", ["HEADER", "SOURCE", "CRYSTAL", "STRAIN", "BATCH"])
def test_skeletons_hold_nothing_that_a_template_engine_reads(name: str) -> None:
    text = getattr(skeletons, name)
    assert not re.search(r"\{\{|\$\{|`", text)
    assert text.count("<label") == text.count("</label>")


def test_no_type_stub_was_written_beside_the_sources() -> None:
    assert not list(UI.rglob("*.pyi"))


def test_static_files_stay_small_enough_to_read() -> None:
    assert not {path.name for path in STATIC_FOLDER.glob("*.js") if len(path.read_text().splitlines()) > 400}


def test_the_examples_are_there_and_described() -> None:
    examples = load_examples()
    assert len(examples) >= 12
    stored = json.loads(DESCRIPTIONS.read_text(encoding="utf-8"))
    missing = [entry["name"] for entry in examples if not stored.get(entry["name"], {}).get("description")]
    assert not missing, f"run `python -m hsegap.ui.example_descriptions`: no description for {missing}"
    offered = {entry["name"] for entry in examples if entry["description"]}
    assert offered == {name for name, entry in stored.items() if entry["offered"]}
    assert len(offered) >= 10


def test_stored_descriptions_are_those_of_these_files() -> None:
    stored = json.loads(DESCRIPTIONS.read_text(encoding="utf-8"))
    for name, entry in stored.items():
        assert entry["sha256"] == hashlib.sha256((EXAMPLES_FOLDER / name).read_bytes()).hexdigest(), name

"""What docs/text.md says is what the code does."""

from __future__ import annotations

import re
from pathlib import Path

from hsegap.text import TextEncoder, VectorCache, normalise

DOCUMENT = (Path(__file__).parents[2] / "docs" / "text.md").read_text(encoding="utf-8")


def test_the_named_files_exist():
    named = re.findall(r"(?:benchmarks|docs)/[\w./]+\.(?:py|md)", DOCUMENT)
    assert named
    for path in named:
        assert (Path(__file__).parents[2] / path).is_file(), path


def test_the_barred_symbol_of_the_document():
    before, after = re.search(r"\(`([^`]+)` → `([^`]+)`\)", DOCUMENT).groups()
    assert normalise(before) == after


def test_the_examples_of_the_document_run(encoder_folder, tmp_path, monkeypatch):
    first, second = re.findall(r"```python\n(.*?)```", DOCUMENT, re.DOTALL)
    monkeypatch.chdir(tmp_path)
    encoder = TextEncoder.load(encoder_folder)
    names = {"encoder": encoder, "VectorCache": VectorCache, "texts": ["MgO", "NaCl", "MgO"]}
    exec(compile(second, "docs/text.md", "exec"), names)
    assert [vector.shape for vector in names["vectors"]] == [(384,)] * 3
    assert len(VectorCache(".cache/text")) == 2
    # The folder of the first example is the reader's own; its last line runs on the default.
    exec(compile(first.strip().splitlines()[-1], "docs/text.md", "exec"), names)
    compile(first, "docs/text.md", "exec")

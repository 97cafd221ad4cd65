"""Gradio is imported without a look at the files that it would write into its own folder."""

from __future__ import annotations

import json
import subprocess
import sys

import pytest

#: A Gradio that writes its stubs opens each of them, and its seed, even where all is written already.
PROGRAM = """
import json, sys
opened = []
sys.addaudithook(lambda event, arguments: opened.append(str(arguments[0])) if event == "open" else None)
{statement}
import gradio
class Own(gradio.HTML): pass
print(json.dumps([path for path in opened if path.endswith((".pyi", "hash_seed.txt"))]))
"""


def opened_by(statement: str) -> list[str]:
    done = subprocess.run(
        [sys.executable, "-c", PROGRAM.format(statement=statement)],
        capture_output=True,
        text=True,
        check=True,
        timeout=300,
    )
    return json.loads(done.stdout.splitlines()[-1])


def test_no_stub_and_no_seed_is_opened() -> None:
    assert opened_by("import gradio"), "by itself it opens them: else nothing would be seen here"
    assert opened_by("from hsegap.ui.gradio_import import import_gradio; import_gradio()") == []


def test_pandas_comes_without_pyarrow_which_can_still_be_imported() -> None:
    pytest.importorskip("pyarrow")
    program = (
        "import sys; from hsegap.ui.gradio_import import import_gradio; import_gradio();"
        "print('pandas' in sys.modules, 'pyarrow' in sys.modules); import pyarrow.parquet"
    )
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True, timeout=300)
    assert done.stdout.split() == ["True", "False"]

"""Whatever arrives, the reader answers with a crystal or a named error, soon."""

from __future__ import annotations

import time

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from hsegap.structures import FORMATS, Crystal, StructureError, build_graph, read
from hsegap.structures.errors import STRUCTURE_ERROR_CODES
from support.crystals import GAAS_CIF, SI_POSCAR, SI_XYZ

many = settings(max_examples=150, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])


def survive(source, **options):
    start = time.process_time()
    error = None
    try:
        crystal = read(source, **options)
        assert isinstance(crystal, Crystal)
        assert np.isfinite(crystal.lattice).all()
        assert np.isfinite(crystal.frac_coords).all()
        assert crystal.n_atoms == len(crystal.frac_coords) > 0
        build_graph(crystal, max_edges=200_000)
    except StructureError as caught:
        error = caught
    if error is not None:
        assert error.code in STRUCTURE_ERROR_CODES
        assert error.message
        assert error.hint
    assert time.process_time() - start < 5


@many
@given(st.binary(max_size=400))
def test_random_bytes(tmp_path_factory, content):
    path = tmp_path_factory.getbasetemp() / "garbage"
    path.write_bytes(content)
    survive(path)


@many
@given(st.text(max_size=300), st.sampled_from([None, *FORMATS]))
def test_random_text(text, name):
    survive(text, format=name)


WORDS = st.sampled_from(
    [
        "data_",
        "loop_",
        "_atom_site_label",
        "_cell_length_a",
        "1",
        "-1",
        "0.5",
        "nan",
        "1e308",
        "?",
        ".",
        ";",
        "'",
        '"',
        "Si",
        "Direct",
        "\n",
        "#",
        "x,y,z",
        "Lattice=",
        "{",
        "}",
        "[",
        "\u00e5",
    ]
)


@many
@given(st.lists(WORDS, max_size=60).map(" ".join), st.sampled_from([None, *FORMATS]))
def test_random_words_of_the_formats(text, name):
    survive(text, format=name)


@st.composite
def damaged(draw):
    """A good file with a few characters, words or lines changed, swapped, doubled or lost."""
    from support.crystals import texts_of

    texts = [GAAS_CIF, SI_POSCAR, SI_XYZ]
    if draw(st.booleans()):
        texts = list(_written(texts_of))
    text = draw(st.sampled_from(texts))
    for _ in range(draw(st.integers(1, 4))):
        at = draw(st.integers(0, max(len(text) - 1, 0)))
        kind = draw(st.sampled_from(["cut", "insert", "delete", "line", "double", "number"]))
        if kind == "cut":
            text = text[:at]
        elif kind == "insert":
            text = text[:at] + draw(WORDS) + text[at:]
        elif kind == "delete":
            text = text[:at] + text[at + draw(st.integers(1, 30)) :]
        else:
            lines = text.split("\n")
            row = draw(st.integers(0, len(lines) - 1))
            if kind == "line":
                del lines[row]
            elif kind == "double":
                lines.insert(row, lines[draw(st.integers(0, len(lines) - 1))])
            else:
                lines[row] = " ".join(
                    draw(WORDS) if draw(st.integers(0, 3)) == 0 else word for word in lines[row].split()
                )
            text = "\n".join(lines)
    return text


_CACHE: dict[str, list[str]] = {}


def _written(texts_of):
    if "texts" not in _CACHE:
        _CACHE["texts"] = list(texts_of(read(GAAS_CIF)).values())
    return _CACHE["texts"]


@settings(max_examples=400, deadline=None)
@given(damaged())
def test_damaged_files(text):
    survive(text)


@pytest.mark.shared_data
def test_truncated_real_cifs_never_pass_as_smaller_crystals(val_rows):
    """Cut at every tenth of the file: a crystal with fewer atoms than the formula must not come out silently."""
    for row in val_rows[:40]:
        for tenth in range(1, 10):
            text = row["cif"][: len(row["cif"]) * tenth // 10]
            start = time.process_time()
            with pytest.raises(StructureError) as caught:
                read(text)
            assert caught.value.code in {"unreadable_structure", "unsupported_format"}, (row["id"], tenth)
            assert time.process_time() - start < 2
        lines = row["cif"].rstrip().split("\n")
        if row["n_sites"] > 1:
            with pytest.raises(StructureError, match=r"ends after|incomplete|no atoms|can't be read"):
                read("\n".join(lines[:-1]) + "\n")

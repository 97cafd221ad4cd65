"""Every way a structure file goes wrong has a name, a message for a materials scientist and a hint."""

from __future__ import annotations

import bz2
import gzip
import json
import pickle
import re
import time
from pathlib import Path

import pytest

from hsegap.structures import FORMATS, StructureError, read
from hsegap.structures.errors import STRUCTURE_ERROR_CODES
from hsegap.structures.parsed import NOTICE_CODES
from support.crystals import GAAS_CIF, SI_POSCAR, SI_XYZ


def failure(source, **options) -> StructureError:
    start = time.process_time()
    with pytest.raises(StructureError) as caught:
        read(source, **options)
    assert time.process_time() - start < 5
    error = caught.value
    assert error.code in STRUCTURE_ERROR_CODES
    assert error.message[-1] == "."
    assert len(error.hint) > 10, "what to do next"
    assert "Traceback" not in error.message
    return error


def cell(name, value):
    return re.sub(rf"_cell_{name}\s+\S+", f"_cell_{name} {value}", GAAS_CIF)


FIRST = "0.00  0.00  0.00  1"
CASES = [
    ("empty", "", "unreadable_structure", "empty"),
    ("blank", " \n\t\n", "unreadable_structure", "empty"),
    ("NUL bytes", "data_x\0\0\0", "unreadable_structure", "binary"),
    ("no structure at all", "Dear colleague, please find attached", "unsupported_format", "not recognised"),
    ("name instead of content", "results/GaAs.cif", "unreadable_structure", "name of a file"),
    ("CIF without data block", GAAS_CIF.replace("data_GaAs", ""), "unreadable_structure", "no data block"),
    ("CIF without atoms", GAAS_CIF[: GAAS_CIF.index("loop_\n _atom")], "unreadable_structure", "no atoms"),
    ("CIF with an empty table", GAAS_CIF[: GAAS_CIF.index("  Ga  Ga0")], "unreadable_structure", ""),
    ("CIF cut in a row", GAAS_CIF[: GAAS_CIF.index("0.75  0.25  0.75")], "unreadable_structure", "incomplete"),
    ("CIF cut between rows", GAAS_CIF[: GAAS_CIF.index("  As  As6")], "unreadable_structure", "ends after Ga4 As2"),
    ("CIF without cell", re.sub(r"_cell.*\n", "", GAAS_CIF), "unreadable_structure", "no cell"),
    ("cell that is no number", cell("length_a", "wide"), "unreadable_structure", "no number"),
    ("NaN cell", cell("length_b", "nan"), "unreadable_structure", "no number"),
    ("infinite cell", cell("length_b", "inf"), "unreadable_structure", "no number"),
    ("zero length", cell("length_a", "0"), "degenerate_cell", ""),
    ("negative length", cell("length_a", "-5"), "degenerate_cell", ""),
    ("near-zero length", cell("length_a", "1e-7"), "degenerate_cell", ""),
    ("flat angles", cell("angle_alpha", "179.99"), "degenerate_cell", "degenerate"),
    (
        "angles that span no volume",
        cell("angle_alpha", "60").replace("beta   90", "beta   30"),
        "degenerate_cell",
        "span no volume",
    ),
    ("impossible angles", cell("angle_gamma", "200"), "degenerate_cell", ""),
    ("metres instead of Å", cell("length_a", "5653300"), "degenerate_cell", "1000 Å"),
    ("half occupied", GAAS_CIF.replace(FIRST, "0.00  0.00  0.00  0.5"), "disordered_structure", "Ga0 holds Ga 0.5"),
    (
        "alloy",
        GAAS_CIF.replace(FIRST, "0.00  0.00  0.00  0.5\n  Al  Al9  0.00 0.00 0.00 0.5"),
        "disordered_structure",
        "Al 0.5",
    ),
    ("occupancy of 2", GAAS_CIF.replace(FIRST, "0.00  0.00  0.00  2"), "disordered_structure", "Ga0"),
    ("occupancy that is no number", GAAS_CIF.replace(FIRST, "0.00  0.00  0.00  full"), "unreadable_structure", "Ga0"),
    ("same place twice", GAAS_CIF + "  Ga  Ga8  0.00  0.00  0.00  1\n", "overlapping_atoms", "Ga0 and Ga8"),
    ("nearly the same place", GAAS_CIF + "  Ga  Ga8  0.02  0.02  0.02  1\n", "overlapping_atoms", "0.196 Å"),
    ("image of another atom", GAAS_CIF + "  Ga  Ga8  0.99  0.00  0.00  1\n", "overlapping_atoms", "Ga (atom 8"),
    ("unknown element", GAAS_CIF.replace("  Ga  Ga0", "  Xx  Xx0"), "unknown_element", "Xx"),
    ("vacancy, not vanadium", GAAS_CIF.replace("  Ga  Ga0", "  Va  Va0"), "unknown_element", "Va"),
    ("group, not an atom", GAAS_CIF.replace("  Ga  Ga0", "  OH  OH0"), "unknown_element", "OH"),
    ("beyond lawrencium", GAAS_CIF.replace("  Ga  Ga0", "  Rf  Rf0"), "unknown_element", "104"),
    ("unknown position", GAAS_CIF.replace("0.25  0.25  0.25", "?  0.25  0.25"), "unreadable_structure", "As4"),
    ("dot for a position", GAAS_CIF.replace("0.25  0.25  0.25", ".  0.25  0.25"), "unreadable_structure", "As4"),
    ("NaN position", GAAS_CIF.replace("0.25  0.25  0.25", "nan  0.25  0.25"), "unreadable_structure", "As4"),
    ("position beyond reason", GAAS_CIF.replace("0.25  0.25  0.25", "1e300  0.25  0.25"), "unreadable_structure", ""),
    ("line that ties the tokenizer up", "data_x\n_atom_site_label " + "'a" * 200_000, "unreadable_structure", "quotes"),
    ("POSCAR of VASP 4", SI_POSCAR.replace("Si\n2", "2"), "unreadable_structure", "no element symbols"),
    ("POSCAR cut", SI_POSCAR[:-16], "unreadable_structure", ""),
    (
        "POSCAR with a word for a number",
        SI_POSCAR.replace("0.25 0.25 0.25", "0.25 zero 0.25"),
        "unreadable_structure",
        "Line 10",
    ),
    (
        "POSCAR with two billion atoms",
        SI_POSCAR.replace("\n2\n", "\n2000000000\n"),
        "unreadable_structure",
        "2000000000",
    ),
    ("POSCAR without its mode line", SI_POSCAR.replace("Direct\n", ""), "unreadable_structure", "Direct or Cartesian"),
    ("POSCAR with unequal counts", SI_POSCAR.replace("\n2\n", "\n1 1\n"), "unreadable_structure", "2 numbers"),
    ("POSCAR with a foreign element", SI_POSCAR.replace("Si\n2", "Xx\n2"), "unknown_element", "Xx"),
    ("POSCAR with scale 0", SI_POSCAR.replace("1.0\n", "0\n", 1), "unreadable_structure", "scale factor"),
    ("POSCAR with a tiny scale", SI_POSCAR.replace("1.0\n", "1e-8\n", 1), "degenerate_cell", ""),
    (
        "POSCAR with NaN",
        SI_POSCAR.replace("0.25 0.25 0.25", "0.25 nan 0.25"),
        "unreadable_structure",
        "atom 1 (counted from 0)",
    ),
    ("POSCAR with a flat cell", SI_POSCAR.replace("2.7155 2.7155 0.0", "2.7155 2.7155 5.431"), "degenerate_cell", ""),
    ("XYZ of a molecule", "3\nwater\nO 0 0 0\nH 0.76 0 0.59\nH -0.76 0 0.59\n", "unreadable_structure", "molecule"),
    ("XYZ cut", SI_XYZ[: SI_XYZ.rindex("Si")], "unreadable_structure", "lists 1"),
    (
        "XYZ with a short line",
        SI_XYZ.replace("Si 1.35775 1.35775 1.35775", "Si 1.35775"),
        "unreadable_structure",
        "Line 4",
    ),
    ("XYZ with words for numbers", SI_XYZ.replace("Si 0.0 0.0", "Si zero 0.0"), "unreadable_structure", "Line 3"),
    ("XYZ with a broken Lattice", SI_XYZ.replace("0.0 2.7155", "2.7155", 1), "unreadable_structure", "nine"),
    (
        "XYZ with broken Properties",
        SI_XYZ.replace("species:S:1:pos:R:3", "pos:R:3"),
        "unreadable_structure",
        "Properties",
    ),
    ("XYZ with a foreign element", SI_XYZ.replace("Si 0.0", "SI 0.0"), "unknown_element", "SI"),
    ("XYZ with infinity", SI_XYZ.replace("Si 0.0", "Si inf"), "unreadable_structure", "atom 0 (counted from 0)"),
    ("broken JSON", '{"lattice": {', "unreadable_structure", "JSON"),
    ("JSON of something else", '{"a": 1}', "unsupported_format", ""),
    ("JSON list", "[1, 2]", "unreadable_structure", ""),
    ("deep JSON", "[" * 100_000, "unreadable_structure", "JSON"),
    (
        "JSON without species",
        '{"lattice": {"matrix": [[4,0,0],[0,4,0],[0,0,4]]}, "sites": [{"abc": [0,0,0]}]}',
        "unreadable_structure",
        "Site 0",
    ),
    (
        "JSON with a ragged matrix",
        '{"lattice": {"matrix": [[4,0],[0,4,0],[0,0,4]]}, "sites": []}',
        "unreadable_structure",
        "lattice matrix",
    ),
    (
        "JSON without sites",
        '{"lattice": {"matrix": [[4,0,0],[0,4,0],[0,0,4]]}, "sites": []}',
        "unreadable_structure",
        "no atoms",
    ),
    (
        "jarvis with too few positions",
        '{"lattice_mat": [[4,0,0],[0,4,0],[0,0,4]], "elements": ["Si", "Si"], "coords": [[0,0,0]]}',
        "unreadable_structure",
        "1 positions",
    ),
    (
        "jarvis with NaN",
        '{"lattice_mat": [[4,0,0],[0,4,0],[0,0,4]], "elements": ["Si"], "coords": [[0,NaN,0]]}',
        "unreadable_structure",
        "atom 0",
    ),
]


@pytest.mark.parametrize(("text", "code", "says"), [case[1:] for case in CASES], ids=[case[0] for case in CASES])
def test_failure_is_named(text, code, says):
    error = failure(text)
    assert error.code == code, error.message
    assert says in error.message


@pytest.mark.parametrize("name", FORMATS)
def test_wrong_format_given(name):
    if name != "cif":
        assert failure(GAAS_CIF, format=name).code == "unreadable_structure"
    assert failure("nonsense\n" * 20, format=name).code == "unreadable_structure"


def test_unknown_format_lists_those_accepted():
    error = failure(GAAS_CIF, format="pdb")
    assert error.code == "unsupported_format"
    assert all(name in error.hint for name in FORMATS)
    assert all(name in failure("hello there").hint for name in FORMATS)


def test_files(tmp_path):
    assert "no file" in failure(tmp_path / "absent.cif").message
    assert "folder" in failure(tmp_path).message
    for name, content in {
        "a.cif": gzip.compress(GAAS_CIF.encode()),
        "b.cif": bz2.compress(GAAS_CIF.encode()),
        "c.cif": b"PK\x03\x04rest",
    }.items():
        (tmp_path / name).write_bytes(content)
        assert "compressed" in failure(tmp_path / name).message
    (tmp_path / "d.cif").write_bytes(bytes(range(256)) * 20)
    assert "binary" in failure(tmp_path / "d.cif").message
    (tmp_path / "e.cif").write_bytes(GAAS_CIF.encode("utf-16"))
    assert "UTF-16" in failure(tmp_path / "e.cif").message
    (tmp_path / "f.cif").write_text(GAAS_CIF + "#" * 5000)
    assert "larger than" in failure(tmp_path / "f.cif", max_bytes=4000).message
    assert failure(Path("x\0y")).code == "unreadable_structure"


def test_too_many_atoms_in_every_format():
    from support.crystals import texts_of

    for text in texts_of(read(GAAS_CIF)).values():
        assert failure(text, max_atoms=7).code == "too_many_atoms"
        assert read(text, max_atoms=8).n_atoms == 8


def test_symmetry_cannot_ask_for_millions_of_atoms():
    operations = "\n".join(f"'x+{i}/1000, y, z'" for i in range(1000))
    rows = "\n".join(f"Si{i} {i / 997:.5f} {i / 499:.5f} 0.1" for i in range(1000))
    text = (
        GAAS_CIF[: GAAS_CIF.index("loop_")].replace("'Ga4 As4'", "?")
        + f"loop_\n_symmetry_equiv_pos_as_xyz\n{operations}\n"
        f"loop_\n_atom_site_label\n_atom_site_fract_x\n_atom_site_fract_y\n_atom_site_fract_z\n{rows}\n"
    )
    assert failure(text).code == "too_many_atoms"


def test_partial_occupancy_in_json_names_the_site():
    data = read(GAAS_CIF).to_pymatgen().as_dict()
    data["sites"][2]["species"] = [{"element": "Ga", "occu": 0.7}, {"element": "Al", "occu": 0.3}]
    error = failure(json.dumps(data))
    assert error.code == "disordered_structure"
    assert "site 2 (from 0)" in error.message
    assert "Al 0.3" in error.message


def test_only_text_and_paths():
    with pytest.raises(TypeError, match="Path"):
        read(b"data_x")


def test_errors_survive_the_trip_between_processes():
    error = pickle.loads(pickle.dumps(failure("")))
    assert (error.code, bool(error.message), bool(error.hint)) == ("unreadable_structure", True, True)


REPAIRS = [
    ("deuterium", GAAS_CIF.replace("  Ga  Ga0", "  D   D0"), "deuterium_as_hydrogen"),
    ("deuterium in a POSCAR", SI_POSCAR.replace("Si\n2", "D\n2"), "deuterium_as_hydrogen"),
    ("deuterium in XYZ", SI_XYZ.replace("Si 0.0", "D 0.0"), "deuterium_as_hydrogen"),
    ("occupancy 0.995", GAAS_CIF.replace(FIRST, "0.00  0.00  0.00  0.995"), "occupancy_repaired"),
    ("occupancy 1.004", GAAS_CIF.replace(FIRST, "0.00  0.00  0.00  1.004"), "occupancy_repaired"),
    ("occupancy 0", GAAS_CIF + "  In  In9  0.50  0.50  0.50  0\n", "zero_occupancy_dropped"),
    ("four digits of a third", GAAS_CIF.replace(FIRST, "0.3333  0.00  0.00  1"), "coordinates_rounded"),
    ("two structures", GAAS_CIF + GAAS_CIF.replace("data_GaAs", "data_second"), "several_structures"),
    ("formula of another crystal", GAAS_CIF.replace("'Ga4 As4'", "'Ga4 P4'"), "composition_mismatch"),
    ("hydrogen left out", GAAS_CIF.replace("'Ga4 As4'", "'Ga4 As4 H8'"), "composition_mismatch"),
    (
        "labels alone",
        re.sub(r"\n  (Ga|As)  ", "\n  ", GAAS_CIF.replace(" _atom_site_type_symbol\n", "")).replace("Ga0", "GaX"),
        "element_guessed",
    ),
    ("slab", SI_XYZ.replace("T T T", "T T F"), "not_periodic"),
    ("trajectory", SI_XYZ * 2, "several_structures"),
    ("more lines than atoms", SI_POSCAR + "0.5 0.5 0.5\n", "extra_lines"),
    (
        "no symmetry",
        re.sub(r"_symmetry_space_group.*\n", "", GAAS_CIF).replace(
            GAAS_CIF[GAAS_CIF.index("loop_") : GAAS_CIF.index("loop_\n _atom")], ""
        ),
        "symmetry_missing",
    ),
]


@pytest.mark.parametrize(("text", "code"), [case[1:] for case in REPAIRS], ids=[case[0] for case in REPAIRS])
def test_repair_is_told(text, code):
    notices = read(text).warnings
    assert code in {notice.code for notice in notices}, notices
    for notice in notices:
        assert notice.code in NOTICE_CODES
        assert notice.message[-1] == "."


def test_the_documentation_has_every_code():
    page = (Path(__file__).resolve().parents[2] / "docs" / "reading.md").read_text()
    assert dict(re.findall(r"^\| `(\w+)` \| (.*) \|$", page, re.MULTILINE)) == NOTICE_CODES


def test_deuterium_counts_as_hydrogen():
    assert read(GAAS_CIF.replace("  Ga  Ga0", "  D   D0")).atomic_numbers[0] == 1


def test_a_publication_block_before_the_structure_is_no_second_structure():
    assert read("data_global\n_journal_name_full 'J. Cryst.'\n" + GAAS_CIF).warnings == ()

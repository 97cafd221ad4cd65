"""Descriptions: robocrystallographer's own words, the same on every run, without its network and its waste."""

from __future__ import annotations

import json
import os
import pickle
import subprocess
import sys
from pathlib import Path

import pytest

from hsegap.structures import DescriptionError, describe, plain_numbers, read
from hsegap.structures.errors import DESCRIPTION_ERROR_CODES
from support.crystals import GAAS_CIF, silicon, simple
from support.needs import needed_robocrys
from support.shared_material import load_rows
from support.warned import warnings_of

ROOT = Path(__file__).resolve().parents[2]
PYTHON = [sys.executable, "-W", "ignore", "-c"]


def fresh(code: str, *arguments: str, **environment: str) -> str:
    """Run code in a new interpreter at the root of the repository."""
    done = subprocess.run(
        [*PYTHON, code, *arguments],
        cwd=ROOT,
        env=os.environ | environment,
        capture_output=True,
        text=True,
        timeout=500,
        check=False,
    )
    assert done.returncode == 0, done.stderr[-2000:]
    return done.stdout


@pytest.fixture(scope="module")
def robocrys():
    return needed_robocrys()


@pytest.fixture(scope="module")
def described():
    """Small training crystals whose texts robocrys 0.2.13 wrote with default settings: of every kind of wording."""
    rows = [row for row in load_rows("train.jsonl.gz") if row["description"] and row["n_sites"] <= 8]
    kinds = {
        "layers": [row for row in rows if "np.int64" in row["description"]][:6],
        "three kinds of sharing": [row for row in rows if "corner, edge, and face" in row["description"]][:4],
        "two kinds of sharing": [row for row in rows if "a mixture of corner and edge" in row["description"]][:4],
        "a prototype": [row for row in rows if " structured and" in row["description"]][::40][:5],
        "almost a prototype": [
            row for row in rows if "-like structured" in row["description"] or "-derived" in row["description"]
        ][:4],
        "clusters": [row for row in rows if "zero-dimensional" in row["description"]][:4],
        "no oxidation states": [row for row in rows if "+" not in row["description"]][:3],
        "anything": rows[::400][:6],
    }
    assert all(kinds.values()), {kind: len(found) for kind, found in kinds.items()}
    return {row["id"]: row for found in kinds.values() for row in found}


@pytest.mark.slow
@pytest.mark.shared_data
def test_word_for_word_what_robocrys_wrote(robocrys, described):
    """Its hash seed was 0; pytest's own is random, so each run of this test takes another."""
    assert len(described) >= 30
    wrong = [name for name, row in described.items() if describe(read(row["cif"])) != plain_numbers(row["description"])]
    assert not wrong


#: Polyhedra that share corners, edges and faces: sets of words, whose order robocrys leaves to the hash.
MANY_WORDS = """
import sys
from pathlib import Path
from hsegap.structures import describe, read
for name in sys.argv[1:]:
    print(describe(read(Path("examples") / f"{name}.cif")))
"""


@pytest.mark.slow
def test_the_same_text_at_any_hash_seed(robocrys):
    """In a process with the one seed and in this one, whose seed is another on every run."""
    names = ("TiO2_rutile", "SrTiO3", "MoS2_2H")
    here = [describe(read(ROOT / "examples" / f"{name}.cif")) for name in names]
    assert len(" ".join(here).split()) > 50
    assert fresh(MANY_WORDS, *names, PYTHONHASHSEED="4242").splitlines() == here


@pytest.mark.slow
@pytest.mark.shared_data
def test_memory_of_one_crystal_does_not_reach_the_next(robocrys, described):
    first, second = (read(row["cif"]) for row in sorted(described.values(), key=lambda row: row["n_sites"])[:2])
    once = [describe(first), describe(second)]
    assert [describe(first), describe(second)] == once
    assert describe(first) == once[0] != once[1]
    import robocrys.condense.condenser
    import robocrys.condense.site

    assert robocrys.condense.condenser.SiteAnalyzer is robocrys.condense.site.SiteAnalyzer, "robocrys was left patched"
    assert robocrys.condense.condenser.MoleculeNamer.__module__.startswith("robocrys")


@pytest.mark.slow
def test_no_network_and_nothing_on_stderr(robocrys, monkeypatch, recwarn, capfd):
    import socket

    asked = []

    def refuse(*args, **kwargs):
        asked.append(args)  # what is raised here may be caught by whoever looked a name up
        raise AssertionError("describe opened a socket")

    monkeypatch.setattr(socket.socket, "connect", refuse)
    # Solid carbon dioxide: molecules are what robocrys would look up.
    u, v = 0.1185, 0.3815
    dry_ice = simple(
        [[5.624, 0, 0], [0, 5.624, 0], [0, 0, 5.624]],
        [[0, 0, 0], [0.5, 0.5, 0], [0, 0.5, 0.5], [0.5, 0, 0.5]]
        + [
            [s * a, s * b, s * c]
            for s in (1, -1)
            for a, b, c in ((u, u, u), (0.5 + u, v, -u), (-u, 0.5 + u, v), (v, -u, 0.5 + u))
        ],
        [6] * 4 + [8] * 8,
    )
    text = describe(dry_ice)
    assert "zero-dimensional" in text
    assert "CO2" in text
    assert asked == []
    assert warnings_of(recwarn) == []
    assert capfd.readouterr() == ("", "")


@pytest.mark.slow
def test_what_a_chemist_expects(robocrys):
    assert "diamond structured" in describe(silicon())
    text = describe(read(GAAS_CIF))
    assert "Zincblende" in text
    assert "F-43m" in text
    assert "2.45 Å" in text


@pytest.mark.slow
def test_deuterium_is_described_as_hydrogen(robocrys):
    lithium_hydride = "LiH\n4.08\n0 .5 .5\n.5 0 .5\n.5 .5 0\nLi {}\n1 1\nDirect\n0 0 0\n.5 .5 .5\n"
    assert describe(read(lithium_hydride.format("D"))) == describe(read(lithium_hydride.format("H")))


@pytest.mark.slow
def test_a_crystal_without_words_is_a_named_error(robocrys, monkeypatch):
    from hsegap.structures import condense

    def broken(self, structure):
        raise RuntimeError("no facet")

    monkeypatch.setattr(condense.Condenser, "condense", broken)
    with pytest.raises(DescriptionError) as caught:
        describe(silicon())
    assert caught.value.code == "not_describable"
    assert "Si" in caught.value.message
    again = pickle.loads(pickle.dumps(caught.value))
    assert (again.code, again.message, again.hint) == (caught.value.code, caught.value.message, caught.value.hint)
    assert caught.value.code in DESCRIPTION_ERROR_CODES


def test_without_the_extra():
    code = (
        "import sys\nsys.modules['robocrys'] = None\n"
        "sys.path.insert(0, 'tests')\n"
        "from support.crystals import silicon\nfrom hsegap.structures import DescriptionError, describe\n"
        "try:\n    describe(silicon())\nexcept DescriptionError as error:\n    print(error.code, '|', error.hint)\n"
    )
    out = fresh(code, PYTHONPATH=str(ROOT))
    assert out.startswith("describe_unavailable")
    assert "hsegap[describe]" in out


def test_the_extra_is_not_imported_before_it_is_needed():
    code = (
        "import sys, hsegap.structures\n"
        "print(any(name.split('.')[0] in {'robocrys', 'matminer', 'pymatgen', 'pandas'} for name in sys.modules))"
    )
    assert fresh(code, PYTHONPATH=str(ROOT)).strip() == "False"


def test_plain_numbers():
    assert plain_numbers("in the (np.int64(2), np.int64(0), np.int64(-1)) direction") == "in the (2, 0, -1) direction"
    assert plain_numbers("np.float64(0.5)") == "0.5"
    assert plain_numbers("The Si-Si bond length is 2.35 Å.") == "The Si-Si bond length is 2.35 Å."


def test_seed_zero_hash_is_pythons():
    if sys.hash_info.algorithm != "siphash13":
        pytest.skip(f"this Python hashes strings with {sys.hash_info.algorithm}")
    import importlib

    module = importlib.import_module("hsegap.structures.describe")
    words = ["corner", "edge", "face", "(np.int64(0), np.int64(0), np.int64(1))", "12345678", "123456789", ""]
    theirs = json.loads(
        fresh(f"import json\nprint(json.dumps([hash(word) for word in {words!r}]))", PYTHONHASHSEED="0")
    )
    assert [module.seed_zero_hash(word) for word in words] == theirs
    orders = fresh(
        "print([list(x) for x in ({'corner', 'edge'}, {'edge', 'face', 'corner'}, {'face', 'corner'})])",
        PYTHONHASHSEED="0",
    )
    ours = [
        list({module._Word(word) for word in group})
        for group in (("corner", "edge"), ("edge", "face", "corner"), ("face", "corner"))
    ]
    assert str(ours) == orders.strip()

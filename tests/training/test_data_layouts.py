"""The four layouts on disk, what is skipped and listed, and splits."""

from __future__ import annotations

import csv
import gzip
import json
import math

import pytest

from hsegap.training.data import DataError, check_source, load_splits, parse_weights, read_folder, read_jsonl
from hsegap.training.options import options_from
from support.small_data import cif_text, textbook, write_cifs, write_jarvis


def options(root, **values):
    return options_from({"root_dir": str(root), "property": "gap", **values})


def read(root, **values):
    skipped = []
    return read_folder(options(root, **values), skipped), skipped


def write_table(path, header, rows):
    path.parent.mkdir(parents=True, exist_ok=True)
    with path.open("w", newline="", encoding="utf-8") as table:
        csv.writer(table).writerows([header, *rows])


def test_jarvis(tmp_path):
    samples = textbook(6)
    write_jarvis(tmp_path, samples=samples)
    rows, skipped = read(tmp_path)
    assert [(row.id, row.target, row.description) for row in rows] == [(s.id, s.target, s.description) for s in samples]
    assert all(row.structure.is_file() for row in rows)
    assert skipped == []


def test_a_short_name_finds_its_folder(tmp_path):
    write_jarvis(tmp_path, property_folder="optb88vdw_bandgap", samples=textbook(3))
    assert len(read(tmp_path, property="opt_bandgap")[0]) == 3


def test_class(tmp_path):
    samples = textbook(4)
    write_cifs(tmp_path / "class" / "metal" / "cif", samples)
    write_table(
        tmp_path / "class" / "metal" / "description.csv",
        ["id", "target", "description"],
        [[s.id, i % 2, s.description] for i, s in enumerate(samples)],
    )
    rows, _ = read(tmp_path, dataset="class", property="metal", classification=True)
    assert [row.target for row in rows] == [0, 1, 0, 1]
    assert rows[2].description == samples[2].description


@pytest.mark.parametrize("nested", [False, True])
def test_toy(tmp_path, nested):
    samples = textbook(3)
    folder = tmp_path / "toy" / "gap" if nested else tmp_path / "toy"
    write_cifs(folder / "cif", samples)
    write_table(
        folder / "description.csv",
        ["id", "composition", "target", "description", "file"],
        [[s.id, "x", s.target, s.description, ""] for s in samples],
    )
    assert [row.target for row in read(tmp_path, dataset="toy")[0]] == [s.target for s in samples]


@pytest.mark.parametrize(
    ("name", "folder", "wanted"),
    [
        ("formation_energy", "mp_2018_new", lambda i: -1.0 - i),
        ("fe", "mp_2018_new", lambda i: -1.0 - i),
        ("band_gap", "mp_2018_new", lambda i: 0.5 * i),
        ("bulk_modulus", "mp_2018_small", lambda i: math.log10(100 + i)),
        ("shear_modulus", "mp_2018_small", lambda i: math.log10(50 + i)),
    ],
)
def test_mp(tmp_path, name, folder, wanted):
    samples = textbook(3)
    for place, columns in (
        ("mp_2018_new", lambda i: [-1.0 - i, 0.5 * i]),
        ("mp_2018_small", lambda i: [100 + i, 50 + i]),
    ):
        write_cifs(tmp_path / place / "cif", samples)
        rows = [[s.id, "x", *columns(i), s.description, f"{s.id}.cif"] for i, s in enumerate(samples)]
        write_table(tmp_path / place / "mat_text.csv", ["id", "composition", "a", "b", "description", "file"], rows)
    rows, _ = read(tmp_path, dataset="mp", property=name)
    assert [row.target for row in rows] == pytest.approx([wanted(i) for i in range(3)])
    assert rows[0].structure.parts[-3] == folder
    assert rows[0].description == samples[0].description


def test_mp_refuses_properties_that_its_tables_lack(tmp_path):
    (tmp_path / "mp_2018_new").mkdir()
    with pytest.raises(DataError, match=r"no property refractive_index.*bulk_modulus"):
        check_source(options(tmp_path, dataset="mp", property="refractive_index"))


def test_long_quoted_fields(tmp_path):
    samples = textbook(2)
    long = 'Layer one, "stacked",\nthen more. ' + "word " * 100_000
    write_jarvis(tmp_path, samples=[samples[0]._replace(description=long), samples[1]])
    rows, _ = read(tmp_path)
    assert rows[0].description == long.strip()
    assert len(rows) == 2


def test_what_cannot_be_used_is_skipped_counted_and_listed(tmp_path):
    samples = textbook(8)
    write_jarvis(tmp_path, samples=samples)
    folder = tmp_path / "jarvis" / "gap"
    (folder / "cif" / "sample-1.cif").unlink()
    table = (
        (folder / "description.csv")
        .read_text()
        .replace(f",{samples[3].target},", ",,")
        .replace(f",{samples[5].target},", ",nan,")
    )
    (folder / "description.csv").write_text(table)
    rows, skipped = read(tmp_path)
    assert [row.id for row in rows] == ["sample-0", "sample-2", "sample-4", "sample-6", "sample-7"]
    assert dict(skipped) == {
        "sample-1": "its CIF file is missing",
        "sample-3": "no target",
        "sample-5": "target nan cannot be learned",
    }


def test_a_structure_file_outside_the_folder_is_not_followed(tmp_path):
    samples = textbook(1)
    write_jarvis(tmp_path, samples=samples)
    (tmp_path / "secret.cif").write_text(cif_text(samples[0].crystal))
    folder = tmp_path / "jarvis" / "gap"
    write_table(
        folder / "description.csv",
        ["id", "composition", "target", "description", "file"],
        [["other", "x", 1, "text", "../../../secret.cif"]],
    )
    rows, skipped = read(tmp_path)
    assert rows == []
    assert len(skipped) == 1


def test_missing_folders_name_those_that_exist(tmp_path):
    write_jarvis(tmp_path, property_folder="formation_energy_peratom", samples=textbook(1))
    write_jarvis(tmp_path, property_folder="hse_bandgap-2", samples=textbook(1))
    with pytest.raises(
        DataError, match=r"no property folder .*gap\. Folders in .*: formation_energy_peratom, hse_bandgap-2\."
    ):
        check_source(options(tmp_path))
    with pytest.raises(DataError, match=r"class does not exist\. Folders in .*: jarvis\."):
        check_source(options(tmp_path, dataset="class"))
    with pytest.raises(DataError, match=r"does not exist either; give --root_dir"):
        check_source(options(tmp_path / "nowhere"))
    (tmp_path / "jarvis" / "hse_bandgap-2" / "description.csv").unlink()
    with pytest.raises(DataError, match=r"has no description\.csv"):
        check_source(options(tmp_path, property="hse_bandgap-2"))


def test_splits_do_not_overlap_and_follow_the_seed(tmp_path):
    write_jarvis(tmp_path, samples=textbook(24))
    ids = {}
    for seed in (123, 123, 5):
        splits = load_splits(options(tmp_path, random_seed=seed, train_ratio=0.5, val_ratio=0.25, test_ratio=0.25))
        parts = [[row.id for row in part] for part in (splits.train, splits.val, splits.test)]
        assert [len(part) for part in parts] == [12, 6, 6]
        assert len({name for part in parts for name in part}) == 24
        assert ids.setdefault(seed, parts) == parts
    assert ids[123] != ids[5]


def test_numbers_of_rows_instead_of_ratios(tmp_path):
    write_jarvis(tmp_path, samples=textbook(24))
    splits = load_splits(options(tmp_path, n_train=7, n_val=3, n_test=2))
    assert (len(splits.train), len(splits.val), len(splits.test)) == (7, 3, 2)
    with pytest.raises(DataError, match=r"20 \+ 3 \+ 2 rows are asked for; the data set has 24"):
        load_splits(options(tmp_path, n_train=20, n_val=3, n_test=2))


def write_jsonl(path, rows):
    opener = gzip.open if path.suffix == ".gz" else open
    with opener(path, "wt", encoding="utf-8") as lines:
        lines.writelines(json.dumps(row) + "\n" for row in rows)
    return str(path)


def test_jsonl_files(tmp_path):
    samples = textbook(4)
    rows = [
        {
            "id": s.id,
            "cif": cif_text(s.crystal),
            "hse_gap_ev": s.target,
            "description": s.description,
            "label_confidence": "high",
        }
        for s in samples
    ]
    rows[1]["description"] = None
    rows[2] |= {"hse_gap_ev": None, "pbe_gap_ev": 0.25, "label_confidence": "low"}
    del rows[3]["cif"]
    one, two = write_jsonl(tmp_path / "a.jsonl.gz", rows[:2]), write_jsonl(tmp_path / "b.jsonl", rows[2:])
    skipped = []
    got = read_jsonl(
        f"{one},{two}", target="hse_gap_ev,pbe_gap_ev", weights=parse_weights("high=1, low=0.4"), skipped=skipped
    )
    assert [(row.id, row.target, row.weight) for row in got] == [
        ("sample-0", samples[0].target, 1.0),
        ("sample-1", samples[1].target, 1.0),
        ("sample-2", 0.25, 0.4),
    ]
    assert got[1].description is None
    assert skipped == [("sample-3", "no cif")]
    assert [row.id for row in read_jsonl(f"{one},{two}", target="pbe_gap_ev")] == ["sample-2"]


def test_files_that_are_no_jsonl(tmp_path):
    (tmp_path / "x.jsonl").write_text("{not json}\n")
    (tmp_path / "y.jsonl.gz").write_text("plain text")
    for name in ("x.jsonl", "y.jsonl.gz"):
        with pytest.raises(DataError, match=name):
            read_jsonl(str(tmp_path / name), target="gap")
    with pytest.raises(DataError, match="does not exist"):
        read_jsonl(str(tmp_path / "z.jsonl"), target="gap")
    with pytest.raises(DataError, match="high=1,medium"):
        parse_weights("high:1")


def test_n_train_takes_a_sample_and_not_the_head(tmp_path):
    rows = [{"id": s.id, "cif": cif_text(s.crystal), "hse_gap_ev": s.target} for s in textbook(24)]
    train, val = write_jsonl(tmp_path / "t.jsonl", rows), write_jsonl(tmp_path / "v.jsonl", rows[:3])
    splits = load_splits(options_from({"train_file": train, "val_file": val, "n_train": 10}))
    chosen = [row.id for row in splits.train]
    assert len(chosen) == 10
    assert set(chosen) != {row["id"] for row in rows[:10]}

"""Public sets become rows: a small file in jarvis-tools' own format,
read by jarvis-tools itself from its folder of downloads.
"""

from __future__ import annotations

import gzip
import json
import socket
import zipfile
from pathlib import Path

import pytest

from hsegap.structures import read
from hsegap.training.data import read_jsonl
from hsegap.training.errors import DataError
from hsegap.training.public_data import convert, download, write_folder

ROOT = Path(__file__).resolve().parents[2]


def atoms(name: str) -> dict:
    """An example crystal as jarvis-tools stores it."""
    from jarvis.core.atoms import Atoms

    crystal = read(ROOT / "examples" / f"{name}.cif")
    made = Atoms(
        lattice_mat=crystal.lattice.tolist(),
        coords=crystal.frac_coords.tolist(),
        elements=list(crystal.symbols),
        cartesian=False,
    )
    return made.to_dict()


SNUMAT = [
    {
        "SNUMAT_id": number,
        "Band_gap_HSE": gap,
        "Band_gap_GGA": 0.7 * gap,
        "Direct_or_indirect": "Direct",
        "atoms": atoms(name),
    }
    for number, (name, gap) in enumerate(
        (("Si", 1.15), ("GaAs", 1.4), ("MgO", 6.5), ("NaCl", 6.6), ("ZnO", 2.5), ("CdTe", 1.5))
    )
]


def archive(folder: Path, inner: str, rows: list) -> Path:
    folder.mkdir(parents=True, exist_ok=True)
    path = folder / f"{inner}.zip"
    with zipfile.ZipFile(path, "w") as packed:
        packed.writestr(inner, json.dumps(rows))
    return path


def rows_of(folder: Path, name: str) -> list[dict]:
    return [
        json.loads(line)
        for use in ("train", "val", "test")
        for line in gzip.open(folder / f"{name}_{use}.jsonl.gz", "rt", encoding="utf-8")
    ]


def test_snumat_becomes_rows_that_training_reads(tmp_path: Path) -> None:
    broken = {"SNUMAT_id": 99, "Band_gap_HSE": "na", "Band_gap_GGA": 1.0, "atoms": atoms("Si")}
    archive(tmp_path / "store", "snumat.json", [*SNUMAT, broken])
    counts = convert("snumat", tmp_path / "store", tmp_path / "data", report=lambda _: None)
    assert counts["skipped"] == 1
    rows = rows_of(tmp_path / "data", "snumat")
    assert {row["id"]: row["hse_gap_ev"] for row in rows} == {
        str(item["SNUMAT_id"]): item["Band_gap_HSE"] for item in SNUMAT
    }
    for row in rows:
        crystal = read(row["cif"], format="cif")
        assert (crystal.formula, crystal.n_atoms) == (row["formula"], row["n_sites"])
    files = ",".join(str(path) for path in sorted((tmp_path / "data").glob("snumat_*.jsonl.gz")))
    assert sorted(row.target for row in read_jsonl(files, target="hse_gap_ev")) == sorted(
        item["Band_gap_HSE"] for item in SNUMAT
    )
    folder = write_folder("snumat", sorted((tmp_path / "data").glob("snumat_*.jsonl.gz")), tmp_path / "root")
    assert folder == tmp_path / "root" / "jarvis" / "hse_bandgap"
    assert len(list((folder / "cif").glob("*.cif"))) == len(SNUMAT)
    assert (folder / "description.csv").read_text().count("\n") == len(SNUMAT) + 1


def test_dft_3d_keeps_each_gap_under_its_own_name(tmp_path: Path) -> None:
    from jarvis.db.figshare import get_db_info

    row = {"jid": "JVASP-1", "optb88vdw_bandgap": 0.73, "mbj_bandgap": "na", "hse_gap": "na", "atoms": atoms("Si")}
    archive(tmp_path / "store", get_db_info()["dft_3d"][1], [row])
    convert("dft_3d", tmp_path / "store", tmp_path / "data", report=lambda _: None)
    [made] = rows_of(tmp_path / "data", "dft_3d")
    assert (made["id"], made["optb88vdw_gap_ev"], made["mbj_gap_ev"], made["hse_gap_ev"]) == (
        "JVASP-1",
        0.73,
        None,
        None,
    )


def test_a_stopped_conversion_goes_on_where_it_was(tmp_path: Path) -> None:
    archive(tmp_path / "store", "snumat.json", SNUMAT)
    convert("snumat", tmp_path / "store", tmp_path / "whole", report=lambda _: None)
    said: list[str] = []
    half = tmp_path / "half"
    half.mkdir()
    # What a killed run leaves: two entries, and a line written half.
    kept = [{"entry": 0, "skipped": "kept from before"}, {"entry": 1, "skipped": "kept from before"}]
    (half / ".snumat.part.jsonl").write_text("".join(json.dumps(line) + "\n" for line in kept) + '{"entry": 2, "ro')
    counts = convert("snumat", tmp_path / "store", half, report=said.append)
    assert counts["skipped"] == 2, "what was converted before is not converted again"
    assert "2 converted before" in said[0]
    whole = {row["id"]: row for row in rows_of(tmp_path / "whole", "snumat")}
    made = rows_of(half, "snumat")
    assert len(made) == len(SNUMAT) - len(kept)
    assert all(whole[row["id"]] == row for row in made)
    assert not (half / ".snumat.part.jsonl").exists()


def test_a_broken_download_is_removed_and_told(tmp_path: Path) -> None:
    path = tmp_path / "snumat.json.zip"
    path.write_bytes(b"<html>502 Bad Gateway</html>")
    with pytest.raises(DataError, match="start again"):
        download("snumat", tmp_path)
    assert not path.exists()


def test_without_a_network_it_says_what_to_do(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(*_: object, **__: object) -> None:
        raise OSError("no network")

    monkeypatch.setattr(socket, "getaddrinfo", refuse)
    monkeypatch.setattr(socket.socket, "connect", refuse)
    for name in ("http_proxy", "https_proxy", "HTTP_PROXY", "HTTPS_PROXY", "ALL_PROXY", "all_proxy"):
        monkeypatch.delenv(name, raising=False)
    with pytest.raises(DataError, match=r"save it as .*snumat\.json\.zip"):
        download("snumat", tmp_path)
    assert not (tmp_path / "snumat.json.zip").exists()

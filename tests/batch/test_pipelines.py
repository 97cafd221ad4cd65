"""The examples for pipelines, run as they stand."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

from support.commands import COMMAND, ROOT, csv_rows, environment
from support.needs import needed

PIPELINES = ROOT / "examples" / "pipelines"


def python(script: str, *arguments: object, cwd: Path) -> str:
    done = subprocess.run(
        [sys.executable, PIPELINES / script, *map(str, arguments)],
        cwd=cwd,
        env=environment(),
        capture_output=True,
        text=True,
        timeout=300,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    return done.stdout


def test_a_column_of_a_pandas_frame(tmp_path: Path, crystals: dict[str, str]) -> None:
    pandas = needed("pandas")
    rows = [
        {"id": name, "cif": text, "description": f"About {name}." if name == "Si" else None}
        for name, text in crystals.items()
    ]
    rows.insert(3, {"id": "broken", "cif": "nothing", "description": None})
    pandas.DataFrame(rows).to_csv(tmp_path / "t.csv", index=False)
    python("pandas_column.py", "t.csv", "o.csv", cwd=tmp_path)
    got = csv_rows(tmp_path / "o.csv")
    assert [row["id"] for row in got] == [row["id"] for row in rows]
    assert got[3]["gap_ev"] == ""
    assert got[3]["error"]
    assert all(float(row["gap_ev"]) >= 0 and row["kind"] for row in got if row["id"] != "broken")


def test_a_loop_over_http(server_url: str, cifs: Path, tmp_path: Path) -> None:
    (cifs / "Broken.cif").write_text("nothing")
    # More than fit into one request.
    for number in range(12):
        shutil.copy(cifs / "Si.cif", cifs / f"copy{number}.cif")
    paths = sorted(cifs.iterdir())
    lines = [line.split("\t") for line in python("http_loop.py", server_url, *paths, cwd=tmp_path).splitlines()]
    assert [line[0] for line in lines] == list(map(str, paths))
    answers = {Path(name).stem: said for name, said in lines}
    assert answers["Broken"] in {"unsupported_format", "unreadable_structure"}
    assert answers["copy3"] == answers["Si"]
    assert 0.3 < float(answers["Si"]) < 2.5, "a gap, and no code of an error that all of them have"


def test_the_workflow_of_snakemake(cifs: Path, tmp_path: Path) -> None:
    """By Snakemake itself where it is installed, else the same commands in the same order
    by the shell Snakemake uses.
    """
    (tmp_path / "data").mkdir()
    for name in ("oxides", "others"):
        shutil.copytree(cifs, tmp_path / "data" / name)
    (tmp_path / "data" / "others" / "broken.cif").write_text("nothing")
    (tmp_path / "gaps").mkdir()
    path = os.pathsep.join([str(COMMAND.parent), os.environ["PATH"]])
    snakemake = shutil.which("snakemake")
    if snakemake:
        command = [snakemake, "--cores", "2", "--snakefile", PIPELINES / "Snakefile"]
        done = subprocess.run(
            command, cwd=tmp_path, env=environment(PATH=path), capture_output=True, text=True, check=False
        )
        assert done.returncode == 0, done.stderr
    else:
        for name in ("oxides", "others"):
            for rule, values in (
                ("score", {"input": f"data/{name}", "output": f"gaps/{name}.csv.run.json", "threads": "2"}),
                ("report", {"output": f"gaps/{name}.html"}),
            ):
                shell = shell_of(rule).format(wildcards=Wildcards(name), **values)
                subprocess.run(
                    ["bash", "-euo", "pipefail", "-c", shell], cwd=tmp_path, env=environment(PATH=path), check=True
                )
    assert [row["status"] for row in csv_rows(tmp_path / "gaps" / "others.csv")].count("error") == 1
    assert (tmp_path / "gaps" / "oxides.csv.run.json").is_file()
    assert "oxides" in (tmp_path / "gaps" / "oxides.html").read_text()


class Wildcards:
    def __init__(self, name: str) -> None:
        self.set = name


def shell_of(rule: str) -> str:
    """A rule's command, its strings joined as Python joins them."""
    text = (PIPELINES / "Snakefile").read_text().split(f"rule {rule}:")[1].split("shell:")[1].split("\n\n")[0]
    joined: Any = eval(f"({text})")
    return joined

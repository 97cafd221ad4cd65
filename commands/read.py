"""`hsegap read`: what is understood of a structure file, and the same as a clean CIF in P 1."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from hsegap.commands import inputs, output
from hsegap.commands.options import Files, FormatOption, JsonOption, check_stdin_once
from hsegap.errors import Problem

if TYPE_CHECKING:
    from collections.abc import Sequence
    from typing import TextIO

    from hsegap.formats import StructureFormat
    from hsegap.structures import Crystal

#: Atoms shown of a large cell; all of them are in the JSON and in the CIF.
MOST_ATOMS = 24


def read(
    files: Files,
    *,
    cif: Annotated[
        Path | None,
        typer.Option(
            "--cif",
            "-o",
            metavar="PATH",
            help="Write what was read as a CIF in P 1: a file, - for standard output, or a folder for several files.",
            show_default=False,
        ),
    ] = None,
    json: JsonOption = False,
    format: FormatOption = None,  # noqa: A002 - the option is called so
) -> None:
    """Show what is read from each structure.

    Formula, cell, space group as found from the atoms, density, atoms, and what was repaired or assumed: to be looked
    at before a gap is trusted. No gap is predicted. Exit status: 0 if every file was read, else 1.

    \b
    Examples:
      hsegap read examples/GaN.cif
      hsegap read POSCAR --cif crystal.cif
      hsegap read examples/*.cif --cif folder
      hsegap read downloads/*.cif --json
    """
    check_stdin_once(files)
    if cif is not None and str(cif) == "-" and (json or len(files) > 1):
        raise typer.BadParameter("- takes the CIF of one file, and not beside --json", param_hint="--cif")
    if cif is not None and len(files) > 1 and cif.exists() and not cif.is_dir():
        raise typer.BadParameter("for several files PATH has to be a folder", param_hint="--cif")
    raise typer.Exit(run(files, target=cif, as_json=json, file_format=format))


def run(names: Sequence[str], *, target: Path | None, as_json: bool, file_format: StructureFormat | None) -> int:
    """Read each file, print what was read and write it.

    Args:
        names: Paths, or ``-`` for standard input.
        target: Where to write CIFs: a file, ``-``, or a folder for several; None writes none.
        as_json: One JSON array instead of tables.
        file_format: Format of every file; None recognises it.

    Returns:
        Exit status: 0 if every file was read, else 1.
    """
    entries: list[dict[str, Any]] = []
    taken: set[str] = set()
    with output.answers_only() as out:
        for index, given in enumerate(inputs.named(names)):
            name, crystal = given.name, _crystal(given, file_format)
            if isinstance(crystal, Problem):
                entry: dict[str, Any] = crystal.entry(name=name, index=index)
            else:
                from hsegap.structures.summary import summary_of

                entry = {"id": name, "index": index, "format": crystal.format, **summary_of(crystal).as_dict()}
                if target is not None:
                    problem = _write(crystal, name, target, several=list(names) != [name], taken=taken, out=out)
                    entry = problem.entry(name=name, index=index) if problem is not None else entry
            entries.append(entry)
            if not as_json and not (str(target) == "-" and "error" not in entry):
                _show(entry, out)
        if as_json:
            output.write_json(entries, out)
    return int(any("error" in entry for entry in entries))


def _crystal(given: inputs.Named, file_format: StructureFormat | None) -> Crystal | Problem:
    """Read one structure."""
    from hsegap.structures import StructureError
    from hsegap.structures import read as read_structure

    if isinstance(given.text, Problem):
        return given.text
    try:
        return read_structure(given.text, format=file_format or given.format)
    except StructureError as error:
        return error.problem


def _write(crystal: Crystal, name: str, target: Path, *, several: bool, taken: set[str], out: TextIO) -> Problem | None:
    """Write one crystal; what hinders it takes the place of the answer."""
    from hsegap.structures.summary import to_cif

    stem = "crystal" if name == inputs.STDIN else Path(name).stem
    text = to_cif(crystal, name=stem)
    if str(target) == "-":
        out.write(text)
        return None
    path = target
    if several or target.is_dir():
        file_name = next(
            candidate
            for number in range(len(taken) + 1)
            if (candidate := f"{stem}{f'-{number + 1}' if number else ''}.cif") not in taken
        )
        taken.add(file_name)
        path = target / file_name
    try:
        if name != inputs.STDIN and path.exists() and path.samefile(name):
            return Problem(
                "invalid_request", f"{path} is the file that was read.", "Give --cif another name or folder."
            )
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text, encoding="utf-8")
    except OSError as error:
        return Problem(
            "invalid_request", f"{path} could not be written: {error.strerror}.", "Choose another path for --cif."
        )
    output.note(f"{name}: written to {path}")
    return None


def _show(entry: dict[str, Any], out: TextIO) -> None:
    """Print one file's entry as a table."""
    from rich.box import ROUNDED, SIMPLE
    from rich.console import Group
    from rich.markup import escape
    from rich.panel import Panel
    from rich.table import Table
    from rich.text import Text

    from hsegap.commands.tables import console, facts, show_error

    if "error" in entry:
        show_error(entry, out=out)
        return
    lattice, group = entry["lattice"], entry["space_group"]
    grid = facts()
    grid.add_row(
        "space group", f"{group['symbol']} ({group['number']})" if group else "not looked for in so large a cell"
    )
    grid.add_row("a, b, c", ", ".join(f"{lattice[name]:.4f}" for name in "abc") + " Å")
    grid.add_row("α, β, γ", ", ".join(f"{lattice[name]:.2f}" for name in ("alpha", "beta", "gamma")) + "°")
    grid.add_row("volume", f"{lattice['volume']:.2f} Å³")
    grid.add_row("density", f"{entry['density']:.3f} g/cm³")
    for warning in entry["warnings"]:
        grid.add_row("warning", Text(f"{warning['message']} ({warning['code']})", style="yellow"))
    table = Table(box=SIMPLE, pad_edge=False)
    table.add_column("atom", justify="right", no_wrap=True)
    for axis in "xyz":
        table.add_column(axis, justify="right", no_wrap=True)
    for atom in entry["atoms"][:MOST_ATOMS]:
        table.add_row(f"{atom['element']} {atom['index']}", *(f"{value:.5f}" for value in atom["frac_coords"]))
    if len(entry["atoms"]) > MOST_ATOMS:
        table.caption = f"{len(entry['atoms']) - MOST_ATOMS} more atoms in the output of --json"
    count = f"{entry['n_atoms']} atom{'' if entry['n_atoms'] == 1 else 's'}"
    title = f"[bold]{escape(entry['id'])}[/bold]  {escape(entry['formula'])}, {count}"
    console(out).print(Panel(Group(grid, table), title=title, title_align="left", box=ROUNDED))

"""`hsegap data`: public sets of computed gaps, fetched and made rows to learn from."""

from __future__ import annotations

from enum import StrEnum
from pathlib import Path
from typing import Annotated

import typer

from hsegap.commands import output


class PublicSet(StrEnum):
    """Sets that jarvis-tools fetches and we can convert."""

    snumat = "snumat"
    dft_3d = "dft_3d"


def data(
    name: Annotated[
        PublicSet,
        typer.Argument(help="snumat: 10 000 HSE06 gaps; dft_3d: JARVIS-DFT, OptB88vdW gaps.", show_default=False),
    ],
    *,
    out: Annotated[
        Path, typer.Option("--out", "-o", metavar="FOLDER", help="Rows go here, as training, validation and test.")
    ] = Path("data"),
    store: Annotated[Path, typer.Option(metavar="FOLDER", help="Cache of downloaded files.")] = Path(".cache/jarvis"),
    folder: Annotated[
        Path | None,
        typer.Option(metavar="ROOT", help="Write the CrysMMNet layout of CIF files as well.", show_default=False),
    ] = None,
    limit: Annotated[
        int | None, typer.Option(metavar="N", min=1, help="Only the first N entries.", show_default=False)
    ] = None,
) -> None:
    """Fetch a public set of computed gaps to train on.

    Needs internet access, once. Run again, it continues where it stopped. Crystals of one formula stay in one of the
    three files.

    \b
    Examples:
      hsegap data snumat -o data
      hsegap data dft_3d -o data --folder dataset
    """
    raise typer.Exit(run(name.value, out=out, store=store, folder=folder, limit=limit))


def run(name: str, *, out: Path, store: Path, folder: Path | None, limit: int | None) -> int:
    """Fetch and convert a set.

    Args:
        name: ``snumat`` or ``dft_3d``.
        out: Folder for the rows.
        store: Folder that keeps the download.
        folder: Root of a CrysMMNet layout to write as well; None writes none.
        limit: Only the first so many entries.

    Returns:
        Exit status: 0 if the rows were written, else 1.
    """
    from hsegap.training.errors import DataError
    from hsegap.training.public_data import SPLIT, convert, write_folder

    try:
        counts = convert(name, store, out, limit=limit, report=output.note)
        output.note(f"wrote {out}: " + ", ".join(f"{count} {use}" for use, count in counts.items()))
        if folder is not None:
            files = [out / f"{name}_{use}.jsonl.gz" for use in ("train", *SPLIT.values())]
            output.note(f"wrote {write_folder(name, files, folder)}")
    except (DataError, OSError) as error:
        output.note(f"hsegap: {error}.")
        return 1
    return 0

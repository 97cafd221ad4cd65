"""`hsegap data`: public sets of computed gaps, fetched and made rows to learn from."""

from __future__ import annotations

from typing import TYPE_CHECKING

from hsegap.commands import output

if TYPE_CHECKING:
    from pathlib import Path


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

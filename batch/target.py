"""Where a run writes to: what the names given on the command line mean, before anything is touched."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from typing import Literal

from hsegap.batch.problems import ScoringError
from hsegap.batch.remote import is_address

Kind = Literal["csv", "jsonl", "parquet"]
STDOUT = "-"
SUFFIXES: dict[str, Kind] = {
    ".csv": "csv",
    ".jsonl": "jsonl",
    ".ndjson": "jsonl",
    ".parquet": "parquet",
    ".pq": "parquet",
}


@dataclass(frozen=True)
class Target:
    """An output.

    Attributes:
        name: As given.
        kind: By its suffix; JSON lines for standard output.
        folder: Folder that holds the run's state while it goes on; None for standard output, which has none.
        address: Where the finished files are sent; None for a local output.
    """

    name: str
    kind: Kind
    folder: Path | None
    address: str | None

    @property
    def atoms_name(self) -> str:
        """Name of the second file: ``gaps.csv`` → ``gaps.atoms.csv``."""
        stem, dot, suffix = self.name.rpartition(".")
        return f"{stem}.atoms{dot}{suffix}"

    @property
    def record_name(self) -> str:
        """Name of the record that a finished run leaves beside its output."""
        return f"{self.name}.run.json"

    def growing(self, part: str) -> Path:
        """The local file that ``rows`` or ``atoms`` are appended to.

        CSV and JSON lines grow in their final place. Parquet cannot be appended to, nor can an object in a store: those
        are kept as lines in the state's folder and made at the end.
        """
        if self.folder is None:
            msg = "standard output has no files"
            raise ValueError(msg)
        if self.appends:
            return Path(self.name if part == "rows" else self.atoms_name)
        return self.folder / f"{part}.{'csv' if self.kind == 'csv' else 'jsonl'}"

    @property
    def appends(self) -> bool:
        """Whether rows stand in their final file as soon as they are written."""
        return self.address is None and self.kind != "parquet"


def target_of(name: str) -> Target:
    """Understand an output's name.

    Args:
        name: A path or an fsspec address that ends in ``.csv``, ``.jsonl`` or ``.parquet``; ``-`` for standard output.

    Raises:
        ScoringError: ``usage`` for another suffix, or a folder that is not there.
    """
    if name == STDOUT:
        return Target(name, "jsonl", None, None)
    kind = SUFFIXES.get(PurePosixPath(name).suffix.lower())
    if kind is None:
        hint = "Give a file that ends in .csv, .jsonl or .parquet, or - for JSON lines on standard output."
        raise ScoringError("usage", f"The format of the output {name} cannot be told from its name.", hint)
    base = PurePosixPath(name).name
    if is_address(name):
        return Target(name, kind, Path.cwd() / f".{base}.hsegap", name)
    path = Path(name)
    if path.is_dir():
        raise ScoringError("usage", f"{name} is a folder.", "Name a file in it.")
    if not path.parent.is_dir():
        raise ScoringError(
            "usage", f"There is no folder {path.parent} to write {path.name} to.", "Make it first, or check the path."
        )
    # Links resolved: two names of one file are one output. The state lies beside the file, so that it moves and is seen
    # with it.
    real = path.resolve()
    return Target(str(real), kind, real.parent / f".{real.name}.hsegap", None)

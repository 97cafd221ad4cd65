"""Many crystals at once: uploaded files and zips become items in memory, items become rows."""

from __future__ import annotations

import csv
import io
import struct
import zipfile
import zlib
from lzma import LZMAError
from pathlib import PurePosixPath
from typing import TYPE_CHECKING, Any, BinaryIO, NamedTuple

from hsegap.errors import HsegapError
from hsegap.prediction.errors import Failure
from hsegap.prediction.limits import MAX_ITEMS
from hsegap.ui.actions import make_request
from hsegap.ui.uploads import UploadError

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Iterable, Sequence
    from pathlib import Path

    from hsegap.prediction.schemas import Prediction, PredictRequest
    from hsegap.ui.backend import Backend
    from hsegap.ui.uploads import Uploads

#: Largest structure file, and largest sum of what is unpacked, bytes.
MAX_FILE_BYTES = 2_000_000
MAX_UNPACKED_BYTES = 64_000_000
#: Crystals predicted between two signs of progress: enough to keep the reading processes busy, few enough for the bar
#: to move.
CHUNK = 8

FORMATS = {
    ".cif": "cif",
    ".mcif": "cif",
    ".vasp": "poscar",
    ".poscar": "poscar",
    ".contcar": "poscar",
    ".xyz": "xyz",
    ".extxyz": "xyz",
}


class Item(NamedTuple):
    """One structure of a batch, or why it cannot be one."""

    name: str
    request: PredictRequest | Failure


class BatchError(HsegapError):
    """The batch as a whole cannot be taken."""


def format_of(name: str) -> str | None:
    """Format that a file's name promises; None leaves it to the reader."""
    path = PurePosixPath(name)
    if path.name.startswith(("POSCAR", "CONTCAR")):
        return "poscar"
    return FORMATS.get(path.suffix.lower())


def _item(name: str, content: bytes | None, *, describe: bool) -> Item:
    """An item from a file's bytes; None stands for a file over the limit."""
    if content is None:
        return Item(name, Failure.make("payload_too_large", f"The file is larger than {MAX_FILE_BYTES / 1e6:g} MB."))
    text = content.decode("utf-8", errors="replace")
    return Item(name, make_request(text, format_of(name), None, describe=describe, atoms=False))


def _unpack(name: str, stream: BinaryIO, *, describe: bool, room: int) -> Iterable[Item]:
    """Members of a zip, read in memory one by one: no path of the archive ever touches the disk, no bomb is unpacked.

    Args:
        name: The archive's name.
        stream: The archive.
        describe: Generate descriptions.
        room: Items still allowed.

    Raises:
        BatchError: ``too_many_items``, ``payload_too_large`` or ``unreadable_structure`` for the whole archive.
    """
    total = 0
    try:
        with zipfile.ZipFile(stream) as archive:
            members = [member for member in archive.infolist() if not member.is_dir() and not _hidden(member.filename)]
            if len(members) > room:
                raise _too_many()
            for member in members:
                shown = _shown_name(member.filename)
                if member.flag_bits & 0x1:
                    failure = Failure.make(
                        "unreadable_structure", "The file is encrypted.", "Pack it again without a password."
                    )
                    yield Item(shown, failure)
                    continue
                with archive.open(member) as unpacked:
                    content = unpacked.read(MAX_FILE_BYTES + 1)  # what it really unpacks to, whatever its header says
                total += len(content)
                if total > MAX_UNPACKED_BYTES:
                    message = f"{name} unpacks to more than {MAX_UNPACKED_BYTES / 1e6:g} MB."
                    raise BatchError("payload_too_large", message, "Split the archive.")
                yield _item(shown, None if len(content) > MAX_FILE_BYTES else content, describe=describe)
    except (
        zipfile.BadZipFile,
        zlib.error,
        LZMAError,
        NotImplementedError,
        EOFError,
        RuntimeError,
        OSError,
        ValueError,
        struct.error,
    ) as error:
        message = f"{name} cannot be unpacked ({type(error).__name__})."
        raise BatchError("unreadable_structure", message, "Pack it again as a plain zip.") from error


def _hidden(name: str) -> bool:
    """What operating systems add to archives."""
    parts = PurePosixPath(name.replace("\\", "/")).parts
    return any(part.startswith((".", "__MACOSX")) and part not in {".", ".."} for part in parts)


def _shown_name(name: str) -> str:
    """A member's name for the table: folders kept, steps upwards and roots dropped."""
    parts = [part for part in PurePosixPath(name.replace("\\", "/")).parts if part not in {"..", ".", "/"}]
    return "/".join(parts)[-200:]


def _too_many() -> BatchError:
    return BatchError("too_many_items", f"The batch has more than {MAX_ITEMS} structures.")


def collect(paths: Sequence[str | Path], uploads: Uploads, *, describe: bool = False) -> list[Item]:
    """Read uploaded files, and the files in uploaded zips.

    Args:
        paths: What an event names; opened only if it is a plain file of the upload folder.
        uploads: That folder. It deletes uploads by its own clock: nothing is deleted because an event named it.
        describe: Generate descriptions.

    Returns:
        One item per structure file, in order; a file that is too large or encrypted is an item with its failure.

    Raises:
        BatchError: If the batch as a whole is too much, a zip is broken, or a path names no upload.
    """
    items: list[Item] = []
    for given in paths:
        path = PurePosixPath(given)
        try:
            stream = uploads.open(given)
        except UploadError as error:
            raise BatchError(*error.problem) from error
        with stream:
            if path.suffix.lower() == ".zip" or zipfile.is_zipfile(stream):
                items.extend(_unpack(path.name, stream, describe=describe, room=MAX_ITEMS - len(items)))
            else:
                stream.seek(0)
                content = stream.read(MAX_FILE_BYTES + 1)
                items.append(_item(path.name, None if len(content) > MAX_FILE_BYTES else content, describe=describe))
        if len(items) > MAX_ITEMS:
            raise _too_many()
    if not items:
        raise BatchError(
            "invalid_request",
            "There is no structure file in the batch.",
            "Add CIF, POSCAR, XYZ or JSON files, or a zip of them.",
        )
    return items


async def run(
    core: Backend, items: Sequence[Item], *, chunk: int = CHUNK
) -> AsyncIterator[list[tuple[str, Prediction | Failure]]]:
    """Predict a batch chunk by chunk.

    Args:
        core: What answers.
        items: What :func:`collect` gave.
        chunk: Crystals per turn.

    Yields:
        The answers of one chunk with their names, in order; each knows its place in the batch.
    """
    for start in range(0, len(items), chunk):
        some = items[start : start + chunk]
        answers = await core.predict_many_async([item.request for item in some])
        yield [
            (item.name, _placed(answer, item.name, start + place))
            for place, (item, answer) in enumerate(zip(some, answers, strict=True))
        ]


def _placed(answer: Prediction | Failure, name: str, index: int) -> Prediction | Failure:
    """An answer of a chunk with its name and its place in the whole batch."""
    return answer.at(index) if isinstance(answer, Failure) else answer.model_copy(update={"id": name, "index": index})


def mean_electronegativity(formula: str) -> float | None:
    """Mean Pauling electronegativity over the atoms of a formula; None where an element has none."""
    from pymatgen.core import Composition

    composition = Composition(formula)
    values = [(element.X, amount) for element, amount in composition.items()]
    if any(value != value for value, _ in values):  # noqa: PLR0124 - the test for not-a-number
        return None
    return float(sum(value * amount for value, amount in values) / sum(amount for _, amount in values))


def row_of(name: str, answer: Prediction | Failure) -> dict[str, Any]:
    """One line of the results, flat, under the names of the API."""
    if isinstance(answer, Failure):
        return {"file": name, "error": answer.error.code, "message": answer.error.message, "hint": answer.error.hint}
    low, high = answer.interval_ev or (None, None)
    return {
        "file": name,
        "formula": answer.formula,
        "n_atoms": answer.n_atoms,
        "gap_ev": answer.gap_ev,
        "interval_low_ev": low,
        "interval_high_ev": high,
        "kind": answer.kind,
        "description_origin": answer.description.origin,
        "warnings": "; ".join(warning.code for warning in answer.warnings),
        "electronegativity": mean_electronegativity(answer.formula),
    }


CSV_COLUMNS = (
    "file",
    "formula",
    "n_atoms",
    "gap_ev",
    "interval_low_ev",
    "interval_high_ev",
    "kind",
    "description_origin",
    "warnings",
    "error",
    "message",
    "hint",
)


def rows_csv(rows: Sequence[dict[str, Any]]) -> str:
    """The results as CSV, failures included. A cell that a spreadsheet would take for a formula is quoted as text."""
    stream = io.StringIO()
    writer = csv.writer(stream, lineterminator="\n")
    writer.writerow(CSV_COLUMNS)
    for row in rows:
        writer.writerow([_harmless(row.get(column)) for column in CSV_COLUMNS])
    return stream.getvalue()


def _harmless(value: Any) -> Any:
    return f"'{value}" if isinstance(value, str) and value.startswith(("=", "+", "-", "@", "\t", "\r")) else value

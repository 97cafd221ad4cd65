"""Inputs named on a command line become a stream of crystals, in an order that is the same on every run.

Files, patterns, folders, archives, tables, databases and addresses, one after the other as given. Nothing is held but
the names of one folder, and those only while there are few of them. What cannot be read becomes a row with an error;
the stream goes on behind it.
"""

from __future__ import annotations

import os
import re
import sys
from contextlib import suppress
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import TYPE_CHECKING

from hsegap.batch import remote
from hsegap.batch.archives import archive_items, is_archive
from hsegap.batch.batches import Item
from hsegap.batch.lookup import Descriptions, SeenIds, sorted_names
from hsegap.batch.problems import ScoringError, reason_of, unreadable
from hsegap.batch.streams import missing, open_regular, read_structure, safe_name, structure_text
from hsegap.batch.tables import TableOptions, is_table, table_items

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator
    from typing import BinaryIO

STDIN = "-"
#: Names that structures have in a folder. Others there are passed over, and told; so is the record that a run leaves
#: beside its output.
STRUCTURE_NAME = re.compile(
    r"(\.(m?cif|vasp|poscar|contcar|xyz|extxyz|(?<!\.run\.)json)(\.(gz|bz2|xz))?|^(POSCAR|CONTCAR)[^/]*|_(POSCAR|CONTCAR))$",
    re.IGNORECASE,
)
_PATTERN = re.compile(r"[*?\[]")


def is_pattern(name: str) -> bool:
    """Whether a name is a pattern, and not that of a file with such characters."""
    return _PATTERN.search(name) is not None and not os.path.lexists(name)


@dataclass(frozen=True)
class InputOptions:
    """How inputs are read.

    Attributes:
        names: As given on the command line.
        format: Format of every structure; None recognises each.
        table: Columns of tables.
        descriptions: Table of texts by identifier or file name.
        without_text: Leave texts out, those of tables too.
        without_known: Leave known gaps out, those of tables too (those of texts are texts).
        limit: Only the first so many.
        fetch: Read objects of a store here, rather than hand their addresses to whoever scores them.
    """

    names: tuple[str, ...]
    format: str | None = None
    table: TableOptions = field(default_factory=TableOptions)
    descriptions: Path | None = None
    without_text: bool = False
    without_known: bool = False
    limit: int | None = None
    fetch: bool = True


class Inputs:
    """A stream of inputs. Iterate it once.

    Args:
        options: What to read.
        note: Told what was passed over, a sentence at a time.

    Raises:
        ScoringError: If nothing that was named exists, or the descriptions cannot be read.
    """

    def __init__(self, options: InputOptions, *, note: Callable[[str], None]) -> None:
        self.options = options
        self._note = note
        self._texts: Descriptions | None = None
        self.duplicates = 0
        plain = [
            name for name in map(remote.local_name, options.names) if name != STDIN and not remote.is_address(name)
        ]
        if (
            plain
            and len(plain) == len(options.names)
            and not any(os.path.lexists(name) or is_pattern(name) for name in plain)
        ):
            several = f" (nor any of the other {len(plain) - 1})" if len(plain) > 1 else ""
            raise ScoringError(
                "no_inputs", f"There is no file or folder {safe_name(plain[0])}{several}.", "Check the path."
            )
        if options.descriptions is not None:
            self._texts = Descriptions(options.descriptions)

    def __iter__(self) -> Iterator[Item]:
        seen = SeenIds()
        count = 0
        try:
            for item in self._all():
                if self.options.limit is not None and count >= self.options.limit:
                    return
                count += 1
                yield self._finished(item, seen)
            if self._texts is not None and self._texts.used < self._texts.loaded:
                unused = self._texts.loaded - self._texts.used
                self._note(f"{unused} of {self._texts.loaded} descriptions belong to no input")
        finally:
            seen.close()
            if self._texts is not None:
                self._texts.close()

    def _finished(self, item: Item, seen: SeenIds) -> Item:
        """Give an input its text and an identifier of its own."""
        if self.options.without_text:
            item = replace(item, description=None)
        elif self._texts is not None:
            item = replace(item, description=self._texts.find(item.id) or item.description)
        if self.options.without_known and item.pbe_gap_ev is not None:
            item = replace(item, pbe_gap_ev=None)
        name = seen.unique(item.id)
        if name != item.id:
            self.duplicates += 1
            notice = ("duplicate_id", f"Another input has the identifier {item.id} too; this row is called {name}.")
            item = replace(item, id=name, notices=(*item.notices, notice))
        return item

    def _all(self) -> Iterator[Item]:
        for name in self.options.names:
            if name == STDIN:
                for line in sys.stdin.buffer:
                    path = os.fsdecode(line.rstrip(b"\r\n"))
                    if path:
                        yield from self._named(path)
            elif is_pattern(name) and not remote.is_address(name):
                found = False
                for match in sorted_names(_matches(name)):
                    found = True
                    yield from self._named(match)
                if not found:
                    problem = unreadable(f"No file matches {safe_name(name)}.", "Check the pattern.")
                    yield Item(safe_name(name), problem=problem)
            else:
                yield from self._named(remote.local_name(name))

    def _named(self, name: str) -> Iterator[Item]:
        """What one name stands for."""
        if remote.is_address(name):
            yield from self._remote(name)
            return
        path, shown = Path(name), safe_name(name)
        if path.is_dir():
            yield from self._folder(path, ())
        elif is_archive(name) or is_table(name):
            yield from self._container(shown, lambda: open_regular(path), path)
        else:
            yield self._structure(path, shown)

    def _structure(self, path: Path, shown: str) -> Item:
        text = read_structure(path, shown)
        if not isinstance(text, str):
            return Item(shown, problem=text if os.path.lexists(path) else missing(shown))
        return Item(shown, structure=text, format=self.options.format)

    def _container(self, shown: str, opener: Callable[[], BinaryIO], path: Path | None) -> Iterator[Item]:
        """The crystals in an archive, a table or a database."""
        try:
            if is_archive(shown):
                with opener() as stream:
                    skipped = yield from archive_items(
                        stream, shown, format_=self.options.format, wanted=STRUCTURE_NAME
                    )
                if skipped:
                    self._note(f"{shown}: {skipped} members that are no structures by their names were passed over")
            else:
                yield from table_items(
                    opener, shown, path=path, options=self.options.table, format_=self.options.format
                )
        except FileNotFoundError:
            yield Item(shown, problem=missing(shown))
        except OSError as error:
            yield Item(shown, problem=unreadable(f"{shown} cannot be read: {reason_of(error)}."))

    def _folder(self, folder: Path, above: tuple[tuple[int, int], ...]) -> Iterator[Item]:
        """Structures in a folder and the folders in it, by name."""
        shown = safe_name(str(folder))
        try:
            info = folder.stat()
            if (info.st_dev, info.st_ino) in above:
                self._note(f"{shown} leads back to a folder that it lies in; it was not followed")
                return
            # Sorted with a mark for folders, so that nothing has to be asked twice.
            names = sorted_names(_entries(folder))
            skipped: list[str] = []
            passed = 0
            for marked in names:
                name, is_folder = marked[:-2], marked.endswith("/d")
                if is_folder:
                    yield from self._folder(folder / name, (*above, (info.st_dev, info.st_ino)))
                elif STRUCTURE_NAME.search(name):
                    path = folder / name
                    yield self._structure(path, safe_name(str(path)))
                else:
                    passed += 1
                    skipped = [*skipped, name][:3]
            if passed:
                some = ", ".join(map(safe_name, skipped)) + (", …" if passed > len(skipped) else "")
                self._note(f"{shown}: {passed} files that are no structures by their names were passed over ({some})")
        except OSError as error:
            yield Item(shown, problem=unreadable(f"The folder {shown} cannot be read: {reason_of(error)}."))

    def _remote(self, address: str) -> Iterator[Item]:
        """Objects of a store: one, those under a prefix, or those that match a pattern."""
        single = is_archive(address) or is_table(address)
        if single and not _PATTERN.search(address):
            yield from self._container(address, lambda: remote.open_binary(address), None)
            return
        found = passed = 0
        for name, stamp in remote.find(address):
            found += 1
            if name.rstrip("/") != address.rstrip("/") and not STRUCTURE_NAME.search(name.rsplit("/", 1)[-1]):
                passed += 1
            elif self.options.fetch:
                yield replace(fetched(name, format_=self.options.format), stamp=stamp)
            else:
                yield Item(name, address=name, stamp=stamp, format=self.options.format)
        if not found:
            yield Item(address, problem=missing(address))
        if passed:
            self._note(f"{address}: {passed} objects that are no structures by their names were passed over")


def fetched(address: str, *, format_: str | None) -> Item:
    """Read one object of a store."""
    try:
        with remote.open_binary(address) as stream:
            text = structure_text(stream, address)
    except (OSError, ScoringError) as error:
        return Item(address, problem=unreadable(f"{address} cannot be read: {reason_of(error)}."))
    return Item(address, structure=text, format=format_) if isinstance(text, str) else Item(address, problem=text)


def _matches(pattern: str) -> Iterator[str]:
    import glob

    return glob.iglob(pattern, recursive=True)  # noqa: PTH207 - Path.glob takes no absolute patterns


def _entries(folder: Path) -> Iterator[str]:
    """Names in a folder, hidden ones left out, folders marked."""
    with os.scandir(folder) as entries:
        for entry in entries:
            if not entry.name.startswith("."):
                is_folder = False
                with suppress(OSError):  # a link that leads nowhere is a file that cannot be read
                    is_folder = entry.is_dir()
                yield f"{entry.name}/{'d' if is_folder else 'f'}"


def _count_folder(folder: Path) -> int:
    """Structures in a folder and below, links to folders not followed.

    No list of names is made, since there may be millions.
    """
    count = 0
    folders = [folder]
    while folders:
        with suppress(OSError), os.scandir(folders.pop()) as entries:
            for entry in entries:
                if entry.name.startswith("."):
                    continue
                if entry.is_dir(follow_symlinks=False):
                    folders.append(Path(entry.path))
                elif STRUCTURE_NAME.search(entry.name):
                    count += 1
    return count


def count_inputs(names: Iterable[str], *, limit: int | None = None) -> int | None:
    """How many inputs there will be, where that can be told quickly; for the time left.

    Args:
        names: As given on the command line.
        limit: Only the first so many.
    """
    from hsegap.batch.archives import count_members
    from hsegap.batch.tables import count_rows

    total = 0
    for name in map(remote.local_name, names):
        if name == STDIN or remote.is_address(name):
            return None
        path = Path(name)
        if is_pattern(name):
            total += sum(1 for _ in _matches(name))
        elif path.is_dir():
            total += _count_folder(path)
        elif is_archive(name) or is_table(name):
            counted = count_members(path, STRUCTURE_NAME) if is_archive(name) else count_rows(path)
            if counted is None:
                return None
            total += counted
        else:
            total += 1
        if limit is not None and total >= limit:
            return limit
    return total

"""The text of a CIF becomes data blocks whose items are found whatever their spelling.

gemmi parses; ours is what people send beside pure CIF: a word before the first block, values with blanks but without
quotes, characters outside ASCII, names in any case and with the dots of DDLm dictionaries, and messages that name the
line.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any

from hsegap.structures.crystal import Notice
from hsegap.structures.parsed import unreadable

if TYPE_CHECKING:
    from hsegap.structures.errors import StructureError

#: What to do about a file that is not complete.
CUT_OFF_HINT = "The file may be cut off or damaged: export or download it again."
#: Characters outside ASCII that stand for one inside it; every other becomes a question mark.
_PLAIN = str.maketrans(
    dict.fromkeys("\u2212\u2010\u2011\u2012\u2013\u2014", "-")
    | dict.fromkeys("\u00a0\u2002\u2003\u2009\u202f\ufeff", " ")
)
_FIRST_BLOCK = re.compile(r"^[ \t]*data_", re.MULTILINE | re.IGNORECASE)
#: Control characters that no CIF may hold.
_CONTROL = re.compile(r"[\x00-\x08\x0b\x0e-\x1f\x7f\x0c]")
#: A name followed by several words that no quotes hold together.
_UNQUOTED = re.compile(r"^([ \t]*_\S+[ \t]+)([^\s'\"_#;$\[\]][^\s]*(?:[ \t]+[^\s#]\S*)+)[ \t]*$")
_WHERE = re.compile(r":(\d+)(?::\d+\(\d+\)| in \S*): (.*)", re.DOTALL)


class Block:
    """The items of one data block, by their names in lower case with dots written as underscores.

    Attributes:
        name: What stands after ``data_``.
        dotted: Whether names carry the dots of mmCIF and of DDLm dictionaries.
        last_table: Name of the first column of the table that ends the block; empty where no table does.
    """

    def __init__(self, block: Any) -> None:
        self.name: str = block.name
        self.dotted = False
        self.last_table = ""
        self._values: dict[str, list[str]] = {}
        self._loops: dict[str, tuple[Any, int]] = {}
        self._doubtful: dict[str, tuple[str, str]] = {}
        self._again: dict[str, list[tuple[Any, int]]] = {}
        self._last: tuple[Any, list[str]] | None = None
        for item in block:
            self.last_table = ""
            if item.pair is not None:
                tag, value = item.pair
                self._add_value(self._plain(tag), value)
            elif item.loop is not None:
                tags = item.loop.tags
                for column, tag in enumerate(tags):
                    self._add_column(self._plain(tag), item.loop, column)
                self.last_table = self._plain(tags[0]) if tags else ""
        for name in self._values.keys() & self._loops.keys():
            self._again.setdefault(name, []).append(self._loops[name])
            if is_unknown(self._values[name][0]):
                del self._values[name]

    def _plain(self, tag: str) -> str:
        lower = tag.lower()
        if "." in lower:
            self.dotted = True
            lower = lower.replace(".", "_")
        return lower

    def _add_value(self, name: str, value: str) -> None:
        value = plain_text(value) if value[:1] in "'\";" else value
        known = self._values.get(name)
        if known is None or is_unknown(known[0]):
            self._values[name] = [value]
        elif not is_unknown(value) and known[0] != value:
            self._doubtful[name] = (known[0], value)

    def _add_column(self, name: str, loop: Any, column: int) -> None:
        if name in self._loops:
            self._again.setdefault(name, []).append((loop, column))
        else:
            self._loops[name] = (loop, column)

    def __contains__(self, name: str) -> bool:
        return name in self._values or name in self._loops

    def names(self) -> list[str]:
        """All names, in lower case with underscores."""
        return [*self._values, *self._loops]

    def rows(self, name: str) -> int:
        """Number of values that an item has, without reading them."""
        if name in self._loops:
            return int(self._loops[name][0].length())
        return int(name in self._values)

    def column(self, name: str) -> list[str] | None:
        """The values of an item, in a table or alone; quotes are taken off. None if the block doesn't have it.

        Raises:
            StructureError: ``unreadable_structure`` if the item is given twice with different values.
        """
        values = self._values.get(name)
        if values is None:
            found = self._loops.get(name)
            if found is None:
                return None
            loop, column = found
            values = self._values_of(loop)[column :: loop.width()]
            self._values[name] = values
        elif name in self._doubtful:
            first, second = self._doubtful[name]
            raise _given_twice(name, first, second)
        # Which of two tables holds the crystal nobody can know; the same one twice does no harm.
        for loop, column in self._again.get(name, ()):
            other = self._values_of(loop)[column :: loop.width()]
            if other != values:
                raise _given_twice(name, _in_short(values), _in_short(other))
        return values

    def _values_of(self, loop: Any) -> list[str]:
        """The values of a table, row by row, without their quotes."""
        if self._last is None or self._last[0] is not loop:
            values = loop.values
            if "'" in (together := "\n".join(values)) or '"' in together or ";" in together:
                values = [plain_text(value) if value[:1] in "'\";" else value for value in values]
            self._last = (loop, values)
        return self._last[1]

    def first(self, *names: str) -> str | None:
        """The value of the first of several items that is given and not ``.`` or ``?``.

        Raises:
            StructureError: ``unreadable_structure`` if a table gives it several values.
        """
        for name in names:
            values = self.column(name)
            if values and not is_unknown(values[0]):
                other = next((value for value in values if value != values[0] and not is_unknown(value)), None)
                if other is not None:
                    raise _given_twice(name, values[0], other)
                return values[0]
        return None

    def states(self, *names: str) -> bool:
        """Whether any of several items is given, and not only by ``.`` and ``?``."""
        return any(not is_unknown(value) for name in names for value in self.column(name) or ())


def _given_twice(name: str, first: str, second: str) -> StructureError:
    message = f"The CIF gives {name} twice: {first[:40]!r} and {second[:40]!r}."
    return unreadable(message, "Remove the one that is wrong.")


def _in_short(values: list[str]) -> str:
    return ", ".join(value[:12] for value in values[:4]) + (f" … ({len(values)} rows)" if len(values) > 4 else "")


def is_unknown(value: str) -> bool:
    """Whether a value is one of CIF's two ways to say nothing, or empty."""
    return value in {".", "?", ""}


def plain_text(value: str) -> str:
    """A value without its quotes, without the semicolons of a text field and without white space at its ends."""
    if value[:1] == ";":
        return value[1:].rsplit("\n;", maxsplit=1)[0].strip()
    if len(value) >= 2 and value[0] == value[-1] and value[0] in "'\"":
        return value[1:-1].strip()
    return value


def blocks_of(text: str, notices: list[Notice]) -> list[Any]:
    """Parse a CIF.

    Args:
        text: Content of the file; its lines end in line feeds.
        notices: Where to tell what had to be mended.

    Returns:
        gemmi's data blocks, in order.

    Raises:
        StructureError: ``unreadable_structure``, naming the line.
    """
    if not text.isascii():
        text = text.translate(_PLAIN).encode("ascii", errors="replace").decode("ascii")
    first = _FIRST_BLOCK.search(text)
    if first is None:
        raise unreadable("The CIF has no data block.", "A CIF has a line that starts with data_ and a name.")
    # What stands before the first block is no part of the structure; emptied lines keep the numbers of the lines below.
    before = text[: first.start()]
    if before.strip():
        if any(line.strip() and not line.lstrip().startswith("#") for line in before.split("\n")):
            notices.append(Notice("parser_note", "Words before the first data_ line of the CIF were ignored."))
        text = "\n" * before.count("\n") + text[first.start() :]
    text = _without_fence(text)
    from gemmi import cif

    try:
        document = cif.read_string(text, check_level=0)
    except (ValueError, RuntimeError) as error:
        mended, lines = _mended(text)
        if not lines:
            raise _failed(str(error), text) from None
        try:
            document = cif.read_string(mended, check_level=0)
        except (ValueError, RuntimeError) as second:
            raise _failed(str(second), text) from None
        shown = ", ".join(map(str, lines[:5]))
        message = f"The CIF has values of several words without quotes; they were taken whole (line {shown})."
        notices.append(Notice("parser_note", message))
    return list(document)


def _without_fence(text: str) -> str:
    """Leave out the line of backticks that ends a CIF copied out of a chat or a Markdown page, with what follows it."""
    end = text.find("\n```")
    return text if end < 0 else text[: end + 1]


def _mended(text: str) -> tuple[str, list[int]]:
    """Put quotes around values of several words, outside text fields; give the numbers of the changed lines."""
    lines = text.split("\n")
    changed = []
    inside = False
    for index, line in enumerate(lines):
        if line.startswith(";"):
            inside = not inside
        elif not inside and len(line) < 2049:
            match = _UNQUOTED.match(_CONTROL.sub(" ", line))
            if match and '"' not in match[2]:
                lines[index] = f'{match[1]}"{match[2]}"'
                changed.append(index + 1)
    return "\n".join(lines), changed


def _failed(detail: str, text: str) -> StructureError:
    """What the parser found wrong, in words for the user."""
    found = _WHERE.search(detail)
    number, reason = (int(found[1]), found[2]) if found else (0, detail)
    lines = text.split("\n")
    line = lines[number - 1].strip()[:60] if 0 < number <= len(lines) else ""
    if "Wrong number of values in loop" in reason:
        name = reason.rsplit(maxsplit=1)[-1].rstrip("*")[:60]
        table = f" ({name}…, line {number})" if len(name) > 1 else f" (line {number})"
        return unreadable(f"A table of the CIF is incomplete: it ends in the middle of a row{table}.", CUT_OFF_HINT)
    if "unterminated text field" in reason:
        return unreadable("A text field of the CIF is not closed by a line with a semicolon.", CUT_OFF_HINT)
    if "unterminated" in reason:
        return unreadable(
            f"Line {number} of the CIF has an opening quote but no closing quotes: {line!r}.",
            "Close the quotes in that line.",
        )
    if "has no value" in reason or (line.startswith("_") and len(line.split()) == 1 and number >= len(lines) - 1):
        name = (re.search(r"_\S+", reason) or re.search(r"_\S+", line) or [""])[0][:60]
        return unreadable(f"{name} of the CIF has no value (line {number}).", CUT_OFF_HINT)
    hint = "Put values of several words in quotes, and give each name of a table one column. " + CUT_OFF_HINT
    return unreadable(f"Line {number} of the CIF can't be read: {line!r}.", hint)

"""Tables of gaps, one sentence per cell: what its column and its row say, then the cell."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, NamedTuple

from hsegap.text.fact_vocabulary import may_state_a_gap, tokens
from hsegap.text.sentences import is_rule

if TYPE_CHECKING:
    from collections.abc import Sequence

#: Characters of a column's head and of a row's label that are read with a cell: a table as wide as a text takes no
#: longer than the text.
_MAX_LABEL = 120
_SEPARATOR = re.compile(r"[|\t&]")
_GENERIC = re.compile(r"\s*(?:values?|results?|energy|calculated|computed|theory|\Z)", re.IGNORECASE)
_STATES = {"value", "zero", "nonmetal", "unknown"}
_NAMES_COLUMN = {"gap", "method", "unit", "zero"}


class Row(NamedTuple):
    """One row of a table.

    Attributes:
        sentences: What its cells say, each to be read alone.
        is_head: Whether it is the head or the rule under it.
    """

    sentences: list[str]
    is_head: bool


def read_table(rows: Sequence[str]) -> list[Row]:
    """Write each cell as a sentence.

    Args:
        rows: The folded lines of one table, in order.

    Returns:
        A row for each line.
    """
    cells = [_cells(row) for row in rows]
    rule = next((index for index, row in enumerate(rows) if is_rule(row)), None)
    head = _head(cells, rule)
    read = []
    for index, row in enumerate(rows):
        if (rule is not None and index <= rule) or (head and index == 0):
            # A head may be a row like the others where a table has but one.
            read.append(Row([], is_head=True))
        elif not head:
            joined = " | ".join(cell.strip() for cell in cells[index] if cell.strip())
            read.append(Row([joined] if may_state_a_gap(joined) else [], is_head=is_rule(row)))
        else:
            read.append(Row(_row(head, cells[index]), is_head=False))
    return read


def _cells(row: str) -> list[str]:
    cells = _SEPARATOR.split(row.rstrip("\\ \r"))
    if cells and not cells[0].strip():
        cells = cells[1:]
    return cells


def _head(cells: Sequence[list[str]], rule: int | None) -> list[str]:
    if rule is not None:
        return cells[rule - 1] if rule else []
    if len(cells) < 2 or any(_states_something(cell) for cell in cells[0]):
        return []
    return cells[0]


def _states_something(cell: str) -> bool:
    return any(token.kind in _STATES for token in tokens(cell.strip()[:_MAX_LABEL]))


def _row(head: Sequence[str], cells: Sequence[str]) -> list[str]:
    states = [_states_something(cell) for cell in cells]
    label = " ".join(
        cell.strip()[:_MAX_LABEL] for cell, stating in zip(cells[:20], states, strict=False) if not stating
    ).strip()[:_MAX_LABEL]
    sentences = []
    for index, cell in enumerate(cells):
        column = head[index].strip()[:_MAX_LABEL] if index < len(head) else ""
        if not states[index]:
            continue
        if (
            not _GENERIC.match(column)
            and not any(token.kind in _NAMES_COLUMN for token in tokens(column))
            and not re.search("e\\s?V", cell[:_MAX_LABEL], re.IGNORECASE)
        ):
            continue  # a column of lattice constants beside one of gaps
        sentence = f"{column} {label} : {cell.strip()}"
        if may_state_a_gap(sentence):
            sentences.append(sentence)
    return sentences

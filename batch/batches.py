"""What travels through a run: inputs, batches of them, and their rows."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence

    from hsegap.errors import Problem

#: Inputs of a batch unless told otherwise. What a killed run repeats at most, per worker.
BATCH_SIZE = 64
#: The same where descriptions are generated, which takes seconds each.
DESCRIBE_BATCH_SIZE = 8
#: A batch is closed early when its structures reach this many characters, so that memory is bounded whatever the
#: inputs.
BATCH_CHARS = 8_000_000


@dataclass(frozen=True, slots=True)
class Item:
    """One input.

    Attributes:
        id: Stable name of the row.
        structure: Text of the structure; None with a problem, or where only the address is known yet.
        problem: Why there is no structure.
        format: Format of the structure; None recognises it.
        description: Text given with it.
        pbe_gap_ev: PBE gap given with it, eV.
        notices: Warnings that the row will carry, (code, message).
        address: Where a node of a cluster fetches the structure itself.
        stamp: Identifies the content without reading it (size and version of a remote object).
    """

    id: str
    structure: str | None = None
    problem: Problem | None = None
    format: str | None = None
    description: str | None = None
    pbe_gap_ev: float | None = None
    notices: tuple[tuple[str, str], ...] = ()
    address: str | None = None
    stamp: str = ""


@dataclass(frozen=True, slots=True)
class Batch:
    """Inputs that are scored together.

    Which ones is decided by their order alone, so that every run makes the same batches.

    Attributes:
        number: From 0.
        start: Index of the first input.
        items: The inputs.
        digest: Over this and all earlier batches: a changed, missing or additional input changes it.
    """

    number: int
    start: int
    items: list[Item]
    digest: str


@dataclass(slots=True)
class Scored:
    """A batch's rows.

    Attributes:
        number: The batch's.
        digest: The batch's.
        rows: One per input, in order, as :func:`hsegap.batch.rows.row_of` makes them.
        atoms: Per-atom maps of each row; None where they were not asked for or the row failed.
        seconds: Time a worker spent on it.
    """

    number: int
    digest: str
    rows: list[dict[str, Any]]
    atoms: list[list[dict[str, Any]] | None] = field(default_factory=list)
    seconds: float = 0.0


def batched(items: Iterable[Item], *, size: int) -> Iterator[Batch]:
    """Cut a stream of inputs into batches.

    Args:
        items: The inputs, in order.
        size: Most inputs in a batch.
    """
    number = start = chars = 0
    digest = ""
    gathered: list[Item] = []
    for item in items:
        gathered.append(item)
        chars += len(item.structure or "")
        if len(gathered) >= size or chars >= BATCH_CHARS:
            digest = chain(digest, gathered)
            yield Batch(number, start, gathered, digest)
            number, start, chars, gathered = number + 1, start + len(gathered), 0, []
    if gathered:
        yield Batch(number, start, gathered, chain(digest, gathered))


def chain(previous: str, items: Sequence[Item]) -> str:
    """Digest over the inputs so far and these, as hexadecimal digits."""
    digest = hashlib.blake2b(previous.encode(), digest_size=16)
    for item in items:
        # The stamp first: an object of a store has one whether or not its content has been fetched.
        content = item.stamp or (item.structure if item.structure is not None else repr(item.problem))
        if item.pbe_gap_ev is not None:
            content += f"\npbe_gap_ev={item.pbe_gap_ev!r}"
        for part in (item.id, content, item.description or ""):
            # The length in front: two neighbouring parts must not be able to trade characters.
            raw = part.encode("utf-8", "surrogatepass")
            digest.update(len(raw).to_bytes(8, "little") + raw)
    return digest.hexdigest()

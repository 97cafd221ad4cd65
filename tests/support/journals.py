"""A run of the scorer without a network: twenty-three inputs whose answers are known, written by the real journal."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from hsegap.batch.batches import Item, Scored, batched
from hsegap.batch.journal import Journal
from hsegap.batch.rows import atoms_of, row_of
from hsegap.batch.target import target_of

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from hsegap.batch.batches import Batch

N, SIZE = 23, 4
SETTINGS = {"inputs": ["x"], "batch_size": SIZE}
LAYERS = ["layer_2"]


def items(*, changed: int | None = None, n: int = N) -> list[Item]:
    return [
        Item(f"c{number}", structure=f"text {number}{' changed' if number == changed else ''}") for number in range(n)
    ]


def answer(number: int) -> dict[str, Any]:
    if number % 5 == 4:
        return {"error": {"code": "unreadable_structure", "message": f"no {number}, ü", "hint": "try"}}
    atom = {
        "index": 0,
        "element": "Si",
        "frac_coords": [0.0, 0.25, 1 / 3],
        "gate": {"layer_2": 0.5},
        "importance": {},
        "text_share": {"layer_2": None},
    }
    return {
        "index": 0, "formula": "Si", "n_atoms": 1, "gap_ev": number / 7, "gap_raw_ev": number / 7,
        "interval_ev": [0.0, 1.0], "coverage": 0.9, "kind": "semiconductor",
        "description": {"text": 'a "quoted"\ntext', "origin": "given"}, "modality_weights": {"graph": 0.4, "text": 0.6},
        "atoms": [atom], "warnings": [{"code": "w", "message": "m"}],
        "model": {"name": "n", "version": "1", "sha256": "0"}, "timings_ms": {"total": number * 1.7},
    }  # fmt: skip


def scored(batch: Batch) -> Scored:
    answers = [answer(batch.start + place) for place in range(len(batch.items))]
    rows = [
        row_of(item, each, index=batch.start + place)
        for place, (item, each) in enumerate(zip(batch.items, answers, strict=True))
    ]
    return Scored(batch.number, batch.digest, rows, [atoms_of(each) for each in answers], 0.1)


def open_journal(
    out: Path, *, resume: bool = False, force: bool = False, atoms: bool = True, settings: dict[str, Any] | None = None
) -> Journal:
    target = target_of(str(out))
    return Journal.open(
        target, settings=settings or SETTINGS, layers=LAYERS if atoms else None, resume=resume, force=force
    )


def run(out: Path, *, stop_after: int | None = None, order: str = "in order", **options: Any) -> list[int]:
    """Score everything that remains; returns the numbers of the batches that were computed."""
    journal = open_journal(out, **options)
    computed: list[int] = []
    try:
        batches: Iterator[Batch] = journal.remaining(batched(items(), size=SIZE), force=options.get("force", False))
        listed = list(batches) if order == "backwards" else batches
        for batch in reversed(listed) if order == "backwards" else listed:
            if stop_after is not None and len(computed) == stop_after:
                return computed
            computed.append(batch.number)
            journal.commit(scored(batch))
        journal.finish()
    finally:
        journal.close()
    return computed

"""What can be said of a crystal when an evaluation predicts it: the ways by name, and what each is called in print."""

from __future__ import annotations

import hashlib
from typing import NamedTuple

import numpy as np


class Variant(NamedTuple):
    """One way of predicting.

    Attributes:
        name: In a sentence or a table of its own.
        short: On the screen.
        own_rows: Whether it counts only the rows that have what it needs; else rows without a text count as without.
        off_ev: Standard deviation of an error put on the stated PBE gap, eV.
        hse_as_pbe: Whether the HSE gap is stated as the PBE gap: what a user of the wrong functional would do.
    """

    name: str
    short: str
    own_rows: bool = False
    off_ev: float = 0.0
    hse_as_pbe: bool = False


VARIANTS = {
    "given": Variant("with the descriptions of the file", "the file's text"),
    "generated": Variant("with generated descriptions", "generated text"),
    "without": Variant("without text", "structure alone"),
    "shuffled": Variant("with another crystal's description", "another's text", own_rows=True),
    "known": Variant("without text, PBE gap known", "PBE gap known", own_rows=True),
    "told": Variant("with the descriptions, PBE gap known", "text and PBE gap", own_rows=True),
    "off_0.1": Variant("without text, PBE gap off by 0.1 eV", "PBE gap off by 0.1 eV", own_rows=True, off_ev=0.1),
    "off_0.3": Variant("without text, PBE gap off by 0.3 eV", "PBE gap off by 0.3 eV", own_rows=True, off_ev=0.3),
    "hse_as_pbe": Variant(
        "without text, HSE gap stated as PBE gap", "HSE gap stated as PBE", own_rows=True, hse_as_pbe=True
    ),
}
#: Those with a fact that is not quite true.
UNSURE_FACTS = tuple(name for name, variant in VARIANTS.items() if variant.off_ev or variant.hse_as_pbe)


def stated_gap(variant: str, *, row: str, pbe_gap_ev: float, hse_gap_ev: float) -> float:
    """The PBE gap that a variant states, eV: the same for the same row in every run.

    A calculation that finds no gap finds none the next time: zero stays zero, and no gap falls below it.

    Args:
        variant: A key of :data:`VARIANTS`.
        row: Its name, from which the error is drawn.
        pbe_gap_ev: Its true PBE gap.
        hse_gap_ev: Its HSE gap.
    """
    one = VARIANTS[variant]
    if one.hse_as_pbe:
        return hse_gap_ev
    if not one.off_ev or not pbe_gap_ev:
        return pbe_gap_ev
    seed = int.from_bytes(hashlib.blake2b(row.encode(), digest_size=8).digest(), "little")
    return max(0.0, pbe_gap_ev + one.off_ev * float(np.random.default_rng(seed).standard_normal()))

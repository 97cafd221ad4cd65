"""Gaps of one method estimated from those of a cheaper one.

So crystals with only the cheap one can be learned from, too.

A PBE gap says most of what an HSE gap will be; the rest depends above all on the elements. Gradient-boosted trees learn
the difference of the two gaps from crystals with both, on the fractions of the elements, statistics of their places in
the periodic table and the cheap gap itself (Friedman, Annals of Statistics 29, 1189 (2001), in scikit-learn's histogram
form). The estimates are for training only.
"""

from __future__ import annotations

import math
import warnings
from functools import lru_cache
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np

from hsegap.structures.subsets import fold_of
from hsegap.training.data import ESTIMATED, json_lines, write_json_lines
from hsegap.training.errors import DataError

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from sklearn.ensemble import HistGradientBoostingRegressor

#: Elements told apart, by atomic number.
MOST_PROTONS = 118
#: Fewest crystals with both gaps to learn from.
LEAST_LEARNT = 20


class Transfer(NamedTuple):
    """What came of a transfer.

    Attributes:
        written: Rows written.
        learnt: Rows with both gaps that were learned from.
        without_gap: Rows left out because they have no gap of the cheap method.
        too_large: Rows left out because they have too many atoms.
        thinned: Rows without a cheap gap left out because there are so many.
        invented: Rows written without a cheap gap though the source followed has no crystal without a gap: all of them
            are given one.
        mae: Mean absolute error on the rows to measure on, eV; None without any.
        mae_of_cheap: The same error if the cheap gap itself is taken, eV.
        measured: Rows measured on.
    """

    written: int
    learnt: int
    without_gap: int
    too_large: int
    thinned: int
    invented: int
    mae: float | None
    mae_of_cheap: float | None
    measured: int


def composition_features(formula: str) -> np.ndarray:
    """Numbers that describe a composition.

    Args:
        formula: As in ``Ba(AlO2)2``.

    Returns:
        ``[148]`` float64: the fraction of each element; then the mean, largest, smallest, mean deviation and most
        frequent element's value of atomic number, group, row, electronegativity (Pauling), atomic radius (Å) and
        Mendeleev number. Unknown ones are NaN.

    Raises:
        DataError: If the formula cannot be read.
    """
    from pymatgen.core import Composition

    try:
        elements = {element.symbol: amount for element, amount in Composition(formula).fractional_composition.items()}
        table = np.array([_element(symbol) for symbol in elements])
    except (ValueError, KeyError, AttributeError, TypeError) as error:
        raise DataError(f"the formula {formula!r} cannot be read: {error}") from error
    amounts = np.array(list(elements.values()))
    fractions = np.zeros(MOST_PROTONS)
    fractions[table[:, 0].astype(int) - 1] = amounts
    mean = amounts @ table
    statistics = [mean, table.max(0), table.min(0), amounts @ np.abs(table - mean), table[amounts.argmax()]]
    return np.concatenate([fractions, *statistics])


@lru_cache(maxsize=MOST_PROTONS)
def _element(symbol: str) -> tuple[float, ...]:
    from pymatgen.core import Element

    element = Element(symbol)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # noble gases without an electronegativity: NaN is what the trees take
        values = (element.Z, element.group, element.row, element.X, element.atomic_radius, element.mendeleev_no)
    return tuple(math.nan if value is None else float(value) for value in values)


class _Rows(NamedTuple):
    """Rows with their numbers: features ``[rows, n]``, gaps ``[rows]`` in eV."""

    items: list[dict[str, Any]]
    features: np.ndarray
    cheap: np.ndarray
    wanted: np.ndarray


def _items(paths: Sequence[Path], *, cheap: str, wanted: str | None) -> tuple[list[dict[str, Any]], int]:
    """Rows that have the gaps asked for, and how many have not."""
    items, left_out = [], 0
    for path in paths:
        for number, item in json_lines(path):
            if not isinstance(item.get("formula"), str):
                raise DataError(f"{path}: row {number} has no formula")
            if item.get(cheap) is None or (wanted is not None and item.get(wanted) is None):
                left_out += 1
            else:
                items.append(item)
    return items, left_out


def _table(
    items: list[dict[str, Any]], *, cheap: str, wanted: str | None, source: str | None, sources: list[str]
) -> _Rows:
    """The rows with their numbers; ``source`` overrides their own."""
    known = {name: position for position, name in enumerate(sources)}
    rows = [
        [
            *composition_features(item["formula"]),
            float(item[cheap]),
            known.get(str(source or item.get("source")), math.nan),
        ]
        for item in items
    ]
    gaps = np.array([float(item[cheap]) for item in items])
    return _Rows(items, np.array(rows), gaps, np.array([float(item[wanted]) if wanted else math.nan for item in items]))


def _has_metals(rows: _Rows, source: str) -> bool:
    """Whether the source knows crystals without a gap."""
    return any(item.get("source") == source and gap <= 0 for item, gap in zip(rows.items, rows.wanted, strict=True))


def _small(items: list[dict[str, Any]], max_atoms: int) -> list[dict[str, Any]]:
    """Those of at most so many atoms."""
    silent = next((item for item in items if not isinstance(item.get("n_sites"), int)), None)
    if silent is not None:
        raise DataError(f"row {silent.get('id')!r} does not say how many atoms it has (n_sites)")
    return [item for item in items if item["n_sites"] <= max_atoms]


class GapTrees(NamedTuple):
    """Boosted trees that estimate one gap from another and the composition, without a structure.

    Attributes:
        model: What was fitted.
        told: Columns of the features that it reads, ``[n]`` bool.
        cheap: Field of the gap it starts from.
        wanted: Field of the gap it estimates.
        sources: Names of the sources told apart.
        known: The rows learned from.
    """

    model: HistGradientBoostingRegressor
    told: np.ndarray
    cheap: str
    wanted: str
    sources: list[str]
    known: _Rows

    @classmethod
    def fit(
        cls,
        learn: Sequence[Path],
        *,
        cheap: str = "pbe_gap_ev",
        wanted: str = "hse_gap_ev",
        source: str | None = None,
        only: bool = False,
        seed: int = 0,
    ) -> GapTrees:
        """Learn from rows with both gaps.

        Args:
            learn: Files of such rows; those that lack one of the gaps are passed over.
            cheap: Field of the cheap gap, eV.
            wanted: Field of the gap to estimate, eV.
            source: A source that must be among the rows' own.
            only: Learn from that source's rows alone.
            seed: Of the features drawn for each split.

        Raises:
            DataError: If a file is missing or damaged, too few rows have both gaps, or no row learned from has this
                ``source``.
        """
        from sklearn.ensemble import HistGradientBoostingRegressor

        sources = sorted({str(item["source"]) for path in learn for _, item in json_lines(path) if item.get("source")})
        if source is not None and source not in sources:
            raise DataError(
                f"no row to learn from has the source {source!r}; there are: {', '.join(sources) or 'none'}"
            )
        items = _items(learn, cheap=cheap, wanted=wanted)[0]
        items = [item for item in items if item.get("source") == source] if only else items
        if len(items) < LEAST_LEARNT:
            raise DataError(f"{len(items)} rows have both {cheap} and {wanted}; at least {LEAST_LEARNT} are needed")
        known = _table(items, cheap=cheap, wanted=wanted, source=None, sources=sources)
        model = HistGradientBoostingRegressor(
            loss="absolute_error",
            max_iter=400,
            learning_rate=0.06,
            max_leaf_nodes=24,
            l2_regularization=1.0,
            max_features=0.4,
            random_state=seed,
        )
        told = ~np.isnan(known.features).all(axis=0)  # the trees cannot bin a column without a single number
        model.fit(known.features[:, told], known.wanted - known.cheap)
        return cls(model, told, cheap, wanted, sources, known)

    def table(self, items: list[dict[str, Any]], *, wanted: bool = True, source: str | None = None) -> _Rows:
        """Rows with their numbers.

        ``source`` overrides their own, ``wanted`` says whether they have the gap to estimate.
        """
        return _table(
            items, cheap=self.cheap, wanted=self.wanted if wanted else None, source=source, sources=self.sources
        )

    def estimate(self, rows: _Rows) -> np.ndarray:
        """Estimated gaps ``[rows]``, eV, none below zero."""
        return (
            np.maximum(0.0, rows.cheap + self.model.predict(rows.features[:, self.told])) if rows.items else np.zeros(0)
        )


def transfer(
    files: Sequence[Path],
    out: Path,
    *,
    learn: Sequence[Path],
    measure: Sequence[Path] = (),
    cheap: str = "pbe_gap_ev",
    wanted: str = "hse_gap_ev",
    source: str | None = None,
    max_atoms: int | None = None,
    one_metal_in: int = 1,
) -> Transfer:
    """Write rows with estimates of a gap that they do not have.

    Args:
        files: Rows with the cheap gap and a ``formula``.
        out: ``.jsonl.gz`` file to write: the same rows with the wanted gap and ``label_confidence`` :data:`ESTIMATED`.
        learn: Rows with both gaps.
        measure: Rows with both gaps that nothing is learned from, to say how good the estimates are.
        cheap: Field of the cheap gap, eV.
        wanted: Field of the gap to estimate, eV.
        source: Where gaps of several sources differ, the field ``source`` whose convention the estimates follow.
        max_atoms: Rows with more atoms (field ``n_sites``) are left out: what training costs grows with them.
        one_metal_in: Of so many rows whose cheap gap is zero one is kept, drawn by its id: where they are half of all
            crystals, each teaches less than one with a gap.

    Raises:
        DataError: If a file is missing or damaged, too few rows have both gaps, no row learned from has this
            ``source``, or a row to write does not say how many atoms it has and ``max_atoms`` asks for that.
    """
    trees = GapTrees.fit(learn, cheap=cheap, wanted=wanted, source=source)
    tests = trees.table(_items(measure, cheap=cheap, wanted=wanted)[0])
    chosen = choose(files, cheap=cheap, max_atoms=max_atoms, one_metal_in=one_metal_in)
    rows = trees.table(chosen.items, wanted=False, source=source)
    write_estimates(out, rows.items, trees.estimate(rows), wanted=wanted)
    return Transfer(
        written=len(rows.items),
        learnt=len(trees.known.items),
        without_gap=chosen.without_gap,
        too_large=chosen.too_large,
        thinned=chosen.thinned,
        invented=int((rows.cheap <= 0).sum()) if source is not None and not _has_metals(trees.known, source) else 0,
        mae=float(np.abs(trees.estimate(tests) - tests.wanted).mean()) if tests.items else None,
        mae_of_cheap=float(np.abs(tests.cheap - tests.wanted).mean()) if tests.items else None,
        measured=len(tests.items),
    )


class Chosen(NamedTuple):
    """Rows to estimate a gap of, and how many were left out and why (see :class:`Transfer`)."""

    items: list[dict[str, Any]]
    without_gap: int
    too_large: int
    thinned: int


def choose(files: Sequence[Path], *, cheap: str, max_atoms: int | None, one_metal_in: int) -> Chosen:
    """The rows of ``files`` that :func:`transfer` writes; its arguments and errors."""
    found, without_gap = _items(files, cheap=cheap, wanted=None)
    small = found if max_atoms is None else _small(found, max_atoms)
    kept = [item for item in small if item[cheap] > 0 or fold_of(str(item.get("id")), one_metal_in) == 0]
    return Chosen(kept, without_gap, len(found) - len(small), len(small) - len(kept))


def write_estimates(out: Path, items: Sequence[dict[str, Any]], gaps: np.ndarray, *, wanted: str) -> None:
    """Write rows ``items`` to the ``.jsonl.gz`` file ``out`` with ``gaps`` ``[rows]``, eV; whole or not at all."""
    rows = zip(items, gaps, strict=True)
    write_json_lines(out, ({**item, wanted: round(float(gap), 4), "label_confidence": ESTIMATED} for item, gap in rows))

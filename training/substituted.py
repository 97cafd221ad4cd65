"""Crystals that no file has, to learn from: known ones with an element exchanged for a similar one.

What a network answers about them is learned from by another one (Hinton, Vinyals and Dean, arXiv:1503.02531). A network
that sees the same ten thousand labelled crystals again and again ends up knowing them by heart; of these there are as
many as one likes, and their labels say how its teacher fills the space between the known ones.

Which elements stand for each other is taken from pymatgen's table of substitutions in the ICSD (Hautier et al., Inorg.
Chem. 50, 656 (2011)), and neighbours in a group of the periodic table stand for each other, too.
"""

from __future__ import annotations

import math
from collections import Counter, defaultdict
from functools import lru_cache
from itertools import permutations
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np

from hsegap.models.checkpoint import CheckpointError, read_checkpoint
from hsegap.structures import Crystal, StructureError, read
from hsegap.structures.subsets import fold_of
from hsegap.structures.summary import to_cif
from hsegap.training.data import ESTIMATED, json_lines, write_json_lines
from hsegap.training.errors import DataError
from hsegap.training.told import CHEAP, WANTED, answers

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Sequence
    from pathlib import Path

#: Elements told apart, by atomic number: up to plutonium.
HEAVIEST = 94
#: Weight of a neighbour in the group; the table's conditional probabilities count by their square roots.
SAME_GROUP = 0.25
#: Share of crystals of which one element is exchanged; of the others two are.
ONE_ELEMENT = 0.65
#: Crystals of an element that have to be known before another may be exchanged for it.
LEAST_KNOWN = 30
#: Smallest volume of an atom that is believed, Å³: the fit gives small atoms in the gaps of large ones nothing.
SMALLEST_VOLUME = 2.0
#: Largest change of a cell's volume; more would be another structure.
MOST_CHANGE = 2.5
#: Spread of the volumes around what the atoms' volumes say.
VOLUME_SPREAD = 0.02
#: Answers below this are no gap, eV.
NO_GAP = 0.05

#: A formula whatever the size of the cell: (atomic number, count) in ascending order, counts without a common divisor.
Formula = tuple[tuple[int, int], ...]


class Made(NamedTuple):
    """What came of making rows.

    Attributes:
        written: Rows written.
        parents: Crystals that elements were exchanged in.
        unreadable: Rows whose structure cannot be read.
        failed: Draws that gave nothing believable, or a formula to avoid.
        metals: Rows written without a gap.
        thinned: Rows without a gap left out.
    """

    written: int
    parents: int
    unreadable: int
    failed: int
    metals: int
    thinned: int


class Parents(NamedTuple):
    """Known crystals to exchange elements in.

    Attributes:
        ids: Of their rows.
        crystals: The crystals.
        unreadable: Rows left out because their structure cannot be read.
    """

    ids: list[str]
    crystals: list[Crystal]
    unreadable: int


def formula_of(crystal: Crystal) -> Formula:
    """The formula, to compare by."""
    counts = Counter(crystal.atomic_numbers.tolist())
    divisor = math.gcd(*counts.values())
    return tuple(sorted((number, count // divisor) for number, count in counts.items()))


def formulas(files: Iterable[Path]) -> set[Formula]:
    """Formulas of the rows of ``files``.

    Raises:
        DataError: If a file is missing or damaged, or a structure in it cannot be read.
    """
    found = set()
    for path in files:
        for number, item in json_lines(path):
            try:
                found.add(formula_of(read(item["cif"])))
            except (StructureError, KeyError) as error:
                raise DataError(f"{path}: the structure of row {number} cannot be read: {error}") from error
    return found


def parents(files: Iterable[Path], *, max_atoms: int, one_metal_in: int) -> Parents:
    """Read the crystals of ``files`` that have at most ``max_atoms`` atoms, each id once.

    Args:
        files: Rows with ``cif``, ``n_sites`` and ``hse_gap_ev`` or ``pbe_gap_ev``.
        max_atoms: Larger ones are left out.
        one_metal_in: Of so many crystals without a gap one is kept, drawn by its id.

    Raises:
        DataError: If a file is missing or damaged, a row has no structure or does not say how many atoms it has, or no
            crystal is left.
    """
    seen: dict[str, str] = {}
    for path in files:
        for number, item in json_lines(path):
            if not isinstance(item.get("cif"), str) or not isinstance(item.get("n_sites"), int):
                raise DataError(f"{path}: row {number} has no cif, or does not say how many atoms it has (n_sites)")
            gap = item.get("hse_gap_ev") if item.get("hse_gap_ev") is not None else item.get("pbe_gap_ev")
            name = str(item.get("id", f"{path.name}:{number}"))
            if item["n_sites"] <= max_atoms and (gap or fold_of(name, one_metal_in) == 0):
                seen.setdefault(name, item["cif"])
    ids, crystals = [], []
    for name, cif in seen.items():
        try:
            crystals.append(read(cif))
        except StructureError:
            continue
        ids.append(name)
    if not crystals:
        raise DataError(f"no crystal of at most {max_atoms} atoms can be read")
    return Parents(ids, crystals, len(seen) - len(crystals))


@lru_cache(maxsize=1)
def similar_elements() -> dict[int, dict[int, float]]:
    """For each element those that may be exchanged for it, with their weights, by atomic number."""
    from pymatgen.analysis.structure_prediction.substitution_probability import SubstitutionProbability
    from pymatgen.core import Element

    weights: dict[int, dict[int, float]] = defaultdict(dict)

    def allow(old: Element, new: Element, weight: float) -> None:
        if max(old.Z, new.Z) <= HEAVIEST:
            weights[old.Z][new.Z] = max(weights[old.Z].get(new.Z, 0.0), weight)

    table = SubstitutionProbability()
    for old, new in permutations(table.species, 2):
        if old.oxi_state == new.oxi_state and old.symbol != new.symbol:
            allow(Element(old.symbol), Element(new.symbol), math.sqrt(table.cond_prob(new, old)))
    # From lithium on: hydrogen is no alkali metal.
    elements = [Element.from_Z(number) for number in range(3, HEAVIEST + 1)]
    for old, new in permutations(elements, 2):
        if old.group == new.group and abs(old.row - new.row) <= 1 and not old.is_noble_gas:
            allow(old, new, SAME_GROUP)
    return dict(weights)


def atomic_volumes(crystals: Sequence[Crystal]) -> tuple[np.ndarray, np.ndarray]:
    """Volume of an atom of each element that explains the cells best, and the crystals that have the element.

    Returns:
        Å³, not negative, and counts; ``[HEAVIEST + 1]`` each, by atomic number. Relative errors are fitted.
    """
    from scipy.optimize import nnls

    counts = np.stack([np.bincount(crystal.atomic_numbers, minlength=HEAVIEST + 1) for crystal in crystals])
    volumes = np.array([abs(np.linalg.det(crystal.lattice)) for crystal in crystals])
    fitted, _ = nnls(counts / volumes[:, None], np.ones(len(volumes)))
    return fitted, (counts > 0).sum(axis=0)


class Substitution:
    """Exchanges elements at random; the cell grows or shrinks with the atoms.

    Args:
        known: Crystals that the atoms' volumes are fitted to; none with an element beyond :data:`HEAVIEST`.
        avoid: Formulas that must not come out.
    """

    def __init__(self, known: Sequence[Crystal], avoid: set[Formula]) -> None:
        self._avoid = avoid
        self._volumes, counts = atomic_volumes(known)
        fit = (counts >= LEAST_KNOWN) & (self._volumes >= SMALLEST_VOLUME)
        self._choices: dict[int, tuple[np.ndarray, np.ndarray]] = {}
        for old, weights in similar_elements().items():
            allowed = {new: weight for new, weight in weights.items() if fit[new]}
            if allowed:
                share = np.array(list(allowed.values()))
                self._choices[old] = np.array(list(allowed)), share / share.sum()

    def draw(self, crystal: Crystal, random: np.random.Generator) -> Crystal | None:
        """The crystal with one or two elements exchanged, or None where nothing believable comes out."""
        old = crystal.atomic_numbers
        new = old.copy()
        present = [number for number in np.unique(old).tolist() if number in self._choices]
        wanted = 1 if random.random() < ONE_ELEMENT else 2
        for number in random.permutation(present)[:wanted].tolist():
            others, share = self._choices[number]
            new[old == number] = random.choice(others, p=share)
        before, after = self._volumes[old].sum(), self._volumes[new].sum()
        if (new == old).all() or not before > 0:
            return None
        ratio = after / before * math.exp(VOLUME_SPREAD * random.standard_normal())
        drawn = Crystal(crystal.lattice * ratio ** (1 / 3), crystal.frac_coords, new)
        if not 1 / MOST_CHANGE < ratio < MOST_CHANGE or formula_of(drawn) in self._avoid:
            return None
        return drawn


def substituted(
    known: Parents, wanted: int, *, avoid: set[Formula], seed: int = 0, advance: Callable[[], object] = lambda: None
) -> list[dict[str, Any]]:
    """Rows of crystals with exchanged elements, without gaps.

    Args:
        known: What to exchange elements in.
        wanted: Crystals to draw; some fail and are left out.
        avoid: Formulas that must not come out: those of validation and test crystals.
        seed: Of the draws.
        advance: Called after each.

    Returns:
        Rows with ``id`` (``made-SEED-N``), ``parent``, ``formula``, ``n_sites`` and ``cif``.
    """
    random = np.random.default_rng(seed)
    usable = [
        (name, crystal)
        for name, crystal in zip(known.ids, known.crystals, strict=True)
        if crystal.atomic_numbers.max() <= HEAVIEST
    ]
    substitution = Substitution([crystal for _, crystal in usable], avoid)
    rows = []
    for number in range(wanted):
        parent, crystal = usable[random.integers(len(usable))]
        made = substitution.draw(crystal, random)
        if made is not None:
            identifier = f"made-{seed}-{number}"
            row = {"id": identifier, "parent": parent, "formula": made.formula, "n_sites": made.n_atoms}
            rows.append({**row, "cif": to_cif(made, name=identifier)})
        advance()
    return rows


def label(
    rows: Sequence[dict[str, Any]], networks: Sequence[tuple[Path, float]], *, cache_dir: Path
) -> list[dict[str, Any]]:
    """Give rows the gaps that networks answer from the structure alone.

    Args:
        rows: With ``cif``.
        networks: Checkpoints and their weights in the mean, which count by their ratios.
        cache_dir: Folder of graphs.

    Returns:
        The rows that have a graph, with ``hse_gap_ev``, with ``pbe_gap_ev`` where all networks estimate it, and
        ``label_confidence`` :data:`ESTIMATED`.

    Raises:
        DataError: If a checkpoint cannot be read.
    """
    gaps, cheap, whole = np.zeros(len(rows)), np.zeros(len(rows)), sum(weight for _, weight in networks)
    for path, weight in networks:
        try:
            network = read_checkpoint(path).network.eval()
        except CheckpointError as error:
            raise DataError(f"--network {path}: {error}") from error
        found = answers(network, rows, told=False, cache_dir=cache_dir)
        gaps += found.gap * weight / whole
        cheap += found.pbe_gap * weight / whole
    gaps, cheap = (np.where(values < NO_GAP, 0.0, values.round(3)) for values in (gaps, cheap))
    return [
        {**row, WANTED: gap, CHEAP: None if math.isnan(pbe) else pbe, "label_confidence": ESTIMATED}
        for row, gap, pbe in zip(rows, gaps.tolist(), cheap.tolist(), strict=True)
        if not math.isnan(gap)
    ]


def make_rows(
    files: Sequence[Path],
    out: Path,
    *,
    networks: Sequence[tuple[Path, float]],
    draws: int,
    avoid: Sequence[Path] = (),
    max_atoms: int = 20,
    one_metal_in: int = 1,
    seed: int = 0,
    cache_dir: Path,
    advance: Callable[[], object] = lambda: None,
) -> Made:
    """Write rows of crystals with exchanged elements and the gaps that networks answer for them.

    Args:
        files: As for :func:`parents`, and so is ``max_atoms``.
        out: ``.jsonl.gz`` file to write.
        networks: As for :func:`label`.
        draws: As ``wanted`` for :func:`substituted`, and so are ``seed`` and ``advance``.
        avoid: Files of rows whose formulas must not come out.
        one_metal_in: Of so many crystals without a gap one is kept, among the known ones and again among those made.
        cache_dir: Folder of graphs.

    Raises:
        DataError: As those three.
    """
    known = parents(files, max_atoms=max_atoms, one_metal_in=one_metal_in)
    drawn = substituted(known, draws, avoid=formulas(avoid), seed=seed, advance=advance)
    rows = label(drawn, networks, cache_dir=cache_dir)
    kept = [row for row in rows if row[WANTED] > 0 or fold_of(row["id"], one_metal_in) == 0]
    write_json_lines(out, kept)
    metals = sum(row[WANTED] == 0 for row in kept)
    return Made(len(kept), len(known.ids), known.unreadable, draws - len(drawn), metals, len(rows) - len(kept))

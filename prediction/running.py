"""The second part of a prediction.

The network's numbers, and what is observed on the way for the estimate of its error.
"""

from __future__ import annotations

import time
from dataclasses import replace
from typing import TYPE_CHECKING, NamedTuple

from hsegap.prediction.contributions import Contributions, Vectors, contributions
from hsegap.prediction.errors import Failure
from hsegap.prediction.network import NetworkInput, NetworkResult
from hsegap.prediction.observed import Observation
from hsegap.structures.fingerprint import fingerprint

if TYPE_CHECKING:
    from collections.abc import Mapping

    import numpy as np

    from hsegap.prediction.contributions import Head
    from hsegap.prediction.loaded import Loaded
    from hsegap.prediction.network import Network
    from hsegap.prediction.prepared import Prepared
    from hsegap.structures.graph import CrystalGraph


class Shares(NamedTuple):
    """What each atom adds to the gap.

    Attributes:
        told: With all that was told.
        silent: With nothing told; the same object where nothing was.
        textless: Without the text, facts kept; None without text.
    """

    told: Contributions
    silent: Contributions
    textless: Contributions | None


#: Line-graph edges from which a crystal keeps a processor core for a tenth of a second and more; some 100 atoms of a
#: close-packed crystal.
LARGE = 20_000


class Ran(NamedTuple):
    """What came out.

    Attributes:
        result: The network's answer to all that was told.
        seen: What was observed on the way.
        effects: By how many eV each fact moved the gap: the answer minus the one without that fact.
        text_effect_ev: The same for the text, facts kept; None without text.
        shares: What each atom adds; None where it was not asked for or cannot be said.
        strained_ev: Gaps of the strained crystals that were asked for, eV.
    """

    result: NetworkResult
    seen: Observation
    effects: dict[str, float]
    text_effect_ev: float | None = None
    shares: Shares | None = None
    strained_ev: tuple[float, ...] = ()


class _Numbers(NamedTuple):
    """Answers to one crystal.

    With all that was told, with nothing told, without the text, without each fact, and strained.
    """

    result: NetworkResult
    gap_without: float
    embedding: np.ndarray
    silent: Vectors | None
    textless: NetworkResult | None
    gaps_without_fact: dict[str, float]
    strained: tuple[float, ...]


def run_network(
    item: Prepared,
    loaded: Loaded,
    *,
    expires_at: float,
    compare: bool,
    reference: Mapping[str, np.ndarray] | None = None,
) -> Ran | Failure:
    """Run the network on a prepared crystal.

    Args:
        item: The crystal; its timings are completed.
        loaded: Network and encoder.
        expires_at: Moment (``time.monotonic``) after which nobody waits for it any more.
        compare: Whether the embedding of the crystal with nothing told is needed: the error is estimated from it.
        reference: What the atoms' contributions are counted from; None leaves them out.
    """
    network = loaded.network()
    given = item.network_input
    silent = NetworkInput(given.graph, loaded.encode(None).tokens, has_text=False) if given.told else given
    head = loaded.head() if reference and item.want_atoms else None

    def run() -> tuple[_Numbers, Shares | None] | None:
        if time.monotonic() > expires_at:
            return None
        clock = time.perf_counter()
        numbers = _run(network, given, silent, compare=compare, strained=item.strained)
        shares = _shares(head, reference, numbers, given) if head is not None and reference else None
        item.timings.network = 1e3 * (time.perf_counter() - clock)
        return numbers, shares

    large = len(given.graph.line_src) * (1 + len(item.strained)) > LARGE
    ran = loaded.compute(run, patient=large if item.patient is None else item.patient)
    if ran is None:
        return Failure.make(
            "timeout", "The crystal waited too long for its turn.", "Try again later, or send fewer crystals at once."
        )
    numbers, shares = ran
    gap = numbers.result.gap
    seen = Observation(
        symbols=item.symbols,
        gap_raw_ev=gap,
        gap_without_text_ev=numbers.gap_without,
        graph_embedding=numbers.embedding,
        fingerprint=fingerprint(given.graph, item.lattice, item.frac_coords),
        text=item.told.text,
        text_vector=item.text_vector,
        facts=given.facts,
        pbe_estimate_ev=numbers.result.pbe_gap,
        silent_point={} if numbers.silent is None else numbers.silent.point(),
    )
    textless = numbers.textless.gap if numbers.textless else numbers.gap_without
    effects = {name: gap - without for name, without in numbers.gaps_without_fact.items()}
    return Ran(numbers.result, seen, effects, gap - textless if given.has_text else None, shares, numbers.strained)


def _shares(head: Head, reference: Mapping[str, np.ndarray], numbers: _Numbers, given: NetworkInput) -> Shares | None:
    """What each atom adds, in each of the answers."""
    points = _vectors(numbers.result, given), numbers.silent
    if points[0] is None or points[1] is None:
        return None
    silent = contributions(head, reference, points[1])
    told = contributions(head, reference, points[0]) if given.told else silent
    textless = None if numbers.textless is None else _vectors(numbers.textless, given)
    apart = contributions(head, reference, textless) if textless is not None else silent
    return Shares(told, silent, apart if given.has_text else None)


def _without_text(given: NetworkInput, silent: NetworkInput) -> NetworkInput:
    return replace(given, tokens=silent.tokens, has_text=False)


def _run(
    network: Network, given: NetworkInput, silent: NetworkInput, *, compare: bool, strained: tuple[CrystalGraph, ...]
) -> _Numbers:
    """Run the network as often as it must be: once, if it answers without what is told in the same run."""
    result = network.run(given)
    without, embedding = result.gap_without, result.embedding_without
    vectors = _silent_vectors(result) if given.told else _vectors(result, given)
    if not given.told:
        without, embedding = result.gap, result.graph_embedding
    elif without is None or (embedding is None and compare):
        alone = network.run(silent)
        without, embedding, vectors = alone.gap, alone.graph_embedding, _vectors(alone, silent)
    gaps = {}
    for name in given.facts:
        others = {other: value for other, value in given.facts.items() if other != name}
        gaps[name] = network.run(replace(given, facts=others)).gap if given.has_text or others else without
    textless = network.run(_without_text(given, silent)) if given.has_text and given.facts else None
    return _Numbers(
        result,
        without,
        result.graph_embedding if embedding is None else embedding,
        vectors,
        textless,
        gaps,
        tuple(network.run(replace(given, graph=graph)).gap for graph in strained),
    )


def _vectors(result: NetworkResult, item: NetworkInput) -> Vectors | None:
    """What the head reads in a run; None where the artifact does not give it."""
    if result.fused_atoms is None:
        return None
    stated = item.facts.get("pbe_gap_ev")
    shift = 0.0
    if result.structure_atoms is not None and result.pbe_gap is not None and stated is not None:
        shift = stated - result.pbe_gap
    return Vectors(result.gap, result.fused_atoms, result.text_vector, result.structure_atoms, shift)


def _silent_vectors(result: NetworkResult) -> Vectors | None:
    """The same with nothing told, out of a run in which something was."""
    if result.fused_atoms_without is None or result.gap_without is None:
        return None
    return Vectors(result.gap_without, result.fused_atoms_without, result.text_vector_without, result.structure_atoms)

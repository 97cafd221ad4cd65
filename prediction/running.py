"""The second part of a prediction: the network's numbers, and what is observed on the way for the estimate of its error."""

from __future__ import annotations

import time
from dataclasses import replace
from typing import TYPE_CHECKING, NamedTuple

from hsegap.prediction.errors import Failure
from hsegap.prediction.network import NetworkInput, NetworkResult
from hsegap.prediction.observed import Observation
from hsegap.structures.fingerprint import fingerprint

if TYPE_CHECKING:
    import numpy as np

    from hsegap.prediction.loaded import Loaded
    from hsegap.prediction.network import Network
    from hsegap.prediction.prepared import Prepared


#: Line-graph edges from which a crystal keeps a processor core for a tenth of a second and more; some 100 atoms.
LARGE = 20_000


class Ran(NamedTuple):
    """What came out.

    Attributes:
        result: The network's answer to all that was told.
        seen: What was observed on the way.
        effects: By how many eV each fact moved the gap: the answer minus the one without that fact.
    """

    result: NetworkResult
    seen: Observation
    effects: dict[str, float]


class _Numbers(NamedTuple):
    """Answers to one crystal: with all that was told, its gap and embedding with nothing told, and its gap without each fact."""

    result: NetworkResult
    gap_without: float
    embedding: np.ndarray
    gaps_without_fact: dict[str, float]


def run_network(item: Prepared, loaded: Loaded, *, expires_at: float, compare: bool) -> Ran | Failure:
    """Run the network on a prepared crystal.

    Args:
        item: The crystal; its timings are completed.
        loaded: Network and encoder.
        expires_at: Moment (``time.monotonic``) after which nobody waits for it any more.
        compare: Whether the embedding of the crystal with nothing told is needed: the error is estimated from it.
    """
    network = loaded.network()
    given = item.network_input
    silent = NetworkInput(given.graph, loaded.encode(None).tokens, has_text=False) if given.told else given

    def run() -> _Numbers | None:
        if time.monotonic() > expires_at:
            return None
        clock = time.perf_counter()
        numbers = _run(network, given, silent, compare=compare)
        item.timings.network = 1e3 * (time.perf_counter() - clock)
        return numbers

    large = len(given.graph.line_src) > LARGE
    numbers = loaded.compute(run, patient=large if item.patient is None else item.patient)
    if numbers is None:
        return Failure.make(
            "timeout", "The crystal waited too long for its turn.", "Try again later, or send fewer crystals at once."
        )
    seen = Observation(
        symbols=item.symbols,
        gap_raw_ev=numbers.result.gap,
        gap_without_text_ev=numbers.gap_without,
        graph_embedding=numbers.embedding,
        fingerprint=fingerprint(given.graph, item.lattice, item.frac_coords),
        text=item.told.text,
        text_vector=item.text_vector,
        facts=given.facts,
        pbe_estimate_ev=numbers.result.pbe_gap,
    )
    return Ran(
        numbers.result, seen, {name: numbers.result.gap - gap for name, gap in numbers.gaps_without_fact.items()}
    )


def _run(network: Network, given: NetworkInput, silent: NetworkInput, *, compare: bool) -> _Numbers:
    """Run the network as often as it must be: once, if it answers without what is told in the same run."""
    result = network.run(given)
    without, embedding = result.gap_without, result.embedding_without
    if not given.told:
        without, embedding = result.gap, result.graph_embedding
    elif without is None or (embedding is None and compare):
        alone = network.run(silent)
        without, embedding = alone.gap, alone.graph_embedding
    gaps = {}
    for name in given.facts:
        others = {other: value for other, value in given.facts.items() if other != name}
        gaps[name] = network.run(replace(given, facts=others)).gap if given.has_text or others else without
    return _Numbers(result, without, result.graph_embedding if embedding is None else embedding, gaps)

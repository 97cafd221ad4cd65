"""The second part of a prediction: the network's numbers, and what is observed on the way for the estimate of its error."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING

from hsegap.prediction.errors import Failure
from hsegap.prediction.network import NetworkInput, NetworkResult
from hsegap.prediction.observed import Observation
from hsegap.structures.fingerprint import fingerprint

if TYPE_CHECKING:
    from hsegap.prediction.loaded import Loaded
    from hsegap.prediction.prepared import Prepared


def run_network(item: Prepared, loaded: Loaded, *, expires_at: float, compare: bool) -> tuple[NetworkResult, Observation] | Failure:
    """Run the network on a prepared crystal.

    Args:
        item: The crystal; its timings are completed.
        loaded: Network and encoder.
        expires_at: Moment (``time.monotonic``) after which nobody waits for it any more.
        compare: Run it a second time without the text, if there is one: the error is estimated from both.
    """
    network = loaded.network()
    inputs = [item.network_input]
    if compare and item.network_input.has_text:
        inputs.append(NetworkInput(item.network_input.graph, loaded.encode(None).tokens, has_text=False))

    def run() -> list[NetworkResult] | None:
        if time.monotonic() > expires_at:
            return None
        clock = time.perf_counter()
        results = [network.run(given) for given in inputs]
        item.timings.network = 1e3 * (time.perf_counter() - clock)
        return results

    results = loaded.compute(run)
    if results is None:
        return Failure.make("timeout", "The crystal waited too long for its turn.", "Try again later, or send fewer crystals at once.")
    seen = Observation(
        symbols=item.symbols,
        gap_raw_ev=results[0].gap,
        gap_without_text_ev=results[-1].gap,
        graph_embedding=results[-1].graph_embedding,
        fingerprint=fingerprint(item.network_input.graph, item.lattice, item.frac_coords),
        text=item.description.text,
        text_vector=item.text_vector,
    )
    return results[0], seen

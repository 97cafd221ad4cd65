"""What contributions cost beside the network: for cells of up to 2 000 atoms.

    python benchmarks/maps_limits.py                 # three sizes, some minutes
    python benchmarks/maps_limits.py --atoms 6 2000

A supercell of rutile is run by the network of an artifact once, then its contributions are computed from the vectors of
that run, and what the page makes of them: medians of several runs, one thread each.
"""

from __future__ import annotations

import argparse
import statistics
import sys
import time
from pathlib import Path
from typing import TYPE_CHECKING, Any

ROOT = Path(__file__).resolve().parents[1]
sys.path[0] = str(ROOT)

if TYPE_CHECKING:
    from collections.abc import Callable

    import numpy as np

    from hsegap.prediction.schemas import Prediction
    from hsegap.structures import Crystal

RUNS = 5
#: Runs of the network on a large cell take seconds each.
LARGE_RUNS = 2


def rutile(n_atoms: int) -> Crystal:
    """A supercell of rutile with at least so many atoms."""
    from pymatgen.core import Lattice, Structure

    from hsegap.structures import Crystal

    cell = Structure.from_spacegroup(
        "P4_2/mnm", Lattice.tetragonal(4.594, 2.959), ["Ti", "O"], [[0, 0, 0], [0.305, 0.305, 0]]
    )
    sizes = [1, 1, 1]
    while 6 * sizes[0] * sizes[1] * sizes[2] < n_atoms:
        sizes[sizes.index(min(sizes))] += 1
    cell.make_supercell(sizes)
    return Crystal.from_pymatgen(cell)


def seconds(work: Callable[[], Any], runs: int) -> tuple[float, Any]:
    """Median wall time, and what came out."""
    took, result = [], None
    for _ in range(runs):
        started = time.perf_counter()
        result = work()
        took.append(time.perf_counter() - started)
    return statistics.median(took), result


def measured(artifact: Path | None, sizes: list[int]) -> list[str]:
    """One row of a table per size."""
    from hsegap.artifact import Artifact
    from hsegap.prediction.contributions import Vectors, contributions
    from hsegap.prediction.loaded import Loaded
    from hsegap.prediction.network import NetworkInput
    from hsegap.prediction.reporting import Reporter
    from hsegap.structures import build_graph
    from hsegap.ui.maps import atom_table, maps_of

    opened = Artifact.load(artifact)
    loaded = Loaded(opened, threads=1)
    network, head, reference = loaded.network(), loaded.head(), Reporter(opened).reference
    if head is None or reference is None:
        raise SystemExit("this artifact has no head or no reference")
    silence = loaded.encode(None).tokens
    settings = opened.manifest.graph
    rows = []
    for size in sizes:
        crystal = rutile(size)
        graph = build_graph(
            crystal, cutoff=settings.cutoff, max_neighbors=settings.max_neighbors, flavour=settings.flavour
        )
        item = NetworkInput(graph, silence, has_text=False)
        ran, result = seconds(lambda item=item: network.run(item), LARGE_RUNS if size > 100 else RUNS)
        vectors = Vectors(result.gap, result.fused_atoms, result.text_vector, result.structure_atoms)
        took, parts = seconds(lambda vectors=vectors: contributions(head, reference, vectors), RUNS)
        made = _answer(crystal, parts.ev)
        shown, _ = seconds(lambda made=made: atom_table(made, maps_of(made)), RUNS)
        rows.append(
            f"| {crystal.n_atoms} | {1e3 * ran:.0f} | {1e3 * took:.1f} | {100 * took / ran:.1f} % | "
            f"{abs(parts.shared_ev):.0e} | {1e3 * shown:.1f} |"
        )
    loaded.close()
    return rows


def _answer(crystal: Crystal, contributions_ev: np.ndarray) -> Prediction:
    """An answer as the page gets it, its maps from inside the network constant."""
    from hsegap.prediction.schemas import AtomReport, Prediction

    layers = {"layer_1": 0.5}
    atoms = [
        AtomReport(
            index=index,
            element=symbol,
            frac_coords=crystal.frac_coords[index].tolist(),
            gate=layers,
            importance=layers,
            text_share=layers,
            contribution_ev=float(contributions_ev[index]),
        )
        for index, symbol in enumerate(crystal.symbols)
    ]
    return Prediction.model_construct(atoms=atoms, reference_ev=0.0, told_effect_ev=None)


def main() -> None:
    """Measure and print a table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--artifact", type=Path, default=None)
    parser.add_argument("--atoms", type=int, nargs="+", default=[6, 200, 2000])
    options = parser.parse_args()
    print(
        "| atoms | network, ms | contributions, ms | share | quadrature leaves, eV | maps and table of the page, ms |"
    )
    print("|---|---|---|---|---|---|")
    print("\n".join(measured(options.artifact, options.atoms)))


if __name__ == "__main__":
    main()

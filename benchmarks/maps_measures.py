"""What benchmarks/maps.py does to atoms, and by how much the gap changes: at the head, in the fusion, at the input."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

import numpy as np
import torch

from benchmarks.maps_network import changed
from hsegap.structures.isovalent import isovalent

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from benchmarks.maps_network import Nodes, Opened
    from hsegap.structures import Crystal

#: Length of a displacement, Å, and the number of random orders.
SHIFT = 0.1
RANDOM_ORDERS = 10


class Means(NamedTuple):
    """What atoms' vectors are replaced by.

    Attributes:
        elements: Mean fused and structure vector by atomic number; 0 for all atoms.
        reference: Pooled vectors of the mean training crystal, by name.
    """

    elements: Mapping[int, tuple[torch.Tensor, torch.Tensor]]
    reference: Mapping[str, np.ndarray]

    def steps(self, crystal: Crystal, nodes: Nodes) -> tuple[torch.Tensor, torch.Tensor]:
        """By how much the pooled vectors move when each atom is replaced by its element's mean, ``[N, H]`` twice."""
        means = [self.elements.get(int(number), self.elements[0]) for number in crystal.atomic_numbers]
        fused, structure = (torch.stack(parts) for parts in zip(*means, strict=True))
        return (fused - nodes.fused) / len(means), (structure - nodes.structure) / len(means)

    def to_reference(self, nodes: Nodes) -> tuple[torch.Tensor, torch.Tensor]:
        """The same, each atom replaced by the reference."""
        n_atoms = len(nodes.fused)
        to = {name: torch.tensor(values, dtype=torch.float32) for name, values in self.reference.items()}
        structure = to.get("structure", nodes.structure)
        return (to["fused"] - nodes.fused) / n_atoms, (structure - nodes.structure) / n_atoms

    def ways(self, crystal: Crystal, nodes: Nodes) -> dict[str, tuple[torch.Tensor, torch.Tensor]]:
        """Both replacements by name: ``element`` and ``reference``."""
        return {"element": self.steps(crystal, nodes), "reference": self.to_reference(nodes)}


def occlusion(opened: Opened, crystal: Crystal, nodes: Nodes, means: Means) -> dict[str, np.ndarray]:
    """Gap minus the gap with an atom's vectors replaced, eV, ``[N]``: by its element's mean, and by the reference."""
    effects = {}
    for name, (fused, structure) in means.ways(crystal, nodes).items():
        gaps = opened.gaps(nodes.fused.mean(0) + fused, nodes.structure.mean(0) + structure, nodes.text)
        effects[name] = nodes.gap_ev - gaps
    return effects


def curves(
    opened: Opened, nodes: Nodes, by: tuple[torch.Tensor, torch.Tensor], maps: Mapping[str, np.ndarray]
) -> dict[str, dict[str, float]]:
    """Areas of the deletion and the insertion curve, eV, by order: of each map, best, random.

    Args:
        opened: The network.
        nodes: The crystal.
        by: Of :meth:`Means.ways`.
        maps: Values by map, ``[N]`` each.
    """
    fused, structure = by
    start = nodes.fused.mean(0), nodes.structure.mean(0)
    emptied = start[0] + fused.sum(0), start[1] + structure.sum(0)
    ways = {"deletion": (start, 1.0), "insertion": (emptied, -1.0)}
    random = np.random.default_rng(0)
    shuffles = [random.permutation(len(fused)) for _ in range(RANDOM_ORDERS)]
    areas: dict[str, dict[str, float]] = {}
    for name, (begin, sign) in ways.items():
        steps = sign * fused, sign * structure

        def area(order: np.ndarray, begin: tuple = begin, steps: tuple = steps, sign: float = sign) -> float:
            path = [at + step[torch.from_numpy(order.copy())].cumsum(0) for at, step in zip(begin, steps, strict=True)]
            gaps = opened.gaps(path[0], path[1], nodes.text)[:-1]
            first = opened.gaps(begin[0][None], begin[1][None], nodes.text)[0]
            return float(sign * np.mean(first - gaps))

        areas[name] = {key: area(np.argsort(-values, kind="stable")) for key, values in maps.items()}
        areas[name]["best"] = area(_greedy(opened, nodes, begin, steps, sign))
        areas[name]["random"] = float(np.mean([area(order) for order in shuffles]))
    return areas


def _greedy(
    opened: Opened,
    nodes: Nodes,
    begin: tuple[torch.Tensor, torch.Tensor],
    steps: tuple[torch.Tensor, torch.Tensor],
    sign: float,
) -> np.ndarray:
    """Atoms in the order in which each next one moves the gap most."""
    left, at, order = list(range(len(steps[0]))), begin, []
    while left:
        gaps = sign * opened.gaps(at[0] + steps[0][left], at[1] + steps[1][left], nodes.text)
        best = left.pop(int(np.argmin(gaps)))
        at = at[0] + steps[0][best], at[1] + steps[1][best]
        order.append(best)
    return np.array(order)


def text_withheld(
    opened: Opened, crystal: Crystal, tokens: torch.Tensor, sites: Sequence[int], gap_ev: float
) -> list[float] | None:
    """Gap minus the gap with the text kept from one site, eV; None for a network that fuses no text into atoms."""
    if not opened.config.fusion_layers:
        return None
    effects = []
    for site in sites:
        mask = torch.arange(crystal.n_atoms) == site
        with opened.withheld(mask):
            effects.append(gap_ev - float(opened.run(crystal, tokens, has_text=True).gap[0]))
    return effects


def at_the_input(
    opened: Opened,
    crystal: Crystal,
    tokens: torch.Tensor,
    sites: Sequence[int],
    *,
    gap_ev: float,
    elements: Sequence[str],
) -> dict[str, list[float]]:
    """Absolute changes of the gap, eV.

    A site's element substituted (not a number where none is isovalent), a site moved.
    """
    from pymatgen.core import Element

    def change(crystal: Crystal) -> float:
        return abs(float(opened.run(crystal, tokens, has_text=True).gap[0]) - gap_ev)

    substituted, moved = [], []
    for site in sites:
        others = isovalent(crystal.symbols[site], elements)
        substituted.append(change(changed(crystal, site, number=Element(others[0]).Z)) if others else float("nan"))
        moved.append(float(np.mean([change(changed(crystal, site, shift=axis)) for axis in SHIFT * np.eye(3)])))
    return {"substituted": substituted, "moved": moved}

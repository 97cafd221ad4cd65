"""robocrystallographer's analysis without the work it does twice.

Its default path spends most of its time on comparing a crystal with 300 mineral prototypes that can't match, reading
its file of molecules for each crystal, and computing the same neighbours three times over. The classes here give it the
same answers from memory; nothing of what it decides is decided here. They need the extra ``describe``, so that this
file is imported by :mod:`hsegap.structures.describe` inside functions only.
"""

from __future__ import annotations

import threading
from collections import Counter
from contextlib import contextmanager
from functools import lru_cache
from math import gcd
from typing import TYPE_CHECKING, Any

import numpy as np
import robocrys.condense.condenser
import robocrys.condense.mineral
import robocrys.condense.site
from matminer.featurizers.site import CrystalNNFingerprint
from matminer.featurizers.structure import SiteStatsFingerprint
from pymatgen.core.graphs import ConnectedSite, StructureGraph
from pymatgen.core.local_env import CrystalNN, LocalStructOrderParams
from pymatgen.core.sites import PeriodicSite
from robocrys.condense.condenser import StructureCondenser
from robocrys.condense.mineral import MineralMatcher
from robocrys.condense.site import SiteAnalyzer

from hsegap.structures.order_parameters import MOTIFS, SharedAngles
from hsegap.structures.robocrys_import import replaced

if TYPE_CHECKING:
    from collections.abc import Iterator

    from pymatgen.core import Structure
    from pymatgen.core.graphs import MoleculeGraph


def site_key(structure: Structure) -> tuple[bytes, ...]:
    """What the surroundings of a site depend on: equal keys mean equal sites in equal order, to the last bit."""
    species = repr([site.species_string for site in structure]).encode()
    return (structure.lattice.matrix.tobytes(), structure.frac_coords.tobytes(), species)


class Memory:
    """Results for one crystal, by the exact structure that they belong to.

    A crystal passes through several structure objects (the conventional cell, its copies, the one rebuilt from its
    components), some equal to the last bit. Keys are made once per object; the objects are kept, so that their ids stay
    theirs.
    """

    def __init__(self) -> None:
        self._keys: dict[int, tuple[Structure, tuple[bytes, ...]]] = {}
        self._results: dict[tuple[Any, ...], Any] = {}

    def get(self, kind: str, structure: Structure, index: int, compute: Any) -> Any:
        """The result for a site, computed where it is not known yet."""
        known = self._keys.get(id(structure))
        if known is None:
            known = self._keys[id(structure)] = (structure, site_key(structure))
        key = (kind, index, *known[1])
        if key not in self._results:
            self._results[key] = compute()
        return self._results[key]


class RememberingCrystalNN(CrystalNN):
    """CrystalNN whose analysis of a site is done once for bonds and fingerprints alike."""

    def __init__(self, **options: Any) -> None:
        super().__init__(**options)
        self.memory = Memory()

    def get_nn_data(self, structure: Structure, n: int, length: int | None = None) -> Any:
        """Neighbour data of a site; a fresh copy, because callers write into it."""
        data = self.memory.get(
            f"nn {length}", structure, n, lambda: super(RememberingCrystalNN, self).get_nn_data(structure, n, length)
        )
        copies = {
            id(entry): dict(entry) for entries in [data.all_nninfo, *data.cn_nninfo.values()] for entry in entries
        }
        # The same entry stands in several lists, and has to be one object in the copy as well.
        by_number = {number: [copies[id(entry)] for entry in entries] for number, entries in data.cn_nninfo.items()}
        return type(data)([copies[id(entry)] for entry in data.all_nninfo], dict(data.cn_weights), by_number)

    def get_bonded_structure(self, structure: Structure, *args: Any, **options: Any) -> StructureGraph | MoleculeGraph:
        """The bonded structure, as a graph that remembers its connected sites."""
        graph = super().get_bonded_structure(structure, *args, **options)
        if isinstance(graph, StructureGraph):
            graph.__class__ = RememberingGraph
        return graph


class RememberingGraph(StructureGraph):
    """A structure graph that works out the bonds of a site once, whatever its image."""

    def _bonds(self, n: int) -> list[tuple[int, np.ndarray, Any, Any]]:
        """Neighbour, its image relative to the site, distance and weight of each bond, in pymatgen's order."""
        memory = self.__dict__.setdefault("_bond_memory", {})
        if n not in memory:
            bonds: dict[tuple[Any, ...], tuple[int, np.ndarray, Any, Any]] = {}
            outgoing = [(v, np.array(data["to_jimage"]), data) for _, v, data in self.graph.out_edges(n, data=True)]
            incoming = [
                (u, np.multiply(-1, data["to_jimage"]), data) for u, _, data in self.graph.in_edges(n, data=True)
            ]
            for neighbor, image, data in outgoing + incoming:
                distance = self.structure[n].distance(self.structure[neighbor], jimage=image)
                bonds.setdefault((neighbor, *image.tolist()), (neighbor, image, distance, data.get("weight")))
            memory[n] = list(bonds.values())
        return memory[n]

    def get_connected_sites(self, n: int, jimage: tuple[int, int, int] = (0, 0, 0)) -> list[ConnectedSite]:
        """Neighbours of a site, nearest first; as in pymatgen a set decides the order of equal distances."""
        memory = self.__dict__.setdefault("_site_memory", {})
        key = (n, *jimage)
        if key not in memory:
            connected = set()
            for neighbor, image, distance, weight in self._bonds(n):
                x, y, z = map(int, np.add(image, jimage))
                to_image = (x, y, z)
                site = self.structure[neighbor]
                shifted = PeriodicSite(
                    site.species,
                    np.add(site.frac_coords, to_image),
                    site.lattice,
                    properties=site.properties,
                    label=site.label,
                    skip_checks=True,
                )
                connected.add(
                    ConnectedSite(site=shifted, jimage=to_image, index=neighbor, weight=weight, dist=distance)
                )
            memory[key] = sorted(connected, key=lambda site: site.dist)
        return list(memory[key])


class RememberingFingerprint(CrystalNNFingerprint):
    """Order parameters of a site, computed once for the mineral search and the site analysis."""

    def featurize(self, struct: Structure, idx: int) -> list[float]:
        """Fingerprint of one site."""
        return list(
            self.cnn.memory.get(
                "fingerprint", struct, idx, lambda: super(RememberingFingerprint, self).featurize(struct, idx)
            )
        )


class ArrayOrderParams(LocalStructOrderParams):
    """One motif's order parameter.

    Args:
        kind: Its name, one of :data:`MOTIFS`.
        parameters: Its numbers.
        shared: Angles shared by the motifs of an atom.
    """

    def __init__(self, kind: str, parameters: dict[Any, float] | None, shared: SharedAngles) -> None:
        super().__init__([kind], parameters=[parameters])
        self._shared = shared

    def get_order_parameters(
        self, structure: Any, n: int, indices_neighs: list[int] | None = None, *args: Any, **options: Any
    ) -> list[float | None]:
        """The order parameter of a list of sites, the centre first; anything else is asked for of pymatgen."""
        parameters = self._params[0]
        if not isinstance(structure, list) or n != 0 or indices_neighs != list(range(1, len(structure))):
            return list(super().get_order_parameters(structure, n, indices_neighs, *args, **options))
        assert parameters is not None  # noqa: S101 - each motif of the table has its numbers
        return [MOTIFS[self._types[0]](self._shared.of(structure), parameters, self._types[0])]


class RememberingSiteAnalyzer(SiteAnalyzer):
    """Site analysis that works out the next nearest neighbours of a site once; robocrys asks four times."""

    def get_next_nearest_neighbors(
        self, site_index: int, inc_inequivalent_site_index: bool = True
    ) -> list[dict[str, Any]]:
        """Next nearest neighbours, each a fresh dictionary."""
        memory = self.__dict__.setdefault("_next_memory", {})
        if site_index not in memory:
            # With every site equivalent to itself alone, the summary tells which site it is about.
            present = self.__dict__.get("equivalent_sites")
            self.equivalent_sites = list(range(len(self.bonded_structure.structure)))
            try:
                memory[site_index] = super().get_next_nearest_neighbors(site_index)
            finally:
                if present is None:
                    del self.equivalent_sites
                else:
                    self.equivalent_sites = present
        summaries = []
        for entry in memory[site_index]:
            summary = {**entry, "angles": list(entry["angles"]), "geometry": dict(entry["geometry"])}
            index = summary.pop("inequiv_index")
            if inc_inequivalent_site_index:
                summary["inequiv_index"] = self.equivalent_sites[index]
            summaries.append(summary)
        return summaries


def anonymous_amounts(structure: Structure) -> tuple[int, ...]:
    """Amounts of the species in lowest terms, ascending: what a species mapping can't change."""
    amounts = sorted(Counter(site.species_string for site in structure).values())
    divisor = gcd(*amounts)
    return tuple(amount // divisor for amount in amounts)


class FilteringMatcher(MineralMatcher):
    """Mineral matching that leaves out the prototypes whose anonymous formula rules a match out."""

    def __init__(self) -> None:
        super().__init__()
        self.mineral_db["amounts"] = self.mineral_db["structure"].apply(anonymous_amounts)

    def _set_distance_matrix(self, structure: Structure) -> None:
        """Distances to the prototypes' fingerprints.

        A structure is compared with itself site by site, so not at all.
        """
        if structure is not self._structure:
            super()._set_distance_matrix(structure)

    def get_aflow_matches(self, structure: Structure) -> list[dict[str, Any]] | None:
        """Prototypes that the crystal matches. An anonymous match needs equal amounts of the mapped species."""
        self._set_distance_matrix(structure)
        everything = self._mineral_db
        if everything is None:
            return None
        wanted = anonymous_amounts(structure)
        candidates = everything[[amounts == wanted for amounts in everything["amounts"]]]
        if not len(candidates):
            return None
        self._mineral_db = candidates
        try:
            return super().get_aflow_matches(structure)
        finally:
            self._mineral_db = everything


class NamelessMolecules:
    """Names no molecule, as robocrys does where openbabel is not installed.

    The descriptions the model is trained on name none, and the look-up would ask a web site.
    """

    def get_name_from_molecule_graph(self, molecule_graph: Any) -> None:  # noqa: ARG002  # robocrys's interface
        """No name."""
        return


class Condenser:
    """robocrys's condenser with all of the above; one per process."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._matcher = FilteringMatcher()
        self._neighbors = RememberingCrystalNN()
        fingerprint = _fingerprint()
        fingerprint.cnn = self._neighbors
        self._by_site = SiteStatsFingerprint(fingerprint, stats=None)
        self._statistics = SiteStatsFingerprint(fingerprint, stats=("mean", "std_dev"))
        self._labels = self._by_site.feature_labels()
        self._condenser = StructureCondenser(near_neighbors=self._neighbors, mineral_matcher=self._matcher)

    def condense(self, structure: Structure) -> dict[str, Any]:
        """Analyse a crystal as ``StructureCondenser().condense_structure`` does.

        Args:
            structure: The crystal, with oxidation states where they could be guessed.

        Returns:
            The condensed structure, in robocrys's documented form.
        """
        with self._lock, self._in_robocrys():
            self._neighbors.memory = Memory()
            self._matcher._structure = None  # noqa: SLF001  # == of structures has a tolerance; another crystal starts afresh
            try:
                return self._condenser.condense_structure(structure)
            finally:
                self._neighbors.memory = Memory()

    def _site_fingerprints(self, structure: Structure) -> list[dict[str, float]]:
        values = np.array(self._by_site.featurize(structure)).T
        return [dict(zip(self._labels, row, strict=True)) for row in values]

    def _structure_fingerprint(self, structure: Structure, *, prototype_match: bool = False) -> np.ndarray:
        assert not prototype_match  # noqa: S101 - robocrys, whose method this replaces, never asks for it
        return np.array(self._statistics.featurize(structure))

    @contextmanager
    def _in_robocrys(self) -> Iterator[None]:
        """Put the remembering parts in robocrys's hands, and take them back."""
        condenser, site, mineral = robocrys.condense.condenser, robocrys.condense.site, robocrys.condense.mineral
        parts = [
            (condenser, "SiteAnalyzer", RememberingSiteAnalyzer),
            (condenser, "MoleculeNamer", NamelessMolecules),
            (site, "get_site_fingerprints", self._site_fingerprints),
            (mineral, "get_structure_fingerprint", self._structure_fingerprint),
        ]
        with replaced(parts):
            yield


def _fingerprint() -> RememberingFingerprint:
    """The preset ``ops`` of matminer, whose class method makes the parent class."""
    preset = CrystalNNFingerprint.from_preset("ops", cation_anion=False)
    preset.__class__ = RememberingFingerprint
    shared = SharedAngles()
    for motifs in preset.ops.values():
        for place, motif in enumerate(motifs):
            if motif != "wt" and motif._types[0] in MOTIFS:  # noqa: SLF001 - pymatgen has no other way to ask
                motifs[place] = ArrayOrderParams(motif._types[0], motif._params[0], shared)  # noqa: SLF001 - as above
    return preset


@lru_cache(maxsize=1)
def condenser() -> Condenser:
    """The condenser of this process, made on first use."""
    return Condenser()

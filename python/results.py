"""An answer that shows itself: in a notebook, as plain values, on the sites of a Structure."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, NamedTuple, Self

from pydantic import PrivateAttr

from hsegap.errors import HsegapError
from hsegap.prediction.schemas import AtomReport, Prediction

if TYPE_CHECKING:
    from pandas import DataFrame
    from pymatgen.core import Structure

#: Per-atom maps, one value per fusion layer.
MAPS = ("gate", "importance", "text_share")


class Site(NamedTuple):
    """One atom of the cell as read."""

    element: str
    frac_coords: tuple[float, float, float]


class Result(Prediction):
    """The answer for one crystal: a :class:`~hsegap.prediction.schemas.Prediction` with ways to go on from it.

    It pickles, compares, and shows itself in a notebook. Its cell and sites come along when it is pickled, but not in
    :meth:`to_dict`.
    """

    _sites: list[Site] | None = PrivateAttr(default=None)

    @classmethod
    def of(cls, prediction: Prediction, *, name: str | None = None, atoms: bool = True) -> Self:
        """Take over a prediction.

        Args:
            prediction: With its atoms.
            name: Of the crystal; None leaves it without.
            atoms: Keep the per-atom values.
        """
        result = cls.model_construct(**dict(prediction))
        result.id = name
        if prediction.lattice is not None:
            result._lattice = prediction.lattice  # noqa: SLF001 - its own class
        if prediction.atoms is not None:
            result._sites = _sites_of(prediction.atoms)  # noqa: SLF001 - its own class
        if not atoms:
            result.atoms = None
        return result

    @property
    def sites(self) -> list[Site]:
        """Element and fractional coordinates of each atom, in the order of the input.

        Raises:
            HsegapError: ``invalid_request`` for a result that was made from JSON without its atoms.
        """
        if self._sites is not None:
            return self._sites
        if self.atoms is None:
            raise HsegapError("invalid_request", "This result does not hold its atoms.", "Predict with atoms=True.")
        return _sites_of(self.atoms)

    def to_dict(self) -> dict[str, Any]:
        """The answer as plain values, equal to the JSON of the HTTP API; ``Result.model_validate`` takes it back."""
        return self.model_dump(mode="json")

    def to_structure(self) -> Structure:
        """The crystal as a pymatgen ``Structure`` with the per-atom values as site properties.

        Properties are called ``gate_layer_2``, ``importance_layer_2``, ``text_share_layer_2`` (None without text) and
        so on; gap, interval and model stand in ``Structure.properties``.

        Raises:
            HsegapError: ``invalid_request`` for a result that does not know its cell.
        """
        from pymatgen.core import Lattice, Structure

        if self.lattice is None:
            raise HsegapError(
                "invalid_request",
                "This result does not hold its cell.",
                "Predict again, or unpickle it instead of reading JSON.",
            )
        sites = self.sites
        properties = {
            name: [values[name] for values in table]
            for table in [self._atom_values()]
            for name in (table[0] if table else ())
        }
        summary = {
            "gap_ev": self.gap_ev,
            "interval_ev": list(self.interval_ev) if self.interval_ev else None,
            "model": f"{self.model.name} {self.model.version}",
        }
        return Structure(
            Lattice(self.lattice),
            [site.element for site in sites],
            [site.frac_coords for site in sites],
            site_properties=properties or None,
            properties=summary,
        )

    def atoms_frame(self) -> DataFrame:
        """One row per atom: element, fractional coordinates, and a column per map and fusion layer.

        Its index is the atom's, from 0.

        Raises:
            HsegapError: ``invalid_request`` for a result without its atoms.
        """
        import pandas as pd

        if self.atoms is None:
            raise HsegapError("invalid_request", "This result does not hold its atoms.", "Predict with atoms=True.")
        rows = [
            {"element": atom.element, **dict(zip("abc", atom.frac_coords, strict=True)), **values}
            for atom, values in zip(self.atoms, self._atom_values(), strict=True)
        ]
        frame = pd.DataFrame(rows).rename_axis("atom")
        return frame.astype(dict.fromkeys(frame.columns[1:], "float64"))

    def _atom_values(self) -> list[dict[str, float | None]]:
        """The maps of each atom by name and layer; empty where they were not asked for."""
        return [
            {f"{name}_{layer}": value for name in MAPS for layer, value in getattr(atom, name).items()}
            for atom in self.atoms or ()
        ]

    def __str__(self) -> str:
        """One line: what a print needs to say."""
        interval = f" [{self.interval_ev[0]:.2f}, {self.interval_ev[1]:.2f}]" if self.interval_ev else ""
        return f"{self.formula}: HSE06 gap {self.gap_ev:.2f} eV{interval}, {self.kind}"

    def __repr__(self) -> str:
        warned = f", {len(self.warnings)} warning{'s' if len(self.warnings) > 1 else ''}" if self.warnings else ""
        return f"<{self}, {self.n_atoms} atom{'s' if self.n_atoms > 1 else ''}{warned}>"

    def _repr_html_(self) -> str:
        """What a notebook shows."""
        from hsegap.python.notebook import result_html

        known = self._sites is not None or self.atoms is not None
        return result_html(self, sites=self.sites if known else [], atoms=self.atoms_frame() if self.atoms else None)


def _sites_of(atoms: list[AtomReport]) -> list[Site]:
    return [Site(atom.element, (atom.frac_coords[0], atom.frac_coords[1], atom.frac_coords[2])) for atom in atoms]

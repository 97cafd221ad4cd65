"""How like a motif the surroundings of an atom are, by arrays: the order parameters of Zimmermann and others.

pymatgen's ``LocalStructOrderParams`` has the formulae (Front. Mater. 4, 34 (2017); RSC Adv. 10, 6063 (2020)) as three
nested loops over the neighbours, gone through anew for each motif of the same neighbours. Here the angles of a set of
neighbours are computed once, and each motif is a sum over arrays; the numbers differ in the last digits. What is not
listed in :data:`MOTIFS` stays pymatgen's.
"""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

#: A projection shorter than this has no direction.
VERY_SMALL = 1e-12


class Angles(NamedTuple):
    """Angles of ``n`` neighbours, each in turn the north pole ``j``, each other one the prime meridian ``k``.

    Attributes:
        theta: Angle between two neighbours as seen from the centre, rad, ``[n, n]``.
        phi: Angle between the half planes from the axis of ``j`` through ``k`` and ``m``, rad, ``[n, n, n]``.
        others: Whether ``m`` is another than ``j`` and ``k``, and ``k`` has a direction, ``[n, n, n]``.
        turned: The same where ``m`` has a direction too.
    """

    theta: np.ndarray
    phi: np.ndarray
    others: np.ndarray
    turned: np.ndarray


def angles_of(vectors: np.ndarray) -> Angles:
    """Angles of the neighbours at ``vectors [n, 3]``, Å, as seen from the centre."""
    unit = vectors / np.linalg.norm(vectors, axis=1)[:, None]
    cosine = unit @ unit.T
    across = unit[None] - (cosine / np.diag(cosine)[:, None])[..., None] * unit[:, None]
    length = np.linalg.norm(across, axis=2)
    directed = length >= VERY_SMALL
    direction = across / np.where(directed, length, 1.0)[..., None]
    phi = np.arccos(np.clip(direction @ direction.transpose(0, 2, 1), -1.0, 1.0))
    apart = ~np.eye(len(unit), dtype=bool)
    others = apart[:, :, None] & apart[:, None, :] & apart[None] & directed[:, :, None]
    return Angles(np.arccos(np.clip(cosine, -1.0, 1.0)), phi, others, others & directed[:, None, :])


def _bell(theta: np.ndarray, sharpness: float, at: float | np.ndarray) -> np.ndarray:
    """Gaussian of an angle around ``at``, in units of π."""
    bell: np.ndarray = np.exp(-0.5 * (sharpness * (theta / math.pi - at)) ** 2)
    return bell


def _sums(own: np.ndarray, weight: np.ndarray, *parts: tuple[np.ndarray, np.ndarray]) -> float | None:
    """The best mean over all poles and meridians.

    Args:
        own: What the meridian itself adds, ``[n, n]``.
        weight: With what weight it counts.
        parts: What other neighbours add, ``[n, n, n]``, and which of them count.
    """
    if len(own) < 2:
        return None
    total, count = own * 1.0, weight * 1.0
    for value, counted in parts:
        total += np.where(counted, value, 0.0).sum(axis=2)
        count += counted.sum(axis=2)
    mean = np.where(count > VERY_SMALL, total / np.where(count > VERY_SMALL, count, 1.0), 0.0)
    return float(mean[~np.eye(len(own), dtype=bool)].max())


def _turns(angles: Angles, p: Mapping[Any, float]) -> np.ndarray:
    turns: np.ndarray = np.cos(p["fac_AA"] * angles.phi) ** p["exp_cos_AA"]
    return turns


def _bent(angles: Angles, p: Mapping[Any, float], _: str) -> float | None:
    apart = ~np.eye(len(angles.theta), dtype=bool)
    return float(_bell(angles.theta[apart], p["IGW_TA"], p["TA"]).mean()) if apart.any() else None


def _angular(angles: Angles, p: Mapping[Any, float], _: str) -> float | None:
    bell = _bell(angles.theta, p["IGW_TA"], p["TA"])
    return _sums(bell, np.ones_like(bell), (bell[:, None] * _turns(angles, p), angles.turned))


def _pyramid(angles: Angles, p: Mapping[Any, float], _: str) -> float | None:
    bell = _bell(angles.theta, p["IGW_EP"], 0.5)
    return _sums(bell, np.ones_like(bell), (bell[:, None] * _turns(angles, p), angles.turned))


def _bipyramid(angles: Angles, p: Mapping[Any, float], kind: str) -> float | None:
    theta = angles.theta
    if kind == "hex_plan_max":
        bell = np.exp(-0.5 * (p["IGW_TA"] * (np.abs(theta / math.pi - 0.5) - p["TA"])) ** 2)
    else:
        bell = _bell(theta, p["IGW_EP"], 0.5)
    south = theta >= p["min_SPP"]
    counted = angles.turned & ~south[:, None] & ~south[:, :, None]
    if kind == "see_saw_rect":
        counted &= angles.phi < 0.75 * math.pi
    pole = _bell(theta, p["IGW_SPP"], 1.0)[:, None] + np.zeros_like(angles.phi)
    return _sums(
        np.where(south, 0.0, bell),
        ~south,
        (pole, angles.others & south[:, None]),
        (bell[:, None] * _turns(angles, p), counted),
    )


def _pentagon(angles: Angles, p: Mapping[Any, float], _: str) -> float | None:
    theta = angles.theta
    bell = _bell(theta, p["IGW_TA"], np.where(theta <= p["TA"] * math.pi, 0.4, 0.8))
    return _sums(bell, np.ones_like(bell), (bell[:, None] * np.cos(angles.phi) ** 2, angles.turned))


def _body_centred(angles: Angles, p: Mapping[Any, float], _: str) -> float | None:
    theta, n = angles.theta, len(angles.theta)
    if n <= 3:
        return None
    once = np.triu(np.ones((n, n), dtype=bool), 1)
    south = theta >= p["min_SPP"]
    own = np.where(south, p["w_SPP"] * _bell(theta, p["IGW_SPP"], 1.0), 0.0)
    off = (theta - math.pi / 2) / math.asin(1 / 3)
    ring = (off * np.exp(-0.5 * off**2))[:, None] * np.cos(3 * angles.phi) / math.exp(-0.5)
    ring *= np.where(theta > math.pi / 2, 1.0, -1.0)[:, :, None]
    total = own + np.where(angles.turned & ~south[:, :, None], ring, 0.0).sum(axis=2)
    return float(total[once].sum()) / (0.5 * n * (6 + (n - 2) * (n - 3)))


def _cuboctahedron(angles: Angles, p: Mapping[Any, float], _: str) -> float | None:
    theta = angles.theta
    south = theta >= p["min_SPP"]
    belt = (p[4] < theta) & (theta < p[2])
    counted = angles.turned & ~south[:, None] & belt[:, :, None]
    beside = np.exp(-0.5 * (0.0556 * (np.cos(angles.phi - 0.5 * math.pi) - 0.81649658)) ** 2)
    equator = np.cos(angles.phi) ** 2 * _bell(theta, p[5], 0.5)[:, None]
    north, far = (beside * _bell(theta, p[6], at)[:, None] for at in (1 / 3, 2 / 3))
    return _sums(
        np.where(south, p["w_SPP"] * _bell(theta, p["IGW_SPP"], 1.0), 0.0),
        np.where(south, p["w_SPP"], 0.0),
        (equator, counted & belt[:, None]),
        (north, counted & (theta < p[4])[:, None]),
        (far, counted & (theta > p[2])[:, None]),
    )


#: Order parameter of each motif computed here, by pymatgen's name for it.
MOTIFS: dict[str, Callable[[Angles, Mapping[Any, float], str], float | None]] = {
    "bent": _bent,
    **dict.fromkeys(("tri_plan_max", "tet_max"), _angular),
    **dict.fromkeys(("T", "tri_pyr", "sq_pyr", "pent_pyr", "hex_pyr"), _pyramid),
    **dict.fromkeys(
        (
            "tri_bipyr",
            "sq_bipyr",
            "pent_bipyr",
            "hex_bipyr",
            "oct_max",
            "sq_plan_max",
            "hex_plan_max",
            "see_saw_rect",
        ),
        _bipyramid,
    ),
    "pent_plan_max": _pentagon,
    "bcc": _body_centred,
    "cuboct_max": _cuboctahedron,
}


class SharedAngles:
    """The angles of the neighbours met last: the motifs of one atom follow each other."""

    def __init__(self) -> None:
        self._key = b""
        self._angles: Angles | None = None

    def of(self, sites: Sequence[Any]) -> Angles:
        """Angles of ``sites`` but the first, as seen from the first."""
        coords = np.array([site.coords for site in sites])
        key = coords.tobytes()
        if self._angles is None or key != self._key:
            self._key, self._angles = key, angles_of(coords[1:] - coords[0])
        return self._angles

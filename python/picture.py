"""A crystal as a still picture: atoms, bonds and cell as SVG, which a notebook shows without running any script."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from hsegap.ui.crystal_view import BALL_OVER_COVALENT, bonds_between, covalent_radius, drawn_atoms, element_colour

if TYPE_CHECKING:
    from collections.abc import Sequence

#: Most atoms of a cell that are drawn; beyond it a small picture shows nothing that can be told apart.
MOST_SITES = 200
#: How the cell is turned towards the reader, degrees: about the vertical, then forwards.
TURNED, TILTED = -25.0, 12.0
SIZE, MARGIN = 220.0, 6.0
#: The twelve edges of a cell as pairs of corners; corner 4 has the fractional coordinates (1, 0, 0) by its bits.
_EDGES = [(corner, corner | bit) for corner in range(8) for bit in (1, 2, 4) if not corner & bit]


def picture_svg(symbols: Sequence[str], frac_coords: np.ndarray, lattice: np.ndarray) -> str:
    """Draw one cell in parallel projection, atoms on its faces with their images.

    Args:
        symbols: Element of each site.
        frac_coords: ``[sites, 3]``.
        lattice: Rows in Å, ``[3, 3]``.

    Returns:
        An SVG element; an empty text for a cell with too many atoms.
    """
    if len(symbols) > MOST_SITES:
        return ""
    sites, positions = drawn_atoms(np.asarray(frac_coords, dtype=np.float64), lattice, repeat=1)
    bonds = bonds_between(sites, positions, list(symbols))
    radii = {symbol: BALL_OVER_COVALENT * covalent_radius(symbol) for symbol in set(symbols)}
    corners = np.array([[index >> 2 & 1, index >> 1 & 1, index & 1] for index in range(8)]) @ lattice
    turn = _rotation(lattice)
    atoms, box = positions @ turn.T, corners @ turn.T
    reach = max(radii.values())
    drawn = np.concatenate([atoms, box])[:, :2]
    low, high = drawn.min(axis=0) - reach, drawn.max(axis=0) + reach
    scale = (SIZE - 2 * MARGIN) / max(high - low)
    flat = np.column_stack([(atoms[:, 0] - low[0]) * scale + MARGIN, (high[1] - atoms[:, 1]) * scale + MARGIN])
    cell = np.column_stack([(box[:, 0] - low[0]) * scale + MARGIN, (high[1] - box[:, 1]) * scale + MARGIN])
    lines = "".join(
        f'<line x1="{cell[a, 0]:.1f}" y1="{cell[a, 1]:.1f}" x2="{cell[b, 0]:.1f}" y2="{cell[b, 1]:.1f}" '
        'stroke="currentColor" stroke-opacity=".35"/>'
        for a, b in _EDGES
    )
    names = [symbols[site] for site in sites]
    parts = [
        (depth, _ball(flat[index], radii[names[index]] * scale, names[index]))
        for index, depth in enumerate(atoms[:, 2])
    ]
    parts += [
        (atoms[[a, b], 2].mean(), _stick(flat[a], flat[b], names[a], names[b], 0.1 * scale)) for a, b in bonds.tolist()
    ]
    width, height = (high - low) * scale + 2 * MARGIN
    return (
        f'<svg width="{width:.0f}" height="{height:.0f}" viewBox="0 0 {width:.0f} {height:.0f}" role="img" '
        f'aria-label="Cell with {len(symbols)} '
        f'atoms">{lines}{"".join(mark for _, mark in sorted(parts, key=lambda part: part[0]))}</svg>'
    )


def _rotation(lattice: np.ndarray) -> np.ndarray:
    """The turn after which c points up and a to the reader's right front.

    The third coordinate is the depth, larger is nearer.
    """
    up = lattice[2] / np.linalg.norm(lattice[2])
    right = lattice[0] - lattice[0] @ up * up
    right /= np.linalg.norm(right)
    upright = np.stack([right, up, np.cross(right, up)])
    turned, tilted = np.radians([TURNED, TILTED])
    about = np.array([[np.cos(turned), 0, np.sin(turned)], [0, 1, 0], [-np.sin(turned), 0, np.cos(turned)]])
    forwards = np.array([[1, 0, 0], [0, np.cos(tilted), -np.sin(tilted)], [0, np.sin(tilted), np.cos(tilted)]])
    turn: np.ndarray = forwards @ about @ upright
    return turn


def _ball(at: np.ndarray, radius: float, symbol: str) -> str:
    return (
        f'<circle cx="{at[0]:.1f}" cy="{at[1]:.1f}" r="{radius:.1f}" fill="{element_colour(symbol)}" stroke="#000" '
        'stroke-opacity=".45">'
        f"<title>{symbol}</title></circle>"
    )


def _stick(one: np.ndarray, other: np.ndarray, first: str, second: str, width: float) -> str:
    """A bond: each half in the colour of its atom."""
    middle = (one + other) / 2
    return "".join(
        f'<line x1="{at[0]:.1f}" y1="{at[1]:.1f}" x2="{middle[0]:.1f}" y2="{middle[1]:.1f}" '
        f'stroke="{element_colour(symbol)}" stroke-width="{width:.1f}"/>'
        for at, symbol in ((one, first), (other, second))
    )

"""The gap drawn on a scale beside materials everybody knows.

It is HTML that stretches with the page and needs no script.
"""

from __future__ import annotations

import math
from html import escape
from typing import NamedTuple

#: Energy of a photon in eV times its wavelength in nm.
EV_NM = 1239.841984
#: Limits of visible light, nm.
VISIBLE_NM = (380.0, 750.0)
#: The scale ends here unless the answer lies beyond.
USUAL_END_EV = 10.0
#: Least distance of two names in one row, as a share of the scale: on a narrow screen (288 px, large names only) and on
#: a wide one.
LEAST_APART_NARROW, LEAST_APART_WIDE = 0.115, 0.045


class Landmark(NamedTuple):
    """A material everybody knows, with its measured gap at room temperature."""

    label: str
    name: str
    gap_ev: float
    major: bool


#: Measured fundamental gaps near 300 K (LiF: lowest excitation), eV, as the common handbooks of semiconductor data give
#: them.
LANDMARKS = (
    Landmark("Ge", "germanium", 0.66, major=False),
    Landmark("Si", "silicon", 1.12, major=True),
    Landmark("GaAs", "gallium arsenide", 1.42, major=False),
    Landmark("CdS", "cadmium sulfide", 2.42, major=False),
    Landmark("TiO₂", "rutile", 3.0, major=True),
    Landmark("GaN", "gallium nitride", 3.4, major=False),
    Landmark("C", "diamond", 5.47, major=True),
    Landmark("MgO", "magnesium oxide", 7.8, major=True),
    Landmark("LiF", "lithium fluoride", 13.6, major=True),
)


def wavelength_nm(gap_ev: float) -> float | None:
    """Wavelength of the absorption edge; None for a gap so small that it lies beyond 100 µm."""
    return EV_NM / gap_ev if gap_ev > EV_NM / 1e5 else None


def edge_in_words(gap_ev: float) -> str:
    """What the absorption edge means for the eye, as a hint."""
    wavelength = wavelength_nm(gap_ev)
    if wavelength is None:
        return "no absorption edge: light of every wavelength is absorbed or reflected"
    shown = f"{wavelength:,.0f} nm".replace(",", " ") if wavelength < 1e4 else f"{wavelength / 1000:.0f} µm"
    if wavelength > VISIBLE_NM[1]:
        return f"{shown}, infrared: all visible light is absorbed"
    if wavelength >= VISIBLE_NM[0]:
        return f"{shown}, visible: light of shorter wavelength is absorbed, so the crystal has a colour"
    return f"{shown}, ultraviolet: a perfect crystal is transparent"


def scale_end(*energies: float) -> float:
    """Right end of the scale in eV: 10, or the next even number beyond the largest energy."""
    largest = max(energies)
    return USUAL_END_EV if largest <= USUAL_END_EV - 0.5 else 2.0 * math.ceil((largest + 0.5) / 2)


def landmarks_for(end: float) -> list[Landmark]:
    """Landmarks of a scale that ends at ``end`` eV, thinned where their names would run into each other.

    Returns:
        In ascending order. Those still marked as major have room on a narrow screen too; the others stand in a row of
        their own, on wide screens only.
    """
    chosen: list[Landmark] = []
    for major, apart in ((True, LEAST_APART_NARROW * end), (False, LEAST_APART_WIDE * end)):
        # A large name that found no room among its like comes first among the small ones.
        for landmark in sorted((entry for entry in LANDMARKS if entry.gap_ev < end), key=lambda entry: not entry.major):
            row = [entry.gap_ev for entry in chosen if entry.major is major]
            fits = all(abs(landmark.gap_ev - other) >= apart for other in row)
            if fits and (landmark.major or not major) and landmark not in chosen:
                chosen.append(landmark._replace(major=major))
    return sorted(chosen, key=lambda entry: entry.gap_ev)


def _percent(energy: float, end: float) -> str:
    return f"{100 * min(max(energy, 0.0), end) / end:.2f}%"


def scale_html(gap_ev: float, interval_ev: tuple[float, float] | None, *, without_text_ev: float | None = None) -> str:
    """Draw a gap, its interval and the landmarks.

    Args:
        gap_ev: The prediction, eV.
        interval_ev: Its interval; None before calibration, then none is drawn.
        without_text_ev: The prediction from the structure alone, drawn as a hollow mark beside it.

    Returns:
        HTML; everything drawn is also said in its label for people who listen to the page.
    """
    end = scale_end(gap_ev, *(interval_ev or ()), without_text_ev or 0.0)
    spoken = [f"Scale from 0 to {end:g} electronvolts. Predicted gap {gap_ev:.2f}."]
    parts = []
    low, high = (EV_NM / nm for nm in reversed(VISIBLE_NM))
    parts.append(
        f'<div class="hs-visible" style="left:{_percent(low, end)};width:{100 * (high - low) / end:.2f}%" '
        'title="visible light"></div>'
    )
    if interval_ev is not None:
        left, right = interval_ev
        spoken.append(f"Interval from {left:.2f} to {right:.2f}.")
        parts.append(
            f'<div class="hs-interval" style="left:{_percent(left, end)};'
            f'width:max(3px, {100 * (min(right, end) - max(left, 0.0)) / end:.2f}%)"></div>'
        )
    if without_text_ev is not None:
        spoken.append(f"From the structure alone {without_text_ev:.2f}.")
        parts.append(
            f'<div class="hs-mark hs-mark-alone" style="left:{_percent(without_text_ev, end)}" '
            f'title="structure alone: {without_text_ev:.2f} eV"></div>'
        )
    parts.append(f'<div class="hs-mark" style="left:{_percent(gap_ev, end)}" title="predicted: {gap_ev:.2f} eV"></div>')
    landmarks = landmarks_for(end)
    spoken.append("Measured: " + ", ".join(f"{entry.name} {entry.gap_ev:g}" for entry in landmarks) + ".")
    named = "".join(
        f'<div class="hs-landmark{"" if entry.major else " hs-minor"}" style="left:{_percent(entry.gap_ev, end)}" '
        f'title="{escape(entry.name)}: {entry.gap_ev:g} eV, measured">{escape(entry.label)}</div>'
        for entry in landmarks
    )
    step = 1 if end <= USUAL_END_EV else 2
    ticks = "".join(
        f'<div class="hs-tick{"" if tick % (2 * step) == 0 else " hs-minor"}" style="left:{_percent(tick, end)}">'
        f"{tick}{'' if tick else ' eV'}</div>"
        for tick in range(0, int(end) + 1, step)
    )
    return (
        f'<div class="hs-scale" role="img" aria-label="{escape(" ".join(spoken))}">'
        f'<div class="hs-landmarks" aria-hidden="true">{named}</div>'
        f'<div class="hs-track" aria-hidden="true">{"".join(parts)}</div>'
        f'<div class="hs-ticks" aria-hidden="true">{ticks}</div></div>'
        '<p class="hs-key">Landmarks: measured gaps near 300 K. Coloured band: visible light.</p>'
    )

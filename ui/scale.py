"""The gap on a scale beside materials everybody knows, as HTML that stretches with the page and needs no script."""

from __future__ import annotations

import math
from html import escape
from typing import TYPE_CHECKING, NamedTuple

if TYPE_CHECKING:
    from hsegap.ui.words import Words

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


def _length(wavelength: float) -> str:
    """A wavelength with its unit, three or so figures."""
    return f"{wavelength:,.0f} nm".replace(",", "\u202f") if wavelength < 1e4 else f"{wavelength / 1000:.0f} µm"


def edge_range(interval_ev: tuple[float, float], words: Words) -> str:
    """The wavelengths at which a crystal begins to absorb, over an interval of its gap, and their part of the spectrum.

    Args:
        interval_ev: From, to; a single gap twice.
        words: In which language.
    """
    longest, shortest = (wavelength_nm(energy) for energy in interval_ev)
    if shortest is None:
        return words("edge.none")
    parts = [_part(shortest)]
    if longest is None:
        shown = words("edge.beyond", shortest=_length(shortest))
        parts.append("infrared")
    else:
        same = _length(shortest) == _length(longest)
        shown = _length(shortest) if same else f"{_length(shortest)} – {_length(longest)}"
        parts.append(_part(longest))
    names = [words(f"edge.{part}") for part in dict.fromkeys(parts)]
    where = names[0] if len(names) == 1 else words("edge.to", one=names[0], other=names[1])
    return words("edge.range", range=shown, part=where)


def _part(wavelength: float) -> str:
    """Part of the spectrum."""
    if wavelength > VISIBLE_NM[1]:
        return "infrared"
    return "visible" if wavelength >= VISIBLE_NM[0] else "ultraviolet"


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


def scale_html(
    gap_ev: float, interval_ev: tuple[float, float] | None, *, without_text_ev: float | None = None, words: Words
) -> str:
    """Draw a gap, its interval and the landmarks.

    Args:
        gap_ev: The prediction, eV.
        interval_ev: Its interval; None before calibration, then none is drawn.
        without_text_ev: The prediction from the structure alone, drawn as a hollow mark beside it.
        words: In which language.

    Returns:
        HTML; everything drawn is also said in its label for people who listen to the page.
    """
    end = scale_end(gap_ev, *(interval_ev or ()), without_text_ev or 0.0)
    spoken = [words("scale.spoken", end=f"{end:g}", gap=f"{gap_ev:.2f}")]
    parts = []
    low, high = (EV_NM / nm for nm in reversed(VISIBLE_NM))
    parts.append(
        f'<div class="hs-visible" style="left:{_percent(low, end)};width:{100 * (high - low) / end:.2f}%" '
        f'title="{escape(words("scale.visible"))}"></div>'
    )
    if interval_ev is not None:
        left, right = interval_ev
        spoken.append(words("scale.spoken_interval", low=f"{left:.2f}", high=f"{right:.2f}"))
        parts.append(
            f'<div class="hs-interval" style="left:{_percent(left, end)};'
            f'width:max(3px, {100 * (min(right, end) - max(left, 0.0)) / end:.2f}%)"></div>'
        )
    if without_text_ev is not None:
        alone = words("scale.alone", gap=f"{without_text_ev:.2f}")
        spoken.append(alone + words("sentence.end"))
        parts.append(
            f'<div class="hs-mark hs-mark-alone" style="left:{_percent(without_text_ev, end)}" '
            f'title="{escape(alone)}"></div>'
        )
    predicted = escape(words("scale.predicted", gap=f"{gap_ev:.2f}"))
    parts.append(f'<div class="hs-mark" style="left:{_percent(gap_ev, end)}" title="{predicted}"></div>')
    landmarks = landmarks_for(end)
    names = [words(f"landmark.{entry.name.replace(' ', '_')}") for entry in landmarks]
    measured = ", ".join(f"{name} {entry.gap_ev:g}" for name, entry in zip(names, landmarks, strict=True))
    spoken.append(words("scale.spoken_landmarks", landmarks=measured))
    named = "".join(
        f'<div class="hs-landmark{"" if entry.major else " hs-minor"}" style="left:{_percent(entry.gap_ev, end)}" '
        f'title="{escape(words("scale.landmark", name=name, gap=f"{entry.gap_ev:g}"))}">{escape(entry.label)}</div>'
        for name, entry in zip(names, landmarks, strict=True)
    )
    return (
        f'<div class="hs-scale" role="img" aria-label="{escape(" ".join(spoken))}">'
        f'<div class="hs-landmarks" aria-hidden="true">{named}</div>'
        f'<div class="hs-track" aria-hidden="true">{"".join(parts)}</div>'
        f'<div class="hs-ticks" aria-hidden="true">{_ticks(end)}</div></div>'
        f'<p class="hs-key">{escape(words("scale.key"))}</p>'
    )


def _ticks(end: float) -> str:
    step = 1 if end <= USUAL_END_EV else 2
    return "".join(
        f'<div class="hs-tick{"" if tick % (2 * step) == 0 else " hs-minor"}" style="left:{_percent(tick, end)}">'
        f"{tick}{'' if tick else ' eV'}</div>"
        for tick in range(0, int(end) + 1, step)
    )

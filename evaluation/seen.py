"""A labelled crystal beside what the artifact observed of it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from hsegap.prediction.observed import Observation


@dataclass(frozen=True)
class Seen:
    """One labelled crystal as the artifact saw it.

    Attributes:
        id: Its name.
        gap_ev: Known gap.
        observation: What was observed.
    """

    id: str
    gap_ev: float
    observation: Observation

    @property
    def error_ev(self) -> float:
        """Absolute error of the gap as answered, which is never below 0."""
        return abs(max(0.0, self.observation.gap_raw_ev) - self.gap_ev)

    def without_text(self) -> Seen:
        """The same crystal, its text left out."""
        seen = self.observation
        return Seen(
            self.id,
            self.gap_ev,
            seen._replace(gap_raw_ev=seen.gap_without_text_ev, text=None, text_vector=None, facts={}),
        )

"""What a run's summary says, counted row by row so that it can be kept with the state of a run and go on after it."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Self

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

#: Width of the histogram's bins, eV, and how many there are; the last one takes everything above.
BIN_EV = 0.5
BINS = 30


@dataclass
class Tally:
    """Counts over the rows of a run.

    Attributes:
        ok: Rows with a prediction.
        errors: Failed rows by code.
        warnings: Rows by code of a warning they carry.
        kinds: Predictions by kind.
        gaps: Predictions by gap, in bins of 0.5 eV.
        seconds: Time workers spent on them.
    """

    ok: int = 0
    errors: Counter[str] = field(default_factory=Counter)
    warnings: Counter[str] = field(default_factory=Counter)
    kinds: Counter[str] = field(default_factory=Counter)
    gaps: list[int] = field(default_factory=lambda: [0] * BINS)
    seconds: float = 0.0

    @property
    def failed(self) -> int:
        """Rows without a prediction."""
        return sum(self.errors.values())

    @property
    def rows(self) -> int:
        """All rows."""
        return self.ok + self.failed

    def add(self, rows: Iterable[Mapping[str, Any]]) -> None:
        """Count some rows."""
        for row in rows:
            # A row that carries one warning twice is one row with it.
            self.warnings.update({warning["code"] for warning in row.get("warnings", ())})
            if row["status"] != "ok":
                self.errors[row["error"]["code"]] += 1
                continue
            self.ok += 1
            self.kinds[row["kind"]] += 1
            self.gaps[min(BINS - 1, int(row["gap_ev"] / BIN_EV))] += 1

    def as_json(self) -> dict[str, Any]:
        """For the state of a run."""
        return {
            "ok": self.ok,
            "failed": self.failed,
            "errors": dict(self.errors.most_common()),
            "warnings": dict(self.warnings.most_common()),
            "kinds": dict(self.kinds.most_common()),
            "gap_histogram": {"bin_ev": BIN_EV, "counts": self.gaps},
            "worker_seconds": round(self.seconds, 3),
        }

    @classmethod
    def from_json(cls, data: Mapping[str, Any]) -> Self:
        """Undo :meth:`as_json`."""
        return cls(
            ok=data["ok"],
            errors=Counter(data["errors"]),
            warnings=Counter(data["warnings"]),
            kinds=Counter(data["kinds"]),
            gaps=list(data["gap_histogram"]["counts"]),
            seconds=data["worker_seconds"],
        )

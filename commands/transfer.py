"""`hsegap transfer`: gaps of one method estimated from those of a cheaper one, to learn from."""

from __future__ import annotations

from typing import TYPE_CHECKING

from hsegap.commands import output

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path


def run(
    files: Sequence[Path],
    *,
    out: Path,
    learn: Sequence[Path],
    measure: Sequence[Path],
    cheap: str,
    wanted: str,
    source: str | None,
    max_atoms: int | None,
    one_metal_in: int,
) -> int:
    """Write rows with estimated gaps; the arguments are those of :func:`hsegap.training.transfer.transfer`.

    Returns:
        Exit status: 0 if the rows were written, else 1.
    """
    if output.training_is_missing("estimating gaps"):
        return 1
    from hsegap.training.errors import DataError
    from hsegap.training.transfer import transfer

    try:
        done = transfer(
            files,
            out,
            learn=learn,
            measure=measure,
            cheap=cheap,
            wanted=wanted,
            source=source,
            max_atoms=max_atoms,
            one_metal_in=one_metal_in,
        )
    except (DataError, OSError) as error:
        output.note(f"hsegap: {error}.")
        return 1
    left_out = f", {done.without_gap} without {cheap} left out" if done.without_gap else ""
    left_out += f", {done.too_large} larger ones left out" if done.too_large else ""
    left_out += f", {done.thinned} of those whose {cheap} is zero left out" if done.thinned else ""
    output.note(f"wrote {out}: {done.written} rows with an estimated {wanted}, learned from {done.learnt}{left_out}")
    if done.invented:
        output.note(
            f"warning: {done.invented} of them have no {cheap}, yet no crystal of the source {source} is without a gap: each was given "
            "one; follow a source that has metals"
        )
    if done.mae is not None:
        output.note(
            f"mean absolute error on {done.measured} other crystals: {done.mae:.3f} eV, of {cheap} itself {done.mae_of_cheap:.3f} eV"
        )
    return 0

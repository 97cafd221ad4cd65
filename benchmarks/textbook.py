"""How an artifact answers the crystals of tests/support/textbook.

What everybody tries first, and never trained on as written there.

    python benchmarks/textbook.py                              # the shipped artifact, all parts; some minutes
    python benchmarks/textbook.py --parts crystals             # the crystals alone: half a minute
    python benchmarks/textbook.py --artifact FOLDER --json figures.json
    python benchmarks/textbook.py --pbe                        # the PBE gap given where the table has one

Four parts: the crystals themselves, the test rows of ../shared/data with their lattice changed by 1 and 2 %, the slope
of the gap with the lattice constant beside deformation potentials, and the fit of the training rows that are well
known: of source borlido, and cubic.
"""

from __future__ import annotations

import argparse
import json
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

ROOT = Path(__file__).resolve().parents[1]
sys.path[0] = str(ROOT)  # in place of this folder: its files import each other from the repository's root
sys.path.insert(1, str(ROOT / "tests"))  # where the crystals are

from benchmarks.fitted import fit_of, show_fit, training_rows  # noqa: E402 - after the path
from benchmarks.strained import DEFORMATIONS, MOST_STRAIN, moved, slope_of, strained_rows  # noqa: E402 - as above
from benchmarks.textbook_figures import Answered, figures_of, line_of, show_figures  # noqa: E402 - as above
from support.textbook.crystals import read_textbook  # noqa: E402 - as above

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from hsegap.prediction.predictor import Predictor
    from support.textbook.crystals import Crystal

ROWS = ROOT.parent / "shared" / "data" / "hse" / "test.jsonl.gz"
TRAINED = ROWS.with_name("train.jsonl.gz")
#: Longest time for one structure, s: on a busy machine a server's deadline would cost answers.
PATIENCE_S = 300.0
PARTS = ("crystals", "strain", "slopes", "fit")


def request_of(structure: str, *, kind: str = "poscar", pbe_gap_ev: float | None = None) -> Any:
    """A request for a crystal's gap, with its PBE gap as a known fact if one is given."""
    from hsegap.prediction.schemas import PredictRequest

    fields: dict[str, Any] = {"structure": structure, "format": kind, "atoms": False}
    if pbe_gap_ev is not None:
        if "known" not in PredictRequest.model_fields:
            raise SystemExit("This version of hsegap takes no known facts. Leave out --pbe.")
        fields["known"] = {"pbe_gap_ev": pbe_gap_ev}
    return PredictRequest(**fields)


def gaps(predictor: Predictor, structures: Iterable[str], *, kind: str = "poscar") -> list[float]:
    """Answered gaps of structure files' texts, eV; NaN where there is none."""
    answers = predictor.predict_iter(request_of(text, kind=kind) for text in structures)
    return [getattr(answer, "gap_ev", float("nan")) for answer in answers]


def ask(predictor: Predictor, crystals: Sequence[Crystal], *, pbe: bool) -> list[Answered]:
    """The crystals with their answers."""
    given = [crystal.pbe_gap_ev if pbe else None for crystal in crystals]
    requests = [
        request_of(crystal.structure().to(fmt="poscar"), pbe_gap_ev=fact)
        for crystal, fact in zip(crystals, given, strict=True)
    ]
    return [Answered(crystal, answer) for crystal, answer in zip(crystals, predictor.predict(requests), strict=True)]


def show_crystals(predictor: Predictor, crystals: Sequence[Crystal], *, pbe: bool) -> dict[str, Any]:
    """Print the table and its figures."""
    if pbe:
        crystals = [crystal for crystal in crystals if crystal.pbe_gap_ev is not None]
        print(f"{len(crystals)} crystals whose PBE gap is known, given as a fact")
    answered = ask(predictor, crystals, pbe=pbe)
    print(
        "\n| crystal | formula | a, Å | HSE06 gap, eV | source | answer, eV | 90 % interval, eV | |\n"
        "|---|---|---|---|---|---|---|---|"
    )
    for one in answered:
        print(line_of(one))
    figures = figures_of(answered)
    show_figures(figures)
    return figures


def show_strain(predictor: Predictor, rows: Path, *, limit: int | None) -> dict[str, Any]:
    """Print how many rows move with the lattice."""
    structures = strained_rows(rows, limit=limit)
    figures: dict[str, Any] = {}
    print(f"\nlattice of {len(structures)} rows of {rows.name} changed, atoms going along", flush=True)
    rest = gaps(predictor, (texts[0.0] for texts in structures))
    for size in (0.01, 0.02):
        changed = {strain: gaps(predictor, (texts[strain] for texts in structures)) for strain in (-size, size)}
        found = moved(rest, list(changed.values()))
        figures[f"{size:.0%}"] = found
        print(
            f"  ±{size:.0%}: {100 * found['share']:.1f} % of answers move by more than 0.5 eV "
            f"({100 * found['share_of_rows']:.1f} % of rows in one direction at least), mean {found['mean_ev']:.3f} "
            "eV, "
            f"most {found['most_ev']:.2f} eV; rows without an answer: {found['unanswered']}"
        )
    return figures


def show_slopes(predictor: Predictor) -> dict[str, Any]:
    """Print slopes beside deformation potentials."""
    crystals = {crystal.name: crystal for crystal in read_textbook()}
    steps = [step / 100 for step in range(-MOST_STRAIN, MOST_STRAIN + 1)]
    figures = {}
    print(
        "\nchange of the gap with the lattice constant, eV per 1 %; "
        f"gap at {', '.join(f'{step:+.0%}' for step in steps)}\n\n"
        "| crystal | answered | published | gaps, eV | largest step, eV | |\n|---|---|---|---|---|---|"
    )
    for reference in DEFORMATIONS:
        crystal = crystals[reference.crystal]
        answers = gaps(predictor, (crystal.structure(strain=step).to(fmt="poscar") for step in steps))
        found = slope_of(answers, steps, reference)
        figures[crystal.name] = found
        print(
            f"| {crystal.name} | {found['slope_ev_per_percent']:+.3f} | {reference.ev_per_percent:+.3f} | "
            f"{' '.join(f'{gap:.2f}' for gap in answers)} | {found['largest_step_ev']:.2f} | {found['verdict']} |"
        )
    print("\npublished:")
    for reference in DEFORMATIONS:
        print(f"  {reference.crystal}: {reference.source}")
    return figures


def parsed(arguments: Sequence[str] | None = None) -> argparse.Namespace:
    """The command line."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--artifact", default=None, help="artifact folder; the shipped one if left out")
    parser.add_argument(
        "--parts", nargs="+", choices=PARTS, default=list(PARTS), help="what to measure; all if left out"
    )
    parser.add_argument("--pbe", action="store_true", help="give the PBE gap as a known fact; part crystals only")
    parser.add_argument("--rows", type=Path, default=ROWS, help="labelled crystals whose lattice is changed")
    parser.add_argument("--trained", type=Path, default=TRAINED, help="labelled crystals that were trained on")
    parser.add_argument("--limit", type=int, default=None, help="only the first so many crystals and rows")
    parser.add_argument("--json", type=Path, default=None, help="file to write the figures to")
    return parser.parse_args(arguments)


def main(arguments: Sequence[str] | None = None) -> None:
    """Measure and print."""
    from hsegap.artifact.artifact import Artifact
    from hsegap.prediction.predictor import Predictor

    options = parsed(arguments)
    with Predictor(Artifact.load(options.artifact), deadline_s=PATIENCE_S) as predictor:
        manifest = predictor.artifact.manifest
        print(f"{manifest.name} {manifest.version}")
        figures: dict[str, Any] = {
            "model": {"name": manifest.name, "version": manifest.version, "sha256": predictor.artifact.sha256}
        }
        if "crystals" in options.parts:
            figures["crystals"] = show_crystals(predictor, read_textbook()[: options.limit], pbe=options.pbe)
        if "strain" in options.parts and not options.pbe:
            figures["strain"] = show_strain(predictor, options.rows, limit=options.limit)
        if "slopes" in options.parts and not options.pbe:
            figures["slopes"] = show_slopes(predictor)
        if "fit" in options.parts and not options.pbe:
            rows = training_rows(options.trained, limit=options.limit)
            figures["fit"] = fit_of(rows, gaps(predictor, (row["cif"] for row in rows), kind="cif"))
            show_fit(figures["fit"])
    if options.json is not None:
        options.json.write_text(json.dumps(figures, indent=1) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()

"""Do the per-atom maps show what matters? Every map against what the network does when an atom is changed.

    python benchmarks/maps.py                                    # 200 test crystals; half an hour on two cores
    python benchmarks/maps.py --crystals 20                      # a first look
    python benchmarks/maps.py --artifact FOLDER --json maps.json --card maps.md
    hsegap card FOLDER --evaluation RESULTS --maps maps.md       # the tables into the model card

Fixed before anything was measured:

- Crystals: the first of ../shared/data/hse/test.jsonl.gz, in the file's order, that are described and have four or more
  inequivalent sites (spglib, 0.01 Å). One value per inequivalent site, that of its first atom; at most 12 sites where
  the network is run for each.
- Occlusion: an atom's vectors are replaced by its element's mean over the atoms of the first 1 000 training crystals
  with nothing told (the mean of all atoms for an element that is not among them): what does this atom do that an
  average atom of its element doesn't? And, beside it, by the reference that contributions are counted from, the mean
  training crystal: what does this atom do that an average atom doesn't? Effect: gap minus gap after it. Signed maps are
  ranked against the effect, those that know no sign (gate, importance, text share) against its absolute value.
- Deletion, with either replacement: atoms replaced one after the other, the highest value of the map first; the area
  is the mean fall of the gap over all steps. Insertion: from all replaced, put back one after the other, the mean rise.
  Best order: the atom that moves the gap most, chosen anew at each step. Random: the mean of ten orders.
- Text: withheld from one atom, which then gets what a crystal without text gets; all else as before.
- At the input: the element of a site replaced by its nearest isovalent one (hsegap.structures.isovalent); a site moved
  by 0.1 Å along x, y and z, mean absolute change. Ranked against the map's absolute value. Reported without a target.
- Goal: contribution's mean rank correlation with occlusion 0.7, its deletion area 80 % of the best order's. It was set
  for the element's mean; contributions are counted from the mean training crystal, so that it is the other question.
"""

from __future__ import annotations

import argparse
import gzip
import json
import sys
import time
from pathlib import Path
from typing import TYPE_CHECKING, Any

ROOT = Path(__file__).resolve().parents[1]
sys.path[0] = str(ROOT)  # in place of this folder: its files import each other from the repository's root

if TYPE_CHECKING:
    from collections.abc import Iterator

    import numpy as np

    from benchmarks.maps_network import Opened
    from hsegap.prediction.predictor import Predictor
    from hsegap.prediction.schemas import Prediction
    from hsegap.structures import Crystal

DATA = ROOT.parent / "shared" / "data" / "hse"
TRAINED = 1000
LEAST_SITES, MOST_SITES = 4, 12


def rows_of(name: str) -> Iterator[dict[str, Any]]:
    """The rows of a data file."""
    with gzip.open(DATA / f"{name}.jsonl.gz", "rt", encoding="utf-8") as lines:
        yield from map(json.loads, lines)


def sites_of(crystal: Crystal) -> list[int]:
    """The first atom of each set of equivalent ones."""
    from pymatgen.symmetry.analyzer import SpacegroupAnalyzer

    dataset = SpacegroupAnalyzer(crystal.to_pymatgen(), symprec=0.01).get_symmetry_dataset()
    return sorted({int(place) for place in dataset.equivalent_atoms}) if dataset is not None else []


def chosen(count: int) -> Iterator[tuple[dict[str, Any], Crystal, list[int]]]:
    """The crystals that are looked at, with their inequivalent sites."""
    from hsegap.structures import read

    found = 0
    for row in rows_of("test"):
        if found == count:
            return
        if row["description"]:
            crystal = read(row["cif"], format="cif")
            sites = sites_of(crystal)
            if len(sites) >= LEAST_SITES:
                found += 1
                yield row, crystal, sites


def maps_of(answer: Prediction) -> dict[str, np.ndarray]:
    """Every map of an answer, ``[N]``; of several fusion layers the first."""
    import numpy as np

    atoms = answer.atoms or []
    maps = {name: [getattr(atom, name) for atom in atoms] for name in ("contribution_ev", "text_effect_ev")}
    for name in ("gate", "importance", "text_share"):
        columns = [list(getattr(atom, name).values()) for atom in atoms]
        if columns and columns[0]:
            maps[name] = [column[0] for column in columns]
    return {name: np.array(values, dtype=float) for name, values in maps.items()}


def measured(predictor: Predictor, opened: Opened, count: int) -> list[dict[str, Any]]:
    """One record per crystal: maps and what the changes do, by inequivalent site, and the curves' areas."""
    from benchmarks.maps_measures import Means, at_the_input, curves, occlusion, text_withheld
    from benchmarks.maps_network import element_means
    from hsegap.prediction.schemas import Prediction, PredictRequest
    from hsegap.structures import read

    trained = [read(row["cif"], format="cif") for row, _ in zip(rows_of("train"), range(TRAINED), strict=False)]
    means = Means(element_means(opened, trained), predictor._reporter.reference or {})  # noqa: SLF001 - what it reports by
    elements = predictor.artifact.manifest.elements
    records = []
    for row, crystal, sites in chosen(count):
        [answer] = predictor.predict([PredictRequest(structure=row["cif"], description=row["description"])])
        if not isinstance(answer, Prediction) or answer.reference_ev is None:
            raise SystemExit(f"{row['id']}: no contributions ({getattr(answer, 'absent', answer)})")
        maps, few = maps_of(answer), sites[:MOST_SITES]
        tokens = opened.tokens(row["description"])
        nodes = opened.nodes(crystal, tokens, has_text=True)
        if abs(nodes.gap_ev - answer.gap_raw_ev) > 1e-3:
            raise SystemExit(f"{row['id']}: the artifact answers {answer.gap_raw_ev}, its weights {nodes.gap_ev}")
        records.append(
            {
                "id": row["id"],
                "formula": answer.formula,
                "gap_ev": answer.gap_raw_ev,
                "elements": [crystal.symbols[site] for site in sites],
                "maps": {name: values[sites].tolist() for name, values in maps.items()},
                "occlusion": {
                    name: values[sites].tolist() for name, values in occlusion(opened, crystal, nodes, means).items()
                },
                "areas": {name: curves(opened, nodes, by, maps) for name, by in means.ways(crystal, nodes).items()},
                "few": len(few),
                "withheld": text_withheld(opened, crystal, tokens, few, nodes.gap_ev),
                **at_the_input(opened, crystal, tokens, few, gap_ev=nodes.gap_ev, elements=elements),
            }
        )
        print(f"\r{len(records)} of {count}", end="", file=sys.stderr, flush=True)
    print(file=sys.stderr)
    return records


def main() -> None:
    """Measure, print, write."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--artifact", type=Path, default=None)
    parser.add_argument("--crystals", type=int, default=200)
    parser.add_argument("--json", type=Path, help="write every record here")
    parser.add_argument("--card", type=Path, help="write the tables here, Markdown")
    options = parser.parse_args()

    import torch

    from benchmarks.maps_figures import report
    from benchmarks.maps_network import Opened
    from benchmarks.maps_sanity import invariances, oxides_and_halides, shuffled
    from hsegap.artifact import Artifact
    from hsegap.prediction.predictor import Predictor

    torch.set_num_threads(1)
    started = time.perf_counter()
    artifact = Artifact.load(options.artifact)
    with Predictor(artifact, deadline_s=300.0) as predictor:
        opened = Opened(artifact)
        records = measured(predictor, opened, options.crystals)
        few = [row for row, _, _ in chosen(min(20, options.crystals))]
        found = {
            "artifact": {
                "name": artifact.manifest.name,
                "version": artifact.manifest.version,
                "sha256": artifact.sha256,
            },
            "crystals": records,
            "invariances": invariances(predictor, few),
            "shuffled": shuffled(predictor, opened, few),
            "ionic": oxides_and_halides(predictor, list(rows_of("test"))),
        }
    text = report(found)
    print(text)
    print(f"\n{time.perf_counter() - started:.0f} s")
    if options.json:
        options.json.write_text(json.dumps(found) + "\n", encoding="utf-8")
    if options.card:
        head = f"<!-- measured_on {artifact.prediction_sha256()} -->"  # `hsegap card --maps` refuses another network's
        options.card.write_text(f"{head}\n{text}\n", encoding="utf-8")


if __name__ == "__main__":
    main()

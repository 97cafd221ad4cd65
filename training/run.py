"""One training run from options to results."""

from __future__ import annotations

import csv
import hashlib
import json
import re
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import torch

from hsegap.models import CrystalTextNetwork, read_checkpoint
from hsegap.models.checkpoint import read_weights_only
from hsegap.text import VectorCache
from hsegap.training.banner import banner
from hsegap.training.data import DataError, Splits, check_source, load_splits
from hsegap.training.dataset import CrystalDataset
from hsegap.training.loop import Trainer
from hsegap.training.metrics import measure, predict
from hsegap.training.options import OptionsError, TrainingOptions
from hsegap.training.state import BEST, CONFIG, LAST, remove_leftovers, write_json

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from hsegap.models import FusionConfig
    from hsegap.text import TextEncoder

#: Options that a resumed run may change: they do not change the numbers.
FREE_ON_RESUME = frozenset({"resume", "config_file", "num_workers", "checkpoint_steps", "cache_dir", "output_dir"})


def run_training(
    options: TrainingOptions,
    *,
    load_encoder: Callable[[TrainingOptions], TextEncoder],
    report: Callable[[str], None] = print,
) -> Path:
    """Train, select, test.

    Args:
        options: The run.
        load_encoder: Gives the exported text encoder that the options name. Called after everything that can be
            refused has been.
        report: Receives lines for the user.

    Returns:
        The folder with ``best_model.pt``, ``last_checkpoint.pt``, ``history.json``, ``config.json`` and the test
        predictions.

    Raises:
        OptionsError: If a resumed run's options differ from those it was started with, or the device is not there.
        DataError: If data is missing, or not what the run to resume was started on.
    """
    check_device(options.device)
    if options.init_from and not Path(options.init_from).is_file():
        raise OptionsError(f"--init_from: there is no checkpoint {options.init_from}")
    renamed = _renamed(options.init_rename)
    stopword_rewriter(options)
    check_source(options)
    folder = options.output_folder
    last = _last_checkpoint(options, folder)
    if options.threads:
        torch.set_num_threads(options.threads)
    torch.manual_seed(options.random_seed)
    report(banner(options.fusion_config(text_features=1)))
    encoder = load_encoder(options)
    config = options.fusion_config(text_features=encoder.width)
    splits = load_splits(options)
    report(
        f"rows: {len(splits.train)} training, {len(splits.val)} validation, {len(splits.test)} test, "
        f"{len(splits.skipped)} skipped"
    )
    for note in splits.notes:
        report(note)
    sets = prepare(splits, options, config, encoder)
    _list_skipped(splits, sets, folder, report)
    _check_sets(sets, options)
    fingerprint = data_fingerprint(sets)
    if last is not None and last.get("data", fingerprint) != fingerprint:
        raise DataError(
            f"the rows are not those that {folder / LAST} was trained on: restore them, or start anew with --resume 0"
        )

    targets, weights = np.nan_to_num(sets["train"].targets), sets["train"].weights
    network = make_network(config, options, float(np.average(targets, weights=weights)))
    if options.init_from and last is None:
        report(initialise(network, options.init_from, renamed))
    about = facts(sets["train"], encoder)
    trainer = Trainer(
        network, options, train=sets["train"], val=sets["val"], folder=folder, facts=about, data=fingerprint
    )
    _begin(trainer, options, config, last, report)
    state = trainer.run(report)
    report(f"best validation score {state.best:.5g} in epoch {state.best_epoch + 1}")
    for name in ("test", "holdout"):
        if len(sets[name]):
            _test(folder, name, sets[name], options, report)
    return folder


def _begin(
    trainer: Trainer,
    options: TrainingOptions,
    config: FusionConfig,
    last: dict[str, Any] | None,
    report: Callable[[str], None],
) -> None:
    """Say what will be trained; go on where the last checkpoint stands, or clear the folder for a new run."""
    size = sum(p.numel() for p in trainer.network.parameters())
    precision = "bfloat16" if trainer.mixed else "float32"
    report(
        f"{size:,} parameters, {trainer.steps_per_epoch} steps per epoch on {options.device}, "
        f"matrix products in {precision}"
    )
    if last is not None:
        trainer.restore(last)
        if trainer.state.epoch >= options.epochs:
            report("already trained to the last epoch")
        else:
            report(f"resumed at epoch {trainer.state.epoch + 1}, step {trainer.state.step}")
        return
    # Were this run killed before its first checkpoint, an older run's would be taken for it.
    (trainer.folder / LAST).unlink(missing_ok=True)
    write_json(
        {"options": options.model_dump(mode="json"), "config": config.model_dump(mode="json")}, trainer.folder / CONFIG
    )


def check_device(name: str) -> None:
    """Refuse a device that is not there.

    Raises:
        OptionsError: Naming what is.
    """
    try:
        kind = torch.device(name).type
    except RuntimeError as error:
        raise OptionsError(f"--device: {name!r} is no device; cpu and cuda are") from error
    if kind == "cuda" and not torch.cuda.is_available():
        raise OptionsError("--device cuda: torch sees no GPU here; use --device cpu")


def _check_sets(sets: dict[str, CrystalDataset], options: TrainingOptions) -> None:
    """Refuse sets that cannot be trained on.

    Raises:
        DataError: If no crystal is left to train or to select on.
        OptionsError: If a batch would hold a single atom, which has no batch statistics.
    """
    for name in ("train", "val"):
        if not len(sets[name]):
            first = sets[name].failures[0]
            raise DataError(
                f"none of the {len(sets[name].failures)} rows of {name} can be used; the first: {first[0]} ({first[1]})"
            )
    if options.batch_size == 1 and int(sets["train"].n_atoms.min()) == 1:
        raise OptionsError("--batch_size 1: a crystal of one atom alone has no batch statistics; use 2 or more")


def data_fingerprint(sets: dict[str, CrystalDataset]) -> str:
    """What tells one set of rows from another: ids, targets, weights and texts of training and validation, in order."""
    digest = hashlib.sha256()
    for name in ("train", "val"):
        for row in sets[name].rows:
            known = [
                name,
                row.id,
                row.target,
                row.weight,
                row.description,
                *([] if row.pbe_gap is None else [row.pbe_gap]),
            ]
            digest.update(json.dumps(known).encode())
    return digest.hexdigest()


def make_network(config: FusionConfig, options: TrainingOptions, mean_target: float) -> CrystalTextNetwork:
    """A fresh network whose answer starts at the mean of the targets."""
    network = CrystalTextNetwork(config)
    if config.link == "identity" and not options.classification and config.pbe_head != "base":
        torch.nn.init.constant_(network.fc.bias, mean_target)
    return network


def _renamed(pairs: str) -> list[tuple[str, str]]:
    """What ``--init_rename`` says: pairs of old and new beginnings."""
    parts = [part.strip().partition("=") for part in pairs.split(",") if part.strip()]
    for old, sign, new in parts:
        if not (old and sign):
            raise OptionsError(f"--init_rename takes old=new, commas between, not {old + sign + new!r}")
    return [(old, new) for old, _, new in parts]


def initialise(network: CrystalTextNetwork, path: str, renamed: Sequence[tuple[str, str]] = ()) -> str:
    """Copy the weights of a checkpoint where names and shapes agree; says how many did.

    Args:
        network: Receives them.
        path: A checkpoint, or an artifact's ``weights.safetensors``.
        renamed: Beginnings of names there and what they are here; the first that fits counts, an empty one leaves out.
    """
    source = {}
    for name, value in read_checkpoint(path).network.state_dict().items():
        old, new = next(((old, new) for old, new in renamed if name.startswith(old)), ("", " "))
        if new:
            source[new + name.removeprefix(old) if old else name] = value
    own = network.state_dict()
    fitting = {key: value for key, value in source.items() if key in own and own[key].shape == value.shape}
    network.load_state_dict({**own, **fitting})
    return f"started from {path}: {len(fitting)} of {len(own)} tensors"


def prepare(
    splits: Splits, options: TrainingOptions, config: FusionConfig, encoder: TextEncoder
) -> dict[str, CrystalDataset]:
    """Graphs and text vectors of all splits."""
    with VectorCache(Path(options.cache_dir) / "text") as vectors:
        return {
            name: CrystalDataset.prepare(
                rows,
                encoder,
                vectors=vectors,
                cache_dir=options.cache_dir,
                flavour=config.graph_flavour,
                cutoff=config.cutoff,
                max_neighbors=config.max_neighbors,
                all_tokens=config.use_fine_grained_attention,
                # A run that never shows a text to the network need not encode the training texts.
                read_texts=name != "train" or options.text_dropout < 1,
                label=name,
                rewrite=stopword_rewriter(options),
                max_line_edges=options.max_line_edges if name == "train" else 0,
                line_graph=config.alignn_layers > 0,
            )
            for name, rows in (
                ("train", splits.train),
                ("val", splits.val),
                ("test", splits.test),
                ("holdout", splits.holdout),
            )
        }


def stopword_rewriter(options: TrainingOptions) -> Callable[[str], str] | None:
    """What --mask_stopwords and --remove_stopwords do to a description; None without them.

    Raises:
        OptionsError: If there are no stop words where ``stopwords_dir`` points.
    """
    if not (options.mask_stopwords or options.remove_stopwords):
        return None
    place = Path(options.stopwords_dir)
    files = sorted(place.glob("*.txt")) if place.is_dir() else [place]
    words = {
        word.strip().lower()
        for file in files
        if file.is_file()
        for word in file.read_text(encoding="utf-8").splitlines()
        if word.strip()
    }
    if not words:
        raise OptionsError(f"--stopwords_dir: no stop words in {place}")
    replacement = "[MASK]" if options.mask_stopwords else ""
    pattern = re.compile(
        r"\b(" + "|".join(sorted(map(re.escape, words), key=len, reverse=True)) + r")\b", re.IGNORECASE
    )
    return lambda text: re.sub(r"  +", " ", pattern.sub(replacement, text)).strip()


def facts(train: CrystalDataset, encoder: TextEncoder) -> dict[str, Any]:
    """What an artifact has to say about its training set."""
    from pymatgen.core import Element

    # An element of which only estimated gaps were learned is not known: its crystals are to carry a warning.
    known = train.known()
    if not len(known):
        known = np.arange(len(train))
    estimated = len(train) - len(known)
    return {
        "n_rows": len(known),
        "n_described": sum(bool(train.rows[index].description) for index in known),
        **({"n_estimated": estimated} if estimated else {}),
        "max_atoms": int(train.n_atoms[known].max()),
        "median_atoms": float(np.median(train.n_atoms[known])),
        "mean_target": float(train.targets[known].mean()),
        "elements": [Element.from_Z(z).symbol for z in sorted(train.elements(known))],
        "text_encoder": encoder.settings.model_dump(mode="json"),
        "text_encoder_hash": encoder.content_hash,
    }


def _last_checkpoint(options: TrainingOptions, folder: Path) -> dict[str, Any] | None:
    remove_leftovers(folder)
    path = folder / LAST
    if not options.resume:
        return None
    if not path.is_file():
        # A run killed before its first checkpoint resumes from the beginning: that gives the same numbers.
        return None
    content = read_weights_only(path)
    # An option that an older version did not have acted as its default does.
    now, then = options.model_dump(mode="json"), {**TrainingOptions().model_dump(mode="json"), **content["options"]}
    changed = [
        f"--{key} was {then[key]!r}, is {now[key]!r}"
        for key in now
        if key not in FREE_ON_RESUME and then[key] != now[key]
    ]
    if changed:
        raise OptionsError(
            f"{path} was started with other options:\n  "
            + "\n  ".join(changed)
            + "\nRepeat the old ones, or start anew with --resume 0."
        )
    return content


def _list_skipped(splits: Splits, sets: dict[str, CrystalDataset], folder: Path, report: Callable[[str], None]) -> None:
    skipped = [*splits.skipped, *(failure for dataset in sets.values() for failure in dataset.failures)]
    if not skipped:
        return
    folder.mkdir(parents=True, exist_ok=True)
    with (folder / "skipped.csv").open("w", newline="", encoding="utf-8") as table:
        writer = csv.writer(table)
        writer.writerow(["id", "reason"])
        writer.writerows(skipped)
    report(
        f"{len(skipped)} rows were skipped, listed in {folder / 'skipped.csv'}; the first: "
        f"{skipped[0][0]} ({skipped[0][1]})"
    )


def _test(
    folder: Path, name: str, test: CrystalDataset, options: TrainingOptions, report: Callable[[str], None]
) -> None:
    network = read_checkpoint(folder / BEST).network.to(options.device)
    answers = {
        "prediction": predict(network, test, batch_size=options.batch_size),
        "prediction_without_text": predict(network, test, batch_size=options.batch_size, without_text=True),
    }
    columns = {key: answer.gap for key, answer in answers.items()}
    if network.config.facts:
        for key, hidden in (("prediction_known", True), ("prediction_told", False)):
            columns[key] = predict(
                network, test, batch_size=options.batch_size, without_text=hidden, with_facts=True
            ).gap
    if options.censored:
        columns = {key: values.clip(0) for key, values in columns.items()}
    if options.pbe_head != "none":
        columns["pbe_estimate"] = answers["prediction"].pbe_gap
    targets = test.targets if options.threshold is None else (test.targets > options.threshold).astype(np.float32)
    suffixes = {
        "prediction": name,
        "prediction_without_text": f"{name}_without_text",
        "prediction_known": f"{name}_known",
        "prediction_told": f"{name}_told",
    }
    known = ~np.isnan(test.targets)
    results = {
        suffixes[key]: measure(values[known], test.targets[known], threshold=options.threshold)
        for key, values in columns.items()
        if key in suffixes
    }
    write_json(results, folder / f"{name}_metrics.json")
    # The published script's name of the file.
    table_name = "prediction_results_test_set.csv" if name == "test" else f"prediction_results_{name}.csv"
    with (folder / table_name).open("w", newline="", encoding="utf-8") as table:
        writer = csv.writer(table)
        writer.writerow(["id", "target", *columns])
        for row, truth, *values in zip(test.rows, targets, *columns.values(), strict=True):
            writer.writerow([row.id, f"{truth:.6g}", *(f"{value:.6g}" for value in values)])
    for key, metrics in results.items():
        report(f"{key}: " + ", ".join(f"{metric} {value:.4f}" for metric, value in metrics.items()))

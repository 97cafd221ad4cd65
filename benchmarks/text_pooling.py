"""What the default text encoder's choices cost and bring: pooling, storage of the weights, length of the texts.

Ridge regression of the HSE gap from the pooled vector (5 folds, shuffled, penalty chosen inside each fold), the cosine
to the float32 encoder, the time of a text, and how far the vectors move when only the order of floating-point
operations does (ONNX Runtime's graph optimisation off instead of on, a stand-in for another processor).

    python benchmarks/text_pooling.py --rows 600
"""

from __future__ import annotations

import argparse
import gzip
import json
import logging
import re
import shutil
import tempfile
import time
from pathlib import Path

import numpy as np

from hsegap.export.text_encoder import DEFAULT_ENCODER, encoder_folder
from hsegap.text import TextEncoder, TextEncoderSettings

SENTENCE = re.compile(r"(?<=\.)\s+(?=[A-Z(])")


def read_rows(path: Path, n_rows: int, seed: int) -> tuple[list[str], np.ndarray]:
    with gzip.open(path, "rt", encoding="utf-8") as stream:
        rows = [row for row in map(json.loads, stream) if row["description"]]
    chosen = np.random.default_rng(seed).choice(len(rows), min(n_rows, len(rows)), replace=False)
    return [rows[i]["description"] for i in chosen], np.array([rows[i]["hse_gap_ev"] for i in chosen])


def without_lengths(text: str) -> str:
    """Sentences that give no bond length and no angle: those numbers are in the graph already."""
    return " ".join(s for s in SENTENCE.split(text) if "Å" not in s and "°" not in s and "bond length" not in s)


def first_sentences(text: str) -> str:
    return " ".join(SENTENCE.split(text)[:2])


def load(folder: Path, **changes: object) -> TextEncoder:
    settings = TextEncoderSettings.read(folder).model_copy(update={"pooling": "cls", **changes})
    return TextEncoder.load(folder, settings=settings, cache_bytes=0)


def encode(encoder: TextEncoder, texts: list[str]) -> tuple[np.ndarray, np.ndarray, float]:
    """CLS vectors, mean vectors, and the median processor time of a text in ms.

    One thread; other work does not count.
    """
    cls, mean, times = [], [], []
    encoder.encode(texts[0])
    for text in texts:
        start = time.thread_time()
        hidden = encoder.encode(text)
        times.append(time.thread_time() - start)
        cls.append(hidden[0])
        mean.append(hidden.mean(axis=0))
    return np.array(cls), np.array(mean), 1e3 * float(np.median(times))


def ridge(features: np.ndarray, gaps: np.ndarray) -> np.ndarray:
    """Predictions of the left-out folds, eV."""
    from sklearn.linear_model import RidgeCV
    from sklearn.model_selection import KFold, cross_val_predict
    from sklearn.pipeline import make_pipeline
    from sklearn.preprocessing import StandardScaler

    model = make_pipeline(StandardScaler(), RidgeCV(np.logspace(0, 5, 16)))
    return cross_val_predict(model, features, gaps, cv=KFold(5, shuffle=True, random_state=0))


def report(label: str, features: np.ndarray, gaps: np.ndarray, extra: str = "") -> None:
    predicted = ridge(features, gaps)
    r2 = 1 - np.mean((predicted - gaps) ** 2) / np.var(gaps)
    print(f"{label:<44} MAE {np.abs(predicted - gaps).mean():.3f} eV   R2 {r2:.3f}   {extra}", flush=True)


def dynamic_int8(source: Path, target: Path) -> Path:
    """The alternative that was not taken: ONNX Runtime's dynamic quantisation, activations included."""
    from onnxruntime.quantization import QuantType, quantize_dynamic

    shutil.copytree(source, target)
    logging.getLogger().setLevel(logging.ERROR)  # its advice on pre-processing is about other graphs
    quantize_dynamic(
        source / "text_encoder.onnx", target / "text_encoder.onnx", per_channel=True, weight_type=QuantType.QInt8
    )
    return target


def moved(folder: Path, texts: list[str]) -> str:
    """Relative change of the mean vector when the graph optimisations are off."""
    import onnxruntime as ort
    from tokenizers import Tokenizer

    levels = (ort.GraphOptimizationLevel.ORT_ENABLE_ALL, ort.GraphOptimizationLevel.ORT_DISABLE_ALL)
    sessions = []
    for level in levels:
        options = ort.SessionOptions()
        options.graph_optimization_level = level
        options.intra_op_num_threads = 1
        options.log_severity_level = 3
        sessions.append(ort.InferenceSession(folder / "text_encoder.onnx", options, providers=["CPUExecutionProvider"]))
    encoder = load(folder)
    tokenizer = Tokenizer.from_file(str(folder / "tokenizer.json"))
    tokenizer.enable_truncation(max_length=encoder.max_tokens)
    changes = []
    for text in texts:
        ids = np.array([tokenizer.encode(encoder.normalise(text)).ids])
        feeds = {"input_ids": ids, "attention_mask": np.ones_like(ids)}
        on, off = (session.run(None, feeds)[0][0].mean(axis=0) for session in sessions)
        changes.append(np.linalg.norm(on - off) / np.linalg.norm(on))
    return f"largest relative change {max(changes):.1e}"


def cosine(a: np.ndarray, b: np.ndarray) -> float:
    return float(((a * b).sum(1) / np.linalg.norm(a, axis=1) / np.linalg.norm(b, axis=1)).mean())


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data", type=Path, default=Path("../shared/data/hse/train.jsonl.gz"))
    parser.add_argument("--rows", type=int, default=600)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--cache", type=Path, default=Path(".cache/text_encoder"))
    arguments = parser.parse_args()

    texts, gaps = read_rows(arguments.data, arguments.rows, arguments.seed)
    print(f"{len(texts)} descriptions; predicting the mean gap: MAE {np.abs(gaps - gaps.mean()).mean():.3f} eV\n")
    with tempfile.TemporaryDirectory() as scratch:
        plain = encoder_folder(DEFAULT_ENCODER, arguments.cache, quantise=False)
        folders = {
            "float32": plain,
            "integer weights": encoder_folder(DEFAULT_ENCODER, arguments.cache),
            "integer weights and activations": dynamic_int8(plain, Path(scratch) / "dynamic"),
        }
        print("storage and pooling (256 tokens)")
        means: dict[str, np.ndarray] = {}
        for label, folder in folders.items():
            cls, mean, milliseconds = encode(load(folder), texts)
            means[label] = mean
            reference = means["float32"]
            size = (folder / "text_encoder.onnx").stat().st_size / 1e6
            report(f"{label}, cls", cls, gaps)
            report(
                f"{label}, mean",
                mean,
                gaps,
                f"cosine {cosine(mean, reference):.4f}   {milliseconds:.0f} ms   {size:.0f} MB",
            )
            print(f"{'':<44} {moved(folder, texts[:20])}")
    folder = folders["integer weights"]
    print("\nlength and content (integer weights, mean)")
    whole = load(folder)
    cut_share = sum(whole.truncated(text) for text in texts) / len(texts)
    print(f"{cut_share:.0%} of the texts have more than 256 tokens")
    report("whole text, 256 tokens", means["integer weights"], gaps, "as above")
    for tokens in (64, 128, 512):
        _, mean, milliseconds = encode(load(folder, max_tokens=tokens), texts)
        report(f"whole text, {tokens} tokens", mean, gaps, f"{milliseconds:.0f} ms")
    for label, cut in (
        ("sentences without lengths and angles", without_lengths),
        ("first two sentences", first_sentences),
    ):
        shortened = [cut(text) for text in texts]
        _, mean, milliseconds = encode(load(folder), shortened)
        report(f"{label}, 256 tokens", mean, gaps, f"{milliseconds:.0f} ms")


if __name__ == "__main__":
    main()

#!/usr/bin/env python3
"""Train the crystal-text network: flags in, ``training/`` does the work. ``--help`` lists every flag and its default."""

from __future__ import annotations

import os
import sys
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from text import TextEncoder
    from training.options import TrainingOptions


def main() -> int:
    """Run one training; 0 when done, 2 when options or data cannot be used."""
    from training.data import check_source
    from training.errors import DataError
    from training.options import OptionsError, parse_options

    try:
        # Before torch is loaded, so that help, a mistyped flag and a wrong folder answer at once.
        options = parse_options()
        check_source(options)
    except (OptionsError, DataError) as error:
        return fail(str(error))

    from models import CheckpointError
    from text import TextEncoderError
    from training.memory import keep_memory
    from training.run import run_training

    keep_memory()
    try:
        folder = run_training(options, load_encoder=load_encoder, report=lambda line: print(line, flush=True))
    except (OptionsError, DataError, TextEncoderError, CheckpointError) as error:
        return fail(str(error))
    except KeyboardInterrupt:
        return fail("stopped; continue with --resume 1")
    print(f"results in {folder}")
    return 0


def load_encoder(options: TrainingOptions) -> TextEncoder:
    """The exported encoder that serves is the one that training reads with."""
    from export.text_encoder import encoder_folder
    from text import TextEncoder

    name = options.text_encoder
    if not (Path(name) / "text_encoder.onnx").is_file():
        name = str(encoder_folder(name, Path(options.cache_dir) / "text_encoder"))
    return TextEncoder.load(name, intra_op_num_threads=os.cpu_count() or 1)


def fail(message: str) -> int:
    """Print a message for the user and give the exit code."""
    sys.stderr.write(f"error: {message}\n")
    return 2


if __name__ == "__main__":
    sys.exit(main())

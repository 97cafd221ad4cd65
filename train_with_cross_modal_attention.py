#!/usr/bin/env python3
"""Train the crystal-text network: flags in, ``training/`` does the work. ``--help`` lists every flag and its default."""

from __future__ import annotations

import os
import sys
from pathlib import Path


def main() -> int:
    """Run one training; 0 when done, 2 when options or data cannot be used."""
    from export.text_encoder import encoder_folder
    from models import CheckpointError
    from text import TextEncoder, TextEncoderError
    from training.data import DataError
    from training.memory import keep_memory
    from training.options import OptionsError, TrainingOptions, parse_options
    from training.run import fail, run_training

    def load_encoder(options: TrainingOptions) -> TextEncoder:
        """The exported encoder that serves is the one that training reads with."""
        name = options.text_encoder
        if (Path(name) / "text_encoder.onnx").is_file():
            return TextEncoder.load(name, intra_op_num_threads=os.cpu_count() or 1)
        return TextEncoder.load(encoder_folder(name, Path(options.cache_dir) / "text_encoder"), intra_op_num_threads=os.cpu_count() or 1)

    keep_memory()
    try:
        folder = run_training(parse_options(), load_encoder=load_encoder, report=lambda line: print(line, flush=True))
    except (OptionsError, DataError, TextEncoderError, CheckpointError) as error:
        return fail(str(error))
    except KeyboardInterrupt:
        return fail("stopped; continue with --resume 1")
    print(f"results in {folder}")
    return 0


if __name__ == "__main__":
    sys.exit(main())

#!/usr/bin/env python3
"""Train the crystal-text network: flags in, ``training/`` does the work.

``--help`` lists every flag and its default.
"""

from __future__ import annotations

import sys


def main() -> int:
    """Run one training; 0 when done, 2 when options or data cannot be used."""
    from hsegap.errors import HsegapError
    from hsegap.training.data import check_source
    from hsegap.training.flags import parse_options

    try:
        # Before torch is loaded, so that help, a mistyped flag and a wrong folder answer at once.
        options = parse_options()
        check_source(options)
    except HsegapError as error:
        return fail(str(error))

    from hsegap.export.encoder_choice import load_training_encoder
    from hsegap.training.memory import keep_memory
    from hsegap.training.run import run_training

    keep_memory()
    try:
        folder = run_training(options, load_encoder=load_training_encoder, report=lambda line: print(line, flush=True))
    except HsegapError as error:
        return fail(str(error))
    except KeyboardInterrupt:
        return fail("stopped; continue with --resume 1")
    print(f"results in {folder}")
    return 0


def fail(message: str) -> int:
    """Print a message for the user and give the exit code."""
    sys.stderr.write(f"error: {message}\n")
    return 2


if __name__ == "__main__":
    sys.exit(main())

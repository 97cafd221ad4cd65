"""The command line of ``train_with_cross_modal_attention.py``, made of the options' fields."""

from __future__ import annotations

import argparse
from typing import Any, Literal, get_args, get_origin

from hsegap.training.options import TrainingOptions, options_from, read_option_file


def _word(value: str) -> bool:
    """Read a boolean word.

    Raises:
        argparse.ArgumentTypeError: For any other word.
    """
    word = value.strip().lower()
    if word in {"true", "yes", "1", "t", "y", "on"}:
        return True
    if word in {"false", "no", "0", "f", "n", "off"}:
        return False
    raise argparse.ArgumentTypeError(f"expected True or False (yes/no, 1/0), not {value!r}")


def build_parser() -> argparse.ArgumentParser:
    """The command line: the published flags, then the options we had to add."""
    parser = argparse.ArgumentParser(
        prog="train_with_cross_modal_attention.py",
        usage="%(prog)s [--FLAG VALUE]...",
        description="Train the crystal-text network.",
        epilog="Example: python train_with_cross_modal_attention.py --root_dir ./data --property hse_bandgap-2 "
        "--use_middle_fusion True --use_improved_middle_fusion True --epochs 100. "
        "Booleans are words: True/False, yes/no, 1/0.",
        formatter_class=argparse.ArgumentDefaultsHelpFormatter,
        allow_abbrev=False,
    )
    groups = {
        "published": parser.add_argument_group("published flags"),
        "added": parser.add_argument_group("options added by hsegap"),
    }
    for name, info in TrainingOptions.model_fields.items():
        extra = info.json_schema_extra
        group = groups[str(extra["group"])] if isinstance(extra, dict) else groups["added"]
        kind: Any = info.annotation
        kinds = [part for part in get_args(kind) if part is not type(None)] if type(None) in get_args(kind) else [kind]
        kind = kinds[0]
        settings: dict[str, Any] = {"help": info.description, "default": argparse.SUPPRESS}
        if get_origin(kind) is Literal:
            settings |= {"choices": get_args(kind), "type": str}
        else:
            settings |= {
                "type": _word if kind is bool else kind,
                "metavar": {bool: "BOOL", int: "N", float: "X"}.get(kind, "TEXT"),
            }
        # Defaults are shown, yet absent flags must stay absent so that --config_file can speak for them.
        settings["help"] = f"{info.description} (default: {info.default})"
        group.add_argument(f"--{name}", **settings)
    parser.formatter_class = argparse.HelpFormatter
    return parser


def parse_options(arguments: list[str] | None = None) -> TrainingOptions:
    """Read the command line and the file it may name.

    Raises:
        OptionsError: If values or their combination cannot work; one line per reason.
    """
    given = vars(build_parser().parse_args(arguments))
    if given.get("config_file"):
        given = {**read_option_file(given["config_file"]), **given}
    return options_from(given)

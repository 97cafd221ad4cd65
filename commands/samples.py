"""What commands print, in the documents: `python -m hsegap.commands.samples README.md docs/*.md` writes it anew.

A block of text is a sample where the line above it is ``<!-- shows: hsegap … -->``. Tests compare all samples with what
the commands print now, times aside. Run from the repository's root, whose example files the commands name.
"""

from __future__ import annotations

import os
import re
import shlex
import subprocess
import sys
from pathlib import Path

SAMPLE = re.compile(r"(<!-- shows: (hsegap [^\n]+?) -->\n```(?:text|json)\n)(.*?)(```)", re.DOTALL)
#: What differs from run to run: milliseconds, and rates of a run.
TIMES = re.compile(r"[\d.]+ (ms|s\b|crystals/s)|\b(read|graph|network|text|describe|total)\"?:? [\d.]+|\d\d:\d\d:\d\d")
#: Numbers that JSON gives in full: their last digits are the processor's.
LONG = re.compile(r"\d+\.\d{4,}")


def printed(command: str) -> str:
    """Standard output of a command that is run in a terminal of 80 columns."""
    words = shlex.split(command)
    done = subprocess.run(
        [sys.executable, "-m", "hsegap.cli", *words[1:]],
        capture_output=True,
        text=True,
        check=False,
        env={**os.environ, "COLUMNS": "80", "NO_COLOR": "1", "TERM": "dumb"},
    )
    lines = [line.rstrip() for line in done.stdout.splitlines()]
    return "\n".join(lines).strip("\n") + "\n"


def without_times(text: str) -> str:
    """A sample as it is compared: times taken out with the padding that depends on them, long numbers rounded."""
    rounded = LONG.sub(lambda found: f"{float(found[0]):.3f}", TIMES.sub("·", text))
    return re.sub(r"[ ─]+", " ", rounded).replace(" │", "")


def samples(page: str) -> list[tuple[str, str]]:
    """The commands of a page's samples, each with what the page shows."""
    return [(found[2], found[3]) for found in SAMPLE.finditer(page)]


def renewed(page: str) -> str:
    """The page with each sample as it is printed now."""
    return SAMPLE.sub(lambda found: f"{found[1]}{printed(found[2])}{found[4]}", page)


if __name__ == "__main__":
    for name in sys.argv[1:]:
        place = Path(name)
        old = place.read_text(encoding="utf-8")
        new = renewed(old)
        if new != old:
            place.write_text(new, encoding="utf-8")
            print(f"{name}: samples written anew")

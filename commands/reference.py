"""docs/cli.md from the commands' own help, so that the page cannot say anything else.

`python -m hsegap.commands.reference docs/cli.md`.
"""

from __future__ import annotations

import contextlib
import io
import sys
from pathlib import Path

INTRODUCTION = """# The `hsegap` command

Each section is what `hsegap COMMAND --help` prints; `make docs` writes this page and a test keeps it so.

Answers go to standard output, everything else (progress, notes, what a library has to say) to standard error, so
`--json` can be piped as it is.

| exit status | meaning |
|---|---|
| 0 | every input was answered, every row is ok |
| 1 | at least one was not: an error with `code`, `message` and `hint` takes its place; or the command could not work |
| 2 | the command line was not understood, or its options contradict each other |

`hsegap score` that was interrupted ends with 128 and the signal's number: 130 after Ctrl-C, 143 after SIGTERM.

Atoms are numbered from 0, in tables as in JSON, CSV and on the page, and as in pymatgen and ASE.

`hsegap --install-completion` lets the Tab key complete commands, options and their values (bash, zsh, fish), from the
next shell on.

"""
#: Width of the help in the page; a terminal's own width is used there.
WIDTH = 100


def page() -> str:
    """The whole page, as Markdown."""
    import typer

    from hsegap import cli

    commands = sorted(
        command.name or command.callback.__name__ for command in cli.app.registered_commands if command.callback
    )
    group = typer.main.get_command(cli.app)
    sections = []
    for name in ("", *commands):
        words = [name] if name else []
        text = io.StringIO()
        with contextlib.redirect_stdout(text), contextlib.suppress(SystemExit):
            group.main([*words, "--help"], prog_name="hsegap", terminal_width=WIDTH)
        title = " ".join(["hsegap", *words])
        sections.append(f"## `{title}`\n\n```text\n{text.getvalue().strip()}\n```\n")
    return "\n".join([INTRODUCTION, *sections])


if __name__ == "__main__":
    Path(sys.argv[1]).write_text(page(), encoding="utf-8")

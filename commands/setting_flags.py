"""The server's settings as flags of `hsegap serve`, made from the one table of them when that command is used."""

from __future__ import annotations

from inspect import Parameter, Signature
from typing import Annotated, Any

import typer
from typer.core import TyperCommand

#: What `hsegap serve` has options of its own for, and a key in plain text, which every user of the machine would see in
#: the process list.
ELSEWHERE = frozenset({"artifact", "workers", "page", "token"})
_KEPT = "hsegap.settings"


def given(context: Any) -> dict[str, str]:
    """The settings that were given as flags, as the environment would hold them.

    Args:
        context: Of the command.
    """
    found: dict[str, str] = context.meta.get(_KEPT, {})
    return found


class WithSettings(TyperCommand):
    """A command with a flag for each setting."""

    def get_params(self, ctx: Any) -> list[Any]:
        """The command's own parameters, then the settings'."""
        *own, helping = super().get_params(ctx)
        return [*own, *_flags(), helping]


def _keep(context: Any, option: Any, value: Any) -> None:
    if value is not None:
        text = str(int(value)) if isinstance(value, bool) else str(value)
        context.meta.setdefault(_KEPT, {})[f"HSEGAP_{option.name.upper()}"] = text


def _flags() -> list[Any]:
    """An option per setting, made by typer from a function that takes them all."""
    from hsegap.service.settings import Settings

    scratch = typer.Typer(add_completion=False)

    def takes_all(**_: Any) -> None:
        """Only its parameters are of use."""

    annotations: dict[str, Any] = {}
    for name, field in Settings.model_fields.items():
        if name not in ELSEWHERE:
            annotations[name] = _annotation(name, field.default, field.description or "")
    parameters = [
        Parameter(name, Parameter.KEYWORD_ONLY, default=None, annotation=kind) for name, kind in annotations.items()
    ]
    takes_all.__signature__ = Signature(parameters)  # type: ignore[attr-defined]  # what inspect looks for
    takes_all.__annotations__ = annotations
    scratch.command()(takes_all)
    flags: list[Any] = typer.main.get_command(scratch).params
    for flag in flags:
        flag.callback, flag.expose_value = _keep, False
    return flags


def _annotation(name: str, default: Any, description: str) -> Any:
    flag = "--" + name.replace("_", "-")
    if isinstance(default, bool):
        option = typer.Option(
            f"{flag}/--no-{flag[2:]}", help=f"{description} [{'on' if default else 'off'}]", show_default=False
        )
        return Annotated[bool | None, option]
    is_number = isinstance(default, int | float)
    shown = f" [{default}]" if is_number else ""
    option = typer.Option(
        flag,
        metavar="N" if is_number else "LIST" if default == () else "TEXT",
        help=description + shown,
        show_default=False,
    )
    return Annotated[str | None, option]

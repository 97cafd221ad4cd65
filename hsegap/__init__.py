"""HSE06 band gaps of crystals in milliseconds, from a structure and a text description.

    >>> import hsegap
    >>> hsegap.predict("examples/GaAs.cif").gap_ev
    >>> hsegap.predict(["examples/GaAs.cif", structure, atoms])  # a table
    >>> hsegap.load("my-artifact").predict("examples/GaAs.cif")

The rooms of the repository are this package's subpackages: ``structures/`` is ``hsegap.structures`` and so on.
Importing this file loads none of them.
"""

from __future__ import annotations

from importlib import import_module
from pathlib import Path
from typing import TYPE_CHECKING, Any

from hsegap.quiet import stay_quiet

if TYPE_CHECKING:
    from hsegap.api import load, predict
    from hsegap.errors import HsegapError

__version__ = "0.6.0"
__all__ = ["HsegapError", "__version__", "load", "predict"]

_HERE = Path(__file__).resolve().parent
# An installed package holds its rooms; in a checkout, and in a bento made of one, they are the folders beside this one.
if not (_HERE / "structures").is_dir():
    __path__.append(str(_HERE.parent))

stay_quiet()

_HOMES = {"HsegapError": "errors", "load": "api", "predict": "api"}


def __getattr__(name: str) -> Any:
    """Load a public name from the file it lives in."""
    if name not in _HOMES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(import_module(f"{__name__}.{_HOMES[name]}"), name)


def __dir__() -> list[str]:
    """Public names, those not yet loaded included."""
    return sorted({*globals(), *__all__})

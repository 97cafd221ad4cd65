"""The package's public functions: crystals answered by the default model, and a model of one's own loaded."""

from __future__ import annotations

import atexit
import threading
from typing import TYPE_CHECKING, Any, overload

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    import numpy as np
    import pandas as pd

    from hsegap.prediction.errors import Failure
    from hsegap.python.model import Labelled, Model
    from hsegap.python.results import Result

_lock = threading.Lock()
_shared: list[Model] = []


def load(path: str | Path | None = None, *, workers: int | None = None) -> Model:
    """Load a model.

    Args:
        path: Artifact folder, as `hsegap export` writes it; None takes the one ``HSEGAP_ARTIFACT`` names, else the
            shipped one.
        workers: Most processes that read structures; None takes the processors that this process may use, four at most.

    Returns:
        A model: ``model.predict`` is :func:`predict` with it. It owns processes that read structures, which end with
        ``close()``, with the ``with`` block, or with this process.

    Raises:
        HsegapError: If the artifact must not be used.
    """
    from hsegap.python.model import Model

    return Model.load(path, workers=workers)


@overload
def predict(
    structure: Iterator[Any],
    description: Any = None,
    *,
    pbe_gap_ev: Any = None,
    describe: bool = False,
    atoms: bool | None = None,
) -> Iterator[Result | Failure]: ...
@overload
def predict(
    structure: list[Any] | tuple[Any, ...] | Labelled | np.ndarray,
    description: Any = None,
    *,
    pbe_gap_ev: Any = None,
    describe: bool = False,
    atoms: bool | None = None,
) -> pd.DataFrame: ...
@overload
def predict(
    structure: Any,
    description: str | None = None,
    *,
    pbe_gap_ev: float | None = None,
    describe: bool = False,
    atoms: bool | None = None,
) -> Result: ...
def predict(
    structure: Any,
    description: Any = None,
    *,
    pbe_gap_ev: Any = None,
    describe: bool = False,
    atoms: bool | None = None,
) -> Result | pd.DataFrame | Iterator[Result | Failure]:
    """Predict the HSE06 band gap of one crystal, of a list of them, or of a stream.

    The default model answers; it is loaded once and kept.

    Args:
        structure: A path, the text of a structure file (CIF, POSCAR, extended XYZ, pymatgen JSON, JARVIS Atoms JSON), a
            pymatgen ``Structure``, ASE or JARVIS ``Atoms`` or the dictionary of one; or a list, Series or array of
            those; or an iterator. A string of one line is a path.
        description: What is known about the crystal, in words; None predicts from the structure alone. One text for
            all, or one for each.
        pbe_gap_ev: Its PBE band gap in eV where it is known. One value for all, or one for each.
        describe: Generate a description where none is given (seconds per crystal).
        atoms: With the per-atom values. Left out: yes for one crystal and for an iterator, no for a table.

    Returns:
        For one crystal its result: ``gap_ev`` and ``interval_ev`` in eV, per-atom values, warnings. For a list, a
        Series or an array a ``DataFrame`` with one row each, where a crystal that fails has ``status`` "error". For an
        iterator an iterator of results, where a crystal that fails gives a ``Failure`` with ``.error``.

    Raises:
        HsegapError: If there is no answer for the one crystal, with the code, message and hint that the HTTP API gives;
            if descriptions or gaps are not as many as the crystals; or if the artifact must not be used.
    """
    return _default().predict(structure, description, pbe_gap_ev=pbe_gap_ev, describe=describe, atoms=atoms)


def _default() -> Model:
    """The default model, loaded on first use."""
    with _lock:
        if not _shared:
            _shared.append(load())
            atexit.register(_shared[0].close)
        return _shared[0]

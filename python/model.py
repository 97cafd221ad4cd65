"""A model in a Python session: one crystal, a table of them, or a stream goes in.

Results, a frame or a stream comes out.
"""

from __future__ import annotations

import math
import os
from collections import deque
from collections.abc import Iterator
from itertools import repeat
from typing import TYPE_CHECKING, Any, Protocol, Self, overload

from hsegap.errors import HsegapError
from hsegap.prediction.errors import Failure
from hsegap.prediction.schemas import Prediction, PredictRequest
from hsegap.python.objects import is_one, source_of
from hsegap.python.results import Result

if TYPE_CHECKING:
    from collections.abc import Iterable
    from pathlib import Path

    import numpy as np
    import pandas as pd

    from hsegap.artifact.artifact import Artifact
    from hsegap.prediction.predictor import Predictor


class Labelled(Protocol):
    """A pandas Series, by what tells it from other things."""

    iloc: Any

    def __iter__(self) -> Iterator[Any]:
        """Its values."""
        ...


class Model:
    """An artifact, ready to predict.

    It owns processes that read structures, which end with ``close()``, with the ``with`` block, or with this process.

    Args:
        predictor: Of the artifact.
    """

    def __init__(self, predictor: Predictor) -> None:
        self.predictor = predictor

    @classmethod
    def load(cls, path: str | Path | None = None, *, workers: int | None = None) -> Self:
        """Load an artifact; see :func:`hsegap.load`.

        Args:
            path: Its folder; None takes the default one.
            workers: Most processes that read structures; None takes the processors that this process may use, four at
                most.

        Raises:
            HsegapError: If it must not be used.
        """
        from hsegap.artifact.artifact import Artifact
        from hsegap.prediction.predictor import Predictor
        from hsegap.processors import usable_processors

        return cls(
            Predictor(
                Artifact.load(path),
                workers=workers or min(usable_processors(), 4),
                threads_alone=usable_processors(),
                remember_descriptions=True,
            )
        )

    @property
    def artifact(self) -> Artifact:
        """The artifact, with its manifest."""
        return self.predictor.artifact

    @overload
    def predict(
        self,
        structure: Iterator[Any],
        description: Any = None,
        *,
        pbe_gap_ev: Any = None,
        describe: bool = False,
        atoms: bool | None = None,
    ) -> Iterator[Result | Failure]: ...
    @overload
    def predict(
        self,
        structure: list[Any] | tuple[Any, ...] | Labelled | np.ndarray,
        description: Any = None,
        *,
        pbe_gap_ev: Any = None,
        describe: bool = False,
        atoms: bool | None = None,
    ) -> pd.DataFrame: ...
    @overload
    def predict(
        self,
        structure: Any,
        description: str | None = None,
        *,
        pbe_gap_ev: float | None = None,
        describe: bool = False,
        atoms: bool | None = None,
    ) -> Result: ...
    def predict(
        self,
        structure: Any,
        description: Any = None,
        *,
        pbe_gap_ev: Any = None,
        describe: bool = False,
        atoms: bool | None = None,
    ) -> Result | pd.DataFrame | Iterator[Result | Failure]:
        """Predict the HSE06 band gap of one crystal, of a list of them, or of a stream.

        Args:
            structure: A path, the text of a structure file, a pymatgen ``Structure``, ASE or JARVIS ``Atoms`` or the
                dictionary of one; or a list, Series or array of those; or an iterator. A string of one line is a path.
            description: What is known about the crystal, in words; None predicts from the structure alone. One for all,
                or one for each.
            pbe_gap_ev: Its PBE band gap in eV where it is known. One value for all, or one for each.
            describe: Generate a description where none is given (seconds per crystal).
            atoms: With the per-atom values. Left out: yes for one crystal and for an iterator, no for a table.

        Returns:
            For one crystal its result. For a list, a Series or an array a ``DataFrame`` with one row each in the same
            order (and with the Series's index), by the columns of `hsegap score`; a crystal that fails has ``status``
            "error" and costs its own row only. For an iterator an iterator of results, read as they are asked for; a
            crystal that fails gives a ``Failure`` with ``.error``.

        Raises:
            HsegapError: If there is no answer for the one crystal, with the code, message and hint that the HTTP API
                gives; or if descriptions or gaps are not as many as the crystals.
        """
        if is_one(structure):
            request = self._request(structure, description, pbe_gap_ev, describe=describe)[0]
            [answer] = self.predictor.predict([request])
            return _one(answer, structure, atoms=atoms is not False)
        if isinstance(structure, Iterator):
            return self._stream(structure, description, pbe_gap_ev, describe=describe, atoms=atoms is not False)
        if (
            isinstance(structure, str | bytes)
            or not hasattr(structure, "__iter__")
            or not hasattr(structure, "__len__")
        ):
            source_of(structure)  # says what is wrong with it
        for name, values in (("descriptions", description), ("PBE gaps", pbe_gap_ev)):
            if _is_several(values) and hasattr(values, "__len__") and len(values) != len(structure):
                message = f"There are {len(structure)} crystals but {len(values)} {name}."
                raise HsegapError(
                    "invalid_request", message, "Give one for each (None where there is none), or one for all."
                )
        from hsegap.python.frames import frame_of

        answers = self._stream(iter(structure), description, pbe_gap_ev, describe=describe, atoms=bool(atoms))
        return frame_of(answers, names=_names(structure), index=getattr(structure, "index", None), atoms=bool(atoms))

    def _stream(
        self, structures: Iterator[Any], description: Any, pbe_gap_ev: Any, *, describe: bool, atoms: bool
    ) -> Iterator[Result | Failure]:
        """Answers in order; inputs are taken a little ahead of the answer whose turn it is."""
        names: deque[str | None] = deque()

        def requests() -> Iterator[PredictRequest | Failure]:
            for one, text, gap in _together(structures, description, pbe_gap_ev):
                try:
                    request, name = self._request(one, text, gap, describe=describe)
                except HsegapError as error:
                    request, name = Failure.of(error), None
                names.append(name)
                yield request

        for answer in self.predictor.predict_iter(requests()):
            name = names.popleft()
            yield Result.of(answer, name=name, atoms=atoms) if isinstance(answer, Prediction) else answer

    @staticmethod
    def _request(
        one: Any, description: Any, pbe_gap_ev: Any, *, describe: bool
    ) -> tuple[PredictRequest | Failure, str | None]:
        """A request and the crystal's name.

        Raises:
            HsegapError: For what is no crystal, or breaks a bound.
        """
        from pydantic import ValidationError

        if isinstance(one, PredictRequest):
            return one, None
        source = source_of(one)
        asked: dict[str, Any] = {"structure": source.text, "format": source.format, "describe": describe, "atoms": True}
        if not _is_missing(description):
            asked["description"] = description
        if not _is_missing(pbe_gap_ev):
            asked["known"] = {"pbe_gap_ev": float(pbe_gap_ev) if hasattr(pbe_gap_ev, "__float__") else pbe_gap_ev}
        try:
            return PredictRequest.model_validate(asked), source.name
        except ValidationError as error:
            failure = Failure.from_validation(error)
            raise HsegapError(failure.error.code, failure.error.message, failure.error.hint) from None

    def close(self) -> None:
        """End the processes."""
        self.predictor.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def __repr__(self) -> str:
        return f"<hsegap model {self.artifact.manifest.name} {self.artifact.manifest.version}>"


def _one(answer: Prediction | Failure, structure: Any, *, atoms: bool) -> Result:
    """The result of one crystal.

    Raises:
        HsegapError: If it has none.
    """
    if isinstance(answer, Failure):
        raise HsegapError(answer.error.code, answer.error.message, answer.error.hint)
    return Result.of(answer, name=_name(structure), atoms=atoms)


def _name(structure: Any) -> str | None:
    """The path that a crystal was given by; None for a text or an object."""
    if isinstance(structure, str) and len(structure.strip().splitlines()) != 1:
        return None
    return (
        os.fspath(structure)
        if isinstance(structure, str | os.PathLike) and not str(structure).lstrip().startswith("{")
        else None
    )


def _names(structures: Iterable[Any]) -> list[str | None]:
    return [_name(one) for one in structures]


def _is_several(values: Any) -> bool:
    """Whether there is one value per crystal."""
    return hasattr(values, "__iter__") and not isinstance(values, str)


def _is_missing(value: Any) -> bool:
    """None, or what pandas has in its place."""
    return (
        value is None
        or (isinstance(value, float) and math.isnan(value))
        or type(value).__name__ in {"NAType", "NaTType"}
    )


def _together(structures: Iterator[Any], description: Any, pbe_gap_ev: Any) -> Iterator[tuple[Any, Any, Any]]:
    """Each crystal with its own text and gap.

    Raises:
        HsegapError: ``invalid_request`` if they are not as many.
    """
    texts = iter(description) if _is_several(description) else repeat(description)
    gaps = iter(pbe_gap_ev) if _is_several(pbe_gap_ev) else repeat(pbe_gap_ev)
    end = object()
    for one in structures:
        text, gap = next(texts, end), next(gaps, end)
        if text is end or gap is end:
            raise HsegapError(
                "invalid_request",
                "There are more crystals than descriptions or PBE gaps.",
                "Give one for each, or one for all.",
            )
        yield one, text, gap

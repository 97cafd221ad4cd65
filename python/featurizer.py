"""The gap as a feature, for matminer: ``GapFeaturizer().featurize_dataframe(frame, "structure")``.

Needs the extra `describe`.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
from matminer.featurizers.base import BaseFeaturizer

from hsegap.errors import HsegapError
from hsegap.prediction.errors import Failure
from hsegap.python.model import Model

if TYPE_CHECKING:
    from collections.abc import Sequence

#: What is given of each crystal, as columns of the frame.
LABELS = ("hse_gap_ev", "hse_gap_low_ev", "hse_gap_high_ev")


class GapFeaturizer(BaseFeaturizer):
    """Predicted HSE06 gap and the ends of its interval, eV.

    Of a pymatgen ``Structure``, or whatever :func:`hsegap.predict` takes.

    Args:
        model: From :func:`hsegap.load`; None takes the default one.
    """

    def __init__(self, model: Model | None = None) -> None:
        super().__init__()
        self._model = model
        self.set_n_jobs(1)  # the model has processes of its own

    def featurize(self, structure: Any) -> list[float]:
        """Features of one crystal, in the order of :meth:`feature_labels`.

        Raises:
            HsegapError: If it cannot be predicted.
        """
        return self.featurize_many([structure])[0]

    def featurize_many(
        self,
        entries: Sequence[Any],
        ignore_errors: bool = False,
        return_errors: bool = False,
        pbar: bool | dict[str, Any] = True,  # noqa: ARG002 - matminer's signature
    ) -> list[list[Any]]:
        """Features of many crystals.

        Args:
            entries: The crystals, each bare or in a list of one, as matminer hands the columns of a frame over.
            ignore_errors: Give NaN for a crystal that fails.
            return_errors: Append the error of each, None where there is none.
            pbar: Not used: there is no progress bar.

        Raises:
            HsegapError: If one cannot be predicted and errors are not ignored.
        """
        bare = [entry[0] if isinstance(entry, list | tuple | np.ndarray) else entry for entry in entries]
        if self._model is None:
            self._model = Model.load()
        rows: list[list[Any]] = []
        for answer in self._model.predict(iter(bare), atoms=False):
            if isinstance(answer, Failure):
                if not ignore_errors:
                    raise HsegapError(answer.error.code, answer.error.message, answer.error.hint)
                row, said = [float("nan")] * len(LABELS), f"{answer.error.code}: {answer.error.message}"
            else:
                low, high = answer.interval_ev or (float("nan"), float("nan"))
                row, said = [answer.gap_ev, low, high], None
            rows.append([*row, said] if return_errors else row)
        return rows

    def feature_labels(self) -> list[str]:
        """Names of the features."""
        return list(LABELS)

    def citations(self) -> list[str]:
        """Nothing beside hsegap itself has to be cited; the model card names the data."""
        return []

    def implementors(self) -> list[str]:
        """Who wrote it."""
        return ["hsegap"]

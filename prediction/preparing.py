"""The first part of a prediction.

A structure is read in a process that may be killed, its text found or made and encoded.
"""

from __future__ import annotations

import time
from dataclasses import replace
from typing import TYPE_CHECKING, Literal

from hsegap.prediction.errors import Failure
from hsegap.prediction.known import gather
from hsegap.prediction.messages import DescribeAnswer, Job, ReadAnswer
from hsegap.prediction.network import NetworkInput
from hsegap.prediction.prepared import Prepared
from hsegap.prediction.schemas import DescribeRequest, Description, GeneratedDescription, PredictRequest, Timings, Warn
from hsegap.text.language import is_english

if TYPE_CHECKING:
    import threading
    from collections.abc import Iterator

    from hsegap.artifact import Artifact
    from hsegap.prediction.loaded import Loaded
    from hsegap.prediction.workers import WorkerPool

_NOT_ENGLISH = (
    "The description is not in English, the one language that the text encoder was trained on: do not trust its effect."
)
#: Strains of the lattice between which the sensitivity of a gap is reported.
SENSITIVITY_STRAINS = (-0.01, 0.01)


class Preparer:
    """Makes requests ready for the network, and describes crystals.

    Args:
        loaded: Encodes texts.
        readers: Processes that read structures and build graphs.
        describers: Processes that describe structures.
    """

    def __init__(self, loaded: Loaded, *, readers: WorkerPool, describers: WorkerPool) -> None:
        self._artifact: Artifact = loaded.artifact
        self._loaded = loaded
        self._readers = readers
        self._describers = describers

    def prepare(
        self,
        request: PredictRequest,
        *,
        index: int | None,
        expires_at: float,
        abandoned: threading.Event | None = None,
        patient: bool | None = False,
    ) -> Prepared | Failure:
        """Read a crystal and encode its text.

        Args:
            request: The crystal.
            index: Its place in a batch; None for a single request.
            expires_at: Moment (``time.monotonic``) after which nobody waits for it any more.
            abandoned: Set by a caller who goes away before that; what is under way is given up then.
            patient: Whether it can wait for others; None: once it is known to be large.
        """
        started = time.perf_counter()
        limits = self._artifact.manifest.limits
        given = request.description if request.description and request.description.strip() else None
        if given is not None and len(given) > limits.max_text_chars:
            message = f"The description has {len(given)} characters; this model reads up to {limits.max_text_chars}."
            return Failure.make("text_too_long", message)
        told = gather(given, request.known, takes=self._artifact.manifest.config.get("facts", ()))
        job = self._job("read", request)
        answer = self._readers.run(job, expires_at=expires_at, abandoned=abandoned, patient=bool(patient))
        if isinstance(answer, Failure):
            return answer
        read = ReadAnswer.of(*answer)
        timings = Timings(read=read.read_ms, graph=read.graph_ms)
        warnings = [*_warnings(read), *told.warnings]
        description = Description(text=given, origin="given" if given is not None else "none")
        # A text that states facts and nothing else describes nothing.
        if told.text is None and request.describe:
            described = self._describe(request, expires_at, abandoned)
            if isinstance(described, Failure):
                return described
            timings.describe = described.describe_ms
            description = Description(text=described.text, origin="generated")
            told = replace(told, text=described.text)
        encoded = self._loaded.encode(told.text, patient=bool(patient))
        timings.text = encoded.ms
        if description.origin == "given":
            warnings += self._text_warnings(told.text, truncated=encoded.truncated)
        return Prepared(
            index=index,
            formula=read.formula,
            symbols=read.symbols,
            frac_coords=read.frac_coords,
            lattice=read.lattice,
            network_input=NetworkInput(read.graph, encoded.tokens, has_text=told.text is not None, facts=told.values),
            description=description,
            told=told,
            text_vector=encoded.vector,
            warnings=warnings,
            timings=timings,
            want_atoms=request.atoms,
            patient=patient,
            started=started,
            explain=request.explain,
            asked_strains=request.sensitivity,
            strained=read.strained,
        )

    def _text_warnings(self, text: str | None, *, truncated: bool) -> Iterator[Warn]:
        """What is wrong with a user's own text.

        Generated texts were cut in training, too; of a user's own words the last may matter most.
        """
        if truncated:
            most = self._artifact.manifest.text_encoder.max_tokens
            yield Warn(code="text_truncated", message=f"The text has more than {most} tokens; its end was not read.")
        if text is not None and not is_english(text):
            yield Warn(code="text_not_english", message=_NOT_ENGLISH)

    def describe(
        self, request: DescribeRequest, *, expires_at: float, abandoned: threading.Event | None = None
    ) -> GeneratedDescription | Failure:
        """Generate a crystal's description. Arguments as for :meth:`prepare`."""
        started = time.perf_counter()
        answer = self._describe(request, expires_at, abandoned)
        if isinstance(answer, Failure):
            return answer
        total = 1e3 * (time.perf_counter() - started)
        return GeneratedDescription(
            description=Description(text=answer.text, origin="generated"),
            formula=answer.formula,
            n_atoms=answer.n_atoms,
            warnings=_warnings(answer),
            timings_ms=Timings(read=answer.read_ms, describe=answer.describe_ms, total=total),
        )

    def _describe(
        self, request: PredictRequest | DescribeRequest, expires_at: float, abandoned: threading.Event | None
    ) -> DescribeAnswer | Failure:
        answer = self._describers.run(self._job("describe", request), expires_at=expires_at, abandoned=abandoned)
        return answer if isinstance(answer, Failure) else DescribeAnswer(**answer[0])

    def _job(self, job: Literal["read", "describe"], request: PredictRequest | DescribeRequest) -> Job:
        manifest = self._artifact.manifest
        graph = manifest.graph
        return Job(
            job=job,
            structure=request.structure,
            format=request.format,
            graph={"flavour": graph.flavour, "cutoff": graph.cutoff, "max_neighbors": graph.max_neighbors},
            max_atoms=manifest.limits.max_atoms,
            max_edges=manifest.limits.max_edges,
            strains=SENSITIVITY_STRAINS
            if job == "read" and isinstance(request, PredictRequest) and request.sensitivity
            else (),
        )


def _warnings(answer: ReadAnswer | DescribeAnswer) -> list[Warn]:
    return [Warn(code=code, message=message) for code, message in answer.warnings]

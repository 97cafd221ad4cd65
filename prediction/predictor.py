"""From a request to a prediction: the one code path of HTTP, page, command line and batch.

Reading, graph building and describing happen in processes that may be killed at a deadline, so a bad item never costs its neighbours. Each
crystal goes through the network alone, so its numbers do not depend on its neighbours either.
"""

from __future__ import annotations

import contextlib
import math
import threading
import time
from collections import deque
from concurrent.futures import Future, ThreadPoolExecutor
from typing import TYPE_CHECKING, Any, Self

import numpy as np

from hsegap.prediction.errors import Failure, internal_error
from hsegap.prediction.network import Network, NetworkInput, NetworkResult
from hsegap.prediction.observed import Observation
from hsegap.prediction.prepared import Prepared, fusion_layer_names
from hsegap.prediction.schemas import (
    METAL_BELOW_EV,
    AtomReport,
    DescribeRequest,
    Description,
    GeneratedDescription,
    ModalityWeights,
    ModelName,
    Prediction,
    PredictRequest,
    Timings,
    Warn,
    kind_of,
)
from hsegap.prediction.uncertainty import applicability_warnings, read_calibration
from hsegap.prediction.workers import WorkerPool
from hsegap.structures.fingerprint import fingerprint
from hsegap.structures.graph import CrystalGraph

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence

    from hsegap.artifact.artifact import Artifact
    from hsegap.text import TextEncoder

#: Crystals worked on ahead of the one whose turn it is. Bounds memory when a caller hands over many thousands.
WINDOW = 64


class Predictor:
    """Predicts with one artifact. All methods may be called from several threads.

    Args:
        artifact: A checked artifact.
        threads: Crystals in the text encoder and the network at the same time, one processor core each.
        workers: Processes that read structures and build graphs.
        deadline_s: Longest time reading one structure and building its graph may take.
        describe_deadline_s: Longest time describing one structure may take.
        worker_memory_bytes: Address space of one reading process; None takes the default.
        remember_descriptions: Whether generated descriptions are kept on disk for later runs.

    Everything is started when it is first needed: making a predictor costs nothing.
    """

    def __init__(
        self,
        artifact: Artifact,
        *,
        threads: int = 1,
        workers: int = 1,
        deadline_s: float = 10.0,
        describe_deadline_s: float = 60.0,
        worker_memory_bytes: int | None = None,
        remember_descriptions: bool = False,
    ) -> None:
        self.artifact = artifact
        self.readers = WorkerPool("read", size=workers, deadline_s=deadline_s, memory_bytes=worker_memory_bytes)
        if remember_descriptions:
            from hsegap.prediction.described import RememberingDescribers

            self.describers: WorkerPool = RememberingDescribers(size=1, deadline_s=describe_deadline_s)
        else:
            self.describers = WorkerPool("describe", size=1, deadline_s=describe_deadline_s)
        self._workers = workers
        self._threads = threads
        self._calibration = read_calibration(artifact)
        self._network: Network | None = None
        self._encoder: TextEncoder | None = None
        self._loading = threading.Lock()
        # ONNX Runtime keeps scratch memory for every thread that ever ran it (20 to 50 MB each): only these do, whoever asks.
        self._computing = ThreadPoolExecutor(max_workers=threads, thread_name_prefix="hsegap-compute")

    @property
    def metal_below_ev(self) -> float:
        """Predicted gap below which a crystal is called a metal, eV."""
        return self._calibration.metal_below_ev if self._calibration else METAL_BELOW_EV

    def predict(self, requests: Sequence[PredictRequest | Failure], *, ids: Sequence[str] | None = None) -> list[Prediction | Failure]:
        """Predict crystals, in the order given.

        Args:
            requests: The crystals; a :class:`Failure` among them (an item that did not validate) keeps its place.
            ids: Name of each, copied into its prediction.

        Returns:
            One prediction or failure per request, each the same as it would be alone.

        Raises:
            ValueError: If ``ids`` has another length.
        """
        return list(self.predict_iter(requests, ids=ids))

    def predict_iter(
        self, requests: Iterable[PredictRequest | Failure], *, ids: Iterable[str] | None = None
    ) -> Iterator[Prediction | Failure]:
        """:meth:`predict` for any number of crystals: results come in order, each as soon as it and those before it are there."""
        names = iter(ids) if ids is not None else None
        numbered = not (isinstance(requests, list | tuple) and len(requests) == 1)
        with ThreadPoolExecutor(max_workers=self._workers + self._threads, thread_name_prefix="hsegap-predict") as pool:
            ahead: deque[tuple[Future[Prediction | Failure], str | None]] = deque()
            try:
                for index, request in enumerate(requests):
                    name = None
                    if names is not None and (name := next(names, None)) is None:
                        raise ValueError("fewer ids than requests")
                    ahead.append((pool.submit(self.predict_one, request, index=index if numbered else None), name))
                    if index == 0:
                        self._load_network_ahead()
                    if len(ahead) >= WINDOW:
                        yield _named(*ahead.popleft())
                while ahead:
                    yield _named(*ahead.popleft())
            finally:
                for future, _ in ahead:  # the caller has gone away before the end
                    future.cancel()

    def _load_network_ahead(self) -> None:
        """Load the network while the first crystals are being read; if it cannot be loaded, each prediction says so."""
        with contextlib.suppress(Exception):
            self.network()

    def predict_one(
        self,
        request: PredictRequest | Failure,
        *,
        index: int | None = None,
        expires_at: float = math.inf,
        abandoned: threading.Event | None = None,
    ) -> Prediction | Failure:
        """Predict one crystal.

        Args:
            request: The crystal.
            index: Its place in a batch; None for a single request.
            expires_at: Moment (``time.monotonic``) after which nobody waits for it any more.
            abandoned: Set by a caller who goes away before that; a description being generated is given up then.

        Returns:
            The prediction, or the named failure. Never raises.
        """
        if isinstance(request, Failure):
            return request.at(index)
        try:
            prepared = self._prepare(request, index, min(expires_at, time.monotonic() + 3600), abandoned)
            result = prepared if isinstance(prepared, Failure) else self._infer(prepared, expires_at)
        except Exception as error:  # the boundary where a surprise becomes a named error
            return internal_error(error, "predicting a crystal").at(index)
        return result.at(index) if isinstance(result, Failure) else result

    def _prepare(
        self, request: PredictRequest, index: int | None, expires_at: float, abandoned: threading.Event | None = None
    ) -> Prepared | Failure:
        started = time.perf_counter()
        manifest = self.artifact.manifest
        given = request.description if request.description and request.description.strip() else None
        if given is not None and len(given) > manifest.limits.max_text_chars:
            message = f"The description has {len(given)} characters; this model reads up to {manifest.limits.max_text_chars}."
            return Failure.make("text_too_long", message)
        answer = self.readers.run(self._job("read", request), expires_at=expires_at)
        if isinstance(answer, Failure):
            return answer
        header, arrays = answer
        timings = Timings(read=header["timings"]["read"], graph=header["timings"]["graph"])
        warnings = [Warn(code=code, message=message) for code, message in header["warnings"]]
        description = Description(text=given, origin="given" if given is not None else "none")
        if given is None and request.describe:
            described = self.describers.run(self._job("describe", request), expires_at=expires_at, abandoned=abandoned)
            if isinstance(described, Failure):
                return described
            timings.describe = described[0]["timings"]["describe"]
            description = Description(text=described[0]["text"], origin="generated")
        tokens, text_vector, truncated, timings.text = self._encode(description.text)
        if truncated:
            text = f"The text has more than {manifest.text_encoder.max_tokens} tokens; its end was not read."
            warnings.append(Warn(code="text_truncated", message=text))
        frac_coords, lattice = arrays.pop("frac_coords"), arrays.pop("lattice")
        return Prepared(
            index=index,
            formula=header["formula"],
            symbols=header["symbols"],
            frac_coords=frac_coords,
            lattice=lattice,
            network_input=NetworkInput(CrystalGraph(**arrays), tokens, has_text=description.text is not None),
            description=description,
            text_vector=text_vector,
            warnings=warnings,
            timings=timings,
            want_atoms=request.atoms,
            started=started,
        )

    def observe(self, request: PredictRequest) -> Observation | Failure:
        """What is seen of a crystal on the way to its prediction: what calibration is fitted to. Never raises."""
        try:
            prepared = self._prepare(request, None, time.monotonic() + 3600)
            seen = prepared if isinstance(prepared, Failure) else self._run_network(prepared, math.inf, compare=True)
        except Exception as error:  # the boundary where a surprise becomes a named error
            return internal_error(error, "observing a crystal")
        return seen if isinstance(seen, Failure) else seen[1]

    def _infer(self, item: Prepared, expires_at: float) -> Prediction | Failure:
        """Run the network on a prepared crystal."""
        compare = self._calibration is not None and self._calibration.model is not None
        answer = self._run_network(item, expires_at, compare=compare)
        return answer if isinstance(answer, Failure) else self._report(item, *answer)

    def _run_network(self, item: Prepared, expires_at: float, *, compare: bool) -> tuple[NetworkResult, Observation] | Failure:
        """Run the network, where ``compare`` and there is a text a second time without it: the error is estimated from both."""
        network = self.network()
        inputs = [item.network_input]
        if compare and item.network_input.has_text:
            inputs.append(NetworkInput(item.network_input.graph, self._encode(None)[0], has_text=False))

        def run() -> list[NetworkResult] | None:
            if time.monotonic() > expires_at:
                return None
            clock = time.perf_counter()
            results = [network.run(given) for given in inputs]
            item.timings.network = 1e3 * (time.perf_counter() - clock)
            return results

        results = self._computing.submit(run).result()
        if results is None:
            return Failure.make("timeout", "The crystal waited too long for its turn.", "Try again later, or send fewer crystals at once.")
        seen = Observation(
            symbols=item.symbols,
            gap_raw_ev=results[0].gap,
            gap_without_text_ev=results[-1].gap,
            graph_embedding=results[-1].graph_embedding,
            fingerprint=fingerprint(item.network_input.graph, item.lattice, item.frac_coords),
            text=item.description.text,
            text_vector=item.text_vector,
        )
        return results[0], seen

    def describe(
        self, request: DescribeRequest, *, expires_at: float = math.inf, abandoned: threading.Event | None = None
    ) -> GeneratedDescription | Failure:
        """Generate a crystal's description. Never raises; a failure is named. Arguments as for :meth:`predict_one`."""
        started = time.perf_counter()
        answer = self.describers.run(
            self._job("describe", request), expires_at=min(expires_at, time.monotonic() + 3600), abandoned=abandoned
        )
        if isinstance(answer, Failure):
            return answer
        header = answer[0]
        timings = Timings(
            read=header["timings"]["read"], describe=header["timings"]["describe"], total=1e3 * (time.perf_counter() - started)
        )
        return GeneratedDescription(
            description=Description(text=header["text"], origin="generated"),
            formula=header["formula"],
            n_atoms=header["n_atoms"],
            warnings=[Warn(code=code, message=message) for code, message in header["warnings"]],
            timings_ms=timings,
        )

    def network(self) -> Network:
        """The network, loaded once."""
        with self._loading:
            if self._network is None:
                self._network = Network(self.artifact)
            return self._network

    def encoder(self) -> TextEncoder:
        """The text encoder, loaded once and only when a text asks for it."""
        from hsegap.text import TextEncoder, TextEncoderSettings

        with self._loading:
            if self._encoder is None:
                known = self.artifact.manifest.text_encoder.model_dump()
                settings = {key: value for key, value in known.items() if key in TextEncoderSettings.model_fields}
                self._encoder = TextEncoder.load(self.artifact.folder, settings=settings)
            return self._encoder

    def close(self) -> None:
        """End the worker processes and the computing threads."""
        self.readers.close()
        self.describers.close()
        self._computing.shutdown(wait=False, cancel_futures=True)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def _job(self, job: str, request: PredictRequest | DescribeRequest) -> dict[str, Any]:
        manifest = self.artifact.manifest
        graph = manifest.graph
        return {
            "job": job,
            "structure": request.structure,
            "format": request.format,
            "graph": {"flavour": graph.flavour, "cutoff": graph.cutoff, "max_neighbors": graph.max_neighbors},
            "max_atoms": manifest.limits.max_atoms,
            "max_edges": manifest.limits.max_edges,
        }

    def _encode(self, text: str | None) -> tuple[np.ndarray, np.ndarray | None, bool, float]:
        """Tokens for the network, the pooled vector of a text, whether its end was cut, and the milliseconds it took."""
        manifest = self.artifact.manifest
        if text is None and manifest.config.get("no_text", "learned") == "learned":
            return np.zeros((1, manifest.text_encoder.width), dtype=np.float32), None, False, 0.0
        encoder, network = self.encoder(), self.network()

        def run() -> tuple[np.ndarray, np.ndarray | None, bool, float]:
            clock = time.perf_counter()
            tokens = encoder.encode(text or "")
            cut = text is not None and encoder.truncated(text)
            pooled = tokens[0] if text is not None else None
            # Where the network reads no other token, none is carried along.
            return (tokens if network.reads_all_tokens else tokens[:1]), pooled, cut, 1e3 * (time.perf_counter() - clock)

        return self._computing.submit(run).result()

    def _report(self, item: Prepared, result: NetworkResult, seen: Observation) -> Prediction | Failure:
        """Put the network's numbers into words."""
        if not math.isfinite(result.gap):
            return internal_error(ValueError(f"gap {result.gap}"), "running the network").at(item.index)
        manifest, calibration = self.artifact.manifest, self._calibration
        gap_ev = max(0.0, result.gap)
        outside = applicability_warnings(manifest, calibration, seen)
        timings = item.timings.model_copy(update={"total": 1e3 * (time.perf_counter() - item.started)})
        return Prediction(
            index=item.index or 0,
            formula=item.formula,
            n_atoms=len(item.symbols),
            gap_ev=gap_ev,
            gap_raw_ev=result.gap,
            interval_ev=calibration.interval_of(seen) if calibration else None,
            coverage=calibration.coverage if calibration else None,
            kind=kind_of(gap_ev, metal_below_ev=self.metal_below_ev),
            description=item.description,
            modality_weights=ModalityWeights(graph=float(result.modality_weights[0]), text=float(result.modality_weights[1])),
            atoms=self._atoms(item, result) if item.want_atoms else None,
            warnings=[*item.warnings, *outside],
            model=ModelName(name=manifest.name, version=manifest.version, sha256=self.artifact.sha256),
            timings_ms=Timings(**{name: round(value, 3) for name, value in timings.model_dump().items()}),
        ).with_lattice(item.lattice.tolist())

    def _atoms(self, item: Prepared, result: NetworkResult) -> list[AtomReport]:
        layers = fusion_layer_names(self.artifact.manifest.config, columns=result.gates.shape[1])
        with_text = item.network_input.has_text

        def named(row: np.ndarray) -> dict[str, float]:
            return {layer: float(value) for layer, value in zip(layers, row, strict=False)}

        return [
            AtomReport(
                index=index,
                element=symbol,
                frac_coords=[float(part) for part in item.frac_coords[index]],
                gate=named(result.gates[index]),
                importance=named(result.importance[index]),
                text_share={name: value if with_text else None for name, value in named(result.text_share[index]).items()},
            )
            for index, symbol in enumerate(item.symbols)
        ]


def _named(future: Future[Prediction | Failure], name: str | None) -> Prediction | Failure:
    """Wait for a prediction and put its input's name on it."""
    result = future.result()
    return result.model_copy(update={"id": name}) if name is not None and isinstance(result, Prediction) else result

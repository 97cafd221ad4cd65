"""The process that workers are forked from: it loads the artifact once, and every worker then shares its memory pages.

Started as ``python -P -m hsegap.batch.fork_server_main FD`` with one end of a socket pair. It forks a worker on
request, tells how a worker ended, and ends with the run. ONNX Runtime is given one thread per run and so starts no pool
of threads, which a fork would lose.
"""

from __future__ import annotations

import contextlib
import gc
import logging
import os
import re
import signal
import socket
import sys
import time
from typing import TYPE_CHECKING, Any

from hsegap.batch import wire

if TYPE_CHECKING:
    from collections.abc import Mapping

    from hsegap.batch.texts import ScoringPredictor
    from hsegap.prediction.errors import Failure
    from hsegap.prediction.schemas import PredictRequest

#: Predictions name an unexpected error by an identifier of its own; a row must be the same on every run, so it is
#: logged instead.
_IDENTIFIER = re.compile(r" \(error [0-9a-f]{12}\)")


def open_predictor(setup: Mapping[str, Any]) -> ScoringPredictor:
    """Load what a worker needs before it exists.

    Args:
        setup: ``artifact`` (folder), ``sha256`` it must have, ``texts`` (whether the encoder will be wanted),
            ``options`` of the predictor.

    Raises:
        hsegap.artifact.artifact.ArtifactError: If the artifact must not be used.
        ValueError: If it is no longer the one the run started with.
    """
    from hsegap.artifact.artifact import Artifact
    from hsegap.batch.texts import ScoringPredictor

    artifact = Artifact.load(setup["artifact"])
    if artifact.sha256 != setup["sha256"]:
        raise ValueError("the artifact was replaced while the run was going on")
    predictor = ScoringPredictor(artifact, **setup["options"])
    predictor.network()
    if setup["texts"]:
        predictor.encoder()
    return predictor


def request_of(item: Mapping[str, Any]) -> PredictRequest | Failure:
    """The request of one input, or the failure HTTP would answer with where a bound is broken."""
    from pydantic import ValidationError

    from hsegap.prediction.errors import Failure
    from hsegap.prediction.schemas import PredictRequest

    try:
        return PredictRequest.model_validate(item)
    except ValidationError as error:
        return Failure.from_validation(error)


def answer(predictor: ScoringPredictor, items: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """Predict one batch, a crystal after the other: a worker is one core's work, its reading process included.

    Args:
        predictor: The one code path.
        items: Fields of a request each.

    Returns:
        One prediction or error object per item, in order, timings included.
    """
    answers = []
    for item in items:
        result = predictor.predict_one(request_of(item))
        dumped = result.model_dump(mode="json")
        if "error" in dumped:
            message = dumped["error"]["message"]
            if _IDENTIFIER.search(message):
                sys.stderr.write(f"hsegap: {message}\n")
            dumped["error"]["message"] = _IDENTIFIER.sub("", message)
            dumped["error"].pop("index", None)
        answers.append(dumped)
    return answers


def work(connection: socket.socket, predictor: ScoringPredictor) -> None:
    """Answer batches until the other side ends."""
    predictor.readers.start()
    with predictor:
        while (job := wire.receive(connection)) is not None:
            started = time.perf_counter()
            answers = answer(predictor, job["items"])
            try:
                wire.send(connection, {"answers": answers, "seconds": time.perf_counter() - started})
            except OSError:  # nobody waits for it any more
                return


def _fork(predictor: ScoringPredictor, control: socket.socket, connection: socket.socket) -> int:
    pid = os.fork()
    if pid:
        return pid
    status = 1
    try:
        control.close()
        work(connection, predictor)
        status = 0
    except Exception:  # the end of this process: the run sees a closed connection and does the batch again
        logging.getLogger("hsegap.batch").exception("a scoring worker failed")
    finally:
        # Not sys.exit: what the parent set up to run at its own end must not run here.
        os._exit(status)


def main() -> None:
    """Load, then fork workers until the run ends."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C in a terminal is the run's to handle
    os.dup2(2, 1)
    control = socket.socket(fileno=int(sys.argv[1]))
    control.settimeout(None)
    setup = wire.receive(control)
    if setup is None:  # the run is gone
        return
    try:
        predictor = open_predictor(setup)
    except Exception as error:  # the run says it in its own words
        with contextlib.suppress(OSError):
            wire.send(control, {"error": [getattr(error, "message", str(error)), getattr(error, "hint", "")]})
        return
    # Without this the collector would write into every page it looks at, and unshare it.
    gc.collect()
    gc.freeze()
    # An error from here on means that the run is gone.
    with contextlib.suppress(OSError):
        wire.send(control, {"ready": os.getpid()})
        _fork_on_request(predictor, control)


def _fork_on_request(predictor: ScoringPredictor, control: socket.socket) -> None:
    """Fork workers, and tell how they ended, until the run ends."""
    while True:
        command, descriptors, _, _ = socket.recv_fds(control, 1, 1)
        if not command:
            return
        if command == b"f":
            with socket.socket(fileno=descriptors[0]) as connection:
                connection.settimeout(None)
                wire.send(control, {"pid": _fork(predictor, control, connection)})
        else:
            # How a worker ended; the engine asks only for those whose connection has closed.
            pid = (wire.receive(control) or {"pid": 0})["pid"]
            code = -signal.SIGKILL
            with contextlib.suppress(ChildProcessError):
                code = os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1])
            wire.send(control, {"code": code})


if __name__ == "__main__":
    main()

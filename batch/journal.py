"""Rows in the order of the inputs, durable batch by batch.

What is written once is never computed again, whatever ends the run.

A commit appends a batch's rows, makes them durable, then replaces the state. Bytes beyond the state's sizes belong to a
commit that did not finish; a resumed run cuts them off and goes on with the next batch. Batches that are done before
their turn wait in files of their own, so that they survive too.
"""

from __future__ import annotations

import contextlib
import json
import os
import shutil
import time
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, BinaryIO, Self

from hsegap.batch import remote
from hsegap.batch.batches import Scored
from hsegap.batch.problems import ScoringError
from hsegap.batch.rows import COLUMNS, atom_columns, csv_head, csv_lines, flat, flat_atoms, json_line
from hsegap.batch.state import Lock, RunState, differences, sync_folder, write_whole, writing

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence
    from typing import Any

    from hsegap.batch.batches import Batch
    from hsegap.batch.tally import Tally
    from hsegap.batch.target import Target

STATE = "state.json"
PARKED = "parked"


class Journal:
    """The output of one run. Use :meth:`open`, then :meth:`close` it whatever happened.

    Attributes:
        state: What is on disk.
        target: Where it goes.
    """

    def __init__(
        self, target: Target, folder: Path, lock: Lock, state: RunState, *, layers: Sequence[str] | None
    ) -> None:
        self.target = target
        self.state = state
        self._folder = folder
        self._lock = lock
        self._layers = layers
        self._started = time.monotonic() - state.seconds
        self._files: dict[str, BinaryIO] = {}
        self._parked: set[int] = set()

    @classmethod
    def open(
        cls, target: Target, *, settings: dict[str, Any], layers: Sequence[str] | None, resume: bool, force: bool
    ) -> Self:
        """Take possession of an output.

        Args:
            target: The output, not standard output.
            settings: Everything that decides the rows.
            layers: Names of the fusion layers where per-atom maps are written; None where not.
            resume: Go on with an earlier run, if there is one.
            force: Replace what is there; with ``resume``, go on although settings or inputs have changed.

        Raises:
            ScoringError: If another run holds it, something is there that must not be replaced, or the settings have
                changed.
        """
        folder = target.folder
        if folder is None:
            msg = "standard output keeps no journal"
            raise ValueError(msg)
        with writing(target.name):
            folder.mkdir(exist_ok=True)
            lock = Lock(folder / "lock", what=target.name)
        try:
            state = _earlier(target, folder)
            if state is not None and resume and target.appends and state.batches and not Path(target.name).exists():
                state = None  # somebody removed the rows, so there is nothing to go on from
            if not force:
                _refuse(target, state, settings, resume=resume)
            if state is None or not resume:
                _clear(target, folder, atoms=state is not None and "atoms" in state.sizes)
                state = RunState(settings=settings)
            journal = cls(target, folder, lock, state, layers=layers)
            with writing(target.name):
                journal._open_files()
        except BaseException:
            lock.close()
            with contextlib.suppress(OSError):  # a folder made for nothing
                if not any(name.name != "lock" for name in folder.iterdir()):
                    shutil.rmtree(folder)
            raise
        return journal

    def _open_files(self) -> None:
        # First of all, so that a file with nothing but a head line is known to be ours.
        self._save()
        for part in ("rows", "atoms") if self._layers is not None else ("rows",):
            path = self.target.growing(part)
            if self.state.finished and not self.target.appends:
                continue  # made from lines that are gone; nothing will be added
            size = self.state.sizes.get(part, 0)
            stream = path.open("r+b" if path.exists() else "w+b")
            self._files[part] = stream
            if os.fstat(stream.fileno()).st_size < size:
                message = f"{path} is shorter than the run left it."
                raise ScoringError("output_changed", message, "Start over with --force.")
            stream.truncate(size)
            stream.seek(size)
            if size == 0 and self.target.kind == "csv":
                columns = COLUMNS if part == "rows" else atom_columns(self._layers or ())
                stream.write(csv_head(columns).encode())
        parked = self._folder / PARKED
        parked.mkdir(exist_ok=True)
        for leftover in parked.glob("*.tmp"):
            leftover.unlink()
        self._parked = {int(path.stem) for path in parked.glob("*.json")}
        self._save()

    def remaining(self, batches: Iterator[Batch], *, force: bool = False) -> Iterator[Batch]:
        """The batches that have no rows yet.

        Args:
            batches: All of them, from the first on.
            force: Go on although an input that has its row has changed since.

        Raises:
            ScoringError: ``inputs_changed`` if the inputs are not those the run began with.
        """
        first = self.state.batches
        seen = 0
        for batch in batches:
            if batch.number < first:
                seen += 1
                if batch.number == first - 1 and batch.digest != self.state.digest and not force:
                    raise _changed()
                continue
            if batch.number < self.state.batches:
                continue  # waited for its turn since the earlier run, and has had it by now
            if batch.number in self._parked:
                scored = self._unpark(batch.number)
                if scored is not None and scored.digest == batch.digest:
                    if batch.number == self.state.batches:
                        self.commit(scored)
                    continue
                self._forget(batch.number)
            if not self._files:
                # Parquet is made once, of lines that are gone.
                message = "There are more inputs than when the run was finished."
                raise ScoringError(
                    "inputs_changed",
                    message,
                    "Score the new ones into a file of their own, or start over with --force.",
                )
            yield batch
        if seen < first and not force:
            raise _changed()

    @property
    def name(self) -> str:
        """Name of the file with the rows."""
        return self.target.name

    @property
    def record(self) -> str:
        """Name of the run's record, left beside the rows."""
        return self.target.record_name

    @property
    def tally(self) -> Tally:
        """Counts over the rows written so far, those of earlier attempts included."""
        return self.state.tally

    @property
    def seconds(self) -> float:
        """Time over all attempts."""
        return self.state.seconds

    @property
    def written(self) -> int:
        """Batches whose rows stand in the output."""
        return self.state.batches

    def commit(self, scored: Scored) -> None:
        """Write a batch's rows, or keep them until it is their turn.

        Raises:
            ScoringError: ``disk_full`` or ``output``; what was written before stays good.
        """
        with writing(self.target.name):
            if scored.number != self.state.batches:
                path = self._folder / PARKED / f"{scored.number}.json"
                write_whole(path, json.dumps(asdict(scored)), sync=False)
                self._parked.add(scored.number)
                return
            self._append(scored)
            self._drain()

    def _drain(self) -> None:
        """Write the parked batches whose turn has come."""
        while self.state.batches in self._parked:
            number = self.state.batches
            scored = self._unpark(number)
            if scored is None:
                return
            self._append(scored)

    def _append(self, scored: Scored) -> None:
        stream = self._files["rows"]
        if self.target.kind == "csv":
            stream.write(csv_lines(map(flat, scored.rows), COLUMNS).encode())
        else:
            stream.write("".join(map(json_line, scored.rows)).encode())
        if self._layers is not None:
            pairs = [(row, atoms) for row, atoms in zip(scored.rows, scored.atoms, strict=True) if atoms is not None]
            self._files["atoms"].write(self._atom_text(pairs).encode())
        self.state.batches += 1
        self.state.digest = scored.digest
        self.state.tally.add(scored.rows)
        self.state.tally.seconds += scored.seconds
        self._save()
        self._forget(scored.number)

    def _atom_text(self, pairs: Sequence[tuple[Mapping[str, Any], list[dict[str, Any]]]]) -> str:
        layers = self._layers or ()
        if self.target.kind == "csv":
            return "".join(csv_lines(flat_atoms(row, atoms, layers), atom_columns(layers)) for row, atoms in pairs)
        if self.target.kind == "parquet":
            return "".join(json_line(flat_row) for row, atoms in pairs for flat_row in flat_atoms(row, atoms, layers))
        return "".join(json_line({"id": row["id"], "index": row["index"], "atoms": atoms}) for row, atoms in pairs)

    def _save(self) -> None:
        """Make the files durable, then the state that counts them."""
        for part, stream in self._files.items():
            stream.flush()
            os.fsync(stream.fileno())
            self.state.sizes[part] = stream.tell()
        self.state.seconds = time.monotonic() - self._started
        write_whole(self._folder / STATE, json.dumps(self.state.as_json()))

    def _unpark(self, number: int) -> Scored | None:
        path = self._folder / PARKED / f"{number}.json"
        try:
            return Scored(**json.loads(path.read_bytes()))
        except (OSError, ValueError, TypeError):  # not written to its end when the machine went down
            self._forget(number)
            return None

    def _forget(self, number: int) -> None:
        if number in self._parked:
            self._parked.discard(number)
            (self._folder / PARKED / f"{number}.json").unlink(missing_ok=True)

    def finish(self) -> None:
        """Every input has its row: make the final files, leave the run's record beside them, remove the state.

        Raises:
            ScoringError: If a file cannot be written; --resume then tries this last step again.
        """
        parts = list(self._files)
        with writing(self.target.name):
            for stream in self._files.values():
                stream.close()
            self._files = {}
            final = {"rows": self.target.name, "atoms": self.target.atoms_name}
            for part in parts:
                if not self.target.appends:
                    self._make(part, final[part])
            self.state.finished = True
            self.state.seconds = time.monotonic() - self._started
            record = json.dumps(self.state.as_json(), indent=1, ensure_ascii=False) + "\n"
            if self.target.address is not None:
                remote.write_text(self.target.record_name, record)
            else:
                write_whole(Path(self.target.record_name), record)
            # The state first: without it what remains of the folder says nothing, and the record counts.
            (self._folder / STATE).unlink()
            shutil.rmtree(self._folder)

    def _make(self, part: str, name: str) -> None:
        """Make a final file of the lines kept for it, under another name first."""
        lines = self.target.growing(part)
        made = lines
        if self.target.kind == "parquet":
            from hsegap.batch.parquet import write_parquet

            made = self._folder / f"{part}.parquet"
            columns = COLUMNS if part == "rows" else atom_columns(self._layers or ())
            write_parquet(lines, made, columns=columns, flatten=part == "rows")
        if self.target.address is not None:
            remote.upload(made, name)
        else:
            made.replace(name)
            sync_folder(Path(name).parent)

    def close(self) -> None:
        """Let go of the output.

        A run that did not finish can be resumed, one that has no row yet leaves nothing behind.
        """
        nothing = not self.state.batches and not self._parked
        for part, stream in self._files.items():
            with contextlib.suppress(OSError):
                stream.close()
                if nothing:
                    self.target.growing(part).unlink(missing_ok=True)
        if nothing:
            shutil.rmtree(self._folder, ignore_errors=True)
        self._lock.close()


def _earlier(target: Target, folder: Path) -> RunState | None:
    """The state of an earlier run, finished or not."""
    with contextlib.suppress(FileNotFoundError):
        return RunState.from_json((folder / STATE).read_bytes(), name=str(folder / STATE))
    if not _exists(target):
        return None
    if target.address is not None:
        text = remote.read_text(target.record_name)
        return None if text is None else RunState.from_json(text, name=target.record_name)
    with contextlib.suppress(FileNotFoundError):
        return RunState.from_json(Path(target.record_name).read_bytes(), name=target.record_name)
    return None


def _refuse(target: Target, state: RunState | None, settings: Mapping[str, Any], *, resume: bool) -> None:
    """Keep what is there from being replaced or mixed by accident.

    Raises:
        ScoringError: ``output_exists`` or ``settings_changed``.
    """
    if state is None:
        if _exists(target):
            hint = "Give another name with -o, or replace it with --force."
            raise ScoringError(
                "output_exists", f"{target.name} exists already and is not the output of an earlier run.", hint
            )
        return
    if not resume:
        done = "finished" if state.finished else f"unfinished, {state.tally.rows} rows done"
        hint = "Continue it with --resume, or start over with --force."
        raise ScoringError("output_exists", f"{target.name} holds an earlier run ({done}).", hint)
    if changed := differences(state.settings, settings):
        hint = "Run the command as it was, start over with --force, or go on all the same with --resume --force."
        raise ScoringError("settings_changed", f"The run to be continued was another one: {'; '.join(changed)}.", hint)


def _exists(target: Target) -> bool:
    if target.address is not None:
        return remote.exists(target.address)
    path = Path(target.name)
    # An empty file was made to be written to.
    return path.exists() and path.stat().st_size > 0


def _clear(target: Target, folder: Path, *, atoms: bool) -> None:
    """Remove what an earlier run left; the per-atom file only where that run wrote one."""
    with writing(target.name):
        for leftover in folder.iterdir():
            if leftover.name != "lock":
                shutil.rmtree(leftover) if leftover.is_dir() else leftover.unlink()
        if target.address is None:
            for name in (target.name, target.record_name, *([target.atoms_name] if atoms else [])):
                Path(name).unlink(missing_ok=True)


def _changed() -> ScoringError:
    message = (
        "The inputs that have their rows already are not those of the earlier run: "
        "one was changed, removed, added or renamed."
    )
    return ScoringError(
        "inputs_changed", message, "Start over with --force, or keep the rows and go on with --resume --force."
    )

"""The training loop: every step is a function of the seed and the step's number, so that a resumed run repeats it."""

from __future__ import annotations

import copy
import math
import time
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import numpy as np
import torch
from torch import Tensor, nn

from hsegap.training.augment import displaced, scaled, stated_facts, strained_pair
from hsegap.training.average import WeightAverage
from hsegap.training.dataset import CrystalDataset, TrainingBatch, epoch_plan
from hsegap.training.metrics import measure, predict, score_of
from hsegap.training.objective import batch_loss, mean_answer, slope_loss
from hsegap.training.precision import mixed
from hsegap.training.progress import Progress
from hsegap.training.state import BEST, HISTORY, LAST, TIMINGS, save_atomically, write_json
from hsegap.training.teacher import TeacherFeatures, TeacherHead

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from hsegap.models import CrystalTextNetwork, GraphBatch, NetworkOutput
    from hsegap.training.options import TrainingOptions


@dataclass
class RunState:
    """Where a run stands: all of it is in the checkpoint."""

    epoch: int = 0
    step: int = 0
    step_in_epoch: int = 0
    loss_sum: float = 0.0
    loss_weight: float = 0.0
    best: float = math.inf
    best_epoch: int = -1
    history: list[dict[str, Any]] = field(default_factory=list)
    seconds: float = 0.0
    processor_seconds: float = 0.0
    seconds_per_epoch: list[float] = field(default_factory=list)
    processor_seconds_per_epoch: list[float] = field(default_factory=list)

    def close_epoch(self) -> None:
        """Keep the epoch's times and count from zero again."""
        self.seconds_per_epoch.append(self.seconds)
        self.processor_seconds_per_epoch.append(self.processor_seconds)
        self.epoch, self.step_in_epoch, self.loss_sum, self.loss_weight = self.epoch + 1, 0, 0.0, 0.0
        self.seconds = self.processor_seconds = 0.0


class Trainer:
    """Trains a network as the options say.

    Args:
        network: Freshly made or initialised.
        options: The run.
        train: Rows to learn.
        val: Rows to select on.
        folder: Where checkpoints and history go.
        facts: Plain facts about data and encoder, stored with the best weights for the export.
        data: Fingerprint of the rows, stored with the last checkpoint: another data set is not continued on.
    """

    def __init__(
        self,
        network: CrystalTextNetwork,
        options: TrainingOptions,
        *,
        train: CrystalDataset,
        val: CrystalDataset,
        folder: Path,
        facts: dict[str, Any],
        data: str = "",
    ) -> None:
        self.network, self.options, self.train, self.val, self.folder, self.facts = (
            network,
            options,
            train,
            val,
            folder,
            facts,
        )
        self.data = data
        self.device = torch.device(options.device)
        network.to(self.device)
        self.mixed = mixed(options.amp, self.device)
        self._run_network: Callable[..., NetworkOutput] = (
            torch.compile(network, dynamic=True) if options.compile else network
        )
        self.teacher, self.teacher_head = self._teacher()
        parameters = [*network.parameters(), *([] if self.teacher_head is None else self.teacher_head.parameters())]
        self.optimizer = torch.optim.AdamW(parameters, lr=options.learning_rate, weight_decay=options.weight_decay)
        self.draws = train.draws(
            repeat=options.repeat, repeat_small=options.repeat_small, repeat_elements=options.repeat_elements
        )
        self.steps_per_epoch = len(self._plan(epoch=0))
        total = max(self.steps_per_epoch * options.epochs, 2)
        rising = min(options.warmup_steps, 0.3 * total)
        # Half a step stands for none: torch divides by (rising − 1).
        share = (rising if rising > 1 else 0.5) / total
        self.scheduler = torch.optim.lr_scheduler.OneCycleLR(
            self.optimizer, max_lr=options.learning_rate, total_steps=total, pct_start=share
        )
        self.average = WeightAverage(network, options.ema_decay) if options.ema_decay else None
        self.state = RunState()

    def _teacher(self) -> tuple[TeacherFeatures | None, TeacherHead | None]:
        if not self.options.teacher:
            return None, None
        teacher = TeacherFeatures.open(self.options.teacher, self.train)
        return teacher, TeacherHead(self.network.config.hidden_features, teacher).to(self.device)

    def _plan(self, *, epoch: int) -> list[np.ndarray]:
        """Rows of each batch of an epoch."""
        options = self.options
        plan = epoch_plan(self.train.sizes[self.draws], options.batch_size, seed=options.random_seed, epoch=epoch)
        return [self.draws[batch] for batch in plan]

    def run(self, report: Callable[[str], None]) -> RunState:
        """Train to the last epoch (or early stop); safe to kill at any moment.

        Args:
            report: Receives one line per epoch.
        """
        options, state = self.options, self.state
        # A run killed between its last checkpoint and the files beside it has them written now.
        self._write_history()
        while state.epoch < options.epochs and not self._stale():
            self._epoch()
            entry = {
                "epoch": state.epoch + 1,
                "learning_rate": self.optimizer.param_groups[0]["lr"],
                "train_loss": state.loss_sum / max(state.loss_weight, 1e-12),
                **self._validate(),
            }
            state.history.append(entry)
            score = score_of(entry, classification=options.classification)
            better = state.best_epoch < 0 or score < state.best
            if better:
                state.best, state.best_epoch = score, state.epoch
            state.close_epoch()
            # Best first: were the run killed between the two, the last checkpoint would repeat the epoch and write it
            # again.
            if better:
                self._save_best(entry)
            self._save_last()
            self._write_history()
            report(
                " ".join(
                    [
                        f"epoch {entry['epoch']}/{options.epochs}",
                        *(f"{key} {value:.5g}" for key, value in entry.items() if key != "epoch"),
                        "*" * better,
                    ]
                )
            )
        return state

    def _write_history(self) -> None:
        """The history, and apart from it (it would differ from run to run) the time of each epoch's steps."""
        if self.state.history:
            write_json(self.state.history, self.folder / HISTORY)
            timings = {
                "seconds_per_epoch": self.state.seconds_per_epoch,
                "processor_seconds_per_epoch": self.state.processor_seconds_per_epoch,
                "rows": len(self.train),
            }
            write_json(timings, self.folder / TIMINGS)

    def _stale(self) -> bool:
        patience = self.options.early_stopping_patience
        return (
            patience is not None
            and self.state.best_epoch >= 0
            and self.state.epoch - 1 - self.state.best_epoch >= patience
        )

    def _epoch(self) -> None:
        options, state = self.options, self.state
        plan = self._plan(epoch=state.epoch)
        self.network.train()
        label = f"epoch {state.epoch + 1}"
        started, worked = time.perf_counter(), time.process_time()
        with Progress(label, len(plan)) as progress:
            progress.done = state.step_in_epoch
            for batch in self.train.batches(plan[state.step_in_epoch :], workers=options.num_workers):
                # Seeding each step makes dropout a function of the step's number, whatever happened before.
                torch.manual_seed(options.random_seed * 1_000_003 + state.step)
                loss, weight = self._step(batch)
                state.seconds += time.perf_counter() - started
                state.processor_seconds += time.process_time() - worked
                started, worked = time.perf_counter(), time.process_time()
                state.loss_sum += loss * weight
                state.loss_weight += weight
                state.step += 1
                state.step_in_epoch += 1
                if state.step % options.checkpoint_steps == 0:
                    self._save_last()
                progress.advance(note=f"loss {state.loss_sum / state.loss_weight:.4f}")

    def _step(self, batch: TrainingBatch) -> tuple[float, float]:
        options = self.options
        batch = batch.to(self.device)
        self.optimizer.zero_grad(set_to_none=True)
        # Nothing is drawn where there are no pairs: a run without them repeats what it was.
        in_pairs = options.strain_pairs > 0 and float(torch.rand(())) < options.strain_pairs
        loss = self._pairs_loss(batch) if in_pairs else self._loss(batch)
        loss.backward()
        nn.utils.clip_grad_norm_(self.network.parameters(), 5.0)
        self.optimizer.step()
        self.scheduler.step()
        if self.average is not None:
            self.average.update(self.network)
        return float(loss.detach()), float(batch.weight.sum()) or 1e-6

    def _answer(self, graph: GraphBatch, *texts_and_facts: Tensor) -> NetworkOutput:
        with torch.autocast(self.device.type, dtype=torch.bfloat16, enabled=self.mixed):
            return self._run_network(graph, *texts_and_facts)

    def _loss(self, batch: TrainingBatch) -> Tensor:
        """All losses of a batch: each crystal with its text and facts, or without where they are withheld."""
        options, config = self.options, self.network.config
        drop = torch.rand(batch.has_text.shape, device="cpu").to(self.device) < options.text_dropout
        has_text = batch.has_text & ~drop
        tokens, mask, _ = self.train.hidden_texts(batch.tokens, batch.mask, ~has_text)
        graph = displaced(batch.graph, options.coordinate_noise) if options.coordinate_noise else batch.graph
        batch = batch._replace(graph=graph)
        if options.lattice_noise:
            batch = scaled(batch, options.lattice_noise, options.lattice_slope)
        facts: tuple[Tensor, ...] = ()
        if config.facts:
            facts = stated_facts(
                batch, config, dropout=options.fact_dropout, jitter=options.fact_jitter, wrong=options.fact_wrong
            )
        output = self._answer(batch.graph, tokens, mask, has_text, *facts)
        loss = batch_loss(output, batch, has_text, options)
        if self.teacher is not None and self.teacher_head is not None:
            sizes = self.train.n_atoms[batch.rows.cpu().numpy()]
            targets, known = (part.to(self.device) for part in self.teacher.batch(batch.rows.cpu().numpy(), sizes))
            loss = loss + options.teacher_weight * self.teacher_head.loss(
                output.structure_atoms.float(), targets, known
            )
        return loss

    def _pairs_loss(self, batch: TrainingBatch) -> Tensor:
        """The loss of the mean answers to two strained lattices of each crystal, which texts and facts do not fit."""
        options, config = self.options, self.network.config
        nobody = torch.zeros_like(batch.has_text)
        texts = self.train.hidden_texts(batch.tokens, batch.mask, ~nobody)[:2]
        facts: tuple[Tensor, ...] = ()
        if config.facts:
            facts = stated_facts(batch, config, dropout=1.0, jitter=0.0, wrong=0.0)
        graph = displaced(batch.graph, options.coordinate_noise) if options.coordinate_noise else batch.graph
        *pair, strain = strained_pair(graph)
        larger, smaller = (self._answer(one, *texts, nobody, *facts) for one in pair)
        loss = batch_loss(mean_answer(larger, smaller), batch, nobody, options)
        return loss + options.strain_slope * slope_loss(larger, smaller, strain, options)

    def _validate(self) -> dict[str, float]:
        options, known = self.options, ~np.isnan(self.val.targets)
        told: list[tuple[str, dict[str, Any]]] = [("", {}), ("_without_text", {"without_text": True})]
        if self.network.config.facts:
            told += [("_told", {"with_facts": True}), ("_known", {"without_text": True, "with_facts": True})]
        results: dict[str, float] = {}
        for suffix, settings in told:
            answer = predict(self._kept(), self.val, batch_size=options.batch_size, **settings)
            gap = answer.gap.clip(0) if options.censored else answer.gap
            values = measure(gap[known], self.val.targets[known], threshold=options.threshold)
            results |= {f"val_{name}{suffix}": value for name, value in values.items()}
        if options.pbe_head != "none":
            stated = ~np.isnan(self.val.pbe_gaps)
            results["val_pbe_mae"] = float(np.abs(answer.pbe_gap.clip(0) - self.val.pbe_gaps)[stated].mean())
        return results

    def _kept(self) -> CrystalTextNetwork:
        """The network that is validated and kept: with averaged weights where an average is asked for."""
        return self.network if self.average is None else self.average.network

    def _save_best(self, entry: dict[str, Any]) -> None:
        content = {
            "model": {key: value.detach().cpu() for key, value in self._kept().state_dict().items()},
            "config": self.network.config.model_dump(mode="json"),
            "options": self.options.model_dump(mode="json"),
            "epoch": entry["epoch"],
            "metrics": {key: float(value) for key, value in entry.items()},
            "facts": self.facts,
        }
        save_atomically(content, self.folder / BEST)

    def _save_last(self) -> None:
        content = {
            "model": self.network.state_dict(),
            "config": self.network.config.model_dump(mode="json"),
            "options": self.options.model_dump(mode="json"),
            "optimizer": self.optimizer.state_dict(),
            "scheduler": self.scheduler.state_dict(),
            "run": copy.deepcopy(self.state.__dict__),
            "data": self.data,
        }
        if self.average is not None:
            content["average"] = self.average.state_dict()
        if self.teacher_head is not None:
            content["teacher_head"] = self.teacher_head.state_dict()
        save_atomically(content, self.folder / LAST)

    def restore(self, content: dict[str, Any]) -> None:
        """Continue from the content of a last checkpoint."""
        self.network.load_state_dict(content["model"])
        self.optimizer.load_state_dict(content["optimizer"])
        self.scheduler.load_state_dict(content["scheduler"])
        if self.average is not None:
            self.average.load_state_dict(content["average"])
        if self.teacher_head is not None:
            self.teacher_head.load_state_dict(content["teacher_head"])
        self.state = RunState(**content["run"])

"""A network on its way through the epochs, on one rank."""

from __future__ import annotations

import contextlib
import json
import math
import os
import time
import zlib
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from experiments.training.batches import NO_ROW, epoch_batches, mixed, shard_rows, steps_of
from experiments.training.rank import checkpoints
from experiments.training.rank.collectives import Collective, gather, share, told_by_first
from experiments.training.rank.folder import EPOCHS, MODEL, REPORT, Pulse
from experiments.training.rank.graphs import Graphs
from experiments.training.rows import TRAIN, VALIDATION, open_rows
from experiments.training.spec import RankSetup

if TYPE_CHECKING:
    from numpy.typing import NDArray

VALIDATION_BATCH = 4096


@dataclass
class Best:
    """What early stopping knows: the least loss, when it was, and the weights of then."""

    loss: float = math.inf
    epoch: int = 0
    weights: list[NDArray[Any]] = field(default_factory=list)


class Training:
    """A network on its way through the epochs, on one rank."""

    def __init__(self, setup: RankSetup, folder: Path, collective: Collective, pulse: Pulse) -> None:
        from experiments.training.rank.network import build_network, build_optimizer, check_loading, row_measures

        self.setup, self.spec, self.folder = setup, setup.training, folder
        self.collective, self.pulse = collective, pulse
        self.rows, self.held_out = (
            open_rows(folder, side, shard_rows(count, self.spec.world_size, setup.shard), self.spec.inputs)
            for side, count in ((TRAIN, self.spec.train_rows), (VALIDATION, self.spec.validation_rows))
        )
        self.model = build_network(self.spec)
        if collective.rank == 0:
            check_loading(self.model, folder / MODEL)
        self.optimizer = build_optimizer(self.spec)
        self.optimizer.build(self.model.trainable_variables)
        self.measure, _ = row_measures(self.spec)
        self.history: list[dict[str, float]] = []
        self.best = Best()
        self.seconds_of_sums, self.steps = 0.0, 0
        # What a function builds is known only now.
        self.identity = f"{self.spec.identity}-{zlib.crc32(self.model.to_json().encode()):08x}"
        self.graphs = Graphs(self.spec, self.model, self.optimizer)
        share(collective, self._state_variables())

    @property
    def is_done(self) -> bool:
        epoch, patience = len(self.history), self.spec.patience
        return epoch >= self.spec.epochs or bool(patience and epoch - self.best.epoch >= patience)

    def resume(self) -> None:
        """Go on from the newest checkpoint that rank 0 finds."""
        if self.spec.checkpoint_folder is None:
            return
        found = None
        if self.collective.rank == 0:
            path = Path(self.spec.checkpoint_folder)
            found = checkpoints.newest(path, self.identity, self.setup.digest)
        told = json.dumps(found.about) if found else ""
        about = json.loads(told_by_first(self.collective, told) or "null")
        if about is None:
            return
        if about["epoch"] > self.spec.epochs:
            raise ValueError(
                f"epochs must be at least the {about['epoch']} of the checkpoint in {self.spec.checkpoint_folder}, got "
                f"{self.spec.epochs}; raise it, or choose another folder"
            )
        self.history = about["history"]
        if about["has_best"]:
            self.best = Best(about["best_loss"], about["best_epoch"])
        else:  # early stopping begins here
            self.best = Best(epoch=about["epoch"])
        variables = self._state_variables()
        if found is not None:
            for variable, array in zip(variables, found.arrays, strict=False):
                variable.assign(array)
            self.best.weights = found.arrays[len(variables) :]
            print(f"resumed after epoch {about['epoch']}", flush=True)
        share(self.collective, variables)
        self.optimizer.learning_rate.assign(self.spec.scaled_rate)  # that of so many ranks as there are now
        if about["has_best"]:
            self._share_best()

    def run_epoch(self) -> None:
        """One pass over the rows: train, judge, compare the ranks, and tell."""
        started = time.perf_counter()
        epoch = len(self.history) + 1
        self._seed_dropout(epoch)
        for step, batch in enumerate(self._batches(epoch)):
            self._warm_up(epoch, step)
            self._step(*batch)
        values = self._values(self.graphs.measured())
        self._average_statistics()
        if self.spec.validation_rows:
            values |= {f"val_{name}": value for name, value in self._values(self._validate()).items()}
        self._agree(epoch)
        self._keep_best(epoch, values)
        row = {f"epoch_{name}": value for name, value in values.items()}
        rate = float(np.asarray(self.optimizer.learning_rate))
        self.history.append(
            {
                "epoch": epoch,
                **row,
                "epoch_learning_rate": rate,
                "epoch_seconds": round(time.perf_counter() - started, 4),
            }
        )
        if self.collective.rank == 0:
            self._tell()

    def finish(self, seconds: float) -> None:
        """Leave the model (rank 0) and what this rank did."""
        from experiments.training.rank.network import layer_table

        if self.spec.patience and self.best.weights:
            self.model.set_weights(self.best.weights)
        else:
            self.optimizer.finalize_variable_values(self.model.trainable_variables)  # of an average, if it keeps one
        if self.collective.rank == 0:
            self.model.save(self.folder / MODEL)
        report = {
            "seconds": round(seconds, 3),
            "seconds_of_sums": round(self.seconds_of_sums, 3),
            "steps": self.steps,
            "bytes_of_a_step": 4 * (sum(int(np.prod(v.shape)) for v in self.model.trainable_variables) + 1),
            "device": self._device(),
            "history": self.history,
            "layers": layer_table(self.model),
        }
        # Ranks leave together, as one that is gone would look to the others as if it had failed. In this very sum it
        # may be gone before all have what it sent; then it had come to its end too, or says itself why not.
        with contextlib.suppress(Exception):
            gather(self.collective, [1.0])
        (self.folder / REPORT).write_text(json.dumps(report))

    def _batches(self, epoch: int) -> Iterator[tuple[Any, Any, Any]]:
        """This rank's share of each batch. Where it has no row at all, its first one stands in with a weight of 0."""
        spec, rows = self.spec, self.rows
        row_bytes = 4 * (spec.inputs + 2)
        shares = epoch_batches(
            spec.train_rows, spec.batch_size, spec.world_size, self.setup.shard, spec.seed, epoch, row_bytes
        )
        for places in shares:
            chosen = places[places != NO_ROW]
            if not len(chosen):
                yield rows.features[:1], rows.labels[:1], np.zeros(1, np.float32)
                continue
            yield rows.features[chosen], rows.labels[chosen], rows.weights[chosen]

    def _step(self, features: Any, labels: Any, weights: Any) -> None:
        """What all ranks' rows of a batch say together changes the weights of each."""
        self.steps += 1
        self.pulse.beat()
        if self.collective.size == 1:
            self.graphs.step(features, labels, weights)
        else:
            gradients = self.graphs.gradients(features, labels, weights)
            started = time.perf_counter()
            summed = self._sum(gradients)
            self.seconds_of_sums += time.perf_counter() - started
            self.graphs.apply(summed)

    def _sum(self, gradients: list[Any]) -> list[Any]:
        return self.collective.sum(gradients)

    def _warm_up(self, epoch: int, step: int) -> None:
        """The learning rate grows from what was set to what the ranks make of it."""
        spec = self.spec
        length = spec.warmup_epochs * steps_of(spec.train_rows, spec.batch_size)
        done = (epoch - 1) * steps_of(spec.train_rows, spec.batch_size) + step
        if done > length + 1 or length == 0:
            return
        share_of_way = min(1.0, (done + 1) / length)
        self.optimizer.learning_rate.assign(spec.learning_rate + (spec.scaled_rate - spec.learning_rate) * share_of_way)

    def _validate(self) -> NDArray[np.float64]:
        rows = self.held_out
        for start in range(0, len(self.held_out), VALIDATION_BATCH):
            part = slice(start, start + VALIDATION_BATCH)
            self.graphs.judge(rows.features[part], rows.labels[part], rows.weights[part])
            self.pulse.beat()
        return self.graphs.measured()

    def _values(self, sums: NDArray[np.float64]) -> dict[str, float]:
        """Means over all ranks' rows, from this rank's sums."""
        loss, measure, weight = gather(self.collective, sums.tolist()).sum(axis=0)
        if not math.isfinite(loss):
            raise ValueError(
                f"loss must stay finite, got {loss} in epoch {len(self.history) + 1}; lower learningRate, or scale the "
                "features (preprocessing=scale)"
            )
        weight = weight or math.nan
        return {"loss": loss / weight, self.measure: measure / weight}

    def _average_statistics(self) -> None:
        """What batch normalisation saw differs by rank, as each sees its share of a batch."""
        moving = [v for v in self.model.non_trainable_variables if "float" in v.dtype]
        if moving and self.collective.size > 1:
            for variable, total in zip(moving, self.collective.sum([v.value for v in moving]), strict=True):
                variable.assign(total / self.collective.size)

    def _agree(self, epoch: int) -> None:
        """All ranks must hold the same weights.

        Raises:
            RuntimeError: they do not.
        """
        if self.collective.size == 1:
            return
        checksum = 0
        for variable in self._state_variables():
            checksum = zlib.crc32(np.ascontiguousarray(variable.numpy()).tobytes(), checksum)
        checksums = gather(self.collective, [float(checksum)])[:, 0]
        if len(set(checksums)) > 1:
            raise RuntimeError(
                f"all ranks must hold the same weights, but after epoch {epoch} ranks "
                f"{', '.join(str(rank) for rank, value in enumerate(checksums) if value != checksums[0])} differ from "
                "rank 0: gradients were not summed, or a layer does something else on each rank"
            )

    def _keep_best(self, epoch: int, values: dict[str, float]) -> None:
        loss = values.get("val_loss", values["loss"])
        if self.spec.patience and loss < self.best.loss:
            self.best = Best(loss, epoch, self.model.get_weights())

    def _share_best(self) -> None:
        """Give all ranks the best weights that rank 0 has from a checkpoint."""
        import tensorflow as tf

        held = [tf.Variable(value) for value in (self.best.weights or self.model.get_weights())]
        share(self.collective, held)
        self.best.weights = [value.numpy() for value in held]

    def _tell(self) -> None:
        """Keep the epoch, then say that it is done."""
        row = self.history[-1]
        if self.spec.checkpoint_folder is not None:
            about = {
                "epoch": row["epoch"],
                "identity": self.identity,
                "digest": self.setup.digest,
                "history": self.history,
                "best_loss": self.best.loss if math.isfinite(self.best.loss) else None,
                "best_epoch": self.best.epoch,
                "has_best": bool(self.best.weights),
            }
            arrays = [variable.numpy() for variable in self._state_variables()]
            checkpoints.save(Path(self.spec.checkpoint_folder), checkpoints.State(about, [*arrays, *self.best.weights]))
        with (self.folder / EPOCHS).open("a") as file:
            file.write(json.dumps(row) + "\n")
        print("  ".join(f"{name} {value:.6g}" for name, value in row.items()), flush=True)

    def _state_variables(self) -> list[Any]:
        """Weights, moving statistics and what the optimizer keeps; the state of dropout is each rank's own."""
        floats = [v for v in self.model.variables if not _is_of_seeds(v)]
        return [*floats, *self.optimizer.variables]

    def _seed_dropout(self, epoch: int) -> None:
        """Each rank drops other units, and an epoch does the same whether or not the training was resumed there."""
        for number, variable in enumerate(v for v in self.model.variables if _is_of_seeds(v)):
            salt = mixed(np.array([self.spec.seed, epoch, self.setup.shard, number]), np.uint64(3))
            variable.assign(np.array([int(mixed(salt, np.uint64(4)).sum(dtype=np.uint64) & np.uint64(0x7FFFFFFF)), 0]))

    def _device(self) -> str:
        import tensorflow as tf

        gpus = tf.config.list_logical_devices("GPU")
        return f"GPU {os.environ.get('CUDA_VISIBLE_DEVICES', '')}" if gpus else f"CPU x {self.setup.threads}"


def _is_of_seeds(variable: Any) -> bool:
    return str(variable.path).endswith("seed_generator_state")

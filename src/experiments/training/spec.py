"""What crosses from the driver to the ranks: plain values that JSON can hold."""

from __future__ import annotations

import hashlib
import json
import math
from collections.abc import Mapping
from dataclasses import asdict, dataclass, replace
from typing import Any

# Of a network on its way through Spark's rows, which hold 2 GB at the most.
CHUNK_BYTES = 4 * 1024 * 1024


@dataclass(frozen=True)
class TrainingSpec:
    """One training, the same for all ranks.

    Attributes:
        network: `{"layers": […]}` of Keras's layers, or `{"function": "package.module:name"}`.
        inputs: length of the feature vectors.
        outputs: classes; 1 for two classes and for a regression.
        is_classification: whether labels are numbers of classes.
        loss: Keras's name of it.
        optimizer: `{"class_name": …, "config": {…}}`, as Keras has it, without the learning rate.
        learning_rate: before it is scaled.
        scaling: how it grows with the number of ranks: none, linear or sqrt.
        warmup_epochs: over which it gets there.
        batch_size: rows of a step, over all ranks.
        epochs: passes over the rows.
        patience: epochs without a better loss after which it ends; 0 for never.
        train_rows, validation_rows: over all ranks.
        seed: of weights, order and dropout.
        engine: local, tensorflow or horovod.
        world_size: number of ranks.
        checkpoint_folder: where each epoch is kept, or None.
        stall_seconds: without a step after which a rank is ended.
    """

    network: Mapping[str, Any]
    inputs: int
    outputs: int
    is_classification: bool
    loss: str
    optimizer: Mapping[str, Any]
    learning_rate: float
    scaling: str
    warmup_epochs: float
    batch_size: int
    epochs: int
    patience: int
    train_rows: int
    validation_rows: int
    seed: int
    engine: str
    world_size: int
    checkpoint_folder: str | None
    stall_seconds: float

    @property
    def scaled_rate(self) -> float:
        """The learning rate of this number of ranks."""
        factors = {"none": 1.0, "linear": float(self.world_size), "sqrt": math.sqrt(self.world_size)}
        return self.learning_rate * factors[self.scaling]

    @property
    def identity(self) -> str:
        """Of what is trained: not for how long, by how many ranks or by which engine."""
        neutral = replace(
            self, epochs=0, patience=0, engine="", world_size=0, checkpoint_folder=None, stall_seconds=0.0
        )
        return hashlib.sha256(json.dumps(asdict(neutral), sort_keys=True).encode()).hexdigest()[:16]


@dataclass(frozen=True)
class Seat:
    """Where a rank sits in the ring in which ranks sum.

    Attributes:
        address: at which it listens, `tcp://host:port`.
        next_address: of the rank behind it.
        public_key, secret_key: its own, as 40 characters of Z85.
        next_key, previous_key: public keys of its neighbours.
    """

    address: str
    next_address: str
    public_key: str
    secret_key: str
    next_key: str
    previous_key: str


@dataclass(frozen=True)
class RankSetup:
    """What one training process is told.

    Attributes:
        training: the same for all.
        rank: of this process.
        shard: which rows it has: those whose number divided by the ranks leaves this.
        parent: id of the process that must live for this one to go on.
        digest: of the content of all rows.
        threads: processors that it may use.
        seat: in the ring of the engine `tensorflow`; None of others.
    """

    training: TrainingSpec
    rank: int
    shard: int
    parent: int
    digest: str
    threads: int
    seat: Seat | None = None

    def to_json(self) -> str:
        return json.dumps(asdict(self))

    @classmethod
    def from_json(cls, text: str) -> RankSetup:
        values = json.loads(text)
        seat = Seat(**values["seat"]) if values["seat"] else None
        return cls(**{**values, "training": TrainingSpec(**values["training"]), "seat": seat})

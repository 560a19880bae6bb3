"""A training that several tests begin with."""

from experiments.training.spec import TrainingSpec

SPEC = TrainingSpec(
    network={"layers": []}, inputs=3, outputs=1, is_classification=True, loss="binary_crossentropy",
    optimizer={"class_name": "SGD", "config": {}}, learning_rate=0.1, scaling="linear", warmup_epochs=0, batch_size=12,
    epochs=3, patience=0, train_rows=103, validation_rows=10, seed=1, engine="horovod", world_size=4,
    checkpoint_folder=None, stall_seconds=60,
)  # fmt: skip

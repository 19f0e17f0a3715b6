"""Recording every individual: our genome database beside Optuna's storages.

Each contender stores n evaluated individuals of 10 floats with their score in an empty file: ours
by generations of 1 000 with two parents each; Optuna by ``ask`` and ``tell`` and, faster, by
``add_trials``, into its SQLite storage and its journal file. Optuna stores no parents, and waits
for the disk at each trial; ours does so at each generation when synced. Prints individuals per
second.

    python benches/peers/evolution/recording.py --rounds 3
"""

import tempfile
import warnings
from pathlib import Path

import numpy as np
import optuna
import timing
from optuna.distributions import FloatDistribution
from optuna.storages import JournalStorage, RDBStorage
from optuna.storages.journal import JournalFileBackend

from chimera.evolution import GenomeDatabase

D = 10


class Replay:
    """A search that hands out prepared generations, so that only recording is timed."""

    method, seed, maximized, operators = "replay", 0, (), ("vary",)
    is_steady, stop_reason, figures = False, None, {}

    def __init__(self, n_rows):
        rng = np.random.default_rng(1)
        self.n_rows = n_rows
        self.blocks = [("x", "f64", [0.0] * D, [1.0] * D)]
        self.batch = rng.random((n_rows, D))
        self.scores = self.batch.sum(axis=1)
        self.parents = rng.integers(0, n_rows, (n_rows, 2)).astype(np.uint64)
        self.generation = self.n_evaluations = 0

    @property
    def told(self):
        """Identities, parents and operators of the rows told last."""
        first = (self.generation - 1) * self.n_rows
        ids = np.arange(first, first + self.n_rows, dtype=np.uint64)
        operators = np.zeros(self.n_rows, np.uint8)
        if not first:
            return ids, np.empty((self.n_rows, 0), np.uint64), operators
        return ids, self.parents + np.uint64(first - self.n_rows), operators

    def ask(self):
        return self.batch

    def tell(self, batch, scores, **_):  # noqa: ARG002
        self.generation += 1
        self.n_evaluations += len(batch)


def ours(n, *, is_synced):
    with (
        tempfile.TemporaryDirectory() as folder,
        GenomeDatabase(Path(folder) / "runs.db", is_synced=is_synced) as database,
    ):
        search = Replay(1000)
        recorder = database.record(search)
        for _ in range(n // 1000):
            recorder.tell(search.batch, search.scores)
        recorder.finish()


def storage(kind, folder):
    if kind == "sqlite":
        return RDBStorage(f"sqlite:///{folder}/optuna.db")
    return JournalStorage(JournalFileBackend(f"{folder}/optuna.log"))


def by_tell(kind, n):
    values = np.random.default_rng(1).random((n, D))
    space = {f"x{idx}": FloatDistribution(0.0, 1.0) for idx in range(D)}
    with tempfile.TemporaryDirectory() as folder:
        study = optuna.create_study(
            storage=storage(kind, folder), sampler=optuna.samplers.RandomSampler(seed=1)
        )
        for row in values:
            study.tell(study.ask(space), float(row.sum()))


def by_add(kind, n):
    values = np.random.default_rng(1).random((n, D))
    space = {f"x{idx}": FloatDistribution(0.0, 1.0) for idx in range(D)}
    with tempfile.TemporaryDirectory() as folder:
        study = optuna.create_study(storage=storage(kind, folder))
        study.add_trials(
            optuna.create_trial(
                params={f"x{idx}": float(value) for idx, value in enumerate(row)},
                distributions=space,
                value=float(row.sum()),
            )
            for row in values
        )


def main():
    options = timing.arguments(
        __doc__.splitlines()[0],
        rows=(100_000, "individuals that ours records"),
        trials=(50, "trials that Optuna records"),
    )
    optuna.logging.set_verbosity(optuna.logging.ERROR)
    warnings.simplefilter("ignore")
    calls = {
        "chimera": (lambda: ours(options.rows, is_synced=False), options.rows),
        "chimera synced": (lambda: ours(options.rows, is_synced=True), options.rows),
    }
    for kind in ("sqlite", "journal"):
        for how, call in (("ask/tell", by_tell), ("add_trials", by_add)):
            work = (lambda call=call, kind=kind: call(kind, options.trials), options.trials)
            calls[f"optuna {kind} {how}"] = work
    seconds = timing.interleave({name: call for name, (call, _) in calls.items()}, options.rounds)
    timings = {
        name: tuple(value / calls[name][1] for value in both) for name, both in seconds.items()
    }
    timing.table("one individual recorded", timings, unit="us")
    for name, (least, median) in timings.items():
        print(f"{name:24}{1 / median:12,.0f} individuals/s (best {1 / least:,.0f})")
    timing.write(options.json, {"versions": timing.versions("optuna"), "seconds": timings})


if __name__ == "__main__":
    main()

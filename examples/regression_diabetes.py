"""Symbolic regression on real data: evolve a readable formula for disease progression.

Run it with Python to compare the formula below with a linear model on the held-out patients;
improve it with `chimera improve examples/regression_diabetes.py --budget 60s --seed 1`.

The data are scikit-learn's diabetes table: 442 patients, ten baseline features, and a measure of
disease progression one year later. Training and unseen instances are samples of disjoint patients.
Needs scikit-learn: pip install scikit-learn
Source: Efron, Hastie, Johnstone and Tibshirani (2004), Least angle regression.
"""

import random
from functools import cache

import chimera

N_TRAIN_ROWS = 310
N_ROWS_PER_INSTANCE = 100


@chimera.evolve
def predict(
    age: float,
    sex: float,
    bmi: float,
    pressure: float,
    s1: float,
    s2: float,
    s3: float,
    s4: float,
    s5: float,
    s6: float,
) -> float:
    """Estimate the progression (25..346) from features centred on 0 with values near +-0.05."""
    return 152.0 + 900.0 * bmi


@chimera.objective(direction="minimize")
def error(features: chimera.float_matrix, targets: chimera.floats) -> float:
    """Return the mean squared error over the rows."""
    total = 0.0
    for i in range(len(targets)):
        row = features[i]
        estimate = predict(
            row[0], row[1], row[2], row[3], row[4], row[5], row[6], row[7], row[8], row[9]
        )
        difference = estimate - targets[i]
        total += difference * difference
    return total / len(targets)


@cache
def table() -> tuple[list[list[float]], list[float]]:
    """Return features and targets in one fixed random order."""
    from sklearn.datasets import load_diabetes

    features, targets = load_diabetes(return_X_y=True)
    order = list(range(len(targets)))
    random.Random(0).shuffle(order)
    return features[order].tolist(), targets[order].tolist()


def sample(seed: int, first: int, last: int) -> tuple[list[list[float]], list[float]]:
    """Draw rows with replacement from a range of the table."""
    features, targets = table()
    rng = random.Random(seed)
    rows = [rng.randrange(first, last) for _ in range(N_ROWS_PER_INSTANCE)]
    return [features[row] for row in rows], [targets[row] for row in rows]


@chimera.workload
def train(seed: int) -> tuple[list[list[float]], list[float]]:
    """Return a sample of the training patients."""
    return sample(seed, 0, N_TRAIN_ROWS)


@chimera.workload(holdout=True)
def unseen(seed: int) -> tuple[list[list[float]], list[float]]:
    """Return a sample of the held-out patients."""
    return sample(seed, N_TRAIN_ROWS, len(table()[1]))


def compare() -> None:
    """Print the error of the live formula and of a linear model on all held-out patients."""
    from sklearn.linear_model import LinearRegression

    features, targets = table()
    train_rows, held_out = features[:N_TRAIN_ROWS], features[N_TRAIN_ROWS:]
    model = LinearRegression().fit(train_rows, targets[:N_TRAIN_ROWS])
    estimates = model.predict(held_out)
    truth = targets[N_TRAIN_ROWS:]
    linear = sum((a - b) ** 2 for a, b in zip(estimates, truth, strict=True)) / len(truth)
    print(f"mean squared error on {len(truth)} held-out patients")
    print(f"  formula in this file  {error(held_out, truth):8.1f}")
    live = chimera.load(__file__)
    print(f"  live formula          {live.error(held_out, truth):8.1f}")
    print(f"  linear model          {linear:8.1f}")


if __name__ == "__main__":
    compare()

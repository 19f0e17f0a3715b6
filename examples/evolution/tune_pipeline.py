"""Tune a scikit-learn pipeline, and compare with Optuna at an equal budget.

The pipeline predicts disease progression one year later from ten features of 442 patients
(scikit-learn's diabetes table): scaling, principal components, support vector regression. Five
hyperparameters are searched by five-fold cross-validation; a third of the patients is kept apart
and only seen by the final figures.

    python examples/evolution/tune_pipeline.py --trials 100 --seeds 5

Needs scikit-learn; the comparison is made where Optuna is installed.
Source: Efron, Hastie, Johnstone and Tibshirani (2004), Least angle regression.
"""

import argparse
import statistics
import warnings

import numpy as np
from sklearn.datasets import load_diabetes
from sklearn.decomposition import PCA
from sklearn.model_selection import KFold, cross_val_score, train_test_split
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler
from sklearn.svm import SVR

from chimera.evolution import minimize

# Name, lower and upper bound of each hyperparameter, on the scale it is searched on.
PARAMETERS = {
    "log10_c": (-2.0, 4.0),
    "log10_gamma": (-4.0, 1.0),
    "log10_epsilon": (-2.0, 2.0),
    "n_components": (1.0, 10.0),
    "whiten": (0.0, 1.0),
}


def pipeline(log10_c, log10_gamma, log10_epsilon, n_components, whiten):
    """Return the pipeline of a setting."""
    return make_pipeline(
        StandardScaler(),
        PCA(n_components=round(n_components), whiten=whiten > 0.5),
        SVR(C=10**log10_c, gamma=10**log10_gamma, epsilon=10**log10_epsilon, max_iter=20_000),
    )


def cross_validated(setting, features, targets):
    """Return the mean squared error over five folds."""
    folds = KFold(5, shuffle=True, random_state=0)
    scores = cross_val_score(
        pipeline(*setting), features, targets, cv=folds, scoring="neg_mean_squared_error"
    )
    return -float(scores.mean())


def tune_with_chimera(objective, n_trials, seed):
    """Return the best setting and its score."""
    result = minimize(objective, list(PARAMETERS.values()), budget=n_trials, seed=seed)
    return result.x, result.score


def tune_with_optuna(objective, n_trials, seed):
    """Return the best setting and its score, found by Optuna's default sampler (TPE)."""
    import optuna

    optuna.logging.set_verbosity(optuna.logging.WARNING)
    study = optuna.create_study(sampler=optuna.samplers.TPESampler(seed=seed))
    study.optimize(
        lambda trial: objective(
            [trial.suggest_float(name, low, high) for name, (low, high) in PARAMETERS.items()]
        ),
        n_trials=n_trials,
    )
    return list(study.best_params.values()), study.best_value


def tuners():
    """Return what can be compared here, by name."""
    found = {"chimera": tune_with_chimera}
    try:
        import optuna  # noqa: F401
    except ImportError:
        print("Optuna is not installed: no comparison (pip install optuna)")
    else:
        found["optuna"] = tune_with_optuna
    return found


def main():
    """Tune with every tuner on every seed, and print what they found."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--trials", type=int, default=100, help="cross-validations per run")
    parser.add_argument("--seeds", type=int, default=5, help="runs per tuner")
    options = parser.parse_args()
    warnings.filterwarnings("ignore", message="Solver terminated early")

    features, targets = load_diabetes(return_X_y=True)
    train, test, train_targets, test_targets = train_test_split(
        features, targets, test_size=1 / 3, random_state=0
    )

    def objective(setting):
        return cross_validated(setting, train, train_targets)

    print(f"{options.trials} cross-validations a run; mean squared error, lower is better")
    for name, tune in tuners().items():
        found = [tune(objective, options.trials, seed) for seed in range(options.seeds)]
        scores = [score for _, score in found]
        setting, score = min(found, key=lambda pair: pair[1])
        model = pipeline(*setting).fit(train, train_targets)
        unseen = float(np.mean((model.predict(test) - test_targets) ** 2))
        print(
            f"{name:8} cross-validated: best {score:.1f}, mean {statistics.mean(scores):.1f}, "
            f"worst {max(scores):.1f}; best setting on unseen patients: {unseen:.1f}"
        )


if __name__ == "__main__":
    main()

"""Evolve a controller: balance a pole, then land on the moon.

A linear policy (one score per action, the highest wins) is searched by CMA-ES. Every generation
flies the same few episodes with each candidate, and other episodes than the generation before:
a candidate cannot learn its weather by heart. Many candidates and few episodes serve better than
the contrary: 20 candidates of three episodes mostly learn to hover. The verdict comes from a
hundred unseen episodes.

    python examples/evolution/controller.py                      # CartPole-v1, seconds
    python examples/evolution/controller.py LunarLander-v3       # a few minutes
    python examples/evolution/controller.py LunarLander-v3 --plot landing.png

Needs gymnasium (LunarLander: gymnasium[box2d]); the picture needs matplotlib.
"""

import argparse
import time
from functools import cache

import numpy as np

from chimera.evolution import CMAES
from chimera.evolution.evaluation import ProcessPool

UNSEEN = 1_000_000  # the first seed of the unseen episodes
TARGETS = {"CartPole-v1": 500.0, "LunarLander-v3": 260.0}


@cache
def environment(name):
    """Return this process's environment."""
    import gymnasium

    return gymnasium.make(name)


def fly(weights, name, seed):
    """Return the reward of one episode."""
    world = environment(name)
    observation, _ = world.reset(seed=int(seed))
    policy = weights.reshape(world.action_space.n, -1)
    reward = 0.0
    while True:
        action = int((policy[:, :-1] @ observation + policy[:, -1]).argmax())
        observation, gain, terminated, truncated, _ = world.step(action)
        reward += float(gain)
        if terminated or truncated:
            return reward


class MeanReward:
    """Score of a candidate: the mean reward over the episodes of the generation.

    Candidates carry the generation as their last number, so that worker processes know which
    episodes to fly.
    """

    def __init__(self, name, n_episodes):
        self.name = name
        self.n_episodes = n_episodes

    def __call__(self, row):
        """Return the mean reward of one candidate."""
        weights, generation = row[:-1], int(row[-1])
        seeds = range(generation * self.n_episodes, (generation + 1) * self.n_episodes)
        return float(np.mean([fly(weights, self.name, seed) for seed in seeds]))


def evolve(name, options):
    """Return the mean of the final distribution and the rewards of all generations."""
    world = environment(name)
    n_weights = world.action_space.n * (world.observation_space.shape[0] + 1)
    search = CMAES(
        [(-10.0, 10.0)] * n_weights,
        x0=np.zeros(n_weights),
        sigma=options.sigma,
        population_size=options.population,
        direction="maximize",
        seed=options.seed,
    )
    rewards = []
    start = time.monotonic()
    with ProcessPool(MeanReward(name, options.episodes), workers=options.workers) as pool:
        while time.monotonic() - start < options.seconds:
            batch = search.ask()
            stamped = np.column_stack([batch, np.full(len(batch), search.generation)])
            evaluated = pool.evaluate(stamped)
            search.tell(batch, evaluated.objectives, failed=evaluated.failed)
            rewards.append(evaluated.objectives.ravel())
            if options.target is not None and np.median(rewards[-1]) >= options.target:
                break
            if search.generation % 20 == 0:
                print(f"generation {search.generation:4}: median {np.median(rewards[-1]):8.1f}")
    # The mean of the last batch estimates the centre of the distribution.
    return np.mean(search.ask(), axis=0), np.array(rewards)


def draw(rewards, name, path):
    """Draw how the rewards grew."""
    import matplotlib as mpl

    mpl.use("Agg")
    from matplotlib import pyplot as plt

    figure, axes = plt.subplots(figsize=(7, 4), layout="constrained")
    generations = np.arange(1, len(rewards) + 1)
    low, middle, high = np.quantile(rewards, [0.1, 0.5, 0.9], axis=1)
    axes.fill_between(generations, low, high, alpha=0.25, linewidth=0, label="10 to 90 %")
    axes.plot(generations, middle, label="median of the generation")
    axes.set(xlabel="generation", ylabel="mean reward", title=name)
    axes.legend(frameon=False)
    figure.savefig(path, dpi=150)
    print(f"drawn: {path}")


def main():
    """Evolve, judge on unseen episodes, draw."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("environment", nargs="?", default="CartPole-v1")
    parser.add_argument("--seconds", type=float, default=300.0, help="budget")
    parser.add_argument("--episodes", type=int, default=2, help="episodes per candidate")
    parser.add_argument("--population", type=int, default=40)
    parser.add_argument("--sigma", type=float, default=1.0, help="initial step size")
    parser.add_argument("--target", type=float, help="stop once the median reaches it")
    parser.add_argument("--unseen", type=int, default=100, help="episodes of the verdict")
    parser.add_argument("--workers", type=int, default=2)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--plot", help="draw to this file")
    options = parser.parse_args()
    if options.target is None:
        options.target = TARGETS.get(options.environment)
    weights, rewards = evolve(options.environment, options)
    unseen = [fly(weights, options.environment, UNSEEN + idx) for idx in range(options.unseen)]
    print(
        f"{options.environment}: {len(rewards)} generations, {rewards.size * options.episodes} "
        f"episodes; on {options.unseen} unseen episodes: mean {np.mean(unseen):.1f}, "
        f"worst {np.min(unseen):.1f}"
    )
    if options.plot:
        draw(rewards, options.environment, options.plot)


if __name__ == "__main__":
    main()

"""
The search over programs.
"""

from .execution import Engine, Instances
from .programs import Program
from typing import SupportsIndex, final

__all__ = ["Candidate", "Search", "Step"]

@final
class Candidate:
    """
    A kept candidate.
    """
    @property
    def deviation(self, /) -> float:
        """
        Standard deviation of the score over the same instances.
        """
    @property
    def fuel(self, /) -> int:
        """
        Mean fuel of one evaluation.
        """
    @property
    def generation(self, /) -> int:
        """
        The generation that made it.
        """
    @property
    def id(self, /) -> str:
        """
        `program.id`: SHA-256 of its source, in hexadecimal.
        """
    @property
    def n_instances(self, /) -> int:
        """
        Number of instances behind the score.
        """
    @property
    def operator(self, /) -> str:
        """
        The operator that made it.
        """
    @property
    def parents(self, /) -> list[str]:
        """
        Identities of the parents.
        """
    @property
    def program(self, /) -> Program:
        """
        The program.
        """
    @property
    def score(self, /) -> float:
        """
        Mean score over the first `Search.n_selection` training instances.
        """
    @property
    def size(self, /) -> int:
        """
        Nodes of the evolvable functions.
        """

@final
class Search:
    """
    A deterministic search for better versions of a program's evolvable functions.

    Equal program, instances, seed and settings give the same sequence of steps on any number of
    threads, also when the search is saved and loaded in between.

    Args:
        program: The baseline.
        objective: Name of the function that scores; one call per instance.
        instances: Training instances: arguments of the objective.
        seed: Seed of every random stream.
        direction: `minimize` or `maximize`.
        probes: Per evolvable function, argument tuples on which behaviour is compared.
        settings: Overrides of the search's settings by name.

    Raises:
        ConfigError: A setting is unknown or outside its range.
    """
    def __new__(cls, /, program: Program, objective: str, instances: Instances, *, seed: SupportsIndex, direction: str, probes: "dict[str, list[tuple[object, ...]]]", settings: "dict[str, float] | None" = None) -> Search: ...
    @property
    def best(self, /) -> Candidate:
        """
        The best candidate so far; before the first step the baseline, with a score of NaN.
        """
    def digest(self, /) -> str:
        """
        SHA-256 of `save()`, in hexadecimal.
        """
    @property
    def generation(self, /) -> int:
        """
        The generation that the next step runs.
        """
    def lineage(self, /, id: str) -> list[Candidate]:
        """
        The candidates from the baseline to the one with this identity.
        """
    @staticmethod
    def load(data: bytes, program: Program, objective: str, instances: Instances) -> Search:
        """
        Continue from what `save` wrote, with the same program, objective, instances and probes.

        Raises:
            StateError: The bytes are damaged, of another version, or of another task.
        """
    @property
    def n_evaluations(self, /) -> int:
        """
        Objective calls so far, each on one instance.
        """
    @property
    def n_selection(self, /) -> int:
        """
        Training instances, from the first on, that decide races and give candidates their scores.
        """
    def operators(self, /) -> "list[dict[str, object]]":
        """
        Name, trials, acceptances and credit of every operator.
        """
    def save(self, /) -> bytes:
        """
        The state of the search as bytes.
        """
    def step(self, /, engine: Engine) -> Step:
        """
        Run one generation: propose, compile, evaluate with racing, learn.

        Raises:
            KeyboardInterrupt: Ctrl-C came; the generation is not counted and can be run again.
        """

@final
class Step:
    """
    What one generation did.
    """
    @property
    def best_score(self, /) -> float:
        """
        Score of the best candidate.
        """
    @property
    def digest(self, /) -> str:
        """
        SHA-256 of everything the generation measured, in hexadecimal.
        """
    @property
    def generation(self, /) -> int:
        """
        Number of the generation; 0 evaluates the baseline.
        """
    @property
    def improvements(self, /) -> list[Candidate]:
        """
        New best candidates, in order.
        """
    @property
    def n_candidates(self, /) -> int:
        """
        Candidates that entered the race.
        """
    @property
    def n_duplicates(self, /) -> int:
        """
        Candidates skipped because an equal one is known.
        """
    @property
    def n_evaluations(self, /) -> int:
        """
        Objective calls so far.
        """
    @property
    def n_traps(self, /) -> int:
        """
        Objective calls that trapped or gave no finite score.
        """

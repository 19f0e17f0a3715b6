"""Instances: drawn from seeds, normalised to Python numbers and lists, checked, hashed.

Training seeds are even and hold-out seeds odd, so the two sets are disjoint by construction.
Every instance is held in the form in which both the sandbox and CPython receive it.
"""

from __future__ import annotations

import copy
import hashlib
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final, Literal, get_args, get_origin

from chimera.errors import WorkloadError
from chimera.improve.deadline import DeadlinePassed, deadline
from chimera.improve.foreign import describe
from chimera.ledger import canonical_json

__all__ = ["InstanceSet", "check_unseen", "coerce", "derive_seeds", "draw"]

SEED_BITS: Final = 31
SHOWN_CHARACTERS_MAX: Final = 40
Stream = Literal["train", "holdout"]


def derive_seeds(seed: int, stream: Stream, n: int) -> list[int]:
    """Return distinct workload seeds.

    Args:
        seed: The run's seed.
        stream: ``"train"`` gives even, ``"holdout"`` odd numbers.
        n: How many.

    Returns:
        Seeds in ``0 .. 2**31 - 1``, so that every generator accepts them.

    Example:
        >>> set(derive_seeds(1, "train", 99)) & set(derive_seeds(1, "holdout", 99))
        set()
    """
    parity = int(stream == "holdout")
    seeds: dict[int, None] = {}
    counter = 0
    while len(seeds) < n:
        digest = hashlib.sha256(f"chimera:{stream}:{seed}:{counter}".encode()).digest()
        number = int.from_bytes(digest[:8], "little") >> (64 - SEED_BITS)
        seeds[number & ~1 | parity] = None
        counter += 1
    return list(seeds)


@dataclass(frozen=True, slots=True)
class InstanceSet:
    """Instances of one stream.

    Attributes:
        seeds: ``(n,)`` the seed of each instance.
        arguments: ``(n,)`` tuples of the objective's arguments.
        digest: sha256 (hex) of all arguments.
        keys: ``(n,)`` sha256 (hex) of each instance.
    """

    seeds: tuple[int, ...]
    arguments: tuple[tuple[Any, ...], ...]
    digest: str
    keys: tuple[str, ...]

    def __len__(self) -> int:
        """Return the number of instances."""
        return len(self.arguments)

    def copy_of(self, idx: int) -> tuple[Any, ...]:
        """Return one instance's arguments as fresh objects that a callee may change."""
        return copy.deepcopy(self.arguments[idx])


def draw(
    workload: Callable[[int], Any],
    parameters: Mapping[str, Any],
    seeds: Sequence[int],
    *,
    timeout_s: float,
) -> InstanceSet:
    """Call a workload once per seed and check what it returns.

    Args:
        workload: The user's function of one seed.
        parameters: The objective's parameter names and annotated types, in order.
        seeds: ``(n,)`` seeds.
        timeout_s: Limit for one call.

    Raises:
        WorkloadError: If it raises, takes too long, returns nothing or an ill-typed instance,
            returns the same instance for every seed, or another one for the same seed.
    """
    arguments = tuple(_instance(workload, parameters, seed, timeout_s) for seed in seeds)
    texts = [canonical_json(list(item)) for item in arguments]
    if len(seeds) > 1 and len(set(texts)) == 1:
        raise WorkloadError(
            f"expected {workload.__name__}(seed) to return another instance for another seed, got "
            f"the same one {len(seeds)} times; draw it from random.Random(seed)"
        )
    again = _instance(workload, parameters, seeds[0], timeout_s) if seeds else ()
    if seeds and canonical_json(list(again)) != texts[0]:
        raise WorkloadError(
            f"expected {workload.__name__}(seed={seeds[0]}) to return the same instance each time, "
            "got another one the second time; derive everything from the seed, for example with "
            "random.Random(seed)"
        )
    digest = hashlib.sha256("\n".join(texts).encode()).hexdigest()
    keys = tuple(hashlib.sha256(text.encode()).hexdigest() for text in texts)
    return InstanceSet(tuple(seeds), arguments, digest, keys)


def check_unseen(train: InstanceSet, holdout: InstanceSet) -> None:
    """Check that the verdict rests on instances that differ and that training does not hold.

    Raises:
        WorkloadError: If hold-out instances repeat, or are training instances too.
    """
    n_distinct = len(set(holdout.keys))
    if n_distinct < len(holdout):
        raise WorkloadError(
            f"expected {len(holdout)} different unseen instances, got {n_distinct}; draw them from "
            "the whole seed, or ask for fewer with --holdout"
        )
    n_shared = len(set(train.keys) & set(holdout.keys))
    if n_shared:
        raise WorkloadError(
            f"expected unseen instances that training does not draw, got {n_shared} that it does; "
            "use other data or another distribution of seeds in the hold-out workload"
        )


def _instance(
    workload: Callable[[int], Any], parameters: Mapping[str, Any], seed: int, timeout_s: float
) -> tuple[Any, ...]:
    call = f"{workload.__name__}(seed={seed})"
    try:
        with deadline(timeout_s):
            returned = workload(seed)
    except DeadlinePassed:
        raise WorkloadError(
            f"expected {call} to return within {timeout_s:g} s, got no result; look for an endless "
            "loop, or make the instance smaller"
        ) from None
    except KeyboardInterrupt:
        raise
    except BaseException as error:
        raise WorkloadError(
            f"expected {call} to return an instance, got {describe(error)}; call it "
            "in a Python shell to see the traceback"
        ) from error
    values = _values(returned, parameters, call)
    return tuple(
        coerce(value, kind, f"{call}, argument {name}")
        for (name, kind), value in zip(parameters.items(), values, strict=True)
    )


def _values(returned: Any, parameters: Mapping[str, Any], call: str) -> list[Any]:
    names = list(parameters)
    wanted = f"the objective's arguments as a tuple ({', '.join(names)})"
    if returned is None:
        raise WorkloadError(f"expected {call} to return {wanted}, got None; add a return statement")
    if isinstance(returned, Mapping):
        if set(returned) != set(names):
            raise WorkloadError(
                f"expected {call} to return a dict with the keys {names}, got {list(returned)}; "
                "name each parameter of the objective once"
            )
        return [returned[name] for name in names]
    if not isinstance(returned, tuple):
        raise WorkloadError(
            f"expected {call} to return {wanted}, got {type(returned).__name__}; "
            f"write: return ({', '.join(names)},)"
        )
    if len(returned) != len(names):
        raise WorkloadError(
            f"expected {call} to return {len(names)} values ({', '.join(names)}), got "
            f"{len(returned)}; return one value per parameter of the objective"
        )
    return list(returned)


def coerce(value: Any, kind: Any, where: str) -> Any:
    """Return a value in the form that the sandbox and CPython both receive.

    NumPy arrays and scalars become lists and Python numbers; an int becomes a float where a float
    is expected. Nothing else is converted.

    Args:
        value: What the workload returned.
        kind: ``bool``, ``int``, ``float``, or a list (of lists) of one of them.
        where: Start of an error message.

    Raises:
        WorkloadError: If the value does not fit, naming the position.
    """
    if hasattr(value, "tolist") and hasattr(value, "dtype"):
        value = value.tolist()
    if get_origin(kind) is list:
        if not isinstance(value, list | tuple):
            raise _ill_typed(value, kind, where)
        inner = get_args(kind)[0]
        if inner in (bool, int, float) and set(map(type, value)) <= {inner}:
            return list(value)
        return [coerce(item, inner, f"{where}[{idx}]") for idx, item in enumerate(value)]
    if type(value) is kind:
        if kind is int and not -(2**63) <= value < 2**63:
            raise WorkloadError(f"expected {where} to fit in 64 bits, got {value}")
        return value
    if kind is float and type(value) is int and abs(value) <= 2**53:
        return float(value)
    raise _ill_typed(value, kind, where)


def _ill_typed(value: Any, kind: Any, where: str) -> WorkloadError:
    wanted = kind.__name__ if isinstance(kind, type) and get_origin(kind) is None else str(kind)
    return WorkloadError(
        f"expected {where} to be {wanted}, got {type(value).__name__} {_short(value)}; "
        "convert it in the workload or change the objective's annotation"
    )


def _short(value: Any) -> str:
    text = repr(value)
    return text if len(text) <= SHOWN_CHARACTERS_MAX else text[: SHOWN_CHARACTERS_MAX - 3] + "..."

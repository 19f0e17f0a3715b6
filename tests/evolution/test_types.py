"""Settings with fixed choices say so in their types, and the types say the truth."""

import typing
from typing import Any, Literal

import pytest

import chimera.evolution
from chimera.errors import ConfigError
from chimera.evolution import Algorithm, Grid, Islands, RandomSearch

NEEDED: dict[str, dict[str, Any]] = {
    "MapElites": {"cells": Grid((3, 3), [(0.0, 1.0)] * 2)},
    "CMAME": {"cells": Grid((3, 3), [(0.0, 1.0)] * 2)},
    "CMAMAE": {"cells": Grid((3, 3), [(0.0, 1.0)] * 2), "threshold_min": 0.0},
    "NoveltySearch": {"n_descriptors": 2},
}


def _choices() -> list[Any]:
    """Every algorithm's settings that are one of a few words."""
    found = []
    for name in chimera.evolution.__all__:
        one = getattr(chimera.evolution, name)
        if not (isinstance(one, type) and issubclass(one, Algorithm)) or one is Algorithm:
            continue
        for setting, hint in typing.get_type_hints(one.__new__).items():
            kinds = [hint, *typing.get_args(hint)]
            words = [
                w for kind in kinds if typing.get_origin(kind) is Literal for w in kind.__args__
            ]
            if words:
                found.append(pytest.param(one, setting, words, id=f"{name}-{setting}"))
    return found


def _make(kind: Any, **settings: Any) -> Any:
    if kind is Islands:
        sign = settings.get("direction", "minimize")
        make = lambda idx: RandomSearch([(0.0, 1.0)] * 2, seed=idx, direction=sign)  # noqa: E731
        return Islands(make, n_islands=3, **settings)
    return kind([(0.0, 1.0)] * 4, **NEEDED.get(kind.__name__, {}), **settings)


def test_there_are_many() -> None:
    names = {choice.id for choice in _choices()}
    assert {"GA-selection", "DE-strategy", "PSO-topology", "NSGA2-direction"} <= names
    assert len(names) > 40


@pytest.mark.parametrize(("kind", "setting", "words"), _choices())
def test_each_choice_is_taken_and_others_are_refused(
    kind: Any, setting: str, words: list[str]
) -> None:
    for word in words:
        assert _make(kind, **{setting: word}).batch_size > 0
    with pytest.raises(ConfigError):
        _make(kind, **{setting: "bogus"})

"""Examples in the docstrings of `chimera.evolution` run and say the truth."""

import doctest
import importlib
import pkgutil

import pytest

import chimera.evolution


def _modules() -> list[str]:
    package = chimera.evolution
    found = pkgutil.walk_packages(package.__path__, f"{package.__name__}.")
    return [package.__name__, *(module.name for module in found)]


@pytest.mark.timeout(60)
@pytest.mark.parametrize("name", _modules())
def test_examples_of(name: str) -> None:
    module = importlib.import_module(name)
    public = {key: getattr(chimera.evolution, key) for key in chimera.evolution.__all__}
    result = doctest.testmod(module, extraglobs=public, optionflags=doctest.ELLIPSIS)
    assert result.failed == 0

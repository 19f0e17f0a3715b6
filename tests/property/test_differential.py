"""Contract C1: a compiled function returns what CPython returns, or stops with a clear reason."""

import os
import time
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from tests.property import regressions
from tests.property.choices import Choices
from tests.property.compare import Comparison, Verdict, compare, same
from tests.property.differential import (
    Difference,
    Sandbox,
    Tally,
    arguments,
    reprinted,
    run_case,
    seeds,
    to_json,
)
from tests.property.minimise import minimised
from tests.property.parts import Signature
from tests.property.programs import generate
from tests.property.reference import Reference

from chimera._chimera.execution import Engine
from chimera._chimera.programs import Program

SEED = int(os.environ.get("CHIMERA_FUZZ_SEED", "1"))
CALLS = int(os.environ.get("CHIMERA_FUZZ_CALLS", "50000"))
DRAWN = settings(
    deadline=None,
    max_examples=40,
    database=None,
    derandomize=True,
    suppress_health_check=list(HealthCheck),
)


@pytest.fixture(scope="module")
def engine() -> Engine:
    return Engine(threads=1)


def drawing(data: st.DataObject) -> Choices:
    return Choices(lambda n: data.draw(st.integers(0, n - 1)) if n > 1 else 0)


def fail(engine: Engine, difference: Difference) -> None:
    small = minimised(engine, difference)
    pytest.fail(f"{small.report()}\nbefore it was minimised:\n{difference.report()}", pytrace=False)


@pytest.mark.fuzz
@pytest.mark.timeout(600)
def test_compiled_programs_answer_as_cpython(
    engine: Engine, capsys: pytest.CaptureFixture[str]
) -> None:
    tally, start = Tally(), time.perf_counter()
    for seed in seeds(SEED):
        for difference in run_case(engine, seed, tally):
            fail(engine, difference)
        if tally.calls >= CALLS:
            break
    with capsys.disabled():
        print(to_json(tally, seed=SEED, seconds=round(time.perf_counter() - start, 1)))
    assert tally.verdicts[Verdict.EQUAL.value] > tally.calls // 2


@pytest.mark.timeout(120)
@DRAWN
@given(st.data())
def test_drawn_programs_answer_as_cpython(engine: Engine, data: st.DataObject) -> None:
    choices = drawing(data)
    generated = generate(choices)
    roots = [signature.name for signature in generated.functions]
    sandbox = Sandbox(engine, generated.source, roots, is_evolvable=choices.chance(50))
    reference = Reference(generated.source)
    for signature in generated.functions:
        for edge_percent in (0, 20):
            args = arguments(choices, signature, edge_percent)
            found = compare(reference, signature, args, sandbox.run(signature.name, args))
            assert not found.is_difference, f"{generated.source}\n# {signature.name}{args}\n{found}"


@pytest.mark.timeout(120)
@DRAWN
@given(st.data())
def test_printing_and_parsing_again_is_stable(data: st.DataObject) -> None:
    generated = generate(drawing(data))
    reprinted(generated.source, [signature.name for signature in generated.functions])


@pytest.mark.timeout(60)
def test_simplified_programs_answer_as_cpython(engine: Engine) -> None:
    tally = Tally()
    for seed in list(zip(range(40), seeds(SEED + 1), strict=False)):
        choices = Choices.seeded(seed[1])
        generated = generate(choices)
        roots = [signature.name for signature in generated.functions]
        sandbox = Sandbox(engine, generated.source, roots, is_evolvable=True)
        sandbox.program = sandbox.program.simplify()
        reference = Reference(generated.source)
        for signature in generated.functions:
            for _ in range(10):
                args = arguments(choices, signature, 10)
                found = compare(reference, signature, args, sandbox.run(signature.name, args))
                if found.verdict is Verdict.OTHER_REASON:
                    continue  # simplification may keep another of several errors
                assert not found.is_difference, (
                    f"{sandbox.program.source()}\n{generated.source}\n"
                    f"# {signature.name}{args}\n{found}"
                )
                tally.add(found)
    assert tally.calls > 300


@pytest.mark.parametrize("path", regressions.files(), ids=lambda path: path.stem)
@pytest.mark.parametrize("is_evolvable", [False, True])
def test_past_differences_stay_fixed(path: Path, is_evolvable: bool) -> None:
    source = path.read_text(encoding="utf-8")
    asked = list(regressions.calls(source))
    assert asked, "a corpus file asks for at least one call"
    roots = regressions.functions(source)
    for text in (source, reprinted(source, roots)):
        # An engine keeps the lines of the first of several equal programs: take a new one.
        sandbox = Sandbox(Engine(threads=1), text, roots, is_evolvable=is_evolvable)
        reference = Reference(text)
        for signature, args in asked:
            found = compare(reference, signature, args, sandbox.run(signature.name, args))
            assert not found.is_difference, f"{text}\n# {signature.name}{args}\n{found}"


class Wrong:
    """An outcome of a sandbox that computes something else."""

    status = "ok"
    reason = None

    def __init__(self, value: Any) -> None:
        self.value = value


def test_a_wrong_comparison_is_caught_and_minimised(engine: Engine) -> None:
    """The harness itself: let the sandbox read ``<`` as ``<=`` and expect differences."""

    class Crooked(Sandbox):
        def __init__(
            self, engine: Engine, source: str, roots: list[str], *, is_evolvable: bool
        ) -> None:
            super().__init__(
                engine, source.replace(" < ", " <= "), roots, is_evolvable=is_evolvable
            )

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("tests.property.differential.Sandbox", Crooked)
        patch.setattr("tests.property.minimise.Sandbox", Crooked)
        found: list[Difference] = []
        for _, seed in zip(range(100), seeds(SEED), strict=False):
            found += [d for d in run_case(engine, seed, Tally()) if "return" in d.source]
            if found:
                break
        assert found, "no difference in 100 programs"
        small = minimised(engine, found[0])
    assert " < " in small.source
    assert len(small.source) < len(found[0].source)


@pytest.mark.parametrize(
    ("expected", "got", "is_same"),
    [
        (1, 1, True), (1, 2, False), (1, True, False), (1, 1.0, False), (0.0, -0.0, False),
        (float("nan"), -float("nan"), True), (0.1, 0.10000000000000002, False),
        ([1, 2], [1, 2], True), ([1], [1, 1], False), ([True], [1], False), ((1, 2.0), (1, 2.0),
        True),
        ([[0.0]], [[-0.0]], False), (None, None, True), (2**63, -(2**63), False),
    ],
)  # fmt: skip
def test_values_compare_by_type_and_bits(expected: Any, got: Any, is_same: bool) -> None:
    assert same(expected, got) is is_same


@pytest.mark.parametrize(
    ("source", "args", "answer", "verdict"),
    [
        ("def f(x: int) -> int:\n    return x + 1\n", [1], 3, Verdict.DIFFERENT_VALUE),
        ("def f(x: int) -> int:\n    return 1 // x\n", [0], 3, Verdict.MISSED_ERROR),
        ("def f(x: int) -> float:\n    return x\n", [3], 3.0, Verdict.EQUAL),
    ],
)
def test_wrong_answers_are_differences(
    source: str, args: list[Any], answer: Any, verdict: Verdict
) -> None:
    returns = "float" if "-> float" in source else "int"
    signature = Signature("f", (("x", "int"),), returns)
    found: Comparison = compare(Reference(source), signature, args, Wrong(answer))
    assert found.verdict is verdict


def test_traps_need_a_justification() -> None:
    class Trapped:
        status, value, reason = "trap", None, "OverflowError in f, line 2: integer beyond 64 bits"

    signature = Signature("f", (("x", "int"),), "int")
    reference = Reference("def f(x: int) -> int:\n    return x * x % 7\n")
    assert compare(reference, signature, [3], Trapped()).verdict is Verdict.UNJUSTIFIED_TRAP
    assert compare(reference, signature, [2**40], Trapped()).verdict is Verdict.ALLOWED_TRAP


def test_generated_programs_use_the_whole_subset() -> None:
    text = "\n".join(
        generate(Choices.seeded(seed)).source for _, seed in zip(range(300), seeds(3), strict=False)
    )
    wanted = (
        "while True", "else:", "elif ", "break", "continue", "divmod(", "zip(", "enumerate(",
        "reversed(",
        ".append(", ".pop()", "**", ">>", "<<", "//", "%", "^", "~", "math.", "from math import",
        "assert ",
        "raise ", "any(", "all(", "sum(", "[:]", ".copy()", "if ", "-> None", "-> tuple[",
        "list[list[",
        "depth - 1", "TABLE", '"""', "inf", "nan", "-0.0", "5e-324", "9223372036854775807",
    )  # fmt: skip
    assert [piece for piece in wanted if piece not in text] == []


def test_signatures_survive_the_front_end() -> None:
    for _, seed in zip(range(20), seeds(5), strict=False):
        generated = generate(Choices.seeded(seed))
        roots = [signature.name for signature in generated.functions]
        program = Program.parse(generated.source, roots=roots)
        for signature in generated.functions:
            params, _ = program.signature(signature.name) or ([], "")
            assert tuple(params) == signature.params

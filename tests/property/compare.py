"""Contract C1 as a function: one call under CPython and one in the sandbox, and the verdict.

A compiled function returns exactly what CPython returns, or stops with a clear reason. Equal means
equal types, equal ints, and floats equal bit by bit, except that any NaN equals any NaN. One
documented conversion: an int returned where ``-> float`` is declared arrives as that float.
"""

import math
import re
import struct
from dataclasses import dataclass
from enum import Enum
from typing import Any, Protocol

from .parts import Signature
from .reference import Answer, Raised, Reference
from .values import Value, copied

# What compiled code says when it stops where CPython may go on, and the event that justifies it.
DOCUMENTED = {
    "integer beyond 64 bits": "int overflow",
    "float too large to convert to a 64-bit int": "int overflow",
    "int / int beyond 2**53": "inexact division",
    "int ** negative int": "negative exponent",
    "negative float ** fraction is complex": "complex power",
    "the sign of a NaN is not observable": "NaN sign",
    "sum() of an empty float list": "empty sum",
    "calls nested too deeply": "recursion",
}
RESOURCES = frozenset({"fuel", "deadline", "memory", "stack"})
REASON = re.compile(r"(?P<name>\w+) in (?P<function>\w+)(?:, line (?P<line>\d+))?: (?P<message>.*)")


class Verdict(Enum):
    """How the two runs relate."""

    EQUAL = "equal"
    BOTH_STOPPED = "both stopped"
    ALLOWED_TRAP = "allowed trap"
    OTHER_REASON = "both stopped, for different reasons"
    UNJUSTIFIED_TRAP = "sandbox stopped without a documented reason"
    MISSED_ERROR = "sandbox answered although CPython raised"
    DIFFERENT_VALUE = "different values"
    REFUSED = "the front end refused a program of the subset"


DIFFERENCES = frozenset({
    Verdict.OTHER_REASON, Verdict.UNJUSTIFIED_TRAP, Verdict.MISSED_ERROR, Verdict.DIFFERENT_VALUE,
    Verdict.REFUSED,
})  # fmt: skip


@dataclass(frozen=True)
class Comparison:
    """A verdict and what it rests on. ``detail`` is the kind of trap where there was one."""

    verdict: Verdict
    detail: str = ""
    expected: str = ""
    got: str = ""

    @property
    def is_difference(self) -> bool:
        return self.verdict in DIFFERENCES


class Ran(Protocol):
    """What the sandbox reports about a call."""

    @property
    def status(self) -> str:
        """How it ended."""

    @property
    def value(self) -> Any:
        """What it returned."""

    @property
    def reason(self) -> str | None:
        """Why it stopped."""


def converted(value: Any, ty: str | tuple[str, ...]) -> Any:
    """The value CPython returned, with ints made floats where a float is declared."""
    if isinstance(ty, tuple) and isinstance(value, tuple) and len(ty) == len(value):
        return tuple(converted(item, inner) for item, inner in zip(value, ty, strict=True))
    if ty == "float" and isinstance(value, int):
        try:
            return float(value)
        except OverflowError:
            return value
    return value


def same(expected: Any, got: Any) -> bool:
    """Equal types and equal values, bit by bit."""
    if type(expected) is not type(got):
        return False
    if isinstance(expected, list | tuple):
        return len(expected) == len(got) and all(map(same, expected, got))
    if isinstance(expected, float):
        if math.isnan(expected) or math.isnan(got):
            return math.isnan(expected) and math.isnan(got)
        return struct.pack("<d", expected) == struct.pack("<d", got)
    return bool(expected == got)


def compare(reference: Reference, signature: Signature, args: list[Value], ran: Ran) -> Comparison:
    """Judge one sandboxed run of ``signature.name`` on ``args``."""
    expected = reference.call(signature.name, args)
    if ran.status == "ok":
        return _answered(expected, signature, ran)
    return _stopped(reference, expected, signature, args, ran)


def _answered(expected: Answer | Raised, signature: Signature, ran: Ran) -> Comparison:
    if isinstance(expected, Raised):
        if expected.name == "RecursionError":
            return Comparison(Verdict.ALLOWED_TRAP, "CPython's own recursion limit")
        return Comparison(Verdict.MISSED_ERROR, expected.name, str(expected), repr(ran.value))
    wanted = converted(expected.value, signature.returns)
    if same(wanted, ran.value):
        return Comparison(Verdict.EQUAL)
    return Comparison(Verdict.DIFFERENT_VALUE, "", repr(wanted), repr(ran.value))


def _stopped(
    reference: Reference,
    expected: Answer | Raised,
    signature: Signature,
    args: list[Value],
    ran: Ran,
) -> Comparison:
    reason = ran.reason or ""
    if ran.status in RESOURCES:
        return Comparison(Verdict.ALLOWED_TRAP, f"{ran.status} limit")
    found = REASON.fullmatch(reason)
    if found is None:
        return Comparison(
            Verdict.UNJUSTIFIED_TRAP, "no reason", str(expected), f"{ran.status} {reason}"
        )
    event = next((e for text, e in DOCUMENTED.items() if found["message"].startswith(text)), None)
    if isinstance(expected, Raised):
        place = (found["function"], int(found["line"] or 0))
        if event is not None and event in reference.events(signature.name, args):
            return Comparison(Verdict.BOTH_STOPPED, event)
        if (found["name"], *place) == (expected.name, expected.function, expected.line):
            return Comparison(Verdict.BOTH_STOPPED, expected.name)
        return Comparison(Verdict.OTHER_REASON, expected.name, str(expected), reason)
    if event is not None and event in reference.events(signature.name, args):
        return Comparison(Verdict.ALLOWED_TRAP, event)
    return Comparison(Verdict.UNJUSTIFIED_TRAP, found["message"], str(expected), reason)


def fresh(args: list[Value]) -> tuple[Value, ...]:
    """Copies for one call."""
    return tuple(copied(arg) for arg in args)

"""Generated expressions: text of a wanted type, with a bound on how far its ints may grow."""

import math

from .choices import Choices
from .parts import Budget, Constant, Signature, Variable
from .values import EDGE_FLOATS, EDGE_INTS, SMALL_FLOATS, SMALL_INTS

LIST_STEPS = 12
GROWTH_MAX = 48.0
COMPREHENSION_NAMES = ("i", "x", "y", "v", "a", "total", "x_2", "b", "row", "n")
UNARY_MATH = (
    "sqrt", "fabs", "exp", "exp2", "expm1", "log", "log2", "log10", "log1p", "sin", "cos", "tan",
    "asin", "acos", "atan", "sinh", "cosh", "tanh", "asinh", "acosh", "atanh", "erf", "erfc",
    "cbrt",
    "degrees", "radians",
)  # fmt: skip
BINARY_MATH = ("atan2", "fmod", "copysign", "pow", "log")
SAFE_ARGUMENT = {
    "sqrt": "abs({})", "log": "abs({}) + 0.5", "log2": "abs({}) + 1.0", "log10": "abs({}) + 1e-3",
    "log1p": "abs({})", "asin": "max(-1.0, min(1.0, {}))", "acos": "max(-1.0, min(1.0, {}))",
    "acosh": "abs({}) + 1.0", "atanh": "max(-0.9, min(0.9, {}))", "exp": "min({}, 50.0)",
    "exp2": "min({}, 60.0)", "expm1": "min({}, 40.0)", "sinh": "max(-30.0, min(30.0, {}))",
    "cosh": "max(-30.0, min(30.0, {}))",
}  # fmt: skip
MATH_STYLES = ("import math", "import math as m", "from math")

Expression = tuple[str, float]


class Expressions:
    """Writes expressions over the visible variables, constants and functions."""

    def __init__(self, choices: Choices) -> None:
        self.choices = choices
        self.constants: list[Constant] = []
        self.signatures: list[Signature] = []
        self.variables: list[Variable] = []
        self.budget = Budget()
        self.loop_depth = 0
        self.recursive: Signature | None = None
        self.n_self_calls = 0
        self.returned_int_as_float = False
        self.math_style = choices.weighted(((6, 0), (2, 1), (2, 2)))
        self.math_names: set[str] = set()
        self.uses_math = False

    # Imports and literals --------------------------------------------------------------------

    def math(self, member: str) -> str:
        """How a member of ``math`` is written in this module."""
        self.uses_math = True
        self.math_names.add(member)
        return (f"math.{member}", f"m.{member}", member if member != "pow" else "power")[
            self.math_style
        ]

    def import_lines(self) -> list[str]:
        if not self.uses_math:
            return []
        if self.math_style < 2:
            return [MATH_STYLES[self.math_style]]
        names = (name if name != "pow" else "pow as power" for name in sorted(self.math_names))
        return [f"from math import {', '.join(names)}"]

    def module_literal(self, ty: str) -> str:
        """A literal that may stand at module level."""
        if ty == "int" and self.choices.chance(10):
            return self.choices.pick(
                ("9223372036854775807", "-9223372036854775807", "0x7f", "1_000")
            )
        return self.literal(ty, allow_min=False)

    def literal(self, ty: str, *, allow_min: bool = True) -> str:
        choices = self.choices
        if ty == "bool":
            return choices.pick(("False", "True"))
        if ty == "int":
            value = choices.pick(EDGE_INTS) if choices.chance(6) else choices.pick(SMALL_INTS)
            if value == -(2**63) and not allow_min:
                return "-1"
            return str(value)
        number = choices.pick(EDGE_FLOATS) if choices.chance(8) else choices.pick(SMALL_FLOATS)
        if math.isnan(number):
            return self.math("nan")
        if math.isinf(number):
            sign = "-" if number < 0 else ""
            style = choices.below(2)
            return sign + self.math("inf") if style or not allow_min else f'float("{sign}inf")'
        if number == math.pi and choices.chance(50):
            return self.math("pi")
        return repr(number)

    # Variables -------------------------------------------------------------------------------

    def visible(self, ty: str) -> list[Variable]:
        return [v for v in self.variables if v.ty == ty and not v.is_hidden]

    def assignable(self, types: tuple[str, ...] | None = None) -> Variable | None:
        found = [
            v for v in self.variables
            if not v.is_fixed and not v.is_hidden and (types is None or v.ty in types)
        ]  # fmt: skip
        return self.choices.pick(found) if found else None

    def of_constants(self, ty: str) -> list[Constant]:
        shadowed = {v.name for v in self.variables}
        return [c for c in self.constants if c.ty == ty and c.name not in shadowed]

    # Entry points ----------------------------------------------------------------------------

    def of(self, ty: str, depth: int) -> str:
        return self.expression(ty, depth)[0]

    def stored(self, ty: str, depth: int) -> Expression:
        """A value for a local: reduced inside loops, where growth would compound."""
        text, growth = self.expression(ty, depth)
        if growth > 1 and (self.loop_depth or growth > 8):
            return self.reduced(text), 1
        return text, growth

    def reduced(self, text: str) -> str:
        """An int of few bits."""
        choices = self.choices
        return choices.pick(
            (f"({text}) % 1000003", f"({text}) & 0xFFFF", f"({text}) % -97", f"({text}) % 2**31",
             f"max(min({text}, 10**6), -(10**6))")
        )  # fmt: skip

    def expression(self, ty: str, depth: int) -> Expression:
        """Text that can stand as an operand of anything, and its growth."""
        self.budget.spend(1)
        if self.budget.is_spent:
            depth = 0
        if ty == "int":
            text, growth = self.int_expression(depth)
            return (text, growth) if growth <= GROWTH_MAX else (f"({self.reduced(text)})", 1)
        if ty == "float":
            return self.float_expression(depth), 1
        if ty == "bool":
            return self.bool_expression(depth), 1
        return self.list_expression(ty, depth), 1

    def number(self, depth: int) -> Expression:
        """An int or a float, sometimes a bool."""
        return self.expression(self.choices.pick(("int", "float", "float", "bool")), depth)

    # Ints ------------------------------------------------------------------------------------

    def int_leaf(self) -> Expression:
        choices = self.choices
        variables = self.visible("int")
        if variables and choices.chance(70):
            variable = choices.pick(variables)
            return variable.name, variable.growth
        lists = [v for v in self.variables if v.ty.startswith("list")]
        if lists and choices.chance(25):
            return f"len({choices.pick(lists).name})", 1
        constants = self.of_constants("int")
        if constants and choices.chance(30):
            return choices.pick(constants).name, 1
        tables = [
            c for c in self.constants if c.ty.startswith("table") and c in self.of_constants(c.ty)
        ]
        if tables and choices.chance(15):
            return f"len({choices.pick(tables).name})", 1
        text = self.literal("int")
        return (f"({text})" if text.startswith("-") else text), 1

    def int_expression(self, depth: int) -> Expression:
        choices = self.choices
        if depth <= 0 or choices.chance(15):
            return self.int_leaf()
        kind = choices.weighted((
            (24, "arithmetic"), (6, "bits"), (4, "shift"), (3, "power"), (5, "sign"), (4, "item"),
            (4, "minmax"), (4, "round"), (3, "select"), (2, "logic"), (4, "fold"), (3, "call"),
            (2, "pop"), (2, "table"), (2, "bool"), (2, "number theory"), (1, "convert"),
        ))  # fmt: skip
        return getattr(self, "int_" + kind.replace(" ", "_"))(depth - 1)

    def int_arithmetic(self, depth: int) -> Expression:
        choices = self.choices
        operator = choices.weighted(((8, "+"), (7, "-"), (5, "*"), (4, "//"), (4, "%")))
        lhs, left = self.expression("int" if choices.chance(90) else "bool", depth)
        rhs, right = self.operand(operator, "int", depth)
        growth = left + right if operator == "*" else max(left, right)
        return f"({lhs} {operator} {rhs})", growth

    def operand(self, operator: str, ty: str, depth: int) -> Expression:
        """The right operand of an operator on the type, mostly one that does not fail."""
        choices = self.choices
        if operator in ("//", "%", "/"):
            if ty == "float":
                return self.nonzero(choices.pick(("float", "int")), depth), 1
            return self.nonzero("int", depth), 1
        if operator == "**":
            if ty == "int":
                return choices.pick(("2", "3", "1", "0")), 1
            return choices.pick(("2", "0.5", "2.0", "-1.0", "3", "1.5")), 1
        if operator in ("<<", ">>"):
            if operator == "<<":
                return f"({self.of('int', depth)} % 9)", 1
            return f"({self.of('int', depth)} & 63)", 1
        if ty == "float":
            return self.expression(choices.pick(("float", "float", "int")), depth)
        return self.expression(ty if choices.chance(92) else "bool", depth)

    def nonzero(self, ty: str, depth: int) -> str:
        """A divisor, mostly not zero."""
        text, growth = self.expression(ty, depth)
        if ty == "int" and growth > 1:
            text = f"({self.reduced(text)})"
        kind = self.choices.below(10)
        if kind == 9:
            return text
        if kind > 5:
            literal = self.choices.pick(("2", "3", "-3", "7", "-1", "10") if ty == "int" else
                                        ("2.0", "0.1", "-3.0", "7.5", "1e-3", "-1.0"))  # fmt: skip
            return f"({literal})" if literal.startswith("-") else literal
        return f"({text} or {'1' if ty == 'int' else '1.0'})"

    def int_bits(self, depth: int) -> Expression:
        operator = self.choices.pick(("&", "|", "^"))
        lhs, left = self.expression("int", depth)
        rhs, right = self.expression("int", depth)
        return f"({lhs} {operator} {rhs})", max(left, right)

    def int_shift(self, depth: int) -> Expression:
        choices = self.choices
        lhs, growth = self.expression("int", depth)
        rhs = self.of("int", depth)
        kind = choices.below(6)
        if kind < 2:
            return f"({lhs} << ({rhs} % {choices.pick((5, 9, 40))}))", growth + 1
        if kind == 2:
            return f"({lhs} << ({rhs} % 70 - {choices.pick((0, 0, 2))}))", growth + 2
        if kind == 3:
            return f"({lhs} >> {rhs})", growth
        return f"({lhs} >> ({rhs} {choices.pick(('% 8', '& 63', '% 80'))}))", growth

    def int_power(self, depth: int) -> Expression:
        lhs, growth = self.expression("int", depth)
        if growth > 4:
            lhs, growth = f"({self.reduced(lhs)})", 1
        rhs = self.of("int", depth)
        kind = self.choices.below(6)
        if kind == 5:
            return f"({lhs} ** ({rhs} % 7 - 1))", growth * 6
        if kind == 4:
            return f"pow({lhs}, {rhs} % 4)", growth * 4
        if kind > 1:
            return f"({lhs} ** {self.choices.pick(('2', '3', '0', '1'))})", growth * 3
        return f"({lhs} ** ({rhs} % 4))", growth * 4

    def int_sign(self, depth: int) -> Expression:
        text, growth = self.expression("int", depth)
        kind = self.choices.weighted(((4, "(-{})"), (1, "(+{})"), (2, "(~{})"), (3, "abs({})")))
        return kind.format(text), growth

    def int_item(self, depth: int) -> Expression:
        return self.item("int", depth), 1

    def int_minmax(self, depth: int) -> Expression:
        return self.minmax("int", depth)

    def minmax(self, ty: str, depth: int) -> Expression:
        choices = self.choices
        parts = [self.expression(ty, depth) for _ in range(choices.weighted(((6, 2), (2, 3))))]
        name = choices.pick(("min", "max"))
        return f"{name}({', '.join(text for text, _ in parts)})", max(growth for _, growth in parts)

    def int_round(self, depth: int) -> Expression:
        choices = self.choices
        name = choices.weighted(((3, "round"), (4, "int"), (2, "floor"), (2, "ceil"), (1, "trunc")))
        call = name if name in ("round", "int") else self.math(name)
        if choices.chance(15):
            text, growth = self.expression(choices.pick(("int", "bool")), depth)
            return f"{call}({text})", growth
        floats = self.visible("float")
        if choices.chance(12):
            return f"{call}({self.of('float', depth)})", 17
        if floats and choices.chance(60):
            name = choices.pick(floats).name
            return (
                f"({call}({name}) if abs({name}) < 1e15 else {choices.pick(('0', '-1', '7'))})",
                1,
            )
        text = self.of("float", depth)
        return f"{call}({self.math('fmod')}({text}, 1e6) if abs({text}) < 1e18 else 0.5)", 1

    def int_select(self, depth: int) -> Expression:
        return self.select("int", depth)

    def select(self, ty: str, depth: int) -> Expression:
        then, left = self.expression(ty, depth)
        otherwise, right = self.expression(ty, depth)
        return f"({then} if {self.test(depth)} else {otherwise})", max(left, right)

    def int_logic(self, depth: int) -> Expression:
        return self.logic("int", depth)

    def logic(self, ty: str, depth: int) -> Expression:
        parts = [self.expression(ty, depth) for _ in range(2 if self.choices.chance(75) else 3)]
        words = [self.choices.pick((" and ", " or ")) for _ in parts[1:]]
        text = parts[0][0] + "".join(
            w + part for w, (part, _) in zip(words, parts[1:], strict=True)
        )
        return f"({text})", max(growth for _, growth in parts)

    def int_fold(self, depth: int) -> Expression:
        choices = self.choices
        kind = choices.below(4)
        if kind == 0 and self.budget.allows(LIST_STEPS):
            return f"sum({self.comprehension('bool', depth)})", 1
        if kind == 1 and self.budget.allows(LIST_STEPS):
            name = choices.pick(("sum", "sum", "sum", "min", "max"))
            return f"{name}({self.comprehension('int', depth)})", 1
        if kind == 2:
            return f"sum({self.of('list[bool]', depth)})", 1
        return self.fold_list("int", depth), 1

    def fold_list(self, ty: str, depth: int) -> str:
        """A reduction of a list, guarded where the empty list has no answer."""
        choices = self.choices
        names = self.visible(f"list[{ty}]")
        name = choices.weighted(((3, "sum"), (2, "min"), (2, "max")))
        zero = "0" if ty == "int" else choices.pick(("0.0", "-1.5"))
        if not names:
            text = self.of(f"list[{ty}]", depth)
            return f"sum({text}, 0.0)" if ty == "float" and choices.chance(80) else f"sum({text})"
        text = choices.pick(names).name
        if name == "sum" and (ty == "int" or choices.chance(70)):
            return f"sum({text}, 0.0)" if ty == "float" else f"sum({text})"
        return (
            f"({name}({text}) if {text} else {zero})" if choices.chance(85) else f"{name}({text})"
        )

    def int_call(self, depth: int) -> Expression:
        return self.user_call("int", depth) or self.int_leaf()

    def int_pop(self, depth: int) -> Expression:
        return self.pop("int") or self.int_arithmetic(depth)

    def pop(self, ty: str) -> Expression | None:
        names = self.visible(f"list[{ty}]")
        if not names:
            return None
        name = self.choices.pick(names).name
        if self.choices.chance(20):
            return f"{name}.pop()", 1
        return f"({name}.pop() if {name} else {self.of(ty, 0)})", 1

    def int_table(self, depth: int) -> Expression:
        return self.table_item("int", depth) or self.int_leaf()

    def table_item(self, ty: str, depth: int) -> Expression | None:
        tables = self.of_constants(f"table[{ty}]")
        if not tables:
            return None
        name = self.choices.pick(tables).name
        index = self.of("int", depth)
        if self.choices.chance(15):
            return f"{name}[{index}]", 1
        return f"{name}[{index} % len({name})]", 1

    def int_bool(self, depth: int) -> Expression:
        text = self.of("bool", depth)
        return self.choices.pick(
            (f"int({text})", f"({text} + {self.of('bool', depth)})", f"(-{text})", f"({text} * 3)")
        ), 1

    def int_number_theory(self, depth: int) -> Expression:
        text, growth = self.expression("int", depth)
        if self.choices.chance(50):
            return f"{self.math('gcd')}({text}, {self.of('int', depth)})", growth
        return (
            f"{self.math('isqrt')}({f'abs({text})' if self.choices.chance(85) else text})",
            growth,
        )

    def int_convert(self, depth: int) -> Expression:
        text, growth = self.expression("int", depth)
        return f"int({text})", growth

    # Floats ----------------------------------------------------------------------------------

    def float_leaf(self) -> str:
        choices = self.choices
        variables = self.visible("float")
        if variables and choices.chance(75):
            return choices.pick(variables).name
        constants = self.of_constants("float")
        if constants and choices.chance(40):
            return choices.pick(constants).name
        text = self.literal("float")
        return f"({text})" if text.startswith("-") else text

    def float_expression(self, depth: int) -> str:
        choices = self.choices
        if depth <= 0 or choices.chance(15):
            return self.float_leaf()
        depth -= 1
        kind = choices.weighted((
            (22, "arithmetic"), (8, "divide"), (3, "power"), (8, "math"), (2, "math2"), (4, "sign"),
            (5, "minmax"), (4, "convert"), (4, "item"), (3, "select"), (2, "logic"), (4, "fold"),
            (3, "call"), (1, "pop"), (2, "table"),
        ))  # fmt: skip
        if kind == "arithmetic":
            operator = choices.pick(("+", "-", "*", "+", "-", "*", "//", "%"))
            lhs = self.of("float", depth)
            rhs = self.operand(operator, "float", depth)[0]
            if choices.chance(25):
                lhs, rhs = rhs, lhs
            return f"({lhs} {operator} {rhs})"
        if kind == "divide":
            lhs = self.number(depth)[0]
            return f"({lhs} / {self.nonzero(choices.pick(('int', 'float')), depth)})"
        if kind == "power":
            return self.float_power(depth)
        if kind == "math":
            return self.float_math(depth)
        if kind == "math2":
            name = choices.pick(BINARY_MATH)
            lhs, rhs = self.number(depth)[0], self.number(depth)[0]
            if name == "log" and choices.chance(90):
                lhs, rhs = f"abs({lhs}) + 0.5", f"abs({rhs}) + 2.0"
            if name == "pow" and choices.chance(70):
                lhs, rhs = f"abs({lhs}) + 1.0", f"min(3.0, {self.of('float', 0)})"
            if name == "fmod" and choices.chance(70):
                rhs = self.nonzero("float", depth)
            return f"{self.math(name)}({lhs}, {rhs})"
        if kind == "sign":
            text = self.of("float", depth)
            return choices.pick((f"(-{text})", f"abs({text})", f"(+{text})", f"abs({text})"))
        if kind == "minmax":
            return self.minmax("float", depth)[0]
        if kind == "convert":
            return f"float({self.number(depth)[0]})"
        if kind == "item":
            return self.item("float", depth)
        if kind == "select":
            return self.select("float", depth)[0]
        if kind == "logic":
            return self.logic("float", depth)[0]
        if kind == "fold":
            if choices.chance(50) and self.budget.allows(LIST_STEPS):
                tail = choices.pick((", 0.0", ", 0.0", ""))
                generator = self.comprehension("float", depth)
                return f"sum(({generator}){tail})" if tail else f"sum({generator})"
            return self.fold_list("float", depth)
        found = None
        if kind == "call":
            found = self.user_call("float", depth)
        elif kind == "pop":
            found = self.pop("float")
        elif kind == "table":
            found = self.table_item("float", depth)
        return found[0] if found else self.float_leaf()

    def float_power(self, depth: int) -> str:
        choices = self.choices
        base = self.of("float", depth)
        kind = choices.below(5)
        if kind == 0:
            return f"({base} ** {choices.pick(('2', '2.0', '3', '0', '1', '0.0'))})"
        if kind == 1:
            return f"(abs({base}) ** {choices.pick(('0.5', '1.5', '-0.5', '0.25'))})"
        if kind == 2:
            return f"({base} ** ({self.of('int', depth)} % 5))"
        if kind == 3:
            return f"(2.0 ** max(-50.0, min(50.0, {base})))"
        return f"({base} ** {self.number(depth)[0]})"

    def float_math(self, depth: int) -> str:
        name = self.choices.pick(UNARY_MATH)
        argument = self.number(depth)[0]
        safe = SAFE_ARGUMENT.get(name)
        if safe and self.choices.chance(88):
            argument = safe.format(self.of("float", depth))
        return f"{self.math(name)}({argument})"

    # Bools -----------------------------------------------------------------------------------

    def bool_leaf(self) -> str:
        choices = self.choices
        variables = self.visible("bool")
        if variables and choices.chance(60):
            return choices.pick(variables).name
        constants = self.of_constants("bool")
        if constants and choices.chance(40):
            return choices.pick(constants).name
        if choices.chance(80):
            return self.comparison(0)
        return self.literal("bool")

    def comparison(self, depth: int) -> str:
        choices = self.choices
        n = 1 if choices.chance(75) else 2
        text = self.number(depth)[0] if choices.chance(40) else self.of("int", depth)
        for _ in range(n):
            operator = choices.pick(("<", ">", "==", "!=", "<=", ">="))
            other = self.number(depth)[0] if choices.chance(50) else self.of("int", depth)
            text += f" {operator} {other}"
        return f"({text})"

    def bool_expression(self, depth: int) -> str:
        choices = self.choices
        if depth <= 0 or choices.chance(10):
            return self.bool_leaf()
        depth -= 1
        kind = choices.weighted((
            (14, "compare"), (4, "not"), (6, "logic"), (2, "bits"), (3, "math"), (2, "bool"), (4,
            "any"),
            (2, "item"), (2, "select"), (2, "call"), (1, "table"), (1, "pop"),
        ))  # fmt: skip
        if kind == "compare":
            return self.comparison(depth)
        if kind == "not":
            return f"(not {self.test(depth)})"
        if kind == "logic":
            return self.logic("bool", depth)[0]
        if kind == "bits":
            operator = choices.pick(("&", "|", "^"))
            return f"({self.of('bool', depth)} {operator} {self.of('bool', depth)})"
        if kind == "math":
            name = choices.pick(("isnan", "isinf", "isfinite"))
            return f"{self.math(name)}({self.number(depth)[0]})"
        if kind == "bool":
            return f"bool({self.of(self.any_type(), depth)})"
        if kind == "any":
            name = choices.pick(("any", "all"))
            if choices.chance(60) and self.budget.allows(LIST_STEPS):
                ty = choices.pick(("bool", "bool", "int", "float"))
                return f"{name}({self.comprehension(ty, depth)})"
            ty = choices.pick(("list[bool]", "list[int]", "list[float]"))
            return f"{name}({self.of(ty, depth)})"
        if kind == "item":
            return self.item("bool", depth)
        if kind == "select":
            return self.select("bool", depth)[0]
        found = None
        if kind == "call":
            found = self.user_call("bool", depth)
        elif kind == "table":
            found = self.table_item("bool", depth)
        elif kind == "pop":
            found = self.pop("bool")
        return found[0] if found else self.bool_leaf()

    def any_type(self) -> str:
        return self.choices.pick(("int", "float", "bool", "list[int]", "list[float]"))

    def test(self, depth: int) -> str:
        """A condition: anything that has a truth value."""
        choices = self.choices
        if choices.chance(70):
            return self.bool_expression(depth)
        if choices.chance(40) and depth > 0:
            word = choices.pick((" and ", " or "))
            return f"({self.test(depth - 1)}{word}{self.of(self.any_type(), depth - 1)})"
        if choices.chance(15):
            return f"(not {self.of(self.any_type(), depth - 1)})"
        return self.of(self.any_type(), max(depth - 1, 0))

    # Lists -----------------------------------------------------------------------------------

    def item(self, ty: str, depth: int) -> str:
        """An element of a list or of a row."""
        choices = self.choices
        lists = self.visible(f"list[{ty}]")
        matrices = self.visible(f"list[list[{ty}]]")
        if matrices and (not lists or choices.chance(40)):
            name = choices.pick(matrices).name
            if choices.chance(10):
                return f"{name}[{self.of('int', depth)}][{self.of('int', 0)}]"
            i, j = choices.pick((("0", "0"), ("-1", "-1"), ("0", "-1"), ("-1", "0")))
            return f"({name}[{i}][{j}] if {name} and {name}[{i}] else {self.of(ty, 0)})"
        if not lists:
            return self.of(ty, 0)
        name = choices.pick(lists).name
        index = self.of("int", depth) if choices.chance(90) else self.of("bool", depth)
        if choices.chance(12):
            return f"{name}[{index}]"
        kind = choices.below(4)
        if kind == 3:
            index = choices.pick(("0", "-1", f"-len({name})", f"len({name}) - 1"))
        elif kind == 2:
            index = f"min(max({self.of('int', depth)}, -len({name})), len({name}) - 1)"
        else:
            index = f"{index} % len({name})"
        return f"({name}[{index}] if {name} else {self.of(ty, 0)})"

    def list_leaf(self, ty: str) -> str:
        choices = self.choices
        variables = self.visible(ty)
        if variables and choices.chance(75):
            return choices.pick(variables).name
        element = ty[5:-1]
        items = [self.of(element, 0) for _ in range(1 + choices.below(3))]
        return f"[{', '.join(items)}]"

    def list_element(self, ty: str, depth: int) -> str:
        text, growth = self.expression(ty, depth)
        return f"({self.reduced(text)})" if growth > 1 else text

    def list_expression(self, ty: str, depth: int) -> str:
        choices = self.choices
        if depth <= 0:
            return self.list_leaf(ty)
        depth -= 1
        element = ty[5:-1]
        kind = choices.weighted((
            (6, "leaf"), (8, "comprehension"), (4, "literal"), (4, "repeat"), (4, "copy"), (2,
            "select"),
            (1, "logic"), (3, "call"), (3, "row"), (2, "range"), (1, "pop"),
        ))  # fmt: skip
        if kind == "comprehension" and self.budget.allows(LIST_STEPS):
            return f"[{self.comprehension(element, depth)}]"
        if kind == "literal":
            items = [self.list_element(element, depth) for _ in range(1 + choices.below(4))]
            return f"[{', '.join(items)}]"
        if kind == "repeat" and not element.startswith("list"):
            value = self.list_element(element, depth)
            count = choices.pick(
                ("3", "0", "-1", f"({self.of('int', depth)} % 5)", f"({self.of('bool', 0)})")
            )
            if choices.chance(15) and ".pop()" not in count + value and "(" not in count:
                return f"({count} * [{value}])"
            return f"([{value}] * {count})"
        if kind == "copy":
            text = self.of(ty, depth)
            return choices.pick((f"list({text})", f"({text}).copy()", f"({text})[:]"))
        if kind == "select":
            return self.select(ty, depth)[0]
        if kind == "logic":
            return self.logic(ty, depth)[0]
        if kind == "range" and ty == "list[int]":
            return f"list({self.range_text(depth)[0]})"
        found = None
        if kind == "call":
            found = self.user_call(ty, depth)
        elif kind == "row" and not element.startswith("list"):
            matrices = self.visible(f"list[{ty}]")
            if matrices:
                name = choices.pick(matrices).name
                index = choices.pick(("0", "-1", f"{self.of('int', depth)} % len({name})"))
                return f"({name}[{index}] if {name} else {self.list_leaf(ty)})"
        elif kind == "pop" and not element.startswith("list"):
            found = self.pop(ty) if self.visible(f"list[{ty}]") else None
        return found[0] if found else self.list_leaf(ty)

    # Iteration -------------------------------------------------------------------------------

    def range_text(self, depth: int) -> tuple[str, int]:
        """A short range and the most rounds it takes."""
        choices = self.choices
        n = f"{self.of('int', depth)} % {choices.pick((4, 6))}"
        lists = [v.name for v in self.variables if v.ty.startswith("list")]
        kind = choices.below(10)
        if kind == 0 or (kind == 1 and not lists):
            return f"range({choices.pick((3, 5, 0, 1, 7, -2))})", 7
        if kind == 1:
            return f"range(len({choices.pick(lists)}))", LIST_STEPS
        if kind == 2:
            return f"range({n})", 6
        if kind == 3:
            return f"range({n}, {choices.pick(('-1', '-3'))}, {choices.pick(('-1', '-2'))})", 9
        if kind == 4:
            start = choices.pick(("-3", "1", "2"))
            return f"range({start}, {n}, {choices.pick(('1', '2', '3', '-1'))})", 9
        if kind == 5 and lists:
            name = choices.pick(lists)
            return f"range(len({name}) - 1, -1, -1)", LIST_STEPS
        if kind == 6:
            return choices.pick((
                "range(-(2**62), 2**62, 2**61)",
                "range(9223372036854775800, 9223372036854775807, 3)",
                "range(-9223372036854775800, -9223372036854775807, -3)", "range(5, -9, -4)",
                "range(9223372036854775807, -9223372036854775807, -4611686018427387904)",
                "range(-9223372036854775807, 9223372036854775807, 9223372036854775807)",
            )), 7  # fmt: skip
        if kind == 7:
            zero = "" if choices.chance(15) else " or 1"
            return f"range(0, {n}, {self.of('int', depth)} % 3{zero})", 6
        if kind == 8:
            return f"range({self.of('bool', depth)}, {n})", 6
        low = self.of("int", 0)
        return f"range(min(0, max(-2, {low})), {n})", 8

    def iterable(self, depth: int) -> tuple[str, list[str], int]:
        """Something to iterate: text, element types, the most rounds."""
        choices = self.choices
        kind = choices.weighted((
            (10, "range"), (10, "list"), (5, "enumerate"), (5, "zip"), (3, "table"), (2, "literal"),
            (2, "reversed"),
        ))  # fmt: skip
        lists = [v for v in self.variables if v.ty.startswith("list")]
        tables = [
            c for c in self.constants if c.ty.startswith("table") and c in self.of_constants(c.ty)
        ]
        if kind == "table" and tables:
            chosen = choices.pick(tables)
            return chosen.name, [chosen.ty[6:-1]], 8
        if kind == "reversed":
            n = choices.pick((f"{self.of('int', depth)} % 5", "4"))
            start = choices.pick(("", "1, ", "-2, "))
            return f"reversed(range({start}{n}))", ["int"], 8
        if kind == "literal":
            ty = choices.pick(("int", "float"))
            items = [self.list_element(ty, 1) for _ in range(1 + choices.below(3))]
            left, right = choices.pick((("[", "]"), ("(", ",)")))
            return f"{left}{', '.join(items)}{right}", [ty], 4
        if kind in ("range", "table") or not lists:
            text, rounds = self.range_text(depth)
            return text, ["int"], rounds
        if kind == "list":
            if choices.chance(20):
                ty = choices.pick(("list[int]", "list[float]", "list[list[int]]"))
                return self.of(ty, depth), [ty[5:-1]], LIST_STEPS
            chosen_list = choices.pick(lists)
            return chosen_list.name, [chosen_list.ty[5:-1]], LIST_STEPS
        if kind == "enumerate":
            chosen_list = choices.pick(lists)
            return f"enumerate({chosen_list.name})", ["int", chosen_list.ty[5:-1]], LIST_STEPS
        several = [choices.pick(lists) for _ in range(2 if choices.chance(80) else 3)]
        texts = [v.name for v in several]
        types = [v.ty[5:-1] for v in several]
        if choices.chance(20):
            texts[-1] = self.of("list[int]", depth)
            types[-1] = "int"
        return f"zip({', '.join(texts)})", types, LIST_STEPS

    def comprehension(self, ty: str, depth: int) -> str:
        """``element for targets in iterable``, without brackets."""
        choices = self.choices
        iterable, types, rounds = self.iterable(depth)
        targets: list[str] = []
        hidden_from_calls = {signature.name for signature in self.signatures}
        for _ in types:
            names = [
                n for n in COMPREHENSION_NAMES if n not in targets and n not in hidden_from_calls
            ]
            targets.append(choices.pick(names))
        outer = self.variables
        shadowing = [v for v in outer if v.name not in targets]
        self.variables = shadowing + [Variable(n, t) for n, t in zip(targets, types, strict=True)]
        loop_depth = self.loop_depth
        self.loop_depth += 1
        with self.budget.times(rounds):
            element = (
                self.list_element(ty, depth) if not ty.startswith("list") else self.of(ty, depth)
            )
            conditions = "".join(
                f" if {self.test(max(depth - 1, 0))}"
                for _ in range(choices.weighted(((6, 0), (3, 1), (1, 2))))
            )
        self.loop_depth = loop_depth
        self.variables = outer
        return f"{element} for {', '.join(targets)} in {iterable}{conditions}"

    # Calls -----------------------------------------------------------------------------------

    def callees(self) -> list[Signature]:
        found = [s for s in self.signatures if s.is_callable and self.budget.affords(s.cost)]
        if self.recursive and self.budget.factor == 1 and self.n_self_calls < 2:
            found.append(self.recursive)
        return found

    def user_call(self, ty: str, depth: int) -> Expression | None:
        callees = [s for s in self.callees() if s.returns == ty]
        if not callees:
            return None
        return self.call_text(self.choices.pick(callees), depth), 1

    def call_text(self, callee: Signature, depth: int) -> str:
        is_self = callee is self.recursive
        if is_self:
            self.n_self_calls += 1
        else:
            self.budget.spend(callee.cost)
        arguments = []
        for idx, (_, ty) in enumerate(callee.params):
            if idx == callee.depth_param:
                arguments.append("depth - 1" if is_self else f"{self.of('int', 0)} % 5")
                continue
            text, growth = self.expression(ty, min(depth, 2))
            arguments.append(self.reduced(text) if growth > 1 else text)
        return f"{callee.name}({', '.join(arguments)})"

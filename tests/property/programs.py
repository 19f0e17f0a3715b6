"""Well-typed programs of the Python subset, generated as text together with their signatures.

What is generated runs under plain CPython and ends soon, by construction: loops run over short
lists or clamped ranges, every call site knows an upper bound of the callee's steps, and a store
that
could make ints explode is reduced first. Growth counts in multiples of 64 bits: an expression of
growth 3 has at most about 192 bits. Most programs answer for most arguments, because operations
that may fail are usually guarded; the unguarded rest exercises traps.
"""

from collections.abc import Callable
from dataclasses import dataclass, field

from .choices import Choices
from .expressions import Expressions
from .parts import Budget, Constant, Signature, Variable

SCALARS = ("int", "float", "bool")
PARAMETER_TYPES = (
    (8, "int"), (8, "float"), (3, "bool"), (6, "list[int]"), (6, "list[float]"), (2, "list[bool]"),
    (2, "list[list[int]]"), (2, "list[list[float]]"), (1, "list[list[bool]]"),
)  # fmt: skip
NAMES = (
    "a", "b", "c", "x", "y", "total", "best", "gap", "item", "x_2", "value_0", "k", "xs", "ys",
    "row",
    "flag", "q", "r", "acc", "i_1", "left", "right", "weight", "a_2", "x_3", "value_1",
)  # fmt: skip
TARGETS = ("i", "j", "v", "w", "x", "a", "e", "row", "k", "b", "u")
EXCEPTIONS = ("ValueError", "RuntimeError", "ZeroDivisionError", "IndexError", "Exception")
DOCSTRINGS = (
    '"""One line."""',
    '"""Several lines.\n\n    An indented one, and "quotes" inside.\n    """',
    'r"""Raw \\d and \\\\."""',
    '"""Ends with a \\"quote\\""""',
    '"""Tab\\t, three \\"\\"\\" and a backslash \\\\."""',
    "'single'",
)
TABLE_TYPES = ("int", "float", "bool")
APPEND_MAX = 12
N_STATEMENTS_MAX = 60


@dataclass(frozen=True)
class Generated:
    """A program's text and what can be called in it."""

    source: str
    functions: tuple[Signature, ...]


@dataclass
class Function:
    """The function being written."""

    signature: Signature
    lines: list[str] = field(default_factory=list)
    n_statements: int = 0


class Programs(Expressions):
    """Writes one program."""

    def __init__(self, choices: Choices) -> None:
        super().__init__(choices)
        self.function = Function(Signature("f", (), "int"))
        self.blocks: list[int] = [0]
        self.is_entry = False
        self.texts: list[str] = []

    # Modules ---------------------------------------------------------------------------------

    def program(self) -> Generated:
        """A whole module."""
        for idx in range(self.choices.below(3)):
            self.constants.append(self.scalar_constant(idx))
        for idx in range(self.choices.below(3)):
            self.constants.append(self.table(idx))
        n_functions = 1 + self.choices.weighted(((4, 0), (4, 1), (3, 2), (2, 3)))
        for idx in range(n_functions):
            self.define(idx, is_last=idx == n_functions - 1)
        head = self.import_lines() + [constant.definition for constant in self.constants]
        order = list(self.texts)
        if self.choices.chance(30):
            order.reverse()
        source = "\n".join(head) + "\n\n\n" + "\n\n".join(order)
        return Generated(source.lstrip("\n"), tuple(self.signatures))

    def scalar_constant(self, idx: int) -> Constant:
        ty = self.choices.pick(SCALARS)
        text = self.module_literal(ty)
        if ty == "int" and self.choices.chance(20):
            text = self.choices.pick(("2**31 - 1", "1 << 40", "3 * 7 - 2", "10**6"))
        if ty == "float" and self.choices.chance(20):
            text = self.choices.pick(("1.0 / 3.0", "0.1 + 0.2", "-2.5 * 3.0"))
        name = self.choices.pick(("K", "LIMIT", "SCALE", "x_2")) + ("" if idx == 0 else f"_{idx}")
        return Constant(name, ty, f"{name} = {text}")

    def table(self, idx: int) -> Constant:
        ty = self.choices.pick(TABLE_TYPES)
        items = [self.module_literal(ty) for _ in range(1 + self.choices.below(6))]
        name = self.choices.pick(("TABLE", "WEIGHTS")) + ("" if idx == 0 else f"_{idx}")
        tail = "," if len(items) == 1 else ""
        return Constant(name, f"table[{ty}]", f"{name} = ({', '.join(items)}{tail})")

    # Functions -------------------------------------------------------------------------------

    def define(self, idx: int, *, is_last: bool) -> None:
        """Write one function; later functions may call earlier ones."""
        choices = self.choices
        is_recursive = choices.chance(15)
        params = [
            Variable(name, choices.weighted(PARAMETER_TYPES))
            for name in self.distinct(NAMES, choices.below(5) + (0 if is_recursive else 1))
        ]
        if is_recursive:
            params.insert(0, Variable("depth", "int", is_fixed=True))
        returns = self.return_type()
        name = choices.pick(("f", "score", "step", "helper")) + f"_{idx}"
        signature = Signature(
            name,
            tuple((param.name, param.ty) for param in params),
            returns,
            depth_param=0 if is_recursive else None,
        )
        self.is_entry = is_last
        self.function = Function(signature)
        self.variables = params
        self.blocks = [0]
        self.budget = Budget()
        self.loop_depth = 0
        self.recursive = None
        self.n_self_calls = 0
        body = self.function.lines
        if choices.chance(20):
            body.append("    " + choices.pick(DOCSTRINGS))
        if is_recursive:
            self.write(1, f"if {choices.pick(('depth <= 0', 'not depth > 0', 'depth < 1'))}:")
            self.write_return(2)
            self.recursive = signature
        self.statements(1, 1 + choices.below(7))
        if returns != "None" or choices.chance(30):
            self.write_return(1)
        elif not body or body[-1].lstrip().startswith(("'", '"', "r'", 'r"')):
            self.write(1, "pass")
        cost = self.budget.cost * (40 if is_recursive else 1) + 5
        signature = signature.priced(cost, is_callable=not self.returned_int_as_float)
        self.returned_int_as_float = False
        self.signatures.append(signature)
        annotated = ", ".join(f"{name}: {ty}" for name, ty in signature.params)
        head = f"def {signature.name}({annotated}) -> {self.annotation(returns)}:"
        self.texts.append("\n".join([head, *body]) + "\n")

    def annotation(self, returns: str | tuple[str, ...]) -> str:
        return f"tuple[{', '.join(returns)}]" if isinstance(returns, tuple) else returns

    def return_type(self) -> str | tuple[str, ...]:
        choices = self.choices
        if choices.chance(20):
            return tuple(choices.pick(SCALARS) for _ in range(2 + choices.below(2)))
        if choices.chance(6):
            return "None"
        return choices.weighted(PARAMETER_TYPES)

    def distinct(self, names: tuple[str, ...], n: int) -> list[str]:
        """``n`` different names, none of them a constant's."""
        taken = {constant.name for constant in self.constants}
        out: list[str] = []
        at = self.choices.below(len(names))
        while len(out) < n:
            name = names[at % len(names)]
            if name not in taken and name not in out:
                out.append(name)
            at += 1 + self.choices.below(3)
        return out

    # Blocks ----------------------------------------------------------------------------------

    def write(self, indent: int, text: str) -> None:
        self.function.lines.append("    " * indent + text)

    def block(self, indent: int, n: int) -> None:
        """A nested block: what it declares is unknown behind it."""
        n_known, n_lines = len(self.variables), len(self.function.lines)
        self.blocks.append(n_known)
        self.statements(indent, n)
        if len(self.function.lines) == n_lines:
            self.write(indent, "pass")
        self.blocks.pop()
        del self.variables[n_known:]

    def statements(self, indent: int, n: int) -> None:
        for _ in range(n):
            if self.function.n_statements > N_STATEMENTS_MAX:
                return
            self.function.n_statements += 1
            self.budget.spend(3)
            if self.statement(indent):
                if self.choices.chance(3):
                    self.write(indent, "pass")
                return

    def statement(self, indent: int) -> bool:
        """Write one statement; True when nothing behind it runs."""
        nested = indent < 4 and not self.budget.is_spent
        kinds: list[tuple[int, Callable[[int], bool | None]]] = [
            (22, self.write_new), (14, self.write_assign), (10, self.write_augmented),
            (6, self.write_item), (5, self.write_append), (3, self.write_unpack), (3,
            self.write_swap),
            (3, self.write_chain), (4, self.write_alias), (2, self.write_pop), (3, self.write_call),
            (2, self.write_assert), (1, self.write_retyped), (2, self.write_tuple_call),
        ]  # fmt: skip
        if nested:
            kinds += [(12, self.write_if), (12, self.write_for), (5, self.write_while)]
            kinds += [(2, self.write_guarded_exit)]
        if self.loop_depth and indent > 1:
            kinds += [(4, self.write_leave)]
        return bool(self.choices.weighted(kinds)(indent))

    # Assignments -----------------------------------------------------------------------------

    def new_name(self) -> str:
        """A name that no visible variable and no constant has."""
        taken = {variable.name for variable in self.variables}
        taken |= {constant.name for constant in self.constants} | {"depth"}
        free = [name for name in NAMES if name not in taken]
        return self.choices.pick(free) if free else f"t{len(self.variables)}"

    def declare(self, name: str, ty: str, growth: float = 1) -> None:
        self.variables = [v for v in self.variables if v.name != name or v.is_fixed]
        self.variables.append(Variable(name, ty, growth=growth))

    def write_new(self, indent: int) -> None:
        ty = self.choices.weighted(PARAMETER_TYPES)
        if ty.startswith("list") and self.choices.chance(25):
            name = self.new_name()
            text = "[]"
            if ty.startswith("list[list") and self.choices.chance(60):
                text = self.choices.pick(("[[] for _ in range(3)]", "[[]]", "[[], []]"))
            self.write(indent, f"{name}: {ty} = {text}")
            self.declare(name, ty)
            return
        text, growth = self.stored(ty, 3)
        name = self.new_name()
        hint = f": {ty}" if self.choices.chance(15) else ""
        self.write(indent, f"{name}{hint} = {text}")
        self.declare(name, ty, growth)

    def write_retyped(self, indent: int) -> None:
        """Give a name of this block a value of another type."""
        own = [v for v in self.variables[self.blocks[-1] :] if not v.is_fixed]
        if not own:
            return
        old = self.choices.pick(own)
        ty = self.choices.weighted(PARAMETER_TYPES)
        text, growth = self.stored(ty, 2)
        self.write(indent, f"{old.name} = {text}")
        self.variables = [v for v in self.variables if v is not old]
        self.variables.append(Variable(old.name, ty, growth=growth))

    def write_assign(self, indent: int) -> None:
        variable = self.assignable()
        if variable is None:
            self.write_new(indent)
            return
        if variable.ty.startswith("list") and self.choices.chance(15):
            self.write(indent, f"{variable.name} = []")
            return
        text, growth = self.stored(variable.ty, 3)
        self.write(indent, f"{variable.name} = {text}")
        variable.growth = growth

    def write_augmented(self, indent: int) -> None:
        choices = self.choices
        variable = self.assignable(("int", "float"))
        place, ty = (variable.name, variable.ty) if variable else ("", "")
        if variable is None or choices.chance(30):
            item = self.item_place()
            if item is None:
                return
            place, ty, guard = item
            variable = None
            if guard:
                self.write(indent, f"if {guard}:")
                indent += 1
        operators: tuple[tuple[int, str], ...]
        if ty == "bool":
            operators = ((1, "&"), (1, "|"), (1, "^"))
        elif ty == "int":
            operators = (
                (8, "+"),
                (6, "-"),
                (2, "//"),
                (2, "%"),
                (1, "&"),
                (1, "|"),
                (1, "^"),
                (2, ">>"),
            )
            if self.loop_depth == 0 and variable is not None and variable.growth < 4:
                operators += ((3, "*"), (1, "**"), (1, "<<"))
        else:
            operators = ((6, "+"), (4, "-"), (4, "*"), (2, "/"), (1, "//"), (1, "%"), (1, "**"))
        operator = choices.weighted(operators)
        if ty == "bool":
            self.write(indent, f"{place} {operator}= {self.of('bool', 2)}")
            return
        operand, growth = self.operand(operator, ty, 2)
        if ty == "int" and operator in "+-|^&*" and growth > 1:
            operand, growth = self.reduced(operand), 1
        self.write(indent, f"{place} {operator}= {operand}")
        if variable is not None and operator in ("*", "**", "<<"):
            variable.growth = variable.growth * 4 + growth

    def item_place(self) -> tuple[str, str, str] | None:
        """A list element to write to: text, type, and a condition under which it exists."""
        lists = [v for v in self.variables if v.ty.startswith("list")]
        if not lists:
            return None
        chosen = self.choices.pick(lists)
        name, ty = chosen.name, chosen.ty[5:-1]
        if ty.startswith("list"):
            row = self.choices.pick((f"{name}[0]", f"{name}[-1]"))
            if self.choices.chance(20):
                row = f"{name}[{self.of('int', 1)} % len({name})]"
            index = self.choices.pick(("0", "-1", f"{self.of('int', 1)} % len({row})"))
            return f"{row}[{index}]", ty[5:-1], f"{name} and {row}"
        index = self.choices.pick(
            ("0", "-1", f"{self.of('int', 2)} % len({name})", f"len({name}) - 1")
        )
        if self.choices.chance(10):
            return f"{name}[{self.of('int', 1)}]", ty, ""
        return f"{name}[{index}]", ty, name if self.choices.chance(90) else f"len({name}) > 0"

    def write_item(self, indent: int) -> None:
        item = self.item_place()
        if item is None:
            self.write_new(indent)
            return
        place, ty, guard = item
        if guard:
            self.write(indent, f"if {guard}:")
            indent += 1
        self.write(indent, f"{place} = {self.element(ty)}")

    def element(self, ty: str) -> str:
        """A value to keep in a list: never growing."""
        text, growth = self.expression(ty, 2)
        return self.reduced(text) if growth > 1 else text

    def write_append(self, indent: int) -> None:
        lists = [v for v in self.variables if v.ty.startswith("list")]
        if not lists:
            self.write_new(indent)
            return
        chosen = self.choices.pick(lists)
        ty = chosen.ty[5:-1]
        value = self.element(ty) if not ty.startswith("list") else self.of(ty, 2)
        if not (self.is_entry and indent == 1 and self.recursive is None):
            self.write(indent, f"if len({chosen.name}) < {APPEND_MAX}:")
            indent += 1
        self.write(indent, f"{chosen.name}.append({value})")

    def write_pop(self, indent: int) -> None:
        lists = [v for v in self.variables if v.ty.startswith("list")]
        if not lists:
            return
        name = self.choices.pick(lists).name
        if self.choices.chance(85):
            self.write(indent, f"if {name}:")
            indent += 1
        self.write(indent, f"{name}.pop()")

    def write_swap(self, indent: int) -> None:
        choices = self.choices
        pairs = [
            (a, b)
            for a in self.variables
            for b in self.variables
            if a is not b and a.ty == b.ty and not a.is_fixed and not b.is_fixed
            and max(a.growth, b.growth) <= 1
        ]  # fmt: skip
        if pairs and choices.chance(50):
            a, b = choices.pick(pairs)
            self.write(indent, f"{a.name}, {b.name} = {b.name}, {a.name}")
            return
        lists = [v for v in self.variables if v.ty.startswith("list")]
        if not lists:
            return
        name = choices.pick(lists).name
        i, j = self.of("int", 1), self.of("int", 1)
        self.write(indent, f"if {name}:")
        drawn = (f"{name}[{i} % len({name})]", f"{name}[{j} % len({name})]")
        first, second = choices.pick((drawn, (f"{name}[0]", f"{name}[-1]")))
        self.write(indent + 1, f"{first}, {second} = {second}, {first}")

    def write_chain(self, indent: int) -> None:
        ty = self.choices.weighted(PARAMETER_TYPES)
        text, growth = self.stored(ty, 2)
        first = self.new_name()
        self.declare(first, ty, growth)
        second = self.new_name()
        self.declare(second, ty, growth)
        self.write(indent, f"{first} = {second} = {text}")

    def write_alias(self, indent: int) -> None:
        """Let two names, or a name and a row, share one list."""
        choices = self.choices
        matrices = [v for v in self.variables if v.ty.startswith("list[list")]
        if matrices and choices.chance(60):
            name = choices.pick(matrices).name
            kind = choices.below(4)
            if kind == 0:
                self.write(indent, f"if {name}:")
                self.write(indent + 1, f"{name}[0] = {name}[-1]")
            elif kind == 3:
                ty = next(v.ty for v in matrices if v.name == name)[5:-1]
                row = self.of(ty, 2) if choices.chance(80) else "[]"
                self.write(indent, f"if {name}:")
                self.write(indent + 1, f"{name}[{choices.pick(('0', '-1'))}] = {row}")
            elif kind == 1:
                self.write(indent, f"if {name} and len({name}) < {APPEND_MAX}:")
                self.write(indent + 1, f"{name}.append({name}[0])")
            else:
                ty = next(v.ty for v in matrices if v.name == name)[5:-1]
                row = self.new_name()
                self.write(indent, f"{row} = {name}[-1] if {name} else {self.of(ty, 1)}")
                self.declare(row, ty)
            return
        lists = [v for v in self.variables if v.ty.startswith("list")]
        if lists:
            chosen = choices.pick(lists)
            name = self.new_name()
            self.write(indent, f"{name} = {chosen.name}")
            self.declare(name, chosen.ty)

    def write_unpack(self, indent: int) -> None:
        choices = self.choices
        if choices.chance(40):
            ty = choices.pick(("int", "float"))
            lhs, growth = self.expression(ty, 2)
            lhs = self.reduced(lhs) if growth > 1 else lhs
            rhs = self.nonzero(choices.pick(("int", "float")) if ty == "float" else ty, 2)
            q, r = self.two_new(ty, ty)
            self.write(indent, f"{q}, {r} = divmod({lhs}, {rhs})")
            return
        types = [choices.weighted(PARAMETER_TYPES) for _ in range(2)]
        values = [self.element(ty) if ty == "int" else self.of(ty, 2) for ty in types]
        a, b = self.two_new(*types)
        left, right = choices.pick((("", ""), ("(", ")"), ("[", "]")))
        self.write(indent, f"{left}{a}, {b}{right} = {', '.join(values)}")

    def two_new(self, first: str, second: str) -> tuple[str, str]:
        a = self.new_name()
        self.declare(a, first)
        b = self.new_name()
        self.declare(b, second)
        return a, b

    def write_tuple_call(self, indent: int) -> None:
        callees = [s for s in self.callees() if isinstance(s.returns, tuple)]
        if not callees:
            return
        callee = self.choices.pick(callees)
        call = self.call_text(callee, 1)
        names = []
        for ty in callee.returns:
            names.append(self.new_name())
            self.declare(names[-1], ty)
        self.write(indent, f"{', '.join(names)} = {call}")

    def write_call(self, indent: int) -> None:
        callees = self.callees()
        if callees:
            self.write(indent, self.call_text(self.choices.pick(callees), 2))

    # Control ---------------------------------------------------------------------------------

    def write_assert(self, indent: int) -> None:
        test = self.test(2)
        always = (
            self.choices.pick(("True", "1", "x == x or True")) if self.choices.chance(0) else "1"
        )
        tail = ', "message"' if self.choices.chance(30) else ""
        loose = f"{test} or {always}" if self.choices.chance(80) else test
        self.write(indent, f"assert {loose}{tail}")

    def write_if(self, indent: int) -> bool:
        choices = self.choices
        self.write(indent, f"if {self.test(3)}:")
        self.block(indent + 1, 1 + choices.below(3))
        for _ in range(choices.weighted(((6, 0), (3, 1), (1, 2)))):
            self.write(indent, f"elif {self.test(2)}:")
            self.block(indent + 1, 1 + choices.below(2))
        if choices.chance(50):
            self.write(indent, "else:")
            self.block(indent + 1, 1 + choices.below(3))
        return False

    def write_guarded_exit(self, indent: int) -> None:
        """An early return, or an error, under a condition."""
        choices = self.choices
        self.write(indent, f"if {self.test(2)} and {self.test(1)}:")
        if choices.chance(25):
            name = choices.pick(EXCEPTIONS)
            self.write(indent + 1, f"raise {name}" + choices.pick(("", '("why")', "()")))
        else:
            self.write_return(indent + 1)

    def write_leave(self, indent: int) -> None:
        self.write(indent, f"if {self.test(2)}:")
        self.write(indent + 1, self.choices.pick(("break", "continue")))

    def write_return(self, indent: int) -> None:
        returns = self.function.signature.returns
        if returns == "None":
            self.write(indent, self.choices.pick(("return", "return None")))
            return
        if isinstance(returns, tuple):
            self.write(indent, f"return {', '.join(self.returned(ty) for ty in returns)}")
            return
        self.write(indent, f"return {self.returned(returns)}")

    def returned(self, ty: str) -> str:
        is_root = self.is_entry and self.function.signature.depth_param is None
        if ty == "float" and is_root and self.choices.chance(6):
            self.returned_int_as_float = True
            return self.element(self.choices.pick(("int", "bool")))
        text, growth = self.expression(ty, 3)
        return self.reduced(text) if growth > 1 and not self.is_entry else text

    def write_for(self, indent: int) -> bool:
        choices = self.choices
        iterable, types, rounds = self.iterable(2)
        if not self.budget.allows(rounds):
            return False
        targets: list[str] = []
        n_known = len(self.variables)
        fresh: list[Variable] = []
        for ty in types:
            old = [
                v for v in self.variables
                if v.ty == ty and not v.is_fixed and v.name not in targets
            ]  # fmt: skip
            if old and choices.chance(10):
                reused = choices.pick(old)
                reused.growth = 1
                targets.append(reused.name)
                continue
            taken = {v.name for v in self.variables} | set(targets)
            taken |= {constant.name for constant in self.constants}
            free = [name for name in (*TARGETS, "t_1", "t_2", "t_3") if name not in taken]
            name = "_" if choices.chance(5) and "_" not in targets else choices.pick(free)
            targets.append(name)
            if name != "_":
                fresh.append(Variable(name, ty))
        left, right = ("(", ")") if len(targets) > 1 and choices.chance(15) else ("", "")
        self.write(indent, f"for {left}{', '.join(targets)}{right} in {iterable}:")
        self.looped(indent, rounds, fresh)
        del self.variables[n_known:]
        return False

    def looped(self, indent: int, rounds: int, fresh: list[Variable]) -> None:
        """The body of a loop and, sometimes, its ``else``."""
        n_known = len(self.variables)
        with self.budget.times(rounds):
            self.loop_depth += 1
            growths = [(variable, variable.growth) for variable in self.variables]
            for variable in self.variables:
                if variable.growth > 1:
                    variable.is_hidden = True
            self.variables.extend(fresh)
            self.block(indent + 1, 1 + self.choices.below(4))
            del self.variables[n_known:]
            self.loop_depth -= 1
            for variable, growth in growths:
                variable.is_hidden = False
                variable.growth = max(growth, variable.growth)
        if self.choices.chance(20):
            self.write(indent, "else:")
            self.block(indent + 1, 1 + self.choices.below(2))

    def write_while(self, indent: int) -> bool:
        choices = self.choices
        rounds = 1 + choices.below(6)
        if not self.budget.allows(rounds):
            return False
        counter = self.new_name()
        self.write(indent, f"{counter} = 0")
        variable = Variable(counter, "int", is_fixed=True)
        self.variables = [v for v in self.variables if v.name != counter]
        self.variables.append(variable)
        if choices.chance(25):
            self.write(indent, "while True:")
            self.write(indent + 1, f"{counter} += 1")
            self.write(indent + 1, f"if {counter} > {rounds}:")
            self.write(indent + 2, "break")
        else:
            also = f" and {self.test(2)}" if choices.chance(40) else ""
            self.write(indent, f"while {counter} < {rounds}{also}:")
            self.write(indent + 1, f"{counter} += 1")
        self.looped(indent, rounds, [])
        variable.is_fixed = False
        return False


def generate(choices: Choices) -> Generated:
    """One program."""
    return Programs(choices).program()

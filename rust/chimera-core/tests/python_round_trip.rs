//! Python in, Python out: what is parsed prints back, and parses to the same program again.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    reason = "a failing test may panic"
)]

use chimera_core::Error;
use chimera_core::programs::print;
use chimera_core::programs::python::{ParseOptions, Parsed, parse};

fn options(roots: &[&str]) -> ParseOptions {
    let names: Vec<String> = roots.iter().map(|name| (*name).to_owned()).collect();
    ParseOptions { file: "task.py".into(), roots: names.clone(), evolvable: names }
}

fn read(source: &str, roots: &[&str]) -> Parsed {
    parse(source, &options(roots)).unwrap_or_else(|error| panic!("{error}\n{source}"))
}

fn refusal(source: &str) -> String {
    match parse(source, &options(&["f"])) {
        Err(Error::Source(diagnostics)) => {
            diagnostics.iter().map(ToString::to_string).collect::<Vec<_>>().join("\n")
        }
        Err(other) => panic!("expected a refusal, got {other}"),
        Ok(_) => panic!("expected a refusal of {}", source.get(..200).unwrap_or(source)),
    }
}

/// Already in canonical form: prints as itself.
const CANONICAL: &[&str] = &[
    "def f(a: int, b: int) -> int:\n    return a + b * (a - b) // 3 % 7\n",
    "def f(a: float, b: float) -> float:\n    return -a ** b + (-a) ** 2.0 - (a - (b - 1.5))\n",
    "def f(x: int) -> int:\n    return (x & 3 | x ^ 5) << 2 >> 1\n",
    "def f(a: int, b: int, c: int) -> bool:\n    return a < b <= c and (a == 1 or not b != 2)\n",
    "def f(xs: list[float]) -> float:\n    return sum(x * x for x in xs if x > 0.0) + max(xs)\n",
    "def f(n: int) -> int:\n    total = 0\n    for i in range(1, n, 2):\n        if i == 7:\n            break\n        elif i % 3:\n            continue\n        total += i\n    else:\n        total = -total\n    return total\n",
    "def f(n: int) -> list[int]:\n    xs: list[int] = []\n    while n > 0:\n        xs.append(n % 10)\n        n //= 10\n    return xs\n",
    "def f(n: int) -> float:\n    grid = [[0.0] * n for _ in range(n)]\n    grid[0][n - 1] = 1.0\n    grid[0][0] += 2.5\n    return grid[0][n - 1]\n",
    "def f(a: int, b: int) -> tuple[int, int]:\n    a, b = b, a\n    q, r = divmod(a, b)\n    return q, r\n",
    "def f(xs: list[int]) -> int:\n    best = -1\n    for i, x in enumerate(xs):\n        best = i if x > 3 else best\n    return best\n",
    "import math\n\n\ndef f(x: float) -> float:\n    return math.sqrt(abs(x)) + math.pi * math.exp(-x)\n",
    "TABLE = (1.0, 2.5, -3.0)\n\n\ndef f(i: int) -> float:\n    return TABLE[min(max(i, 0), len(TABLE) - 1)]\n",
    "def f(x: float) -> float:\n    assert x > 0.0\n    if x > 10.0:\n        raise ValueError\n    return x\n",
    "def f(a: list[int], b: list[int]) -> int:\n    return sum(x * y for x, y in zip(a, b))\n",
];

#[test]
fn canonical_source_prints_as_itself() {
    for source in CANONICAL {
        let printed = print::source(&read(source, &["f"]).program);
        assert_eq!(printed.replace("\n\n\n", "\n\n"), source.replace("\n\n\n", "\n\n"));
    }
}

#[test]
fn printed_source_parses_to_the_same_program() {
    for source in CANONICAL {
        let first = read(source, &["f"]).program;
        let second = read(&print::source(&first), &["f"]).program;
        assert_eq!(first, second, "{source}");
    }
}

#[test]
fn int_returned_where_float_is_declared_is_converted_openly() {
    let parsed = read("def f(gap: int) -> float:\n    return -gap\n", &["f"]);
    assert_eq!(
        print::source(&parsed.program),
        "def f(gap: int) -> float:\n    return float(-gap)\n"
    );
}

#[test]
fn a_name_may_change_its_type_along_straight_code() {
    let source =
        "def f(n: int) -> float:\n    x = n\n    y = x // 2\n    x = y / 2\n    return x\n";
    let printed = print::source(&read(source, &["f"]).program);
    assert!(printed.contains("x_2 = y / 2"), "{printed}");
}

#[test]
fn long_lines_are_wrapped_and_still_parse() {
    let terms: Vec<_> = (0..30).map(|i| format!("x * {i}.25")).collect();
    let source = format!("def f(x: float) -> float:\n    return {}\n", terms.join(" + "));
    let first = read(&source, &["f"]).program;
    let printed = print::source(&first);
    assert!(printed.lines().all(|line| line.len() <= 88), "{printed}");
    assert_eq!(first, read(&printed, &["f"]).program);
}

#[test]
fn calls_and_comprehensions_wider_than_a_line_are_broken_inside_their_brackets() {
    let deep = "min(max(246 - (gap_of_the_bin + capacity_of_the_bin), 0), 231)";
    let source = format!(
        "def f(gap_of_the_bin: int, capacity_of_the_bin: int, xs: list[int]) -> int:\n    \
         y = min({deep}, {deep}, sum(x * gap_of_the_bin + capacity_of_the_bin for x in xs if x > 3))\n    \
         return max(y, {deep} * {deep})\n"
    );
    let first = read(&source, &["f"]).program;
    let printed = print::source(&first);
    assert!(printed.lines().all(|line| line.len() <= 88), "{printed}");
    assert_eq!(first, read(&printed, &["f"]).program);
}

#[test]
fn a_long_argument_before_a_comma_ends_the_breaking() {
    let name =
        "a_name_that_is_as_long_as_a_line_can_be_and_then_some_more_so_that_it_never_fits_at_all";
    let source = format!("def f({name}: int, b: int) -> int:\n    return max({name}, b)\n");
    let first = read(&source, &["f"]).program;
    assert_eq!(first, read(&print::source(&first), &["f"]).program);
}

#[test]
fn deep_nesting_is_refused_and_never_overflows_a_stack() {
    let cases = [
        format!("{}x", "-".repeat(900)),
        format!("{}x", "-".repeat(200_000)),
        vec!["x"; 50_000].join(" + "),
        format!("1.0 if {} else 0.0", vec!["x > 0.0"; 20_000].join(" and ")),
        format!("{}x{}", "abs(".repeat(5_000), ")".repeat(5_000)),
    ];
    for expr in cases {
        let got = refusal(&format!("def f(x: float) -> float:\n    return {expr}\n"));
        assert!(got.contains("nesting") || got.contains("syntax"), "{got}");
    }
    let brackets = format!("{}x{}", "(".repeat(100_000), ")".repeat(100_000));
    read(&format!("def f(x: float) -> float:\n    return {brackets}\n"), &["f"]);
    let branches: Vec<_> =
        (0..3_000).map(|i| format!("    elif x > {i}.5:\n        y = 1.0\n")).collect();
    let chain = branches.concat();
    let got = refusal(&format!(
        "def f(x: float) -> float:\n    y = 0.0\n    if x < 0.0:\n        y = 2.0\n{chain}    return y\n"
    ));
    assert!(got.contains("nesting"), "{got}");
}

#[test]
fn a_refused_assignment_causes_no_further_refusals() {
    let got = refusal("def f(x: int) -> int:\n    d = {}\n    e = d + 1\n    return e\n");
    assert_eq!(got.matches("task.py:").count(), 1, "{got}");
}

#[test]
fn an_int_result_declared_float_may_be_compared_and_handed_on() {
    let source = "def g(x: int) -> float:\n    return -x\n\n\ndef f(x: int) -> float:\n    best = g(0)\n    score = g(x)\n    if score > best:\n        best = score\n    return best\n";
    read(source, &["f"]);
}

#[test]
fn the_math_import_goes_behind_the_docstring() {
    let source = "\"\"\"Task\nfrom the paper.\n\"\"\"\nfrom math import exp\n\n\ndef f(x: float) -> float:\n    return exp(x)\n";
    let options = options(&["f"]);
    let parsed = parse(source, &options).unwrap();
    let out = print::splice(&parsed.program, &parsed.spans, source);
    assert!(
        out.starts_with("\"\"\"Task\nfrom the paper.\n\"\"\"\nimport math\nfrom math"),
        "{out}"
    );
}

#[test]
fn constants_of_math_bring_their_import() {
    let source =
        "import math\n\nT = (math.inf, 1.5)\n\n\ndef f(i: int) -> float:\n    return T[i]\n";
    let first = read(source, &["f"]).program;
    assert_eq!(first, read(&print::source(&first), &["f"]).program);
}

#[test]
fn splice_replaces_only_the_evolvable_function() {
    let source = "\"\"\"Task.\"\"\"\nimport chimera\n\n# keep me\n@chimera.evolve\ndef f(x: float) -> float:\n    return x   # old\n\n\ndef g() -> int:\n    return 1\n";
    let parsed = parse(
        source,
        &ParseOptions { file: "t.py".into(), roots: vec!["f".into()], evolvable: vec!["f".into()] },
    )
    .unwrap();
    let out = print::splice(&parsed.program, &parsed.spans, source);
    assert!(
        out.contains(
            "# keep me\n@chimera.evolve\ndef f(x: float) -> float:\n    return x\n\n\ndef g()"
        ),
        "{out}"
    );
}

#[test]
fn refusals_name_place_construct_and_what_to_write() {
    let cases = [
        ("def f(x: int) -> int:\n    d = {}\n    return x\n", "task.py:2:9: dict"),
        (
            "def f(x: int) -> int:\n    y = 0\n    for i in range(x):\n        y = y + 0.5\n    return x if y else 0\n",
            "`y` is int on one path and float on another",
        ),
        (
            "def f(x: int) -> int:\n    if x:\n        y = 1\n    return y\n",
            "task.py:4:12: variable: `y` may be unassigned here",
        ),
        ("def f(x) -> int:\n    return 1\n", "`x` of `f` has no type"),
        ("def f(x: int):\n    return 1\n", "does not say what it returns"),
        ("def f(x: int) -> int:\n    if x:\n        return 1\n", "can end without returning"),
        ("def f(x: int, y: float) -> float:\n    return min(x, y)\n", "mixes int and float"),
        ("def f(x: int) -> int:\n    return g(x)\n", "`g` is neither a function of this file"),
        ("def f(x: int) -> int:\n    return x +\n", "syntax"),
        (
            "import math\ndef f(x: float) -> float:\n    return math.hypot(x, x)\n",
            "math.sqrt(x * x + y * y)",
        ),
        ("def f(x: int) -> int:\n    max = x\n    return max\n", "hides the builtin"),
        ("def f(x: int) -> int:\n    return 99999999999999999999\n", "does not fit in 64 bits"),
        ("def f(xs: list[int]) -> int:\n    return xs[1:2][0]\n", "slice"),
        ("T = (1, 2.0)\ndef f(i: int) -> float:\n    return T[i]\n", "all of one type"),
        (
            "def f(x: int) -> int:\n    return G\nG = 1\nif G:\n    G = 2\n",
            "`G` is bound or changed more than once",
        ),
        (
            "round = abs\ndef f(x: float) -> int:\n    return round(x)\n",
            "`round` is bound at module level",
        ),
        (
            "def g(x: int) -> float:\n    return x\n\n\ndef f(x: int) -> float:\n    return g(x) * 2\n",
            "task.py:6:1: float result",
        ),
        ("G = [1, 2]\ndef f(x: int) -> int:\n    return G[x]\n", "write a tuple"),
        (
            "import math\nmath.sqrt = abs\ndef f(x: float) -> float:\n    return math.sqrt(x)\n",
            "outside the subset",
        ),
        ("def g() -> int:\n    return 1\n", "function `f` is not defined"),
    ];
    for (source, wanted) in cases {
        let got = refusal(source);
        assert!(got.contains(wanted), "wanted {wanted:?} in:\n{got}");
    }
}

#[test]
fn all_refusals_of_a_file_are_reported_at_once() {
    let got = refusal("def f(x: int) -> int:\n    a = {}\n    b = 'text'\n    return g(x)\n");
    assert_eq!(got.matches("task.py:").count(), 3, "{got}");
}

#[test]
fn code_behind_a_return_is_dropped_and_loops_reach_their_fixpoint() {
    let source = "def f(n: int) -> int:\n    a = 0\n    b = 1\n    for _ in range(n):\n        for _ in range(2):\n            c = a + b\n            a = b\n            b = c\n    return a\n    return b\n";
    let printed = print::source(&read(source, &["f"]).program);
    assert_eq!(printed.matches("return").count(), 1, "{printed}");
}

#[test]
fn augmented_items_hold_what_their_value_may_change() {
    // CPython finds the row and the index first, and only then evaluates the value.
    let popped =
        "def f(xs: list[int]) -> int:\n    xs[len(xs) - 1] += xs.pop()\n    return xs[0]\n";
    let printed = print::source(&read(popped, &["f"]).program);
    assert!(printed.contains("value_0 = len(xs) - 1\n    xs[value_0] += xs.pop()"), "{printed}");
    let swapped = "def g(grid: list[list[int]]) -> int:\n    grid[0] = grid[1]\n    return 1\n\n\ndef f(grid: list[list[int]]) -> int:\n    grid[0][0] += g(grid)\n    return grid[0][0]\n";
    let printed = print::source(&read(swapped, &["f"]).program);
    assert!(printed.contains("value_0 = grid[0]\n    value_0[0] += g(grid)"), "{printed}");
}

#[test]
fn effects_are_not_printed_once_when_they_happen_twice() {
    let source = "def f(xs: list[int]) -> int:\n    xs[xs.pop()] = xs[xs.pop()] + 1\n    xs[len(xs) - 1] = xs[len(xs) - 1] + xs.pop()\n    return xs[0]\n";
    let printed = print::source(&read(source, &["f"]).program);
    assert!(!printed.contains("+="), "{printed}");
    assert_eq!(printed, source);
}

#[test]
fn docstrings_survive_quotes_backslashes_and_returns() {
    for doc in [
        "ends \\\"quoted\\\"",
        "\\\"\\\"\\\"",
        "a \\\"\\\"\\\" b",
        "\\\\",
        "a\\\\\\\"",
        "a\\rb\\x00",
    ] {
        let source = format!("def f(x: int) -> int:\n    \"\"\"{doc}\"\"\"\n    return x\n");
        let first = read(&source, &["f"]).program;
        assert_eq!(read(&print::source(&first), &["f"]).program, first, "{source}");
    }
}

#[test]
fn renamed_locals_hide_nothing_that_the_function_reads() {
    let source = "x_2 = 3\n\n\ndef x_3(a: int) -> int:\n    return a\n\n\ndef f(x: int) -> float:\n    x = x / 2\n    return x + x_2 + x_3(1)\n";
    let printed = print::source(&read(source, &["f", "x_3"]).program);
    assert!(printed.contains("x_4 = x / 2\n    return x_4 + x_2 + x_3(1)"), "{printed}");
    let math = "from math import sqrt\n\n\ndef f(math: float) -> float:\n    return sqrt(math)\n";
    let printed = print::source(&read(math, &["f"]).program);
    assert!(printed.contains("return math.sqrt(math_2)"), "{printed}");
}

#[test]
fn forms_whose_order_of_effects_would_change_are_refused() {
    let cases = [
        (
            "def f(xs: list[int]) -> int:\n    s = 0\n    for i in reversed(range(xs.pop(), xs.pop())):\n        s += i\n    return s\n",
            "bounds change lists",
        ),
        (
            "def f(xs: list[int]) -> int:\n    ys = xs.pop() * [xs.pop()]\n    return len(ys)\n",
            "count that changes lists",
        ),
        (
            "def f(xs: list[int]) -> int:\n    return sum(abs(abs) for abs in xs)\n",
            "`abs` hides the builtin",
        ),
    ];
    for (source, wanted) in cases {
        let got = refusal(source);
        assert!(got.contains(wanted), "wanted {wanted:?} in:\n{got}");
    }
}

#[test]
fn the_sign_of_a_nan_is_dropped() {
    let source = "import math\n\n\ndef f(x: float) -> float:\n    return x + -math.nan\n";
    let first = read(source, &["f"]).program;
    assert_eq!(read(&print::source(&first), &["f"]).program, first);
}

#[test]
fn empty_lists_take_their_type_from_where_they_are_put() {
    let cases = [
        "def f(n: int) -> int:\n    rows: list[list[int]] = [[] for _ in range(n)]\n    rows[0].append(n)\n    return len(rows)\n",
        "def f(n: int) -> int:\n    rows: list[list[float]] = [[], [1.0]]\n    rows[0] = []\n    return len(rows[n])\n",
        "def f(n: int) -> list[int]:\n    xs: list[int] = [] if n > 0 else [n]\n    return xs\n",
        "def f(n: int) -> list[list[bool]]:\n    return [[] for _ in range(n)]\n",
    ];
    for source in cases {
        let first = read(source, &["f"]).program;
        assert_eq!(print::source(&first), source);
        assert_eq!(read(&print::source(&first), &["f"]).program, first);
    }
    let again = "def f(n: int) -> int:\n    xs = [n]\n    xs = []\n    return len(xs)\n";
    assert!(print::source(&read(again, &["f"]).program).contains("xs: list[int] = []"));
}

#[test]
fn promotions_that_python_does_not_make_are_printed() {
    let source =
        "def f(x: bool, n: int) -> int:\n    y = round(x)\n    return y if n else round(n)\n";
    let first = read(source, &["f"]).program;
    let printed = print::source(&first);
    assert!(printed.contains("y = int(x)\n    return y if n else n"), "{printed}");
    assert_eq!(read(&printed, &["f"]).program, first);
}

//! Rewrite rules that are exact under `CPython` semantics.
//!
//! Ints are mathematical integers: laws of rings hold, and may only add or remove our overflow
//! traps. Floats keep every bit, signed zeros and NaN included: no associativity, no `x + 0.0`.
//! A rule that drops an operand requires that its evaluation cannot raise. A rule that would
//! evaluate an operand which was guarded before requires the same.

use std::sync::LazyLock;

use egg::{Condition, ConditionalApplier, EGraph, Id, Pattern, Rewrite, Subst, Var};

use super::language::{Facts, Node, Range};

/// All rules. The texts are constants of this file and a test parses them all, so a rule that
/// does not parse cannot ship; it would be left out.
pub(crate) static RULES: LazyLock<Vec<Rewrite<Node, Facts>>> = LazyLock::new(|| {
    let plain = PLAIN.iter().filter_map(|(lhs, rhs)| rule(lhs, rhs, &[], None));
    let safe = SAFE.iter().filter_map(|(lhs, rhs, safe)| rule(lhs, rhs, safe, None));
    let ranged = RANGED
        .iter()
        .filter_map(|(lhs, rhs, safe, relation)| rule(lhs, rhs, safe, Some(*relation)));
    plain.chain(safe).chain(ranged).collect()
});

type Relation = fn(Range, Range) -> bool;

struct Holds {
    safe: Vec<Var>,
    relation: Option<(Relation, Var, Var)>,
}

impl Condition<Node, Facts> for Holds {
    fn check(&self, egraph: &mut EGraph<Node, Facts>, _: Id, subst: &Subst) -> bool {
        let class = |var: Var| subst.get(var).map(|id| &egraph[*id].data);
        self.safe.iter().all(|var| class(*var).is_some_and(|data| data.is_safe))
            && self.relation.is_none_or(|(relation, a, b)| {
                matches!((class(a), class(b)), (Some(a), Some(b)) if relation(a.range, b.range))
            })
    }

    fn vars(&self) -> Vec<Var> {
        self.safe.clone()
    }
}

fn rule(
    lhs: &str,
    rhs: &str,
    safe: &[&str],
    relation: Option<Relation>,
) -> Option<Rewrite<Node, Facts>> {
    let searcher: Pattern<Node> = lhs.parse().ok()?;
    let applier: Pattern<Node> = rhs.parse().ok()?;
    let name = format!("{lhs} => {rhs}");
    let safe: Option<Vec<Var>> = safe.iter().map(|name| name.parse().ok()).collect();
    let relation = match relation {
        Some(relation) => Some((relation, "?a".parse().ok()?, "?b".parse().ok()?)),
        None => None,
    };
    let condition = Holds { safe: safe?, relation };
    if condition.safe.is_empty() && condition.relation.is_none() {
        return Rewrite::new(name, searcher, applier).ok();
    }
    Rewrite::new(name, searcher, ConditionalApplier { condition, applier }).ok()
}

const PLAIN: &[(&str, &str)] = &[
    ("(i+ ?a ?b)", "(i+ ?b ?a)"),
    ("(i* ?a ?b)", "(i* ?b ?a)"),
    ("(i+ (i+ ?a ?b) ?c)", "(i+ ?a (i+ ?b ?c))"),
    ("(i* (i* ?a ?b) ?c)", "(i* ?a (i* ?b ?c))"),
    ("(i+ ?a 0)", "?a"),
    ("(i- ?a 0)", "?a"),
    ("(i- 0 ?a)", "(ineg ?a)"),
    ("(i* ?a 1)", "?a"),
    ("(i* ?a -1)", "(ineg ?a)"),
    ("(i// ?a 1)", "?a"),
    ("(i** ?a 1)", "?a"),
    ("(i<< ?a 0)", "?a"),
    ("(i>> ?a 0)", "?a"),
    ("(i& ?a ?a)", "?a"),
    ("(i| ?a ?a)", "?a"),
    ("(b& ?a ?a)", "?a"),
    ("(b| ?a ?a)", "?a"),
    ("(ineg (ineg ?a))", "?a"),
    ("(i~ (i~ ?a))", "?a"),
    ("(ipos ?a)", "?a"),
    ("(ineg (i- ?a ?b))", "(i- ?b ?a)"),
    ("(i+ ?a (ineg ?b))", "(i- ?a ?b)"),
    ("(i- ?a (ineg ?b))", "(i+ ?a ?b)"),
    ("(i- (i+ ?a ?b) ?c)", "(i+ ?a (i- ?b ?c))"),
    ("(i+ ?a (i- ?b ?c))", "(i- (i+ ?a ?b) ?c)"),
    ("(i- ?a (i+ ?b ?c))", "(i- (i- ?a ?b) ?c)"),
    ("(i- (i- ?a ?b) ?c)", "(i- ?a (i+ ?b ?c))"),
    ("(i- ?a (i- ?b ?c))", "(i+ (i- ?a ?b) ?c)"),
    ("(i+ (i* ?a ?c) (i* ?b ?c))", "(i* (i+ ?a ?b) ?c)"),
    ("(i- (i* ?a ?c) (i* ?b ?c))", "(i* (i- ?a ?b) ?c)"),
    ("(i+ (i* ?a ?c) ?a)", "(i* ?a (i+ ?c 1))"),
    ("(i+ ?a ?a)", "(i* ?a 2)"),
    ("(imin ?a ?b)", "(imin ?b ?a)"),
    ("(imax ?a ?b)", "(imax ?b ?a)"),
    ("(imin (imin ?a ?b) ?c)", "(imin ?a (imin ?b ?c))"),
    ("(imax (imax ?a ?b) ?c)", "(imax ?a (imax ?b ?c))"),
    ("(imin ?a ?a)", "?a"),
    ("(imax ?a ?a)", "?a"),
    ("(fmin ?a ?a)", "?a"),
    ("(fmax ?a ?a)", "?a"),
    ("(imax ?a (ineg ?a))", "(iabs ?a)"),
    ("(iabs (iabs ?a))", "(iabs ?a)"),
    ("(iabs (ineg ?a))", "(iabs ?a)"),
    ("(fabs (fabs ?a))", "(fabs ?a)"),
    ("(fabs (fneg ?a))", "(fabs ?a)"),
    ("(ffabs ?a)", "(fabs ?a)"),
    ("(f+ ?a ?b)", "(f+ ?b ?a)"),
    ("(f* ?a ?b)", "(f* ?b ?a)"),
    ("(f* ?a 1.0)", "?a"),
    ("(f/ ?a 1.0)", "?a"),
    ("(f- ?a 0.0)", "?a"),
    ("(f+ ?a -0.0)", "?a"),
    ("(f* ?a -1.0)", "(fneg ?a)"),
    ("(f/ ?a -1.0)", "(fneg ?a)"),
    ("(fneg (fneg ?a))", "?a"),
    ("(fpos ?a)", "?a"),
    ("(f- ?a (fneg ?b))", "(f+ ?a ?b)"),
    ("(f+ ?a (fneg ?b))", "(f- ?a ?b)"),
    ("(f* (fneg ?a) (fneg ?b))", "(f* ?a ?b)"),
    ("(f/ (fneg ?a) (fneg ?b))", "(f/ ?a ?b)"),
    ("(isame ?a)", "?a"),
    ("(fsame ?a)", "?a"),
    ("(bsame ?a)", "?a"),
    ("(i> ?a ?b)", "(i< ?b ?a)"),
    ("(i< ?a ?b)", "(i> ?b ?a)"),
    ("(i>= ?a ?b)", "(i<= ?b ?a)"),
    ("(i<= ?a ?b)", "(i>= ?b ?a)"),
    ("(f> ?a ?b)", "(f< ?b ?a)"),
    ("(f< ?a ?b)", "(f> ?b ?a)"),
    ("(f>= ?a ?b)", "(f<= ?b ?a)"),
    ("(f<= ?a ?b)", "(f>= ?b ?a)"),
    ("(i== ?a ?b)", "(i== ?b ?a)"),
    ("(i!= ?a ?b)", "(i!= ?b ?a)"),
    ("(f== ?a ?b)", "(f== ?b ?a)"),
    ("(f!= ?a ?b)", "(f!= ?b ?a)"),
    ("(not (i< ?a ?b))", "(i>= ?a ?b)"),
    ("(not (i<= ?a ?b))", "(i> ?a ?b)"),
    ("(not (i== ?a ?b))", "(i!= ?a ?b)"),
    ("(not (i!= ?a ?b))", "(i== ?a ?b)"),
    ("(not (f== ?a ?b))", "(f!= ?a ?b)"),
    ("(not (f!= ?a ?b))", "(f== ?a ?b)"),
    ("(i< (i- ?a ?b) 0)", "(i< ?a ?b)"),
    ("(i<= (i- ?a ?b) 0)", "(i<= ?a ?b)"),
    ("(i== (i- ?a ?b) 0)", "(i== ?a ?b)"),
    ("(i< (ineg ?a) (ineg ?b))", "(i> ?a ?b)"),
    ("(f< (fneg ?a) (fneg ?b))", "(f> ?a ?b)"),
    ("(not (not ?a))", "?a"),
    ("(and ?a ?a)", "?a"),
    ("(or ?a ?a)", "?a"),
    ("(and true ?a)", "?a"),
    ("(and ?a true)", "?a"),
    ("(and false ?a)", "false"),
    ("(or false ?a)", "?a"),
    ("(or ?a false)", "?a"),
    ("(or true ?a)", "true"),
    ("(and (not ?a) (not ?b))", "(not (or ?a ?b))"),
    ("(or (not ?a) (not ?b))", "(not (and ?a ?b))"),
    ("(not (and ?a ?b))", "(or (not ?a) (not ?b))"),
    ("(not (or ?a ?b))", "(and (not ?a) (not ?b))"),
    ("(and ?a (and ?b ?c))", "(and (and ?a ?b) ?c)"),
    ("(or ?a (or ?b ?c))", "(or (or ?a ?b) ?c)"),
    ("(isel true ?a ?b)", "?a"),
    ("(fsel true ?a ?b)", "?a"),
    ("(bsel true ?a ?b)", "?a"),
    ("(isel false ?a ?b)", "?b"),
    ("(fsel false ?a ?b)", "?b"),
    ("(bsel false ?a ?b)", "?b"),
    ("(isel (not ?c) ?a ?b)", "(isel ?c ?b ?a)"),
    ("(fsel (not ?c) ?a ?b)", "(fsel ?c ?b ?a)"),
    ("(bsel (not ?c) ?a ?b)", "(bsel ?c ?b ?a)"),
    ("(bsel ?c true false)", "?c"),
    ("(bsel ?c false true)", "(not ?c)"),
    ("(bsel ?c ?a false)", "(and ?c ?a)"),
    ("(bsel ?c true ?a)", "(or ?c ?a)"),
    ("(isel (i< ?a ?b) ?a ?b)", "(imin ?a ?b)"),
    ("(isel (i<= ?a ?b) ?a ?b)", "(imin ?a ?b)"),
    ("(isel (i< ?a ?b) ?b ?a)", "(imax ?a ?b)"),
    ("(isel (i<= ?a ?b) ?b ?a)", "(imax ?a ?b)"),
    // Python's min(b, a) is `a if a < b else b`, with NaN and signed zeros.
    ("(fsel (f< ?a ?b) ?a ?b)", "(fmin ?b ?a)"),
    ("(fsel (f> ?a ?b) ?a ?b)", "(fmax ?b ?a)"),
];

const SAFE: &[(&str, &str, &[&str])] = &[
    ("(i- ?a ?a)", "0", &["?a"]),
    ("(i^ ?a ?a)", "0", &["?a"]),
    ("(i* ?a 0)", "0", &["?a"]),
    ("(i% ?a 1)", "0", &["?a"]),
    ("(i- (i+ ?a ?b) ?b)", "?a", &["?b"]),
    ("(i+ (i- ?a ?b) ?b)", "?a", &["?b"]),
    ("(imin ?a (imax ?a ?b))", "?a", &["?b"]),
    ("(imax ?a (imin ?a ?b))", "?a", &["?b"]),
    ("(i< ?a ?a)", "false", &["?a"]),
    ("(i<= ?a ?a)", "true", &["?a"]),
    ("(i== ?a ?a)", "true", &["?a"]),
    ("(i!= ?a ?a)", "false", &["?a"]),
    ("(f< ?a ?a)", "false", &["?a"]),
    ("(f> ?a ?a)", "false", &["?a"]),
    ("(i< (i+ ?a ?c) (i+ ?b ?c))", "(i< ?a ?b)", &["?c"]),
    ("(i<= (i+ ?a ?c) (i+ ?b ?c))", "(i<= ?a ?b)", &["?c"]),
    ("(i== (i+ ?a ?c) (i+ ?b ?c))", "(i== ?a ?b)", &["?c"]),
    ("(and ?a ?b)", "(and ?b ?a)", &["?a", "?b"]),
    ("(or ?a ?b)", "(or ?b ?a)", &["?a", "?b"]),
    ("(and ?a false)", "false", &["?a"]),
    ("(or ?a true)", "true", &["?a"]),
    ("(and ?a (not ?a))", "false", &["?a"]),
    ("(or ?a (not ?a))", "true", &["?a"]),
    ("(and ?a (or ?a ?b))", "?a", &["?a"]),
    ("(or ?a (and ?a ?b))", "?a", &["?a"]),
    ("(isel ?c ?a ?a)", "?a", &["?c"]),
    ("(fsel ?c ?a ?a)", "?a", &["?c"]),
    ("(bsel ?c ?a ?a)", "?a", &["?c"]),
];

const fn at_most(a: Range, b: Range) -> bool {
    a.high != i64::MAX && a.high <= b.low
}

const fn below(a: Range, b: Range) -> bool {
    a.high != i64::MAX && a.high < b.low
}

const RANGED: &[(&str, &str, &[&str], Relation)] = &[
    ("(imin ?a ?b)", "?a", &["?b"], at_most),
    ("(imax ?a ?b)", "?b", &["?a"], at_most),
    ("(i< ?a ?b)", "true", &["?a", "?b"], below),
    ("(i<= ?a ?b)", "true", &["?a", "?b"], at_most),
    ("(i< ?b ?a)", "false", &["?a", "?b"], at_most),
    ("(i<= ?b ?a)", "false", &["?a", "?b"], below),
    ("(i== ?a ?b)", "false", &["?a", "?b"], below),
];

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_rule_parses() {
        assert_eq!(RULES.len(), PLAIN.len() + SAFE.len() + RANGED.len());
    }
}

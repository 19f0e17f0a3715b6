use super::*;
use crate::programs::ir::Comparison;
use crate::programs::ir::{Binary, Comprehension, Fold, FoldSource, FunctionId, Iter};
use crate::programs::samples::{assign, bin, function, l, mixed, priority, program, ret};
use crate::programs::types::Scalar;

const LOCALS: [(&str, Type); 4] =
    [("a", Type::INT), ("x", Type::FLOAT), ("t", Type::INT), ("xs", Type::List(Scalar::Int))];

fn refused(body: Vec<Stmt>) -> String {
    let only = function("f", 2, &LOCALS, Returns::One(Type::INT), body);
    match check(&program(vec![only], vec![])) {
        Err(Error::IllFormed { function, what }) => {
            assert_eq!(function, "f");
            what
        }
        other => panic!("{other:?}"),
    }
}

fn test_a() -> Expr {
    Expr::Compare(Box::new(l(0)), vec![(Comparison::Lt, Expr::int(3))])
}

#[test]
fn samples_are_well_formed() {
    check(&mixed()).unwrap();
    check(&priority()).unwrap();
}

#[test]
fn types_are_checked() {
    let mixed = bin(Binary::Add, l(0), l(1));
    assert!(refused(vec![ret(mixed)]).contains("different types"));
    assert!(refused(vec![ret(l(1))]).contains("expected int"));
    assert!(refused(vec![ret(l(99))]).contains("out of range"));
    assert!(refused(vec![ret(Expr::Call(FunctionId(0), vec![]))]).contains("arguments"));
    assert!(refused(vec![ret(Expr::Promote(Scalar::Int, Box::new(l(1))))]).contains("narrower"));
}

#[test]
fn control_flow_is_checked() {
    assert!(refused(vec![StmtKind::Break.into(), ret(l(0))]).contains("break"));
    assert!(refused(vec![assign(2, l(0))]).contains("without return"));
    let half = StmtKind::If { test: test_a(), then: vec![ret(l(0))], orelse: vec![] };
    assert!(refused(vec![half.into()]).contains("without return"));
}

#[test]
fn assignment_must_be_definite() {
    let half = StmtKind::If { test: test_a(), then: vec![assign(2, l(0))], orelse: vec![] };
    assert!(refused(vec![half.into(), ret(l(2))]).contains("before assignment"));
    let range = Iter::Range {
        start: Box::new(Expr::int(0)),
        stop: Box::new(l(0)),
        step: Box::new(Expr::int(1)),
    };
    let loops =
        StmtKind::For { targets: vec![LocalId(2)], iter: range, body: vec![], orelse: vec![] };
    assert!(refused(vec![loops.into(), ret(l(2))]).contains("before assignment"));
}

#[test]
fn endless_loops_leave_only_by_break() {
    let body = vec![
        assign(2, l(0)),
        StmtKind::If { test: test_a(), then: vec![StmtKind::Break.into()], orelse: vec![] }.into(),
    ];
    let test = Expr::Const(Const::Bool(true));
    let endless = StmtKind::While { test, body, orelse: vec![] };
    let only = function("f", 2, &LOCALS, Returns::One(Type::INT), vec![endless.into(), ret(l(2))]);
    check(&program(vec![only], vec![])).unwrap();
}

#[test]
fn comprehension_targets_are_private() {
    let inner = Comprehension {
        targets: vec![LocalId(2)],
        iter: Iter::List(Box::new(Expr::List(Type::INT, vec![l(0)]))),
        condition: None,
        element: l(2),
    };
    let sum = Expr::Fold(Fold::Sum, FoldSource::Generator(Box::new(inner)));
    assert!(refused(vec![assign(2, l(0)), ret(sum.clone())]).contains("used elsewhere"));
    assert!(refused(vec![ret(bin(Binary::Add, sum.clone(), sum))]).contains("used elsewhere"));
}

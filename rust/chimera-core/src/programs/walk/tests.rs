use super::*;
use crate::programs::ir::FunctionId;
use crate::programs::ir::Local;
use crate::programs::samples::{assign, bin, function, l, mixed, program, ret};
use crate::programs::types::{Returns, Scalar, Type};

const LIST: Type = Type::List(Scalar::Int);

#[test]
fn node_indices_are_stable_and_editable() {
    let program = mixed();
    let body = &program.functions[1].body;
    let mut all = Vec::new();
    visit_exprs(body, &mut |expr| all.push(expr.clone()));
    assert_eq!(all.len() + n_statements(body), size_block(body));
    for (index, expr) in all.iter().enumerate() {
        assert_eq!(expr_at(body, index), Some(expr));
        let mut copy = body.clone();
        let mut seen = None;
        assert!(edit_at(&mut copy, index, |slot| seen = Some(slot.clone())));
        assert_eq!(seen.as_ref(), Some(expr));
        assert_eq!(&copy, body);
    }
    assert!(!edit_at(&mut body.clone(), all.len(), |_| ()));
}

#[test]
fn mutation_is_followed_through_aliases_and_calls() {
    let append = StmtKind::Append { list: l(0), value: Expr::int(1) };
    let inner = function("inner", 1, &[("a", LIST)], Returns::Nothing, vec![append.into()]);
    let outer = function(
        "outer",
        3,
        &[("a", LIST), ("b", LIST), ("c", LIST), ("d", LIST)],
        Returns::One(Type::INT),
        vec![
            assign(3, l(1)),
            StmtKind::CallNothing(FunctionId(0), vec![l(3)]).into(),
            assign(3, Expr::Copy(Box::new(l(2)))),
            ret(bin(Binary::Add, Expr::Len(Box::new(l(0))), Expr::int(0))),
        ],
    );
    let program = program(vec![inner, outer], vec![]);
    assert_eq!(mutated_params(&program, FunctionId(0)), [true]);
    assert_eq!(mutated_params(&program, FunctionId(1)), [false, true, false]);
    let effects = Effects::of(&program);
    assert!(effects.is_pure(&Expr::Len(Box::new(l(0)))));
    assert!(!effects.is_pure(&Expr::Pop(Box::new(l(0)))));
}

#[test]
fn rows_of_a_matrix_alias_it() {
    let matrix = Type::Matrix(Scalar::Int);
    let set = StmtKind::SetItem { list: l(1), index: Expr::int(0), value: Expr::int(1) };
    let body = vec![
        StmtKind::For {
            targets: vec![LocalId(1)],
            iter: Iter::List(Box::new(l(0))),
            body: vec![set.into()],
            orelse: vec![],
        }
        .into(),
    ];
    let mut only = function("f", 1, &[("m", matrix)], Returns::Nothing, body);
    only.locals.push(Local { name: "row".into(), ty: LIST });
    assert_eq!(mutated_params(&program(vec![only], vec![]), FunctionId(0)), [true]);
}

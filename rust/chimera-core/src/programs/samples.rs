//! Programs for tests: written by hand, with loops, lists, branches, tables and several functions.

use std::sync::Arc;

use super::ir::{
    Binary, Comparison, Comprehension, Const, Expr, Fold, FoldSource, Function, FunctionId, Global,
    GlobalId, GlobalValue, Intrinsic, Iter, Local, LocalId, Logic, Program, Stmt, StmtKind, Unary,
};
use super::types::{Returns, Scalar, Type};

pub(crate) fn l(n: u32) -> Expr {
    Expr::Local(LocalId(n))
}
pub(crate) fn bin(operator: Binary, lhs: Expr, rhs: Expr) -> Expr {
    Expr::Binary(operator, Box::new(lhs), Box::new(rhs))
}
pub(crate) fn cmp(operator: Comparison, lhs: Expr, rhs: Expr) -> Expr {
    Expr::Compare(Box::new(lhs), vec![(operator, rhs)])
}
pub(crate) fn assign(target: u32, value: Expr) -> Stmt {
    StmtKind::Assign { target: LocalId(target), value }.into()
}
pub(crate) fn ret(value: Expr) -> Stmt {
    StmtKind::Return(vec![value]).into()
}
pub(crate) fn function(
    name: &str,
    n_params: u32,
    locals: &[(&str, Type)],
    returns: Returns,
    body: Vec<Stmt>,
) -> Function {
    let local = |(name, ty): &(&str, Type)| Local { name: (*name).to_owned(), ty: *ty };
    Function {
        name: name.to_owned(),
        n_params,
        locals: locals.iter().map(local).collect(),
        returns,
        body,
        is_evolvable: true,
        doc: None,
    }
}
pub(crate) fn program(functions: Vec<Function>, globals: Vec<Global>) -> Program {
    Program {
        functions: functions.into_iter().map(Arc::new).collect(),
        globals: globals.into_iter().map(Arc::new).collect(),
    }
}
fn range(stop: Expr) -> Iter {
    Iter::Range {
        start: Box::new(Expr::int(0)),
        stop: Box::new(stop),
        step: Box::new(Expr::int(1)),
    }
}

/// `priority(item, remaining) -> float`, a best-fit rule of bin packing.
pub(crate) fn priority() -> Program {
    let gap = bin(Binary::Sub, l(1), l(0));
    let body =
        vec![ret(Expr::Unary(Unary::Neg, Box::new(Expr::Convert(Scalar::Float, Box::new(gap)))))];
    let locals = [("item", Type::INT), ("remaining", Type::INT)];
    program(vec![function("priority", 2, &locals, Returns::One(Type::FLOAT), body)], Vec::new())
}

/// Statements of every kind that variation meets: loops, lists, branches, a call, tables.
#[expect(clippy::too_many_lines, reason = "one sample, read from top to bottom")]
pub(crate) fn mixed() -> Program {
    use Binary as B;
    let helper = {
        let body = vec![ret(bin(
            B::Add,
            bin(B::Mul, l(0), Expr::float(2.5)),
            Expr::Promote(Scalar::Float, Box::new(l(1))),
        ))];
        let mut helper = function(
            "helper",
            2,
            &[("x", Type::FLOAT), ("n", Type::INT)],
            Returns::One(Type::FLOAT),
            body,
        );
        helper.is_evolvable = false;
        helper
    };
    let locals = [
        ("values", Type::List(Scalar::Float)),
        ("k", Type::INT),
        ("total", Type::FLOAT),
        ("i", Type::INT),
        ("flag", Type::BOOL),
        ("out", Type::List(Scalar::Float)),
        ("v", Type::FLOAT),
        ("w", Type::FLOAT),
        ("count", Type::INT),
    ];
    let element =
        bin(B::Mul, l(7), Expr::Table(GlobalId(1), Box::new(bin(B::Mod, l(1), Expr::int(3)))));
    let comprehension = Comprehension {
        targets: vec![LocalId(7)],
        iter: Iter::List(Box::new(l(0))),
        condition: Some(cmp(Comparison::Gt, l(7), Expr::float(0.5))),
        element,
    };
    let in_loop = vec![
        assign(
            4,
            Expr::Logic(
                Logic::And,
                Box::new(cmp(Comparison::Lt, l(3), l(1))),
                Box::new(cmp(
                    Comparison::Ge,
                    Expr::Index(Box::new(l(0)), Box::new(l(3))),
                    Expr::Global(GlobalId(0)),
                )),
            ),
        ),
        StmtKind::If {
            test: l(4),
            then: vec![
                assign(
                    2,
                    bin(
                        B::Add,
                        l(2),
                        Expr::Call(
                            FunctionId(0),
                            vec![Expr::Index(Box::new(l(0)), Box::new(l(3))), l(3)],
                        ),
                    ),
                ),
                StmtKind::Append { list: l(5), value: l(2) }.into(),
                StmtKind::Continue.into(),
            ],
            orelse: vec![assign(2, bin(B::Sub, l(2), Expr::float(1.0)))],
        }
        .into(),
        StmtKind::If {
            test: cmp(Comparison::Gt, l(2), Expr::float(1000.0)),
            then: vec![StmtKind::Break.into()],
            orelse: Vec::new(),
        }
        .into(),
    ];
    let body = vec![
        assign(2, Expr::float(0.0)),
        assign(8, Expr::int(0)),
        assign(5, Expr::List(Type::FLOAT, vec![Expr::float(1.0)])),
        StmtKind::For {
            targets: vec![LocalId(3)],
            iter: range(Expr::Len(Box::new(l(0)))),
            body: in_loop,
            orelse: Vec::new(),
        }
        .into(),
        StmtKind::While {
            test: cmp(Comparison::Lt, l(8), Expr::int(5)),
            body: vec![
                assign(8, bin(B::Add, l(8), Expr::int(1))),
                StmtKind::SetItem { list: l(5), index: Expr::int(0), value: l(2) }.into(),
            ],
            orelse: Vec::new(),
        }
        .into(),
        assign(6, Expr::Fold(Fold::SumFromZero, FoldSource::Generator(Box::new(comprehension)))),
        ret(Expr::Intrinsic(Intrinsic::Max, vec![bin(B::Add, l(6), l(2)), Expr::float(-1.0)])),
    ];
    let main = function("score", 2, &locals, Returns::One(Type::FLOAT), body);
    let second = {
        let body = vec![
            assign(2, bin(B::FloorDiv, l(0), Expr::int(3))),
            StmtKind::If {
                test: cmp(Comparison::Lt, l(2), l(1)),
                then: vec![StmtKind::Return(vec![l(2), cmp(Comparison::Eq, l(0), l(1))]).into()],
                orelse: Vec::new(),
            }
            .into(),
            StmtKind::Return(vec![
                bin(B::Add, l(1), Expr::int(1)),
                Expr::Const(Const::Bool(false)),
            ])
            .into(),
        ];
        let locals = [("a", Type::INT), ("b", Type::INT), ("q", Type::INT)];
        function("pair", 2, &locals, Returns::Tuple(vec![Scalar::Int, Scalar::Bool]), body)
    };
    let globals = vec![
        Global {
            name: "THRESHOLD".into(),
            value: GlobalValue::Scalar(Const::Float(0.25)),
            is_tunable: true,
        },
        Global {
            name: "WEIGHTS".into(),
            value: GlobalValue::Table(
                Scalar::Float,
                vec![Const::Float(1.0), Const::Float(0.5), Const::Float(0.25)],
            ),
            is_tunable: true,
        },
    ];
    program(vec![helper, main, second], globals)
}

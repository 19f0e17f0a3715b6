//! Compiled modules validate, and keep the contract of `docs/design/wasm-abi.md`.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    reason = "a failing test may panic"
)]

use std::sync::Arc;

use chimera_core::Error;
use chimera_core::programs::ir::{
    Binary, Comparison, Const, Expr, Function, FunctionId, Intrinsic, Iter, Local, LocalId,
    Program, Stmt, StmtKind,
};
use chimera_core::programs::types::{Returns, Scalar, Type};
use chimera_core::programs::wasm::abi::{self, Value};
use chimera_core::programs::wasm::{Compiled, Options, Reason, compile};
use wasmparser::{Parser, Payload, Validator, WasmFeatures};

fn function(params: &[Type], locals: &[Type], returns: Returns, body: Vec<StmtKind>) -> Function {
    let all = params.iter().chain(locals).enumerate();
    Function {
        name: "f".to_owned(),
        n_params: u32::try_from(params.len()).unwrap(),
        locals: all.map(|(idx, ty)| Local { name: format!("v{idx}"), ty: *ty }).collect(),
        returns,
        body: body.into_iter().map(Stmt::from).collect(),
        is_evolvable: true,
        doc: None,
    }
}

fn local(idx: u32) -> Expr {
    Expr::Local(LocalId(idx))
}

fn compile_one(function: Function) -> chimera_core::Result<Compiled> {
    let program = Program { functions: vec![Arc::new(function)], globals: Vec::new() };
    compile(&program, &Options { entries: vec![FunctionId(0)], ..Options::default() })
}

fn validate(compiled: &Compiled) {
    let features = WasmFeatures::default() | WasmFeatures::WIDE_ARITHMETIC;
    Validator::new_with_features(features).validate_all(&compiled.wasm).unwrap();
}

fn names(compiled: &Compiled) -> (Vec<String>, Vec<String>) {
    let (mut imports, mut exports) = (Vec::new(), Vec::new());
    for payload in Parser::new(0).parse_all(&compiled.wasm) {
        match payload.unwrap() {
            Payload::ImportSection(section) => {
                for import in section.into_imports() {
                    imports.push(import.unwrap().name.to_owned());
                }
            }
            Payload::ExportSection(section) => {
                exports.extend(section.into_iter().map(|export| export.unwrap().name.to_owned()));
            }
            _ => {}
        }
    }
    (imports, exports)
}

#[test]
fn every_binary_operator_validates_on_ints_and_floats() {
    let arithmetic = [
        Binary::Add,
        Binary::Sub,
        Binary::Mul,
        Binary::TrueDiv,
        Binary::FloorDiv,
        Binary::Mod,
        Binary::Pow,
    ];
    let bits = [Binary::Shl, Binary::Shr, Binary::BitAnd, Binary::BitOr, Binary::BitXor];
    for (op, ty) in arithmetic
        .iter()
        .flat_map(|op| [(*op, Type::INT), (*op, Type::FLOAT)])
        .chain(bits.iter().map(|op| (*op, Type::INT)))
    {
        let result = if op == Binary::TrueDiv { Type::FLOAT } else { ty };
        let value = Expr::Binary(op, Box::new(local(0)), Box::new(local(1)));
        let body = vec![StmtKind::Return(vec![value])];
        validate(&compile_one(function(&[ty, ty], &[], Returns::One(result), body)).unwrap());
    }
}

#[test]
fn every_intrinsic_validates() {
    use chimera_core::programs::intrinsics::Arguments;
    for intrinsic in Intrinsic::ALL {
        let (n, ty) = match intrinsic.arguments() {
            Arguments::Floats(n) | Arguments::Numbers(n, _) => (n, Type::FLOAT),
            Arguments::Ints(n) => (n, Type::INT),
        };
        let args = (0..u32::try_from(n).unwrap()).map(local).collect();
        let result = Type::Scalar(intrinsic.result(ty.scalar().unwrap()));
        let body = vec![StmtKind::Return(vec![Expr::Intrinsic(intrinsic, args)])];
        validate(&compile_one(function(&vec![ty; n], &[], Returns::One(result), body)).unwrap());
    }
}

#[test]
fn only_used_imports_are_declared_and_scalars_export_many() {
    let body = vec![StmtKind::Return(vec![Expr::Intrinsic(Intrinsic::Exp, vec![local(0)])])];
    let compiled =
        compile_one(function(&[Type::FLOAT], &[], Returns::One(Type::FLOAT), body)).unwrap();
    let (imports, exports) = names(&compiled);
    assert_eq!(imports, ["exp", "refill"]);
    for name in ["memory", "heap", "fuel", "trap_site", "done", "call:f", "many:f"] {
        assert!(exports.iter().any(|export| export == name), "{name} in {exports:?}");
    }
    assert_eq!(compiled.input_base, 65_536);
}

#[test]
fn a_list_signature_has_no_many() {
    let list = Type::List(Scalar::Float);
    let total = Expr::Index(Box::new(local(0)), Box::new(Expr::int(-1)));
    let body = vec![StmtKind::Return(vec![total])];
    let compiled = compile_one(function(&[list], &[], Returns::One(Type::FLOAT), body)).unwrap();
    validate(&compiled);
    assert!(!names(&compiled).1.contains(&"many:f".to_owned()));
    assert!(compiled.sites.iter().any(|site| site.reason == Reason::Index));
}

#[test]
fn a_loop_counter_needs_no_overflow_site() {
    let list = Type::List(Scalar::Float);
    let iter = Iter::Range {
        start: Box::new(Expr::int(0)),
        stop: Box::new(Expr::Len(Box::new(local(0)))),
        step: Box::new(Expr::int(1)),
    };
    let next = Expr::Binary(Binary::Add, Box::new(local(1)), Box::new(Expr::int(1)));
    let body = vec![StmtKind::For {
        targets: vec![LocalId(1)],
        iter,
        body: vec![StmtKind::Assign { target: LocalId(2), value: next }.into()],
        orelse: Vec::new(),
    }];
    let compiled =
        compile_one(function(&[list], &[Type::INT, Type::INT], Returns::Nothing, body)).unwrap();
    validate(&compiled);
    assert!(compiled.sites.iter().all(|site| site.reason != Reason::IntOverflow));
}

#[test]
fn ill_typed_programs_are_refused() {
    let mixed = Expr::Binary(Binary::Add, Box::new(local(0)), Box::new(Expr::float(1.0)));
    let lists = Expr::Compare(Box::new(local(1)), vec![(Comparison::Eq, local(1))]);
    let missing = local(9);
    for value in [mixed, lists, missing, Expr::Call(FunctionId(7), Vec::new())] {
        let body = vec![StmtKind::Return(vec![value])];
        let params = [Type::INT, Type::List(Scalar::Int)];
        let made = compile_one(function(&params, &[], Returns::One(Type::INT), body));
        assert!(matches!(made, Err(Error::IllFormed { .. })), "{made:?}");
    }
}

#[test]
fn parameters_must_match_their_slots() {
    let body = vec![StmtKind::Return(vec![Expr::Parameter(0, Scalar::Float)])];
    let one = function(&[], &[], Returns::One(Type::FLOAT), body);
    let program = Program { functions: vec![Arc::new(one)], globals: Vec::new() };
    let with =
        |parameters| Options { entries: vec![FunctionId(0)], parameters, ..Options::default() };
    validate(&compile(&program, &with(vec![Const::Float(2.0)])).unwrap());
    assert!(compile(&program, &with(vec![Const::Int(2)])).is_err());
    assert!(compile(&program, &with(Vec::new())).is_err());
}

#[test]
fn memory_limit_below_the_image_is_refused() {
    let one = function(&[], &[], Returns::Nothing, Vec::new());
    let program = Program { functions: vec![Arc::new(one)], globals: Vec::new() };
    let options = |bytes| Options {
        entries: vec![FunctionId(0)],
        memory_bytes_max: bytes,
        ..Options::default()
    };
    assert!(compile(&program, &options(2 * 65_536)).is_ok());
    assert!(matches!(compile(&program, &options(65_536)), Err(Error::Argument { .. })));
}

#[test]
fn encoded_values_decode_to_themselves() {
    let values = [
        Value::Bool(true),
        Value::Int(i64::MIN),
        Value::Float(-0.0),
        Value::Bools(vec![true, false, true]),
        Value::Ints(vec![1, -2]),
        Value::Floats(Vec::new()),
        Value::BoolRows(vec![vec![true], Vec::new()]),
        Value::IntRows(vec![vec![1, 2], vec![3]]),
        Value::FloatRows(vec![vec![0.5], vec![1.5, 2.5]]),
    ];
    let types: Vec<Type> = values.iter().map(Value::ty).collect();
    let image = abi::encode(&types, &values, 2, 65_536).unwrap();
    assert_eq!(image.end % 16, 0);
    let mut memory = vec![0; 65_536];
    memory.extend_from_slice(&image.bytes);
    let frame = image.frame as usize;
    let slots: Vec<u64> = memory[frame..frame + 8 * types.len()]
        .chunks_exact(8)
        .map(|chunk| u64::from_le_bytes(chunk.try_into().unwrap()))
        .collect();
    assert_eq!(abi::decode(&types, &slots, &memory).unwrap(), values);
    for cut in [0, 16, 65_536, memory.len() - 9] {
        assert!(abi::decode(&types, &slots, &memory[..cut]).is_err(), "{cut}");
    }
}

#[test]
fn arguments_of_another_type_are_refused() {
    let refused = abi::encode(&[Type::FLOAT], &[Value::Int(1)], 1, 65_536);
    assert!(matches!(refused, Err(Error::Argument { .. })));
    assert!(abi::encode(&[Type::FLOAT], &[], 1, 65_536).is_err());
}

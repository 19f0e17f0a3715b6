//! The module around the functions: imports, constants, definitions, and the work list of what must
//! be lowered because something lowered calls it.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use ruff_python_ast as ast;
use ruff_text_size::{Ranged, TextRange, TextSize};

use super::super::ir::{Const, FunctionId, Global, GlobalId, GlobalValue, Program};
use super::super::types::{Returns, Type};
use super::annotations::{is_tunable, last_segment};
use super::bindings::bindings;
use super::loose::loose_uses;
use super::{FunctionSpan, Lowered, Lowering, ParseOptions, Parsed, Refused, text};
use crate::error::{Diagnostic, Error, Result};

/// Names that compiled functions may call; a local of that name would hide them.
pub(super) const BUILTINS: [&str; 18] = [
    "abs",
    "all",
    "any",
    "bool",
    "divmod",
    "enumerate",
    "float",
    "int",
    "len",
    "list",
    "max",
    "min",
    "pow",
    "range",
    "reversed",
    "round",
    "sum",
    "zip",
];

/// Parameters and result of a function.
#[derive(Clone, Debug)]
pub(super) struct Signature {
    pub(super) params: Vec<(String, Type)>,
    pub(super) returns: Returns,
}

/// What a module-level name means to compiled code.
#[derive(Clone, Debug)]
pub(super) enum Imported {
    /// `import math`.
    MathModule,
    /// `from math import sqrt`: the member's name.
    MathMember(String),
}

struct Definition {
    def: ast::StmtFunctionDef,
    signature: Option<Signature>,
}

/// A module being lowered.
pub(super) struct Module<'src> {
    pub(super) source: &'src str,
    pub(super) file: String,
    pub(super) diagnostics: Vec<Diagnostic>,
    roots: Vec<String>,
    evolvable: BTreeSet<String>,
    line_starts: Vec<u32>,
    definitions: BTreeMap<String, Definition>,
    pub(super) imports: BTreeMap<String, Imported>,
    constants: BTreeMap<String, (ast::Expr, bool)>,
    bound: BTreeSet<String>,
    rebound: BTreeSet<String>,
    loose: BTreeSet<usize>,
    ids: Vec<String>,
    globals: Vec<Arc<Global>>,
}

impl<'src> Module<'src> {
    pub(super) fn read(source: &'src str, options: &ParseOptions) -> Result<Self> {
        let mut line_starts = vec![0];
        line_starts.extend(source.match_indices('\n').map(|(at, _)| at as u32 + 1));
        let mut module = Self {
            source,
            file: options.file.clone(),
            diagnostics: Vec::new(),
            roots: options.roots.clone(),
            evolvable: options.evolvable.iter().cloned().collect(),
            line_starts,
            definitions: BTreeMap::new(),
            imports: BTreeMap::new(),
            constants: BTreeMap::new(),
            bound: BTreeSet::new(),
            rebound: BTreeSet::new(),
            loose: BTreeSet::new(),
            ids: Vec::new(),
            globals: Vec::new(),
        };
        if u32::try_from(source.len()).is_err() {
            return Err(Error::Argument {
                name: "source",
                expected: "at most 4 GiB of text".into(),
                got: format!("{} bytes", source.len()),
            });
        }
        match ruff_python_parser::parse_module(source) {
            Ok(parsed) => {
                let body = parsed.into_syntax().body;
                let bound = bindings(&body);
                module.bound = bound.keys().cloned().collect();
                let twice = bound.into_iter().filter(|(_, times)| *times > 1);
                module.rebound = twice.map(|(name, _)| name).collect();
                for stmt in body {
                    module.top_level(stmt);
                }
                Ok(module)
            }
            Err(error) => {
                let _ = module.refuse::<()>(
                    error.location,
                    "syntax",
                    error.error.to_string(),
                    "the file must be valid Python",
                );
                Err(Error::Source(module.diagnostics))
            }
        }
    }

    fn top_level(&mut self, stmt: ast::Stmt) {
        match stmt {
            ast::Stmt::FunctionDef(def) => {
                self.definitions.insert(def.name.to_string(), Definition { def, signature: None });
            }
            ast::Stmt::Import(import) => {
                for alias in &import.names {
                    let name = alias.asname.as_ref().unwrap_or(&alias.name);
                    if alias.name.as_str() == "math" {
                        self.imports.insert(name.to_string(), Imported::MathModule);
                    }
                }
            }
            ast::Stmt::ImportFrom(import)
                if import.module.as_ref().is_some_and(|module| module.as_str() == "math") =>
            {
                for alias in &import.names {
                    let name = alias.asname.as_ref().unwrap_or(&alias.name);
                    let member = Imported::MathMember(alias.name.to_string());
                    self.imports.insert(name.to_string(), member);
                }
            }
            ast::Stmt::Assign(assign) => {
                if let [ast::Expr::Name(name)] = assign.targets.as_slice() {
                    self.constant(name.id.as_str(), *assign.value, false);
                }
            }
            ast::Stmt::AnnAssign(assign) => {
                if let (ast::Expr::Name(name), Some(value)) = (&*assign.target, assign.value) {
                    self.constant(name.id.as_str(), *value, is_tunable(&assign.annotation));
                }
            }
            _ => {}
        }
    }

    fn constant(&mut self, name: &str, value: ast::Expr, tunable: bool) {
        self.constants.insert(name.to_owned(), (value, tunable));
    }

    /// Lower the roots and everything they call; `None` when something was refused.
    pub(super) fn lower(&mut self) -> Option<Parsed> {
        for root in self.roots.clone() {
            if self.definitions.contains_key(&root) {
                self.function_id(&root);
            } else {
                let help = format!("define `def {root}(...)` at the top level of the file");
                let _ = self.refuse::<()>(
                    TextRange::default(),
                    "module",
                    format!("function `{root}` is not defined"),
                    help,
                );
            }
        }
        let (mut functions, mut spans) = (Vec::new(), Vec::new());
        while let Some(name) = self.ids.get(functions.len()).cloned() {
            let def = self.definitions.get(&name)?.def.clone();
            if self.rebound.contains(&name) {
                let _ = self.refuse::<()>(
                    def.name.range,
                    "function",
                    format!("`{name}` is bound more than once in the file"),
                    "define it once",
                );
            }
            spans.push(span(&def, self.source));
            // After a refusal keep the place, so that ids stay in step and the rest is checked too.
            let lowered = Lowering::function(self, &def);
            functions.push(lowered.ok().map(Arc::new));
        }
        if !self.diagnostics.is_empty() {
            return None;
        }
        let functions = functions.into_iter().collect::<Option<Vec<_>>>()?;
        let program = Program { functions, globals: self.globals.clone() };
        for misuse in loose_uses(&program, self.loose.clone()) {
            let user = program.functions.get(misuse.function).map_or("", |f| f.name.as_str());
            self.diagnostics.push(Diagnostic {
                file: self.file.clone(),
                line: misuse.line,
                column: 1,
                construct: "float result".to_owned(),
                message: format!(
                    "`{user}` computes with the result of a function that is declared `-> float` \
                     but returns an int"
                ),
                help: "return a float there, for example `return float(-gap)`; an int may only be \
                       compared, assigned and returned"
                    .to_owned(),
            });
        }
        self.diagnostics.is_empty().then_some(Parsed { program, spans })
    }

    pub(super) fn is_function(&self, name: &str) -> bool {
        self.definitions.contains_key(name)
    }

    /// Note that a function returns an int although it is declared to return a float.
    pub(super) fn mark_loose(&mut self, name: &str) {
        self.loose.extend(self.ids.iter().position(|known| known == name));
    }

    /// Whether the file binds a name at module level, so that it is no builtin any more.
    pub(super) fn binds(&self, name: &str) -> bool {
        self.bound.contains(name)
    }

    pub(super) fn is_evolvable(&self, name: &str) -> bool {
        self.evolvable.contains(name)
    }

    /// The id of a function of this module; asking for it puts it on the work list.
    pub(super) fn function_id(&mut self, name: &str) -> FunctionId {
        let idx = self.ids.iter().position(|known| known == name).unwrap_or_else(|| {
            self.ids.push(name.to_owned());
            self.ids.len() - 1
        });
        FunctionId(idx as u32)
    }

    pub(super) fn signature_of(&mut self, name: &str) -> Lowered<Signature> {
        let Some(definition) = self.definitions.get(name) else { return Err(Refused) };
        if let Some(signature) = &definition.signature {
            return Ok(signature.clone());
        }
        let def = definition.def.clone();
        let signature = self.signature(&def)?;
        if let Some(definition) = self.definitions.get_mut(name) {
            definition.signature = Some(signature.clone());
        }
        Ok(signature)
    }

    pub(super) fn signature(&mut self, def: &ast::StmtFunctionDef) -> Lowered<Signature> {
        let name = def.name.as_str();
        if def.is_async {
            return self.refuse(
                def.name.range,
                "async function",
                "cannot be compiled",
                "write a plain `def`",
            );
        }
        for decorator in &def.decorator_list {
            let expr = match &decorator.expression {
                ast::Expr::Call(call) => &*call.func,
                other => other,
            };
            if !matches!(last_segment(expr), Some("evolve" | "objective" | "workload")) {
                return self.refuse(
                    decorator.range,
                    "decorator",
                    format!("`{}` may change what `{name}` does", text(self.source, decorator)),
                    "compiled functions take only the decorators of chimera",
                );
            }
        }
        let parameters = &def.parameters;
        if parameters.vararg.is_some()
            || parameters.kwarg.is_some()
            || !parameters.kwonlyargs.is_empty()
        {
            return self.refuse(
                parameters.range,
                "parameters",
                "only plain positional parameters can be compiled",
                "drop *args, **kwargs and keyword-only parameters",
            );
        }
        let mut params = Vec::new();
        for parameter in parameters.posonlyargs.iter().chain(&parameters.args) {
            let parameter_name = parameter.name().as_str();
            if let Some(default) = parameter.default() {
                return self.refuse(
                    default.range(),
                    "default value",
                    format!("parameter `{parameter_name}` of `{name}` has one"),
                    "pass the value in every call",
                );
            }
            let Some(annotation) = parameter.annotation() else {
                return self.refuse(
                    parameter.range(),
                    "parameter",
                    format!("`{parameter_name}` of `{name}` has no type"),
                    format!("annotate it, for example `{parameter_name}: int`"),
                );
            };
            let ty = self.annotation(annotation)?;
            params.push((parameter_name.to_owned(), ty));
        }
        let Some(returns) = &def.returns else {
            return self.refuse(
                def.name.range,
                "function",
                format!("`{name}` does not say what it returns"),
                "annotate it, for example `-> float` (or `-> None`)",
            );
        };
        let returns = self.returns(returns)?;
        Ok(Signature { params, returns })
    }

    /// Refuse locals whose names hide something that compiled code may call or read.
    pub(super) fn check_names(&mut self, assigned: &BTreeSet<String>, def: &ast::StmtFunctionDef) {
        for name in assigned {
            let at = def.name.range;
            self.check_name(name, &format!("`{name}` in `{}`", def.name), at);
        }
    }

    /// Refuse a variable that hides something that compiled code may call or read.
    pub(super) fn check_name(&mut self, name: &str, what: &str, at: TextRange) {
        let hidden = if BUILTINS.contains(&name) {
            "the builtin"
        } else if self.imports.contains_key(name) {
            "the import"
        } else if self.definitions.contains_key(name) {
            "the function"
        } else {
            return;
        };
        let _ = self.refuse::<()>(
            at,
            "variable",
            format!("{what} hides {hidden} of that name"),
            format!("rename the variable, for example `{name}_value`"),
        );
    }

    /// The module-level constant behind a name, lowered on first use.
    pub(super) fn global(&mut self, name: &str, at: TextRange) -> Lowered<Option<GlobalId>> {
        if let Some(idx) = self.globals.iter().position(|global| global.name == name) {
            return Ok(Some(GlobalId(idx as u32)));
        }
        let Some((value, is_tunable)) = self.constants.get(name).cloned() else { return Ok(None) };
        if self.rebound.contains(name) {
            return self.refuse(
                at,
                "module constant",
                format!("`{name}` is bound or changed more than once in the file"),
                "bind it once at module level",
            );
        }
        let value = self.global_value(name, &value)?;
        self.globals.push(Arc::new(Global { name: name.to_owned(), value, is_tunable }));
        Ok(Some(GlobalId(self.globals.len() as u32 - 1)))
    }

    pub(super) fn global_at(&self, id: GlobalId) -> Option<&GlobalValue> {
        self.globals.get(id.0 as usize).map(|global| &global.value)
    }

    fn global_value(&mut self, name: &str, value: &ast::Expr) -> Lowered<GlobalValue> {
        let elements = match value {
            ast::Expr::Tuple(tuple) => &tuple.elts,
            ast::Expr::List(list) => {
                return self.refuse(
                    list.range,
                    "module constant",
                    format!("`{name}` is a list, which may change"),
                    "write a tuple: `(...)` instead of `[...]`",
                );
            }
            scalar => return self.literal(name, scalar).map(GlobalValue::Scalar),
        };
        let mut constants = Vec::with_capacity(elements.len());
        for element in elements {
            constants.push(self.literal(name, element)?);
        }
        let scalar = constants.first().map(|first| first.scalar());
        match scalar {
            Some(scalar) if constants.iter().all(|other| other.scalar() == scalar) => {
                Ok(GlobalValue::Table(scalar, constants))
            }
            _ => self.refuse(
                value.range(),
                "module constant",
                format!("`{name}` must hold at least one value, all of one type"),
                "write `0.0` instead of `0` among floats",
            ),
        }
    }

    fn literal(&mut self, name: &str, expr: &ast::Expr) -> Lowered<Const> {
        if let Some(value) = self.constant_value(expr) {
            return Ok(value);
        }
        self.refuse(
            expr.range(),
            "module constant",
            format!("the value of `{name}` is not a number, a bool, or a tuple of them"),
            "write the literal, or pass the value as a parameter",
        )
    }

    fn constant_value(&self, expr: &ast::Expr) -> Option<Const> {
        Some(match expr {
            ast::Expr::BooleanLiteral(literal) => Const::Bool(literal.value),
            ast::Expr::NumberLiteral(literal) => match &literal.value {
                ast::Number::Int(value) => Const::Int(value.as_i64()?),
                ast::Number::Float(value) => Const::Float(*value),
                ast::Number::Complex { .. } => return None,
            },
            ast::Expr::UnaryOp(unary) if unary.op == ast::UnaryOp::USub => {
                match self.constant_value(&unary.operand)? {
                    Const::Int(value) => Const::Int(value.checked_neg()?),
                    Const::Float(value) if value.is_nan() => Const::Float(value),
                    Const::Float(value) => Const::Float(-value),
                    Const::Bool(_) => return None,
                }
            }
            ast::Expr::BinOp(binary) => {
                match (self.constant_value(&binary.left)?, self.constant_value(&binary.right)?) {
                    (Const::Int(a), Const::Int(b)) => Const::Int(match binary.op {
                        ast::Operator::Add => a.checked_add(b)?,
                        ast::Operator::Sub => a.checked_sub(b)?,
                        ast::Operator::Mult => a.checked_mul(b)?,
                        ast::Operator::Pow => a.checked_pow(u32::try_from(b).ok()?)?,
                        ast::Operator::LShift if (0..63).contains(&b) => {
                            a.checked_mul(1_i64.checked_shl(u32::try_from(b).ok()?)?)?
                        }
                        _ => return None,
                    }),
                    (Const::Float(a), Const::Float(b)) => Const::Float(match binary.op {
                        ast::Operator::Add => a + b,
                        ast::Operator::Sub => a - b,
                        ast::Operator::Mult => a * b,
                        ast::Operator::Div if b != 0.0 => a / b,
                        _ => return None,
                    }),
                    _ => return None,
                }
            }
            ast::Expr::Attribute(_) | ast::Expr::Name(_) => {
                Const::Float(math_constant(self.math_member(expr)?)?)
            }
            _ => return None,
        })
    }

    fn imported(&self, name: &str) -> Option<&Imported> {
        self.imports.get(name).filter(|_| !self.rebound.contains(name))
    }

    /// `sqrt` when the expression names `math.sqrt` under whatever import.
    pub(super) fn math_member<'e>(&'e self, expr: &'e ast::Expr) -> Option<&'e str> {
        match expr {
            ast::Expr::Attribute(attribute) => match &*attribute.value {
                ast::Expr::Name(name) => match self.imported(name.id.as_str())? {
                    Imported::MathModule => Some(attribute.attr.as_str()),
                    Imported::MathMember(_) => None,
                },
                _ => None,
            },
            ast::Expr::Name(name) => match self.imported(name.id.as_str())? {
                Imported::MathMember(member) => Some(member),
                Imported::MathModule => None,
            },
            _ => None,
        }
    }

    pub(super) fn position(&self, at: TextSize) -> (u32, u32) {
        let offset = at.to_u32();
        let line = self.line_starts.partition_point(|start| *start <= offset);
        let start = line.checked_sub(1).and_then(|idx| self.line_starts.get(idx)).copied();
        let before = self.source.get(start.unwrap_or(0) as usize..offset as usize).unwrap_or("");
        (line as u32, before.chars().count() as u32 + 1)
    }

    pub(super) fn line(&self, at: TextSize) -> u32 {
        self.position(at).0
    }
}

fn span(def: &ast::StmtFunctionDef, source: &str) -> FunctionSpan {
    let start = def.decorator_list.first().map_or(def.range.start(), |first| first.range.start());
    let head = def.decorator_list.last().map_or(def.range.start(), |last| last.range.end());
    let mut end = def.range.end().to_usize();
    // A comment behind the last statement belongs to the replaced text.
    let rest = source.get(end..).and_then(|rest| rest.split('\n').next()).unwrap_or("");
    if rest.trim_start().starts_with('#') {
        end += rest.len();
    }
    FunctionSpan { name: def.name.to_string(), start: start.to_usize(), def: head.to_usize(), end }
}

/// The value of `math.pi` and its like.
pub(super) fn math_constant(member: &str) -> Option<f64> {
    Some(match member {
        "pi" => std::f64::consts::PI,
        "e" => std::f64::consts::E,
        "tau" => std::f64::consts::TAU,
        "inf" => f64::INFINITY,
        "nan" => f64::NAN,
        _ => return None,
    })
}

//! Python in: a typed subset of Python becomes the program representation.
//!
//! Parsing is done by ruff's parser; lowering is flow-sensitive: a name may change its type along
//! straight-line code, but where two paths meet it must have one. Nothing is guessed: what cannot be
//! given exactly CPython's meaning is refused with its place, the construct, and what to write
//! instead. All refusals of a file are reported at once.

#![allow(
    clippy::cast_possible_truncation,
    reason = "sources are below 4 GiB, so offsets, lines and counts fit 32 bits"
)]

mod annotations;
mod bindings;
mod calls;
mod comprehensions;
mod expressions;
mod loops;
mod loose;
mod module;
mod operators;
mod scope;
mod statements;

use std::collections::BTreeSet;

use ruff_python_ast as ast;
use ruff_text_size::{Ranged, TextRange};

use super::ir::{Block, Expr, Function, Local, LocalId, Program, Stmt, StmtKind};
use super::types::{Returns, Type};
use crate::error::{Diagnostic, Error, Result};
use module::Module;
use scope::Scope;

/// What to lower.
#[derive(Clone, Debug, Default)]
pub struct ParseOptions {
    /// File name for diagnostics.
    pub file: String,
    /// Functions that must be compiled; what they call comes along.
    pub roots: Vec<String>,
    /// Functions that evolution may change.
    pub evolvable: Vec<String>,
}

/// Where a function's text stands in the source, decorators included.
#[derive(Clone, Debug, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
pub struct FunctionSpan {
    /// The function's name.
    pub name: String,
    /// Byte offset of the first decorator, or of `def`.
    pub start: usize,
    /// Byte offset of `def`.
    pub def: usize,
    /// Byte offset behind the last statement.
    pub end: usize,
}

/// A lowered file.
#[derive(Clone, Debug)]
pub struct Parsed {
    /// The program: the roots and everything they call.
    pub program: Program,
    /// Where each lowered function stands in the source, in program order.
    pub spans: Vec<FunctionSpan>,
}

/// Parse a module and lower its roots.
///
/// # Errors
/// [`Error::Source`] with every refusal when the text is not Python or leaves the subset.
pub fn parse(source: &str, options: &ParseOptions) -> Result<Parsed> {
    // The parser recurses with the text, so it gets a stack that any text of the allowed size fits.
    if source.len() > SOURCE_BYTES_MAX {
        return Err(Error::Argument {
            name: "source",
            expected: format!("at most {SOURCE_BYTES_MAX} bytes of Python"),
            got: format!("{} bytes; load data in a workload instead", source.len()),
        });
    }
    let work = || {
        let mut module = Module::read(source, options)?;
        module.lower().ok_or_else(|| Error::Source(std::mem::take(&mut module.diagnostics)))
    };
    std::thread::scope(|scope| {
        let thread = std::thread::Builder::new().stack_size(PARSER_STACK_BYTES);
        let spawned = thread.spawn_scoped(scope, work).map_err(|error| Error::Argument {
            name: "source",
            expected: "a thread for the parser".to_owned(),
            got: error.to_string(),
        })?;
        spawned.join().unwrap_or_else(|panic| std::panic::resume_unwind(panic))
    })
}

/// Byte range of the value that a module assigns to a constant, if it assigns it exactly once.
#[must_use]
pub fn constant_span(source: &str, name: &str) -> Option<(usize, usize)> {
    let parsed = ruff_python_parser::parse_module(source).ok()?;
    let mut found = parsed.into_syntax().body.into_iter().filter_map(|stmt| {
        let (target, value) = match stmt {
            ast::Stmt::Assign(assign) => (assign.targets.into_iter().next()?, assign.value),
            ast::Stmt::AnnAssign(assign) => (*assign.target, assign.value?),
            _ => return None,
        };
        let ast::Expr::Name(id) = target else { return None };
        let range = value.range();
        (id.id.as_str() == name).then(|| (range.start().to_usize(), range.end().to_usize()))
    });
    let span = found.next()?;
    found.next().is_none().then_some(span)
}

/// Where `import math` belongs in a module that lacks it: behind the docstring and `__future__`
/// imports; `None` when the module imports it under its own name already, or is not Python.
#[must_use]
pub fn place_of_math_import(source: &str) -> Option<usize> {
    let body = ruff_python_parser::parse_module(source).ok()?.into_syntax().body;
    let imports_math = |stmt: &ast::Stmt| match stmt {
        ast::Stmt::Import(import) => {
            import.names.iter().any(|a| a.name.as_str() == "math" && a.asname.is_none())
        }
        _ => false,
    };
    if body.iter().any(imports_math) {
        return None;
    }
    let is_opening = |stmt: &&ast::Stmt| match stmt {
        ast::Stmt::Expr(stmt) => matches!(&*stmt.value, ast::Expr::StringLiteral(_)),
        ast::Stmt::ImportFrom(import) => {
            import.module.as_ref().is_some_and(|module| module.as_str() == "__future__")
        }
        _ => false,
    };
    let first = body.iter().find(|stmt| !is_opening(stmt))?.range().start().to_usize();
    // A decorator's line begins the statement it stands on.
    Some(source.get(..first).and_then(|head| head.rfind('\n')).map_or(0, |at| at + 1))
}

/// Longest source that is parsed.
pub const SOURCE_BYTES_MAX: usize = 256 << 10;
/// Reserved, not used: about two kilobytes for each byte of the longest source.
const PARSER_STACK_BYTES: usize = 512 << 20;
/// How deep expressions and statements may nest; everything behind the front end recurses with them.
pub const NESTING_MAX: usize = 150;

/// Marks that a diagnostic was recorded and this construct has no lowering.
#[derive(Debug)]
struct Refused;

/// A lowered expression with its type.
#[derive(Clone, Debug)]
struct Typed {
    expr: Expr,
    ty: Type,
}

impl Typed {
    const fn new(expr: Expr, ty: Type) -> Self {
        Self { expr, ty }
    }
}

type Lowered<T> = std::result::Result<T, Refused>;

/// Lowers one function.
struct Lowering<'m, 'src> {
    module: &'m mut Module<'src>,
    locals: Vec<Local>,
    returns: Returns,
    scope: Option<Scope>,
    assigned: BTreeSet<String>,
    loops: Vec<loops::LoopFrame>,
    hidden: u32,
    nesting: usize,
    has_refused: bool,
    /// Whether an int is returned although a float is declared.
    is_loose: bool,
}

impl<'m, 'src> Lowering<'m, 'src> {
    fn function(module: &'m mut Module<'src>, def: &ast::StmtFunctionDef) -> Lowered<Function> {
        let signature = module.signature(def)?;
        let mut scope = Scope::default();
        let mut locals = Vec::new();
        for (name, ty) in &signature.params {
            let id = LocalId(locals.len() as u32);
            locals.push(Local { name: name.clone(), ty: *ty });
            scope.bind(name, id, *ty);
        }
        let mut assigned = BTreeSet::new();
        statements::assigned_names(&def.body, &mut assigned);
        assigned.extend(signature.params.iter().map(|(name, _)| name.clone()));
        let refused_before = module.diagnostics.len();
        module.check_names(&assigned, def);
        let mut lowering = Self {
            module,
            locals,
            returns: signature.returns.clone(),
            scope: Some(scope),
            assigned,
            loops: Vec::new(),
            hidden: 0,
            nesting: 0,
            has_refused: false,
            is_loose: false,
        };
        let (doc, rest) = statements::split_docstring(&def.body);
        let body = lowering.block(rest);
        if lowering.scope.is_some() && signature.returns != Returns::Nothing {
            let _ = lowering.refuse::<()>(
                def.name.range,
                "function",
                format!("`{}` can end without returning a value", def.name),
                "return a value on every path",
            );
        }
        let Self { module, locals, has_refused, is_loose, .. } = lowering;
        if is_loose {
            module.mark_loose(&def.name);
        }
        if has_refused && module.diagnostics.len() == refused_before {
            // Never drop a statement silently.
            return module.refuse(
                def.name.range,
                "function",
                format!("`{}` leaves the subset", def.name),
                "see the subset reference",
            );
        }
        if module.diagnostics.len() > refused_before {
            return Err(Refused);
        }
        Ok(Function {
            name: def.name.to_string(),
            n_params: signature.params.len() as u32,
            locals,
            returns: signature.returns,
            body,
            is_evolvable: module.is_evolvable(&def.name),
            doc,
        })
    }

    fn block(&mut self, body: &[ast::Stmt]) -> Block {
        let mut block = Block::new();
        for stmt in body {
            // Code behind return, break, continue or raise never runs.
            if self.scope.is_none() {
                break;
            }
            // A refusal is recorded; the rest of the block is still checked.
            let _ = self.statement(stmt, &mut block);
        }
        if block.is_empty() {
            block.push(StmtKind::Pass.into());
        }
        block
    }

    /// Lower something one level deeper.
    fn nested<T>(
        &mut self,
        at: TextRange,
        lower: impl FnOnce(&mut Self) -> Lowered<T>,
    ) -> Lowered<T> {
        if self.nesting >= NESTING_MAX {
            return self.too_deep(at);
        }
        self.nesting += 1;
        let lowered = lower(self);
        self.nesting -= 1;
        lowered
    }

    fn too_deep<T>(&mut self, at: TextRange) -> Lowered<T> {
        self.refuse(
            at,
            "nesting",
            format!("deeper than {NESTING_MAX} levels"),
            "split it: assign parts to variables, or write a helper function",
        )
    }

    fn push(&self, block: &mut Block, range: TextRange, kind: StmtKind) {
        block.push(Stmt { line: self.module.line(range.start()), kind });
    }

    fn refuse<T>(
        &mut self,
        at: TextRange,
        construct: impl Into<String>,
        message: impl Into<String>,
        help: impl Into<String>,
    ) -> Lowered<T> {
        self.module.refuse(at, construct, message, help)
    }

    /// The local that holds `name` with type `ty`, made when it does not exist yet.
    fn slot(&mut self, name: &str, ty: Type) -> LocalId {
        let found = self.locals.iter().position(|local| local.name == name && local.ty == ty);
        found.map_or_else(|| self.fresh(name, ty), |idx| LocalId(idx as u32))
    }

    fn fresh(&mut self, name: &str, ty: Type) -> LocalId {
        let id = LocalId(self.locals.len() as u32);
        self.locals.push(Local { name: name.to_owned(), ty });
        id
    }

    /// A local of the compiler's own, with a name no other local of the function has.
    fn temporary(&mut self, ty: Type) -> LocalId {
        loop {
            let name = format!("value_{}", self.hidden);
            self.hidden += 1;
            if !self.assigned.contains(&name) {
                return self.fresh(&name, ty);
            }
        }
    }
}

impl Module<'_> {
    fn refuse<T>(
        &mut self,
        at: TextRange,
        construct: impl Into<String>,
        message: impl Into<String>,
        help: impl Into<String>,
    ) -> Lowered<T> {
        let (line, column) = self.position(at.start());
        let diagnostic = Diagnostic {
            file: self.file.clone(),
            line,
            column,
            construct: construct.into(),
            message: message.into(),
            help: help.into(),
        };
        if !self.diagnostics.contains(&diagnostic) {
            self.diagnostics.push(diagnostic);
        }
        Err(Refused)
    }
}

/// The source text of a node, for messages.
fn text<'a>(source: &'a str, node: &impl Ranged) -> &'a str {
    let range = node.range();
    source.get(range.start().to_usize()..range.end().to_usize()).unwrap_or("")
}

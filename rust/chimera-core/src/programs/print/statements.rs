//! Statements and functions.

use super::super::ir::{
    Binary, Block, Expr, Function, FunctionId, GlobalId, LocalId, Program, Stmt, StmtKind,
    TupleSource,
};
use super::super::order;
use super::super::types::Type;
use super::expressions::augmented;
use super::names::local_names;
use super::wrap::{WIDTH, wrap};

/// Prints one function.
pub(super) struct Printer<'a> {
    program: &'a Program,
    function: &'a Function,
    names: Vec<String>,
}

impl<'a> Printer<'a> {
    pub(super) fn new(program: &'a Program, function: &'a Function) -> Self {
        Self { program, function, names: local_names(program, function) }
    }

    pub(super) fn local(&self, id: LocalId) -> String {
        self.names.get(id.0 as usize).cloned().unwrap_or_else(|| format!("local_{}", id.0))
    }

    pub(super) fn ty(&self, expr: &Expr) -> Option<Type> {
        expr.ty(self.program, self.function)
    }

    pub(super) fn global(&self, id: GlobalId) -> String {
        self.program.global(id).map_or_else(|| format!("GLOBAL_{}", id.0), |g| g.name.clone())
    }

    pub(super) fn function_name(&self, id: FunctionId) -> String {
        self.program.function(id).map_or_else(|| format!("function_{}", id.0), |f| f.name.clone())
    }

    /// The whole definition.
    pub(super) fn function(&self) -> String {
        let params: Vec<_> = self
            .function
            .params()
            .iter()
            .zip(&self.names)
            .map(|(param, name)| format!("{name}: {}", param.ty.annotation()))
            .collect();
        let returns = self.function.returns.annotation();
        let name = &self.function.name;
        let mut out = format!("def {name}({}) -> {returns}:\n", params.join(", "));
        if out.len() > WIDTH + 1 {
            out = format!("def {name}(\n    {},\n) -> {returns}:\n", params.join(",\n    "));
        }
        if let Some(doc) = &self.function.doc {
            out.push_str(&docstring(doc));
        }
        self.block(&self.function.body, 4, &mut out);
        out
    }

    fn block(&self, block: &Block, indent: usize, out: &mut String) {
        if block.is_empty() {
            out.push_str(&wrap("pass", indent));
        }
        for stmt in block {
            self.stmt(stmt, indent, out);
        }
    }

    fn stmt(&self, stmt: &Stmt, indent: usize, out: &mut String) {
        let line = match &stmt.kind {
            StmtKind::If { test, then, orelse } => {
                self.branch("if", test, then, orelse, indent, out);
                return;
            }
            StmtKind::While { test, body, orelse } => {
                let head = format!("while {}:", self.test(test));
                self.looped(&head, body, orelse, indent, out);
                return;
            }
            StmtKind::For { targets, iter, body, orelse } => {
                let head = format!("for {} in {}:", self.locals(targets), self.iterated(iter, 1));
                self.looped(&head, body, orelse, indent, out);
                return;
            }
            other => self.simple(other),
        };
        out.push_str(&wrap(&line, indent));
    }

    fn simple(&self, kind: &StmtKind) -> String {
        match kind {
            StmtKind::Assign { target, value } => {
                let place = Expr::Local(*target);
                self.assignment(&place, value).unwrap_or_else(|| {
                    let hint = self.function.local(*target).filter(|_| needs_type(value));
                    let hint = hint
                        .map_or_else(String::new, |local| format!(": {}", local.ty.annotation()));
                    format!("{}{hint} = {}", self.local(*target), self.expression(value))
                })
            }
            StmtKind::Unpack { targets, value } => {
                let source = match value {
                    TupleSource::Values(values) => self.list(values),
                    TupleSource::Call(id, args) => {
                        format!("{}({})", self.function_name(*id), self.list(args))
                    }
                    TupleSource::Divmod(lhs, rhs) => {
                        let (lhs, rhs) = self.operands(Binary::FloorDiv, lhs, rhs);
                        format!("divmod({}, {})", self.expression(lhs), self.expression(rhs))
                    }
                };
                format!("{} = {source}", self.locals(targets))
            }
            StmtKind::SetItem { list, index, value } => {
                let place = Expr::Index(Box::new(list.clone()), Box::new(index.clone()));
                self.assignment(&place, value).unwrap_or_else(|| {
                    format!("{} = {}", self.expression(&place), self.expression(value))
                })
            }
            StmtKind::Append { list, value } => {
                format!("{}.append({})", self.expr(list, 14), self.expression(value))
            }
            StmtKind::Effect(value) => self.expression(value),
            StmtKind::CallNothing(id, args) => {
                format!("{}({})", self.function_name(*id), self.list(args))
            }
            StmtKind::Break => "break".to_owned(),
            StmtKind::Continue => "continue".to_owned(),
            StmtKind::Return(values) if values.is_empty() => "return".to_owned(),
            StmtKind::Return(values) => format!("return {}", self.list(values)),
            StmtKind::ReturnCall(id, args) => {
                format!("return {}({})", self.function_name(*id), self.list(args))
            }
            StmtKind::Assert(test) => format!("assert {}", self.test(test)),
            StmtKind::Raise(name) => format!("raise {name}"),
            StmtKind::Pass
            | StmtKind::If { .. }
            | StmtKind::While { .. }
            | StmtKind::For { .. } => "pass".to_owned(),
        }
    }

    /// `place op= value` when the value is `place op value` and Python evaluates it alike.
    fn assignment(&self, place: &Expr, value: &Expr) -> Option<String> {
        let Expr::Binary(op, lhs, rhs) = value else { return None };
        if let Expr::Index(list, index) = place
            && !order::is_augmentable(list, index, rhs)
        {
            return None;
        }
        let rhs = self.operands(*op, lhs, rhs).1;
        (**lhs == *place).then(|| {
            format!("{} {}= {}", self.expression(place), augmented(*op), self.expression(rhs))
        })
    }

    fn branch(
        &self,
        word: &str,
        test: &Expr,
        then: &Block,
        orelse: &Block,
        indent: usize,
        out: &mut String,
    ) {
        out.push_str(&wrap(&format!("{word} {}:", self.test(test)), indent));
        self.block(then, indent + 4, out);
        if let [Stmt { kind: StmtKind::If { test, then, orelse }, .. }] = orelse.as_slice() {
            self.branch("elif", test, then, orelse, indent, out);
        } else if !orelse.is_empty() {
            out.push_str(&wrap("else:", indent));
            self.block(orelse, indent + 4, out);
        }
    }

    fn looped(&self, head: &str, body: &Block, orelse: &Block, indent: usize, out: &mut String) {
        out.push_str(&wrap(head, indent));
        self.block(body, indent + 4, out);
        if !orelse.is_empty() {
            out.push_str(&wrap("else:", indent));
            self.block(orelse, indent + 4, out);
        }
    }

    fn locals(&self, ids: &[LocalId]) -> String {
        let names: Vec<_> = ids.iter().map(|id| self.local(*id)).collect();
        names.join(", ")
    }
}

/// Whether the type of a list shows only in its annotation, because an empty list decides it.
fn needs_type(expr: &Expr) -> bool {
    match expr {
        Expr::List(_, elements) => elements.first().is_none_or(needs_type),
        Expr::Comprehension(inner) => needs_type(&inner.element),
        Expr::Select { then, .. } => needs_type(then),
        _ => false,
    }
}

fn docstring(doc: &str) -> String {
    let mut escaped = String::with_capacity(doc.len());
    let mut rest = doc.chars().peekable();
    while let Some(letter) = rest.next() {
        match letter {
            '\\' => escaped.push_str("\\\\"),
            '\r' => escaped.push_str("\\r"),
            '\0' => escaped.push_str("\\x00"),
            // A quote before another one, or at the end, could close the docstring.
            '"' if matches!(rest.peek(), None | Some('"')) => escaped.push_str("\\\""),
            other => escaped.push(other),
        }
    }
    format!("    \"\"\"{escaped}\"\"\"\n")
}

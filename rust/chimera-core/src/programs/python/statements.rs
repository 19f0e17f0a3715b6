//! Statements.

use std::collections::BTreeSet;

use ruff_python_ast as ast;
use ruff_text_size::{Ranged, TextRange};

use super::super::ir::{Block, Expr, LocalId, StmtKind, TupleSource};
use super::super::order;
use super::super::types::{Returns, Scalar, Type};
use super::scope::{Binding, join};
use super::{Lowered, Lowering, Refused, Typed, text};

/// Where an assignment writes.
enum Target<'a> {
    Name(&'a str),
    Item { list: Expr, index: Expr, element: Type },
}

fn outside(stmt: &ast::Stmt) -> (&'static str, &'static str) {
    match stmt {
        ast::Stmt::FunctionDef(_) => ("nested function", "define it at the top level of the file"),
        ast::Stmt::ClassDef(_) => ("class", "use functions and lists"),
        ast::Stmt::Delete(_) => ("del", "leave the variable alone"),
        ast::Stmt::With(_) => ("with", "compiled code has no resources to manage"),
        ast::Stmt::Match(_) => ("match", "write if/elif/else"),
        ast::Stmt::Try(_) => {
            ("try", "check the condition before; an error ends the call with a reason")
        }
        ast::Stmt::Import(_) | ast::Stmt::ImportFrom(_) => {
            ("import", "import at the top of the file (only math can be used)")
        }
        ast::Stmt::Global(_) | ast::Stmt::Nonlocal(_) => {
            ("global", "pass the value as a parameter and return it")
        }
        _ => ("statement", "see the subset reference"),
    }
}

impl Lowering<'_, '_> {
    pub(super) fn statement(&mut self, stmt: &ast::Stmt, out: &mut Block) -> Lowered<()> {
        let lowered = self.nested(stmt.range(), |this| this.statement_inside(stmt, out));
        if lowered.is_err() {
            self.has_refused = true;
            // In a loop the names must keep their state, or the next round would stay silent.
            if self.loops.is_empty() {
                self.forget_targets(stmt);
            }
        }
        lowered
    }

    /// After a refused assignment its names hold something unknown: say nothing more about them.
    fn forget_targets(&mut self, stmt: &ast::Stmt) {
        let mut names = BTreeSet::new();
        assigned_names(std::slice::from_ref(stmt), &mut names);
        if let Some(scope) = self.scope.as_mut() {
            for name in &names {
                scope.forget(name);
            }
        }
    }

    fn statement_inside(&mut self, stmt: &ast::Stmt, out: &mut Block) -> Lowered<()> {
        match stmt {
            ast::Stmt::Assign(assign) => self.assign(assign, out),
            ast::Stmt::AnnAssign(assign) => self.annotated(assign, out),
            ast::Stmt::AugAssign(assign) => self.augmented(assign, out),
            ast::Stmt::If(branch) => self.branch(branch, out),
            ast::Stmt::For(stmt) => self.for_loop(stmt, out),
            ast::Stmt::While(stmt) => self.while_loop(stmt, out),
            ast::Stmt::Return(stmt) => {
                let lowered = self.return_value(stmt, out);
                self.scope = None;
                lowered
            }
            ast::Stmt::Break(stmt) => self.leave(stmt.range, true, out),
            ast::Stmt::Continue(stmt) => self.leave(stmt.range, false, out),
            ast::Stmt::Expr(stmt) => self.effect(stmt, out),
            ast::Stmt::Pass(stmt) => {
                self.push(out, stmt.range, StmtKind::Pass);
                Ok(())
            }
            ast::Stmt::Assert(stmt) => {
                let test = self.test(&stmt.test)?;
                self.push(out, stmt.range, StmtKind::Assert(test));
                Ok(())
            }
            ast::Stmt::Raise(stmt) => {
                let lowered = self.raise(stmt, out);
                self.scope = None;
                lowered
            }
            other => {
                let (construct, help) = outside(other);
                self.refuse(other.range(), construct, "is outside the subset", help)
            }
        }
    }

    fn raise(&mut self, stmt: &ast::StmtRaise, out: &mut Block) -> Lowered<()> {
        let name = match stmt.exc.as_deref() {
            Some(ast::Expr::Name(name)) => Some(name.id.to_string()),
            Some(ast::Expr::Call(call)) => match &*call.func {
                ast::Expr::Name(name) => Some(name.id.to_string()),
                _ => None,
            },
            _ => None,
        };
        let Some(name) = name else {
            return self.refuse(
                stmt.range,
                "raise",
                "needs an exception class",
                "write `raise ValueError(\"...\")`",
            );
        };
        self.push(out, stmt.range, StmtKind::Raise(name));
        Ok(())
    }

    fn branch(&mut self, branch: &ast::StmtIf, out: &mut Block) -> Lowered<()> {
        let test = self.test(&branch.test)?;
        let before = self.scope.clone();
        let then = self.block(&branch.body);
        let after_then = self.scope.take();
        self.scope = before;
        let orelse = self.else_clauses(&branch.elif_else_clauses)?;
        self.scope = join(after_then, self.scope.take());
        self.push(out, branch.range, StmtKind::If { test, then, orelse });
        Ok(())
    }

    fn else_clauses(&mut self, clauses: &[ast::ElifElseClause]) -> Lowered<Block> {
        let Some((clause, rest)) = clauses.split_first() else { return Ok(Block::new()) };
        self.nested(clause.range, |this| this.else_clause(clause, rest))
    }

    fn else_clause(
        &mut self,
        clause: &ast::ElifElseClause,
        rest: &[ast::ElifElseClause],
    ) -> Lowered<Block> {
        let Some(test) = &clause.test else { return Ok(self.block(&clause.body)) };
        let test = self.test(test)?;
        let before = self.scope.clone();
        let then = self.block(&clause.body);
        let after_then = self.scope.take();
        self.scope = before;
        let orelse = self.else_clauses(rest)?;
        self.scope = join(after_then, self.scope.take());
        let mut block = Block::new();
        self.push(&mut block, clause.range, StmtKind::If { test, then, orelse });
        Ok(block)
    }

    fn target<'a>(&mut self, target: &'a ast::Expr) -> Lowered<Target<'a>> {
        match target {
            ast::Expr::Name(name) => Ok(Target::Name(name.id.as_str())),
            ast::Expr::Subscript(subscript) => {
                if let Some((id, _)) = self.table(&subscript.value)? {
                    let _ = id;
                    return self.refuse(
                        target.range(),
                        "assignment",
                        "module constants cannot change",
                        "copy the values into a local list",
                    );
                }
                let list = self.list_value(&subscript.value)?;
                let element = list.ty.element().unwrap_or(Type::INT);
                let index = self.int(&subscript.slice, "index")?;
                Ok(Target::Item { list: list.expr, index, element })
            }
            other => self.refuse(
                other.range(),
                "assignment target",
                format!("`{}` cannot be assigned", text(self.module.source, other)),
                "assign to names or to list elements",
            ),
        }
    }

    fn assign(&mut self, assign: &ast::StmtAssign, out: &mut Block) -> Lowered<()> {
        match assign.targets.as_slice() {
            [ast::Expr::Tuple(targets)] => self.unpack(assign, &targets.elts, out),
            [ast::Expr::List(targets)] => self.unpack(assign, &targets.elts, out),
            [target] => {
                let wanted = self.type_at(target);
                let value = self.expr_as(&assign.value, wanted)?;
                self.store(target, value, assign.range, out)
            }
            targets => {
                let value = self.expr(&assign.value)?;
                let ty = value.ty;
                let held = self.temporary(ty);
                self.push(out, assign.range, StmtKind::Assign { target: held, value: value.expr });
                for target in targets {
                    self.store(target, Typed::new(Expr::Local(held), ty), assign.range, out)?;
                }
                Ok(())
            }
        }
    }

    /// The type a plain target has so far, where that is known without lowering it.
    fn type_at(&self, target: &ast::Expr) -> Option<Type> {
        match target {
            ast::Expr::Name(name) => match self.scope.as_ref()?.get(name.id.as_str())? {
                Binding::Definite(_, ty) => Some(*ty),
                Binding::Maybe(..) | Binding::Conflict(..) | Binding::Unknown => None,
            },
            ast::Expr::Subscript(subscript) => self.type_at(&subscript.value)?.element(),
            _ => None,
        }
    }

    fn store(
        &mut self,
        target: &ast::Expr,
        value: Typed,
        at: TextRange,
        out: &mut Block,
    ) -> Lowered<()> {
        match self.target(target)? {
            Target::Name(name) => {
                let target = self.assign_name(name, value.ty);
                self.push(out, at, StmtKind::Assign { target, value: value.expr });
            }
            Target::Item { list, index, element } => {
                if element != value.ty {
                    return self.mismatch(at, value.ty, element, "list element");
                }
                self.push(out, at, StmtKind::SetItem { list, index, value: value.expr });
            }
        }
        Ok(())
    }

    fn unpack(
        &mut self,
        assign: &ast::StmtAssign,
        targets: &[ast::Expr],
        out: &mut Block,
    ) -> Lowered<()> {
        let (source, types) = self.tuple_source(&assign.value)?;
        if types.len() != targets.len() {
            return self.refuse(
                assign.range,
                "unpacking",
                format!("{} targets, {} values", targets.len(), types.len()),
                "match the number of targets to the values",
            );
        }
        let names: Option<Vec<_>> = targets
            .iter()
            .map(|target| match target {
                ast::Expr::Name(name) => Some(name.id.as_str()),
                _ => None,
            })
            .collect();
        if let Some(names) = names {
            let targets =
                names.iter().zip(&types).map(|(name, ty)| self.assign_name(name, *ty)).collect();
            self.push(out, assign.range, StmtKind::Unpack { targets, value: source });
            return Ok(());
        }
        // Elements among the targets: hold all values first, then store from left to right.
        let held: Vec<LocalId> = types.iter().map(|ty| self.temporary(*ty)).collect();
        self.push(out, assign.range, StmtKind::Unpack { targets: held.clone(), value: source });
        for ((target, id), ty) in targets.iter().zip(held).zip(types) {
            self.store(target, Typed::new(Expr::Local(id), ty), assign.range, out)?;
        }
        Ok(())
    }

    /// The values on the right of an unpacking, and their types.
    fn tuple_source(&mut self, value: &ast::Expr) -> Lowered<(TupleSource, Vec<Type>)> {
        match value {
            ast::Expr::Tuple(tuple) => {
                let (mut values, mut types) = (Vec::new(), Vec::new());
                for element in &tuple.elts {
                    let value = self.expr(element)?;
                    types.push(value.ty);
                    values.push(value.expr);
                }
                Ok((TupleSource::Values(values), types))
            }
            ast::Expr::Call(call) => {
                if let ast::Expr::Name(name) = &*call.func {
                    if self.module.is_function(name.id.as_str()) {
                        let (id, args, returns) = self.user_call(call, name.id.as_str())?;
                        if let Returns::Tuple(_) = returns {
                            let types = returns.types();
                            return Ok((TupleSource::Call(id, args), types));
                        }
                    } else if name.id.as_str() == "divmod" {
                        return self.divmod(call);
                    }
                }
                self.not_a_tuple(value)
            }
            _ => self.not_a_tuple(value),
        }
    }

    fn not_a_tuple<T>(&mut self, value: &ast::Expr) -> Lowered<T> {
        self.refuse(
            value.range(),
            "unpacking",
            "the right side is not a tuple",
            "write `a, b = x, y`, or call a function that returns a tuple",
        )
    }

    fn divmod(&mut self, call: &ast::ExprCall) -> Lowered<(TupleSource, Vec<Type>)> {
        let [lhs, rhs] = &*call.arguments.args else {
            return self.refuse(call.range(), "divmod", "takes 2 arguments", "write divmod(a, b)");
        };
        let (lhs, rhs) = (self.expr(lhs)?, self.expr(rhs)?);
        // Borrow the promotion rules of `//`.
        let both = self.arithmetic(call.range(), ast::Operator::FloorDiv, lhs, rhs)?;
        let Expr::Binary(_, lhs, rhs) = both.expr else { return Err(Refused) };
        Ok((TupleSource::Divmod(lhs, rhs), vec![both.ty, both.ty]))
    }

    fn annotated(&mut self, assign: &ast::StmtAnnAssign, out: &mut Block) -> Lowered<()> {
        let ty = self.module.annotation(&assign.annotation)?;
        let ast::Expr::Name(name) = &*assign.target else {
            return self.refuse(
                assign.range,
                "annotation",
                "only names can be annotated",
                "drop it",
            );
        };
        let Some(value) = &assign.value else { return Ok(()) };
        let value = self.exactly(value, ty, "assigned value")?;
        let target = self.assign_name(name.id.as_str(), ty);
        self.push(out, assign.range, StmtKind::Assign { target, value });
        Ok(())
    }

    fn augmented(&mut self, assign: &ast::StmtAugAssign, out: &mut Block) -> Lowered<()> {
        if let ast::Expr::Name(_) = &*assign.target {
            let mut load = (*assign.target).clone();
            if let ast::Expr::Name(name) = &mut load {
                name.ctx = ast::ExprContext::Load;
            }
            let old = self.expr(&load)?;
            if old.ty.scalar().is_none() {
                return self.refuse(
                    assign.range,
                    "augmented assignment",
                    "to a list is outside the subset",
                    "append in a loop",
                );
            }
            let value = self.expr(&assign.value)?;
            let new = self.arithmetic(assign.range, assign.op, old, value)?;
            self.store(&assign.target, new, assign.range, out)
        } else {
            let Target::Item { mut list, mut index, element } = self.target(&assign.target)? else {
                return Err(Refused);
            };
            let value = self.expr(&assign.value)?;
            // List and index are evaluated once, before the value: hold what could change.
            let acts = order::acts(&value.expr);
            let hold_index = !order::is_plain(&index) || (acts && !order::is_steady(&index));
            let hold_list =
                !order::is_plain(&list) || ((acts || hold_index) && !order::is_steady(&list));
            if hold_list {
                let ty = element.list_of().unwrap_or(Type::List(Scalar::Int));
                list = self.held(list, ty, assign.range, out);
            }
            if hold_index {
                index = self.held(index, Type::INT, assign.range, out);
            }
            let old = Expr::Index(Box::new(list.clone()), Box::new(index.clone()));
            let new = self.arithmetic(assign.range, assign.op, Typed::new(old, element), value)?;
            if new.ty != element {
                return self.mismatch(assign.range, new.ty, element, "list element");
            }
            self.push(out, assign.range, StmtKind::SetItem { list, index, value: new.expr });
            Ok(())
        }
    }

    /// Evaluate now into a temporary, and read that from here on.
    fn held(&mut self, value: Expr, ty: Type, at: TextRange, out: &mut Block) -> Expr {
        let target = self.temporary(ty);
        self.push(out, at, StmtKind::Assign { target, value });
        Expr::Local(target)
    }

    fn effect(&mut self, stmt: &ast::StmtExpr, out: &mut Block) -> Lowered<()> {
        let ast::Expr::Call(call) = &*stmt.value else {
            if matches!(&*stmt.value, ast::Expr::StringLiteral(_) | ast::Expr::EllipsisLiteral(_)) {
                return Ok(());
            }
            return self.refuse(
                stmt.range,
                "expression",
                "has no effect",
                "assign or return its value",
            );
        };
        match &*call.func {
            ast::Expr::Attribute(method) if method.attr.as_str() == "append" => {
                self.no_keywords(call)?;
                let [value] = &*call.arguments.args else {
                    return self.refuse(
                        call.range(),
                        "append",
                        "takes 1 argument",
                        "write xs.append(x)",
                    );
                };
                let list = self.list_value(&method.value)?;
                let element = list.ty.element().unwrap_or(Type::INT);
                let value = self.exactly(value, element, "appended value")?;
                self.push(out, stmt.range, StmtKind::Append { list: list.expr, value });
                Ok(())
            }
            ast::Expr::Attribute(method) if method.attr.as_str() == "pop" => {
                let popped = self.call(call)?;
                self.push(out, stmt.range, StmtKind::Effect(popped.expr));
                Ok(())
            }
            ast::Expr::Name(name) if self.module.is_function(name.id.as_str()) => {
                let (id, args, returns) = self.user_call(call, name.id.as_str())?;
                let kind = match returns {
                    Returns::One(_) => StmtKind::Effect(Expr::Call(id, args)),
                    Returns::Nothing | Returns::Tuple(_) => StmtKind::CallNothing(id, args),
                };
                self.push(out, stmt.range, kind);
                Ok(())
            }
            _ => {
                let value = self.call(call)?;
                let _ = value;
                self.refuse(stmt.range, "expression", "has no effect", "assign or return its value")
            }
        }
    }

    fn return_value(&mut self, stmt: &ast::StmtReturn, out: &mut Block) -> Lowered<()> {
        let returns = self.returns.clone();
        let kind = match (&returns, stmt.value.as_deref()) {
            (Returns::Nothing, None | Some(ast::Expr::NoneLiteral(_))) => {
                StmtKind::Return(Vec::new())
            }
            (Returns::Nothing, Some(value)) => {
                return self.refuse(
                    value.range(),
                    "return",
                    "gives a value although the function is `-> None`",
                    "annotate the result type",
                );
            }
            (_, None) => {
                return self.refuse(
                    stmt.range,
                    "return",
                    format!("gives nothing, {} was declared", returns.annotation()),
                    "return a value",
                );
            }
            (Returns::One(ty), Some(value)) => StmtKind::Return(vec![self.returned(value, *ty)?]),
            (Returns::Tuple(scalars), Some(ast::Expr::Tuple(tuple)))
                if tuple.elts.len() == scalars.len() =>
            {
                let mut values = Vec::with_capacity(scalars.len());
                for (value, scalar) in tuple.elts.iter().zip(scalars) {
                    values.push(self.returned(value, Type::Scalar(*scalar))?);
                }
                StmtKind::Return(values)
            }
            (Returns::Tuple(_), Some(value)) => self.return_tuple(value, &returns, out)?,
        };
        self.push(out, stmt.range, kind);
        Ok(())
    }

    fn return_tuple(
        &mut self,
        value: &ast::Expr,
        returns: &Returns,
        out: &mut Block,
    ) -> Lowered<StmtKind> {
        let (source, types) = self.tuple_source(value)?;
        if types != returns.types() {
            return self.refuse(
                value.range(),
                "return",
                format!("does not give {}", returns.annotation()),
                "return values of the declared types",
            );
        }
        match source {
            TupleSource::Call(id, args) => Ok(StmtKind::ReturnCall(id, args)),
            other => {
                let held: Vec<_> = types.iter().map(|ty| self.temporary(*ty)).collect();
                let values = held.iter().copied().map(Expr::Local).collect();
                self.push(out, value.range(), StmtKind::Unpack { targets: held, value: other });
                Ok(StmtKind::Return(values))
            }
        }
    }

    /// A returned value: an int (or bool) where a float is declared is converted, openly.
    fn returned(&mut self, expr: &ast::Expr, ty: Type) -> Lowered<Expr> {
        let value = self.expr_as(expr, Some(ty))?;
        if value.ty == ty {
            return Ok(value.expr);
        }
        if ty == Type::FLOAT && value.ty.scalar().is_some() {
            self.is_loose = true;
            if let Some(number) = super::calls::int_literal(&value.expr)
                && number.unsigned_abs() <= 1 << 53
            {
                return Ok(Expr::float(number as f64));
            }
            return Ok(Expr::Convert(Scalar::Float, Box::new(value.expr)));
        }
        self.mismatch(expr.range(), value.ty, ty, "returned value")
    }
}

/// Every name a function body assigns, nested blocks included, comprehension targets excluded.
pub(super) fn assigned_names(body: &[ast::Stmt], names: &mut BTreeSet<String>) {
    for stmt in body {
        match stmt {
            ast::Stmt::Assign(assign) => {
                for target in &assign.targets {
                    target_names(target, names);
                }
            }
            ast::Stmt::AnnAssign(assign) => target_names(&assign.target, names),
            ast::Stmt::AugAssign(assign) => target_names(&assign.target, names),
            ast::Stmt::For(stmt) => {
                target_names(&stmt.target, names);
                assigned_names(&stmt.body, names);
                assigned_names(&stmt.orelse, names);
            }
            ast::Stmt::While(stmt) => {
                assigned_names(&stmt.body, names);
                assigned_names(&stmt.orelse, names);
            }
            ast::Stmt::If(stmt) => {
                assigned_names(&stmt.body, names);
                for clause in &stmt.elif_else_clauses {
                    assigned_names(&clause.body, names);
                }
            }
            _ => {}
        }
    }
}

fn target_names(target: &ast::Expr, names: &mut BTreeSet<String>) {
    match target {
        ast::Expr::Name(name) => {
            names.insert(name.id.to_string());
        }
        ast::Expr::Tuple(tuple) => tuple.elts.iter().for_each(|inner| target_names(inner, names)),
        ast::Expr::List(list) => list.elts.iter().for_each(|inner| target_names(inner, names)),
        _ => {}
    }
}

/// The docstring of a body, and what follows it.
pub(super) fn split_docstring(body: &[ast::Stmt]) -> (Option<String>, &[ast::Stmt]) {
    if let Some((ast::Stmt::Expr(stmt), rest)) = body.split_first()
        && let ast::Expr::StringLiteral(literal) = &*stmt.value
    {
        return (Some(literal.value.to_str().to_owned()), rest);
    }
    (None, body)
}

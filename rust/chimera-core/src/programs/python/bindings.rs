//! Which names a module binds, and how often: a name bound twice has no fixed meaning to compile.

use std::collections::BTreeMap;

use ruff_python_ast as ast;
use ruff_python_ast::visitor::{Visitor, walk_expr, walk_stmt};

/// How often each module-level name is bound anywhere in the file; changing a part of what a name
/// holds (`name[0] = ...`, `name.part = ...`) counts as binding it anew.
pub(super) fn bindings(body: &[ast::Stmt]) -> BTreeMap<String, usize> {
    let mut count = Count::default();
    for stmt in body {
        count.visit_stmt(stmt);
    }
    count.names
}

#[derive(Default)]
struct Count {
    names: BTreeMap<String, usize>,
}

impl Count {
    fn bind(&mut self, name: &str, times: usize) {
        *self.names.entry(name.to_owned()).or_default() += times;
    }

    fn alias(&mut self, alias: &ast::Alias) {
        let whole = alias.asname.as_ref().unwrap_or(&alias.name).as_str();
        self.bind(whole.split('.').next().unwrap_or(whole), 1);
    }

    /// `name[...] = ...` and `name.part = ...` change what `name` means.
    fn part(&mut self, target: &ast::Expr) {
        match target {
            ast::Expr::Attribute(attribute) => self.root(&attribute.value),
            ast::Expr::Subscript(subscript) => self.root(&subscript.value),
            _ => {}
        }
    }

    fn root(&mut self, expr: &ast::Expr) {
        match expr {
            ast::Expr::Name(name) => self.bind(name.id.as_str(), 2),
            other => self.part(other),
        }
    }
}

impl Visitor<'_> for Count {
    fn visit_stmt(&mut self, stmt: &ast::Stmt) {
        match stmt {
            ast::Stmt::FunctionDef(def) => {
                self.bind(def.name.as_str(), 1);
                let mut globals = Globals::default();
                def.body.iter().for_each(|stmt| globals.visit_stmt(stmt));
                globals.0.iter().for_each(|name| self.bind(name, 2));
            }
            ast::Stmt::ClassDef(class) => self.bind(class.name.as_str(), 1),
            ast::Stmt::Import(import) => import.names.iter().for_each(|alias| self.alias(alias)),
            ast::Stmt::ImportFrom(import) => {
                import.names.iter().for_each(|alias| self.alias(alias));
            }
            ast::Stmt::AnnAssign(assign) if assign.value.is_none() => {}
            ast::Stmt::Assign(assign) => {
                assign.targets.iter().for_each(|target| self.part(target));
                walk_stmt(self, stmt);
            }
            ast::Stmt::AugAssign(assign) => {
                self.part(&assign.target);
                walk_stmt(self, stmt);
            }
            ast::Stmt::Try(handled) => {
                for handler in &handled.handlers {
                    let ast::ExceptHandler::ExceptHandler(handler) = handler;
                    if let Some(name) = &handler.name {
                        self.bind(name.as_str(), 1);
                    }
                }
                walk_stmt(self, stmt);
            }
            _ => walk_stmt(self, stmt),
        }
    }

    fn visit_expr(&mut self, expr: &ast::Expr) {
        match expr {
            ast::Expr::Name(name) if name.ctx != ast::ExprContext::Load => {
                self.bind(name.id.as_str(), 1);
            }
            // Their targets are their own.
            ast::Expr::ListComp(_)
            | ast::Expr::SetComp(_)
            | ast::Expr::DictComp(_)
            | ast::Expr::Generator(_)
            | ast::Expr::Lambda(_) => {}
            _ => walk_expr(self, expr),
        }
    }
}

/// Names that a function body declares `global`.
#[derive(Default)]
struct Globals(Vec<String>);

impl Visitor<'_> for Globals {
    fn visit_stmt(&mut self, stmt: &ast::Stmt) {
        if let ast::Stmt::Global(declared) = stmt {
            self.0.extend(declared.names.iter().map(ToString::to_string));
        }
        walk_stmt(self, stmt);
    }
}

//! What each name means at one point of a function: flow-sensitive, joined where paths meet.

use std::collections::BTreeMap;

use super::super::ir::LocalId;
use super::super::types::Type;

/// The state of a name.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Binding {
    /// Assigned on every path, in this local.
    Definite(LocalId, Type),
    /// Assigned on some paths only.
    Maybe(LocalId, Type),
    /// Holds different types on different paths.
    Conflict(Type, Type),
    /// What was assigned was refused.
    Unknown,
}

/// The names known at one point.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Scope {
    bindings: BTreeMap<String, Binding>,
}

impl Scope {
    pub(super) fn bind(&mut self, name: &str, id: LocalId, ty: Type) {
        self.bindings.insert(name.to_owned(), Binding::Definite(id, ty));
    }

    pub(super) fn forget(&mut self, name: &str) {
        self.bindings.insert(name.to_owned(), Binding::Unknown);
    }

    pub(super) fn get(&self, name: &str) -> Option<&Binding> {
        self.bindings.get(name)
    }

    /// Put back what `name` meant before a comprehension used it.
    pub(super) fn restore(&mut self, name: &str, before: Option<Binding>) {
        match before {
            Some(binding) => self.bindings.insert(name.to_owned(), binding),
            None => self.bindings.remove(name),
        };
    }

    /// What is known after either of two paths.
    pub(super) fn join(mut self, other: Self) -> Self {
        let mut joined = BTreeMap::new();
        for (name, right) in other.bindings {
            let binding = match self.bindings.remove(&name) {
                None => weaken(right),
                Some(left) => meet(left, right),
            };
            joined.insert(name, binding);
        }
        joined.extend(self.bindings.into_iter().map(|(name, left)| (name, weaken(left))));
        Self { bindings: joined }
    }
}

/// Join two points of which either may be unreachable.
pub(super) fn join(left: Option<Scope>, right: Option<Scope>) -> Option<Scope> {
    match (left, right) {
        (Some(left), Some(right)) => Some(left.join(right)),
        (one, None) | (None, one) => one,
    }
}

const fn weaken(binding: Binding) -> Binding {
    match binding {
        Binding::Definite(id, ty) | Binding::Maybe(id, ty) => Binding::Maybe(id, ty),
        Binding::Conflict(a, b) => Binding::Conflict(a, b),
        Binding::Unknown => Binding::Unknown,
    }
}

fn meet(left: Binding, right: Binding) -> Binding {
    use Binding::{Conflict, Definite, Maybe, Unknown};
    match (left, right) {
        (Unknown, _) | (_, Unknown) => Unknown,
        (Conflict(a, b), _) | (_, Conflict(a, b)) => Conflict(a, b),
        (Definite(id, ty), Definite(other, _)) if id == other => Definite(id, ty),
        (Definite(id, ty) | Maybe(id, ty), Definite(other, _) | Maybe(other, _)) if id == other => {
            Maybe(id, ty)
        }
        (Definite(_, a) | Maybe(_, a), Definite(_, b) | Maybe(_, b)) => Conflict(a, b),
    }
}

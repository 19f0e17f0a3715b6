//! Comprehensions and generators: one `for`, any number of filters.

use ruff_python_ast as ast;
use ruff_text_size::{Ranged, TextRange};

use super::super::ir::{Comprehension, Expr, FoldSource, Iter, Logic};
use super::super::types::Type;
use super::{Lowered, Lowering, Refused, Typed};

impl Lowering<'_, '_> {
    /// Lower `element for targets in iter if condition`; also gives the element's type.
    pub(super) fn comprehension(
        &mut self,
        element: &ast::Expr,
        generators: &[ast::Comprehension],
        at: TextRange,
        wanted: Option<Type>,
    ) -> Lowered<(Comprehension, Type)> {
        let [generator] = generators else {
            return self.refuse(
                at,
                "comprehension",
                "with several `for` is outside the subset",
                "nest list comprehensions, or write the loops",
            );
        };
        if generator.is_async {
            return self.refuse(at, "async comprehension", "cannot be compiled", "use plain `for`");
        }
        let (iter, types) = self.iterated(&generator.iter)?;
        let names = self.target_names(&generator.target, types.len())?;
        for name in &names {
            self.module.check_name(name, &format!("`{name}`"), generator.target.range());
        }
        let Some(scope) = self.scope.as_ref() else { return Err(Refused) };
        let before: Vec<_> =
            names.iter().map(|name| (name.clone(), scope.get(name).copied())).collect();
        let targets: Vec<_> =
            names.iter().zip(&types).map(|(name, ty)| self.fresh(name, *ty)).collect();
        if let Some(scope) = self.scope.as_mut() {
            for ((name, id), ty) in names.iter().zip(&targets).zip(&types) {
                scope.bind(name, *id, *ty);
            }
        }
        let inner = self.comprehension_body(element, generator, wanted);
        if let Some(scope) = self.scope.as_mut() {
            for (name, binding) in before {
                scope.restore(&name, binding);
            }
        }
        let (condition, element) = inner?;
        Ok((Comprehension { targets, iter, condition, element: element.expr }, element.ty))
    }

    fn comprehension_body(
        &mut self,
        element: &ast::Expr,
        generator: &ast::Comprehension,
        wanted: Option<Type>,
    ) -> Lowered<(Option<Expr>, Typed)> {
        let mut conditions = Vec::with_capacity(generator.ifs.len());
        for test in &generator.ifs {
            conditions.push(self.test(test)?);
        }
        let condition = conditions
            .into_iter()
            .rev()
            .reduce(|right, left| Expr::Logic(Logic::And, Box::new(left), Box::new(right)));
        let element = self.expr_as(element, wanted)?;
        Ok((condition, element))
    }

    /// Apply `map` to every element of a reduction's source.
    pub(super) fn each(
        &mut self,
        source: FoldSource,
        element: Type,
        map: impl Fn(Expr) -> Expr,
    ) -> FoldSource {
        let inner = match source {
            FoldSource::Generator(mut inner) => {
                inner.element = map(inner.element);
                inner
            }
            FoldSource::List(list) => {
                let target = self.fresh("x", element);
                Box::new(Comprehension {
                    targets: vec![target],
                    iter: Iter::List(list),
                    condition: None,
                    element: map(Expr::Local(target)),
                })
            }
        };
        FoldSource::Generator(inner)
    }

    /// `list(range(...))`.
    pub(super) fn list_of_range(&mut self, range: &ast::Expr) -> Lowered<Typed> {
        let (iter, _) = self.iterated(range)?;
        let target = self.fresh("i", Type::INT);
        let inner = Comprehension {
            targets: vec![target],
            iter,
            condition: None,
            element: Expr::Local(target),
        };
        let ty = Type::List(super::super::types::Scalar::Int);
        Ok(Typed::new(Expr::Comprehension(Box::new(inner)), ty))
    }

    /// The names a loop or comprehension binds: `x`, or `a, b`.
    pub(super) fn target_names(&mut self, target: &ast::Expr, n: usize) -> Lowered<Vec<String>> {
        let elements = match target {
            ast::Expr::Tuple(tuple) => tuple.elts.as_slice(),
            single => std::slice::from_ref(single),
        };
        let names: Option<Vec<_>> = elements
            .iter()
            .map(|element| match element {
                ast::Expr::Name(name) => Some(name.id.to_string()),
                _ => None,
            })
            .collect();
        match names {
            Some(names) if names.len() == n => Ok(names),
            _ => self.refuse(
                target.range(),
                "loop target",
                format!("expected {n} plain name(s)"),
                "write `for x in xs` or `for i, x in enumerate(xs)`",
            ),
        }
    }
}

//! Ending a long call early: its loops ask whether to go on.
//!
//! The question belongs to the thread that runs the call, so that constructors and traits need no
//! parameter for it. Threads that help are not asked: a loop asks before it hands out work.

use std::cell::RefCell;

use crate::error::{Error, Result};

type Question = Box<dyn Fn() -> bool>;

thread_local! {
    static QUESTION: RefCell<Option<Question>> = const { RefCell::new(None) };
}

/// Puts the question of the caller's caller back, also when the work panics.
struct Outer(Option<Question>);

impl Drop for Outer {
    fn drop(&mut self) {
        QUESTION.with(|question| question.replace(self.0.take()));
    }
}

/// Runs `work`; where it calls [`check`], it ends early once `is_wanted` says so.
pub fn when<T>(is_wanted: impl Fn() -> bool + 'static, work: impl FnOnce() -> T) -> T {
    let before = QUESTION.with(|question| question.replace(Some(Box::new(is_wanted))));
    let _outer = Outer(before);
    work()
}

/// Asks whether to go on; costs little next to a microsecond of work.
///
/// # Errors
/// The caller of [`when`] wants an end.
pub fn check() -> Result<()> {
    let is_wanted = QUESTION.with_borrow(|question| question.as_ref().is_some_and(|ask| ask()));
    if is_wanted { Err(Error::Stopped) } else { Ok(()) }
}

#[cfg(test)]
mod tests {
    use std::cell::Cell;
    use std::rc::Rc;

    use super::*;
    use crate::run::Run;
    use crate::space::Space;
    use crate::threads::Threads;

    #[test]
    fn test_work_ends_once_it_is_wanted_and_only_inside() {
        let n = Rc::new(Cell::new(0));
        let seen = Rc::clone(&n);
        let ended = when(
            move || seen.get() >= 3,
            || -> Result<()> {
                loop {
                    check()?;
                    n.set(n.get() + 1);
                }
            },
        );
        assert!(matches!(ended, Err(Error::Stopped)));
        assert_eq!(n.get(), 3);
        assert!(check().is_ok());
    }

    #[test]
    fn test_long_constructions_ask() {
        let cells = r#"{"kind": "cvt", "n_cells": 9, "n_samples": 99, "n_iterations": 9, "seed": 0,
            "lower": [0, 0], "upper": [1, 1]}"#;
        let map_elites = format!(
            r#"{{"batch_size": 9, "outside": "clip", "n_initial": 9, "iso_sigma": 0.1,
            "line_sigma": 0.2, "layout": {cells}}}"#
        );
        for (name, settings) in
            [("moead", r#"{"n_objectives": 3}"#), ("map_elites", map_elites.as_str())]
        {
            let space = || Space::real(vec![0.0; 3], vec![1.0; 3]).unwrap();
            let start = || Run::new(name, space(), settings, 0, Threads::one());
            assert!(matches!(when(|| true, start), Err(Error::Stopped)), "{name}");
            assert!(when(|| false, start).is_ok(), "{name}");
        }
    }

    #[test]
    fn test_an_inner_question_gives_way_to_the_outer_one() {
        when(
            || true,
            || {
                assert!(when(|| false, check).is_ok());
                assert!(check().is_err());
            },
        );
    }
}

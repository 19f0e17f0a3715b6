//! How long calls leave Python: detached, with Ctrl-C noticed and errors converted.

use std::cell::{Cell, RefCell};
use std::rc::Rc;
use std::sync::mpsc::{RecvTimeoutError, channel};
use std::thread::Builder;
use std::time::{Duration, Instant};

use chimera_evolution::stop;
use chimera_sandbox::CancelFlag;
use pyo3::prelude::*;

use crate::error::{Failure, Outcome};

/// Stack of the thread that works: programs nest up to `NESTING_MAX` levels.
const STACK_BYTES: usize = 64 << 20;
/// How often a long call looks for Ctrl-C.
const SIGNAL_PERIOD: Duration = Duration::from_millis(100);

/// Run `work` without the interpreter. Signals are looked at every tenth of a second; when one
/// raises, `cancel` is raised, the work comes back early, and the exception is passed on.
pub fn enter<T: Send>(
    py: Python<'_>,
    cancel: &CancelFlag,
    work: impl FnOnce() -> Outcome<T> + Send,
) -> Outcome<T> {
    py.detach(|| {
        std::thread::scope(|scope| {
            let (done, wait) = channel::<()>();
            let worker = Builder::new().stack_size(STACK_BYTES).spawn_scoped(scope, move || {
                let result = work();
                drop(done);
                result
            });
            let worker = worker.map_err(|error| {
                Failure::Config(format!("threads: expected one more thread, got {error}"))
            })?;
            let mut interrupted = None;
            while let Err(RecvTimeoutError::Timeout) = wait.recv_timeout(SIGNAL_PERIOD) {
                if interrupted.is_none() {
                    #[expect(clippy::redundant_closure_for_method_calls, reason = "lifetimes")]
                    let checked = Python::attach(|py| py.check_signals());
                    if let Err(error) = checked {
                        cancel.raise();
                        interrupted = Some(error);
                    }
                }
            }
            let result = match worker.join() {
                Ok(result) => result,
                Err(panic) => std::panic::resume_unwind(panic),
            };
            interrupted.map_or(result, |error| Err(Failure::Python(error)))
        })
    })
}

/// As [`enter`], on the calling thread, for work whose loops ask [`stop::check`] whether to go on.
pub fn watched<T: Send, E: Into<Failure>>(
    py: Python<'_>,
    work: impl FnOnce() -> Result<T, E> + Send,
) -> Outcome<T> {
    py.detach(|| {
        let raised: Rc<RefCell<Option<PyErr>>> = Rc::default();
        let (seen, looked) = (Rc::clone(&raised), Cell::new(Instant::now()));
        let is_end_wanted = move || {
            if looked.get().elapsed() < SIGNAL_PERIOD {
                return false;
            }
            looked.set(Instant::now());
            #[expect(clippy::redundant_closure_for_method_calls, reason = "lifetimes")]
            let checked = Python::attach(|py| py.check_signals());
            checked.map_err(|error| seen.replace(Some(error))).is_err()
        };
        let result = stop::when(is_end_wanted, work);
        raised
            .take()
            .map_or_else(|| result.map_err(Into::into), |error| Err(Failure::Python(error)))
    })
}

//! What a module may reach of the host: `refill` and the mathematical functions, nothing else.

use std::time::Instant;

use wasmtime::{Caller, Engine, Linker, ResourceLimiter};

use crate::error::{Error, Result};
use crate::job::{CancelFlag, Status};
use crate::libm;

/// Name of the import module of the ABI.
pub(crate) const MODULE: &str = "chimera";

/// Fuel and time of the running job.
#[derive(Debug)]
pub(crate) struct Meter {
    /// Fuel the job may use altogether.
    pub fuel_max: u64,
    /// Fuel per slice.
    pub slice: u64,
    /// Fuel handed out so far.
    pub granted: u64,
    /// When the job must end; `None` if that lies beyond the clock.
    pub deadline: Option<Instant>,
    /// Raised by the caller to end the batch.
    pub cancel: Option<CancelFlag>,
    /// Why the host stopped the module, if it did.
    pub stopped: Option<Status>,
    /// Fuel used when the host stopped it.
    pub used_at_stop: u64,
    /// Whether the engine counts the fuel itself.
    pub is_engine_metered: bool,
}

impl Meter {
    /// Returns the reason to stop now, apart from fuel.
    pub fn interruption(&self) -> Option<Status> {
        if self.cancel.as_ref().is_some_and(CancelFlag::is_raised) {
            return Some(Status::Cancelled);
        }
        match self.deadline {
            Some(deadline) if Instant::now() >= deadline => Some(Status::Deadline),
            _ => None,
        }
    }

    /// Returns the fuel used when `left` remains of what was granted.
    pub fn used(&self, left: i64) -> u64 {
        if left < 0 {
            self.granted.saturating_add(left.unsigned_abs())
        } else {
            self.granted.saturating_sub(left.unsigned_abs())
        }
    }

    /// Grants the next slice. The last one ends exactly at `fuel_max`, so that the block which
    /// exceeds it is the same for every slice size.
    pub fn grant(&mut self, used: u64) -> i64 {
        let slice = self.slice.min(self.fuel_max.saturating_sub(used));
        self.granted = used.saturating_add(slice);
        i64::try_from(slice).unwrap_or(i64::MAX)
    }

    fn refill(&mut self, left: i64) -> std::result::Result<i64, Status> {
        let used = self.used(left);
        if !self.is_engine_metered && used > self.fuel_max {
            self.used_at_stop = used;
            return Err(Status::Fuel);
        }
        if let Some(status) = self.interruption() {
            self.used_at_stop = used;
            return Err(status);
        }
        Ok(self.grant(used))
    }
}

/// Data of one store.
#[derive(Debug)]
pub(crate) struct Host {
    pub meter: Meter,
    pub memory_bytes_max: usize,
    pub table_elements_max: usize,
}

impl ResourceLimiter for Host {
    fn memory_growing(
        &mut self,
        _current: usize,
        desired: usize,
        _maximum: Option<usize>,
    ) -> wasmtime::Result<bool> {
        Ok(desired <= self.memory_bytes_max)
    }

    fn table_growing(
        &mut self,
        _current: usize,
        desired: usize,
        _maximum: Option<usize>,
    ) -> wasmtime::Result<bool> {
        Ok(desired <= self.table_elements_max)
    }

    fn instances(&self) -> usize {
        1
    }

    fn tables(&self) -> usize {
        1
    }

    fn memories(&self) -> usize {
        1
    }
}

/// Builds the linker with every import of the ABI.
pub(crate) fn linker(engine: &Engine) -> Result<Linker<Host>> {
    let failed = |error: wasmtime::Error| Error::Engine { message: format!("{error:#}") };
    let mut linker = Linker::new(engine);
    linker.func_wrap(MODULE, "refill", refill).map_err(failed)?;
    for &(name, function) in libm::unary_functions() {
        linker.func_wrap(MODULE, name, move |x: f64| function(x)).map_err(failed)?;
    }
    for &(name, function) in libm::binary_functions() {
        linker.func_wrap(MODULE, name, move |x: f64, y: f64| function(x, y)).map_err(failed)?;
    }
    Ok(linker)
}

fn refill(mut caller: Caller<'_, Host>, left: i64) -> wasmtime::Result<i64> {
    let meter = &mut caller.data_mut().meter;
    meter.refill(left).map_err(|status| {
        meter.stopped = Some(status);
        wasmtime::Error::new(Stopped)
    })
}

/// Unwinds the module; the reason lies in [`Meter::stopped`].
#[derive(Debug, thiserror::Error)]
#[error("stopped by the host")]
struct Stopped;

//! What a runtime is allowed to use and how it compiles.

use std::time::Duration;

use crate::error::{Error, Result};

/// Everything a module, a job or the runtime itself may consume.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Limits {
    /// Linear memory of one instance, in bytes; a growth beyond it is refused (`memory.grow` = -1).
    pub memory_bytes_max: usize,
    /// Fuel of one job (all its frames together).
    pub fuel_max: u64,
    /// Fuel handed out at once under cooperative metering: how often the deadline is looked at.
    pub fuel_slice: u64,
    /// Wall clock time of one job.
    pub timeout: Duration,
    /// WebAssembly stack of one call, in bytes; worker threads get this and a reserve on top.
    pub stack_bytes_max: usize,
    /// Modules kept in the cache; the least recently used one leaves first. 0 switches it off.
    pub modules_cached_max: usize,
    /// Size of one module, in bytes of WebAssembly.
    pub module_bytes_max: usize,
    /// Memory up to which an instance may be reused; one that grew larger is dropped after its job.
    pub reused_bytes_max: usize,
    /// Elements of a module's only table.
    pub table_elements_max: usize,
    /// Period of the ticker under [`Metering::Epoch`]: how late a deadline may be noticed.
    pub epoch_tick: Duration,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            memory_bytes_max: 64 << 20,
            fuel_max: 2_000_000_000,
            fuel_slice: 1_000_000,
            timeout: Duration::from_secs(10),
            stack_bytes_max: 2 << 20,
            modules_cached_max: 4096,
            module_bytes_max: 4 << 20,
            reused_bytes_max: 4 << 20,
            table_elements_max: 1024,
            epoch_tick: Duration::from_millis(5),
        }
    }
}

/// How a runaway module is stopped.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
#[non_exhaustive]
pub enum Metering {
    /// The module counts its own fuel and calls `refill`: for output of our compiler only, because a
    /// module that never calls `refill` cannot be stopped.
    #[default]
    Cooperative,
    /// The engine counts fuel and looks at the deadline itself: for modules from elsewhere. The
    /// instrumented code is slower, instances are never reused, and the `fuel` export is optional.
    Epoch,
}

/// How much the compiler works on a module.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
#[non_exhaustive]
pub enum Optimization {
    /// Fast compilation.
    None,
    /// Fast code.
    #[default]
    Speed,
}

/// Where instances live.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
#[non_exhaustive]
pub enum Allocation {
    /// A pool of address space, or on demand if the host refuses to reserve it.
    #[default]
    Auto,
    /// On demand with explicit bounds checks and little address space.
    OnDemand,
}

/// Settings of a [`crate::Runtime`].
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Config {
    /// Limits in force for every job.
    pub limits: Limits,
    /// Worker threads; 0 means one per core.
    pub n_threads: usize,
    /// Compiler effort.
    pub optimization: Optimization,
    /// How a runaway module is stopped.
    pub metering: Metering,
    /// Where instances live.
    pub allocation: Allocation,
    /// Makes every operation return the canonical NaN. Off by default: code that follows the ABI
    /// cannot observe NaN bits, and float results are canonicalised when they leave.
    pub canonicalize_nans: bool,
}

impl Config {
    /// Checks the values that the engine could not work with.
    ///
    /// # Errors
    /// [`Error::Config`] names the first field outside its range.
    pub fn validate(&self) -> Result<()> {
        let limits = &self.limits;
        let check = |is_fine: bool, name, expected, got: usize| {
            let got = got as u64;
            if is_fine { Ok(()) } else { Err(Error::Config { name, expected, got }) }
        };
        check(
            (1 << 17..=u32::MAX as usize).contains(&limits.memory_bytes_max),
            "memory_bytes_max",
            "from 131072 (two pages) to 4294967295",
            limits.memory_bytes_max,
        )?;
        check(
            (1 << 16..=1 << 28).contains(&limits.stack_bytes_max),
            "stack_bytes_max",
            "from 65536 to 268435456",
            limits.stack_bytes_max,
        )?;
        check(self.n_threads <= 1024, "n_threads", "at most 1024", self.n_threads)?;
        check(limits.fuel_slice > 0, "fuel_slice", "positive", 0)?;
        check(!limits.epoch_tick.is_zero(), "epoch_tick", "positive", 0)
    }
}

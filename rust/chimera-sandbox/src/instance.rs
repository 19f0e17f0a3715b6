//! One live instance: writes a job's inputs, calls the entry, reads what is left.
//!
//! An instance may serve several jobs of its module, because compiled code reads only what the host
//! or itself wrote during the call; parameters that a job overrides are put back first.

use std::time::{Duration, Instant};

use wasmtime::{Global, Memory, Store, Trap, TypedFunc, UpdateDeadline, Val};

use crate::config::{Limits, Metering};
use crate::error::{Error, Result};
use crate::host::{Host, Meter};
use crate::job::{CancelFlag, Job, Outcome, SlotKind, Status, canonical_bits};
use crate::module::CompiledModule;

const PAGE_BYTES: u64 = 1 << 16;

enum Entry {
    Call(TypedFunc<u32, ()>),
    Many(TypedFunc<(u32, u32), ()>),
}

/// The module's own bytes below a parameter region that a job overrode.
struct Saved {
    base: usize,
    bytes: Vec<u8>,
}

/// A live instance of one module.
pub(crate) struct Live<'m> {
    pub module: &'m CompiledModule,
    store: Store<Host>,
    memory: Memory,
    instance: wasmtime::Instance,
    heap: Option<Global>,
    fuel: Option<Global>,
    trap_site: Option<Global>,
    done: Option<Global>,
    entry: Option<(usize, Entry)>,
    saved: Option<Saved>,
    is_engine_metered: bool,
}

/// A new instance, or the outcome of the job if the module's start function ended it.
pub(crate) enum Created<'m> {
    Live(Box<Live<'m>>),
    Ended(Outcome),
}

/// The settings every job of a batch shares.
pub(crate) struct Context<'a> {
    pub limits: &'a Limits,
    pub metering: Metering,
    pub cancel: Option<&'a CancelFlag>,
}

impl Context<'_> {
    fn meter(&self, job: &Job<'_>, start: Instant) -> Meter {
        let limits = self.limits;
        Meter {
            fuel_max: job.fuel_max.unwrap_or(u64::MAX).min(limits.fuel_max),
            slice: limits.fuel_slice.min(i64::MAX.unsigned_abs()),
            granted: 0,
            deadline: start.checked_add(limits.timeout),
            cancel: self.cancel.cloned(),
            stopped: None,
            used_at_stop: 0,
            is_engine_metered: self.metering == Metering::Epoch,
        }
    }
}

impl<'m> Live<'m> {
    /// Instantiates the job's module.
    pub fn create(context: &Context<'_>, job: &Job<'m>) -> Result<Created<'m>> {
        let module = job.module;
        let meter = context.meter(job, Instant::now());
        let is_engine_metered = meter.is_engine_metered;
        let fuel_max = meter.fuel_max;
        let host = Host {
            meter,
            memory_bytes_max: context.limits.memory_bytes_max,
            table_elements_max: context.limits.table_elements_max,
        };
        let mut store = Store::new(module.engine(), host);
        store.limiter(|host| host);
        if is_engine_metered {
            store.set_fuel(fuel_max).map_err(|error| broken(&error))?;
            store.set_epoch_deadline(1);
            store.epoch_deadline_callback(|mut context| {
                let meter = &mut context.data_mut().meter;
                meter.stopped = meter.interruption();
                Ok(match meter.stopped {
                    Some(_) => UpdateDeadline::Interrupt,
                    None => UpdateDeadline::Continue(1),
                })
            });
        }
        let instance = match module.pre.instantiate(&mut store) {
            Ok(instance) => instance,
            Err(error) => {
                let stopped = store.data().meter.stopped;
                if stopped.is_none() && error.downcast_ref::<Trap>().is_none() {
                    return Err(broken(&error));
                }
                let mut outcome = Outcome::unstarted(Status::Trap);
                (outcome.status, outcome.message) = classify(stopped, &error, false);
                return Ok(Created::Ended(outcome));
            }
        };
        let exports = &module.exports;
        let memory = instance
            .get_module_export(&mut store, &exports.memory)
            .and_then(wasmtime::Extern::into_memory)
            .ok_or_else(|| missing("memory"))?;
        let mut global = |export: &Option<wasmtime::ModuleExport>| {
            let export = export.as_ref()?;
            instance.get_module_export(&mut store, export)?.into_global()
        };
        let (heap, fuel) = (global(&exports.heap), global(&exports.fuel));
        let (trap_site, done) = (global(&exports.trap_site), global(&exports.done));
        Ok(Created::Live(Box::new(Self {
            module,
            store,
            memory,
            instance,
            heap,
            fuel,
            trap_site,
            done,
            entry: None,
            saved: None,
            is_engine_metered,
        })))
    }

    /// Runs a job of this module; `entry` is its resolved index.
    pub fn run(&mut self, context: &Context<'_>, job: &Job<'_>, entry: usize) -> Result<Outcome> {
        let start = Instant::now();
        self.store.data_mut().meter = context.meter(job, start);
        if !self.grow_to(job.image.end) {
            return Ok(Outcome::unstarted(Status::Memory));
        }
        self.write(job)?;
        self.reset(job)?;
        let called = self.call(job, entry)?;
        let elapsed = start.elapsed();
        self.collect(job, &called, elapsed)
    }

    /// Says whether another job may use this instance after `outcome`.
    pub fn is_reusable(&self, outcome: &Outcome, limits: &Limits) -> bool {
        outcome.status == Status::Ok
            && !self.is_engine_metered
            && self.memory.data_size(&self.store) <= limits.reused_bytes_max
    }

    /// Returns the memory after a call.
    pub fn memory(&self) -> &[u8] {
        self.memory.data(&self.store)
    }

    fn grow_to(&mut self, end: u32) -> bool {
        // The heap starts at the next multiple of 16 and is addressed from there on.
        let wanted = (u64::from(end) + 16).div_ceil(PAGE_BYTES);
        let present = self.memory.size(&self.store);
        wanted <= present || self.memory.grow(&mut self.store, wanted - present).is_ok()
    }

    fn write(&mut self, job: &Job<'_>) -> Result<()> {
        let memory = self.memory.data_mut(&mut self.store);
        let region = job.parameters.map(|it| (it.base as usize, 8 * it.slots.len()));
        let saved = self.saved.as_ref().map(|it| (it.base, it.bytes.len()));
        if saved != region {
            if let Some(saved) = self.saved.take() {
                slice(memory, saved.base, saved.bytes.len())?.copy_from_slice(&saved.bytes);
            }
            if let Some((base, len)) = region {
                let bytes = slice(memory, base, len)?.to_vec();
                self.saved = Some(Saved { base, bytes });
            }
        }
        if let Some(parameters) = job.parameters {
            let region = slice(memory, parameters.base as usize, 8 * parameters.slots.len())?;
            for (bytes, slot) in region.chunks_exact_mut(8).zip(parameters.slots) {
                bytes.copy_from_slice(&slot.to_le_bytes());
            }
        }
        let image = &job.image;
        let room = (image.end - image.base) as usize;
        let (bytes, rest) = slice(memory, image.base as usize, room)?
            .split_at_mut_checked(image.bytes.len())
            .ok_or_else(|| missing("image"))?;
        bytes.copy_from_slice(image.bytes);
        rest.fill(0);
        Ok(())
    }

    fn reset(&mut self, job: &Job<'_>) -> Result<()> {
        let meter = &mut self.store.data_mut().meter;
        let fuel_max = meter.fuel_max;
        let slice = meter.grant(0);
        let heap = job.image.end.next_multiple_of(16).cast_signed();
        let values = [
            (self.heap, Val::I32(heap)),
            (self.fuel, Val::I64(slice)),
            (self.trap_site, Val::I32(-1)),
            (self.done, Val::I32(0)),
        ];
        for (global, value) in values {
            if let Some(global) = global {
                global.set(&mut self.store, value).map_err(|error| broken(&error))?;
            }
        }
        if self.is_engine_metered {
            self.store.set_fuel(fuel_max).map_err(|error| broken(&error))?;
            self.store.set_epoch_deadline(1);
        }
        Ok(())
    }

    fn call(&mut self, job: &Job<'_>, idx: usize) -> Result<wasmtime::Result<()>> {
        if self.entry.as_ref().is_none_or(|(known, _)| *known != idx) {
            let export = self.module.entries.get(idx).ok_or_else(|| missing(job.entry))?;
            let function = self
                .instance
                .get_module_export(&mut self.store, &export.export)
                .and_then(wasmtime::Extern::into_func)
                .ok_or_else(|| missing(job.entry))?;
            let entry = if export.is_many {
                function.typed(&self.store).map(Entry::Many)
            } else {
                function.typed(&self.store).map(Entry::Call)
            };
            self.entry = Some((idx, entry.map_err(|error| broken(&error))?));
        }
        let frame = job.image.frame;
        match &self.entry {
            Some((_, Entry::Call(function))) => Ok(function.call(&mut self.store, frame)),
            Some((_, Entry::Many(function))) => {
                Ok(function.call(&mut self.store, (frame, job.n_frames)))
            }
            None => Err(missing(job.entry)),
        }
    }

    fn collect(
        &mut self,
        job: &Job<'_>,
        called: &wasmtime::Result<()>,
        elapsed: Duration,
    ) -> Result<Outcome> {
        let site = i32_of(&mut self.store, self.trap_site).and_then(|it| u32::try_from(it).ok());
        let stopped = self.store.data().meter.stopped;
        let (status, message) = match called {
            Ok(()) => (Status::Ok, None),
            Err(error) => classify(stopped, error, site.is_some()),
        };
        let n_done = match status {
            Status::Ok => job.n_frames,
            _ => i32_of(&mut self.store, self.done)
                .and_then(|it| u32::try_from(it).ok())
                .unwrap_or(0)
                .min(job.n_frames),
        };
        let fuel_used = self.fuel_used(status)?;
        let mut results = Vec::with_capacity(n_done as usize * job.results.len());
        let memory = self.memory.data(&self.store);
        let frames = memory.get(job.image.frame as usize..).unwrap_or_default();
        let stride = usize::try_from(job.stride()).unwrap_or(usize::MAX);
        if stride > 0 {
            for frame in frames.chunks_exact(stride).take(n_done as usize) {
                let slots = frame.chunks_exact(8).skip(job.n_params as usize);
                results.extend(slots.zip(job.results).map(|(bytes, kind)| {
                    let bits = bytes.try_into().map_or(0, u64::from_le_bytes);
                    if *kind == SlotKind::Float { canonical_bits(bits) } else { bits }
                }));
            }
        }
        let trap_site = if status == Status::Trap { site } else { None };
        let elapsed_ns = u64::try_from(elapsed.as_nanos()).unwrap_or(u64::MAX);
        Ok(Outcome { status, results, n_done, trap_site, message, fuel_used, elapsed_ns })
    }

    fn fuel_used(&mut self, status: Status) -> Result<u64> {
        if self.is_engine_metered {
            let left = self.store.get_fuel().map_err(|error| broken(&error))?;
            return Ok(self.store.data().meter.fuel_max.saturating_sub(left));
        }
        let left = match self.fuel.map(|global| global.get(&mut self.store)) {
            Some(Val::I64(left)) => left,
            _ => 0,
        };
        let meter = &self.store.data().meter;
        Ok(match status {
            Status::Fuel | Status::Deadline | Status::Cancelled => meter.used_at_stop,
            _ => meter.used(left),
        })
    }
}

fn classify(
    stopped: Option<Status>,
    error: &wasmtime::Error,
    has_site: bool,
) -> (Status, Option<String>) {
    if let Some(status) = stopped {
        return (status, None);
    }
    match error.downcast_ref::<Trap>() {
        Some(Trap::StackOverflow) => (Status::Stack, None),
        Some(Trap::OutOfFuel) => (Status::Fuel, None),
        Some(Trap::MemoryOutOfBounds) => (Status::Memory, Some(error.to_string())),
        Some(Trap::UnreachableCodeReached) if has_site => (Status::Trap, None),
        _ => (Status::Trap, Some(error.to_string())),
    }
}

fn i32_of(store: &mut Store<Host>, global: Option<Global>) -> Option<i32> {
    match global?.get(store) {
        Val::I32(value) => Some(value),
        _ => None,
    }
}

fn slice(memory: &mut [u8], base: usize, len: usize) -> Result<&mut [u8]> {
    base.checked_add(len).and_then(|end| memory.get_mut(base..end)).ok_or_else(|| missing("memory"))
}

fn broken(error: &wasmtime::Error) -> Error {
    Error::Instantiate { message: format!("{error:#}") }
}

fn missing(name: &str) -> Error {
    Error::Instantiate { message: format!("{name} is not where the module's types put it") }
}

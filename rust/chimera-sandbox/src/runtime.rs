//! The runtime: an engine, a cache of compiled modules, and worker threads with known stacks.

use std::collections::HashMap;
use std::fmt;
use std::sync::Arc;
use std::time::Instant;

use rayon::prelude::*;
use rayon::{ThreadPool, ThreadPoolBuilder};
use wasmtime::{Engine, Linker};

use crate::cache::{self, Cache};
use crate::config::{Config, Metering};
use crate::engine;
use crate::error::{Error, Result};
use crate::host::{self, Host};
use crate::instance::{Context, Created, Live};
use crate::job::{Job, Options, Outcome, Status};
use crate::module::CompiledModule;
use crate::queue::Queue;
use crate::ticker::Ticker;

/// Native stack of a worker beyond the WebAssembly stack, for host code and the compiler.
const HOST_STACK_BYTES: usize = 2 << 20;

/// Compiles modules and runs jobs; share it between threads by reference.
pub struct Runtime {
    config: Config,
    linker: Linker<Host>,
    cache: Cache,
    pool: ThreadPool,
    has_pool: bool,
    _ticker: Option<Ticker>,
}

impl fmt::Debug for Runtime {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter
            .debug_struct("Runtime")
            .field("config", &self.config)
            .field("n_threads", &self.n_threads())
            .field("has_pool", &self.has_pool)
            .finish_non_exhaustive()
    }
}

impl Runtime {
    /// Builds the engine and starts the worker threads.
    ///
    /// # Errors
    /// [`Error::Config`] for a value out of range, [`Error::Engine`] or [`Error::Threads`] if the
    /// host refuses memory or threads.
    pub fn new(config: Config) -> Result<Self> {
        config.validate()?;
        let n_threads = match config.n_threads {
            0 => std::thread::available_parallelism().map_or(1, usize::from),
            n => n,
        };
        let (engine, has_pool) = engine::build(&config, n_threads)?;
        let failed = |message: String| Error::Threads { n_threads, message };
        let pool = ThreadPoolBuilder::new()
            .num_threads(n_threads)
            .stack_size(config.limits.stack_bytes_max + HOST_STACK_BYTES)
            .thread_name(|idx| format!("chimera-sandbox-{idx}"))
            .build()
            .map_err(|error| failed(error.to_string()))?;
        let ticker = match config.metering {
            Metering::Cooperative => None,
            Metering::Epoch => Some(
                Ticker::start(&engine, config.limits.epoch_tick)
                    .map_err(|error| failed(error.to_string()))?,
            ),
        };
        Ok(Self {
            linker: host::linker(&engine)?,
            cache: Cache::new(config.limits.modules_cached_max),
            config,
            pool,
            has_pool,
            _ticker: ticker,
        })
    }

    /// Returns the settings in force.
    #[must_use]
    pub fn config(&self) -> &Config {
        &self.config
    }

    /// Returns the number of worker threads.
    #[must_use]
    pub fn n_threads(&self) -> usize {
        self.pool.current_num_threads()
    }

    /// Says whether instances come from a pool of address space.
    #[must_use]
    pub fn has_pool(&self) -> bool {
        self.has_pool
    }

    /// Returns the number of modules in the cache.
    #[must_use]
    pub fn n_modules_cached(&self) -> usize {
        self.cache.len()
    }

    /// Forgets all cached modules; those in use live on.
    pub fn clear_cache(&self) {
        self.cache.clear();
    }

    /// Runs work of the caller on the worker threads, so that its parallel parts use them.
    pub fn install<R: Send>(&self, work: impl FnOnce() -> R + Send) -> R {
        self.pool.install(work)
    }

    /// Compiles a module, or returns it from the cache.
    ///
    /// # Errors
    /// [`Error::ModuleSize`], [`Error::Compile`], [`Error::Import`], [`Error::Export`] or
    /// [`Error::InitialMemory`] say what the module lacks.
    pub fn compile(&self, wasm: &[u8]) -> Result<Arc<CompiledModule>> {
        let key = cache::key(wasm);
        match self.cache.get(&key) {
            Some(module) => Ok(module),
            // On a worker, because the compiler's need of stack depends on the module.
            None => self.pool.install(|| self.compile_keyed(wasm, key)),
        }
    }

    /// Compiles modules in parallel, equal ones once; the results are in the order of the inputs.
    pub fn compile_batch(&self, modules: &[&[u8]]) -> Vec<Result<Arc<CompiledModule>>> {
        self.pool.install(|| {
            let keys: Vec<_> = modules.par_iter().map(|wasm| cache::key(wasm)).collect();
            let mut seen = HashMap::new();
            let firsts: Vec<usize> = keys
                .iter()
                .enumerate()
                .map(|(idx, key)| *seen.entry(*key).or_insert(idx))
                .collect();
            // The first of each kind; holding it here keeps it even if the cache is smaller.
            let compiled: Vec<Option<Result<Arc<CompiledModule>>>> = modules
                .par_iter()
                .zip(&keys)
                .zip(&firsts)
                .enumerate()
                .with_max_len(1)
                .map(|(idx, ((wasm, key), first))| {
                    (idx == *first).then(|| self.compile_keyed(wasm, *key))
                })
                .collect();
            modules
                .iter()
                .zip(&keys)
                .zip(&firsts)
                .map(|((wasm, key), first)| match compiled.get(*first) {
                    Some(Some(Ok(module))) => Ok(Arc::clone(module)),
                    // Errors are not cloneable: ask again for this rare case.
                    _ => self.compile_keyed(wasm, *key),
                })
                .collect()
        })
    }

    fn compile_keyed(&self, wasm: &[u8], key: cache::Key) -> Result<Arc<CompiledModule>> {
        if let Some(module) = self.cache.get(&key) {
            return Ok(module);
        }
        let Config { limits, metering, .. } = &self.config;
        let module = CompiledModule::new(&self.linker, wasm, limits, *metering)?;
        Ok(self.cache.insert(key, Arc::new(module)))
    }

    /// Runs one job on a worker thread.
    ///
    /// # Errors
    /// As [`Runtime::run_batch`].
    pub fn run(&self, job: &Job<'_>, options: &Options) -> Result<Outcome> {
        self.run_with(job, options, |_, _| ()).map(|(outcome, _)| outcome)
    }

    /// Runs one job and decodes its memory and result slots if it ended well.
    ///
    /// # Errors
    /// As [`Runtime::run_batch`].
    pub fn run_with<R: Send>(
        &self,
        job: &Job<'_>,
        options: &Options,
        decode: impl Fn(&[u8], &[u64]) -> R + Sync,
    ) -> Result<(Outcome, Option<R>)> {
        let jobs = std::slice::from_ref(job);
        let started = Instant::now();
        self.run_batch_with(jobs, options, |_, memory, results| decode(memory, results))?
            .pop()
            .ok_or_else(|| Error::Lost { job: 0, waited: started.elapsed() })
    }

    /// Runs jobs on the worker threads; the outcomes are in the order of the jobs and do not depend
    /// on the number of threads.
    ///
    /// # Errors
    /// [`Error::Entry`], [`Error::ForeignModule`] or [`Error::Layout`] for a malformed job, before
    /// any job runs; [`Error::Instantiate`] if the host cannot provide an instance.
    pub fn run_batch(&self, jobs: &[Job<'_>], options: &Options) -> Result<Vec<Outcome>> {
        let outcomes = self.run_batch_with(jobs, options, |_, _, _| ())?;
        Ok(outcomes.into_iter().map(|(outcome, _)| outcome).collect())
    }

    /// Runs jobs and decodes each one's memory and result slots, while its instance is alive, if it
    /// ended well. `decode` gets the index of the job; addresses found in memory are the module's
    /// word only, so it must check them.
    ///
    /// # Errors
    /// As [`Runtime::run_batch`].
    pub fn run_batch_with<R: Send>(
        &self,
        jobs: &[Job<'_>],
        options: &Options,
        decode: impl Fn(usize, &[u8], &[u64]) -> R + Sync,
    ) -> Result<Vec<(Outcome, Option<R>)>> {
        let started = Instant::now();
        let entries = self.resolve(jobs)?;
        let queue = Queue::new(jobs, self.n_threads());
        let batch = Batch { runtime: self, jobs, entries: &entries, options, decode: &decode };
        let mut parts: Vec<Result<Part<R>>> = Vec::new();
        parts.resize_with(queue.n_useful(self.n_threads()), || Ok(Vec::new()));
        self.pool.scope(|scope| {
            for part in &mut parts {
                scope.spawn(|_| *part = batch.work(&queue));
            }
        });
        let mut outcomes: Part<R> = Vec::with_capacity(jobs.len());
        for part in parts {
            outcomes.extend(part?);
        }
        outcomes.sort_unstable_by_key(|(idx, _)| *idx);
        match outcomes.iter().enumerate().find(|(position, (idx, _))| position != idx) {
            Some((job, _)) => Err(Error::Lost { job, waited: started.elapsed() }),
            None => Ok(outcomes.into_iter().map(|(_, outcome)| outcome).collect()),
        }
    }

    fn resolve(&self, jobs: &[Job<'_>]) -> Result<Vec<usize>> {
        jobs.iter()
            .enumerate()
            .map(|(idx, job)| {
                if Engine::same(job.module.engine(), self.linker.engine()) {
                    job.resolve(idx)
                } else {
                    Err(Error::ForeignModule { job: idx })
                }
            })
            .collect()
    }
}

type Part<R> = Vec<(usize, (Outcome, Option<R>))>;

struct Batch<'a, 'j, F> {
    runtime: &'a Runtime,
    jobs: &'a [Job<'j>],
    entries: &'a [usize],
    options: &'a Options,
    decode: &'a F,
}

impl<F> Batch<'_, '_, F> {
    /// Runs chunks until none is left, keeping the last instance for the next job of its module.
    fn work<R>(&self, queue: &Queue) -> Result<Part<R>>
    where
        F: Fn(usize, &[u8], &[u64]) -> R,
    {
        let context = Context {
            limits: &self.runtime.config.limits,
            metering: self.runtime.config.metering,
            cancel: self.options.cancel.as_ref(),
        };
        let mut kept = None;
        let mut part = Vec::new();
        loop {
            let chunk = queue.take();
            if chunk.is_empty() {
                return Ok(part);
            }
            for &idx in chunk {
                if let (Some(job), Some(&entry)) = (self.jobs.get(idx), self.entries.get(idx)) {
                    part.push((idx, self.run_one(&context, idx, job, entry, &mut kept)?));
                }
            }
        }
    }

    fn run_one<'m, R>(
        &self,
        context: &Context<'_>,
        idx: usize,
        job: &Job<'m>,
        entry: usize,
        kept: &mut Option<Box<Live<'m>>>,
    ) -> Result<(Outcome, Option<R>)>
    where
        F: Fn(usize, &[u8], &[u64]) -> R,
    {
        if context.cancel.is_some_and(crate::job::CancelFlag::is_raised) {
            return Ok((Outcome::unstarted(Status::Cancelled), None));
        }
        let reused = kept
            .take()
            .filter(|live| std::ptr::eq(live.module, job.module) && !self.options.is_fresh);
        let mut live = match reused {
            Some(live) => live,
            None => match Live::create(context, job)? {
                Created::Live(live) => live,
                Created::Ended(outcome) => return Ok((outcome, None)),
            },
        };
        let outcome = live.run(context, job, entry)?;
        let decoded = (outcome.status == Status::Ok)
            .then(|| (self.decode)(idx, live.memory(), &outcome.results));
        if live.is_reusable(&outcome, context.limits) {
            *kept = Some(live);
        }
        Ok((outcome, decoded))
    }
}

//! How many threads a search may use; the result never depends on it.

use std::collections::HashMap;
use std::process;
use std::sync::{Arc, Mutex, OnceLock, PoisonError};

use rayon::prelude::*;
use rayon::{ThreadPool, ThreadPoolBuilder};

use crate::error::{Error, Result};

/// A thread pool of a fixed size; pools of one size are shared in the process.
///
/// A forked process has none of its parent's threads and would wait for them for ever, so it starts
/// pools of its own at the first use.
#[derive(Clone, Debug)]
pub struct Threads {
    n: usize,
    /// The pool and the process that started it.
    pool: Option<(u32, Arc<ThreadPool>)>,
}

/// The pools of a process, and of the processes forked from it: those of a parent are left alone,
/// locks and all, because another thread of it may have held them while it forked.
#[derive(Default)]
struct Pools {
    process: OnceLock<u32>,
    by_size: Mutex<HashMap<usize, Arc<ThreadPool>>>,
    of_child: OnceLock<Box<Self>>,
}

impl Pools {
    /// The pool of `n` threads of the process `of`, which runs this.
    fn get(&self, of: u32, n: usize) -> Result<Arc<ThreadPool>> {
        if *self.process.get_or_init(|| of) != of {
            return self.of_child.get_or_init(Box::default).get(of, n);
        }
        let mut by_size = self.by_size.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(pool) = by_size.get(&n) {
            return Ok(Arc::clone(pool));
        }
        let pool = ThreadPoolBuilder::new()
            .num_threads(n)
            .thread_name(|idx| format!("chimera-search-{idx}"))
            .build()
            .map_err(|error| Error::setting("threads", "threads that can be started", error))?;
        let pool = Arc::new(pool);
        by_size.insert(n, Arc::clone(&pool));
        Ok(pool)
    }
}

fn pools() -> &'static Pools {
    static POOLS: OnceLock<Pools> = OnceLock::new();
    POOLS.get_or_init(Pools::default)
}

impl Default for Threads {
    fn default() -> Self {
        Self::one()
    }
}

impl Threads {
    /// Only the calling thread.
    #[must_use]
    pub const fn one() -> Self {
        Self { n: 1, pool: None }
    }

    /// `n` threads; 0 takes one per core.
    ///
    /// # Errors
    /// More than 1024, or the system refuses to start them.
    pub fn new(n: usize) -> Result<Self> {
        let n = if n == 0 { std::thread::available_parallelism().map_or(1, Into::into) } else { n };
        if n == 1 {
            return Ok(Self::one());
        }
        if n > 1024 {
            return Err(Error::setting("threads", "at most 1024", n));
        }
        let process = process::id();
        Ok(Self { n, pool: Some((process, pools().get(process, n)?)) })
    }

    /// Number of threads.
    pub const fn n(&self) -> usize {
        self.n
    }

    /// The pool, in which `rayon`'s parallel iterators use its threads; none when there is only one
    /// thread, or in a forked process that cannot start its own: the calling thread does the work.
    pub fn pool(&self) -> Option<Arc<ThreadPool>> {
        let (process, pool) = self.pool.as_ref()?;
        let now = process::id();
        if *process == now {
            return Some(Arc::clone(pool));
        }
        pools().get(now, self.n).ok()
    }

    /// Call `work(idx, chunk)` for consecutive chunks of `chunk_len` values, in parallel when there
    /// are several threads and `is_worth_it`. Chunks do not depend on the number of threads: draw
    /// random numbers per chunk or per row, and the result does not either.
    pub fn for_each_chunk<T: Send>(
        &self,
        values: &mut [T],
        chunk_len: usize,
        is_worth_it: bool,
        work: impl Fn(usize, &mut [T]) + Sync + Send,
    ) {
        let chunk_len = chunk_len.max(1);
        let pool = if is_worth_it { self.pool() } else { None };
        match pool {
            Some(pool) => pool.install(|| {
                values
                    .par_chunks_mut(chunk_len)
                    .enumerate()
                    .for_each(|(idx, chunk)| work(idx, chunk));
            }),
            None => {
                for (idx, chunk) in values.chunks_mut(chunk_len).enumerate() {
                    work(idx, chunk);
                }
            }
        }
    }
}

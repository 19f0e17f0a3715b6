//! How many threads a search may use; the result never depends on it.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, OnceLock, PoisonError};

use rayon::prelude::*;
use rayon::{ThreadPool, ThreadPoolBuilder};

use crate::error::{Error, Result};

/// A thread pool of a fixed size; pools of one size are shared in the process.
#[derive(Clone, Debug)]
pub struct Threads {
    n: usize,
    pool: Option<Arc<ThreadPool>>,
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
        static POOLS: OnceLock<Mutex<HashMap<usize, Arc<ThreadPool>>>> = OnceLock::new();
        let n = if n == 0 { std::thread::available_parallelism().map_or(1, Into::into) } else { n };
        if n == 1 {
            return Ok(Self::one());
        }
        if n > 1024 {
            return Err(Error::setting("threads", "at most 1024", n));
        }
        let mut pools =
            POOLS.get_or_init(Mutex::default).lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(pool) = pools.get(&n) {
            return Ok(Self { n, pool: Some(Arc::clone(pool)) });
        }
        let pool = ThreadPoolBuilder::new()
            .num_threads(n)
            .thread_name(|idx| format!("chimera-search-{idx}"))
            .build()
            .map_err(|error| Error::setting("threads", "threads that can be started", error))?;
        let pool = Arc::new(pool);
        pools.insert(n, Arc::clone(&pool));
        Ok(Self { n, pool: Some(pool) })
    }

    /// Number of threads.
    pub const fn n(&self) -> usize {
        self.n
    }

    /// Run `work` inside the pool, where `rayon`'s parallel iterators use its threads; on the
    /// calling thread when there is only one.
    pub fn install<R: Send>(&self, work: impl FnOnce() -> R + Send) -> R {
        match &self.pool {
            Some(pool) => pool.install(work),
            None => work(),
        }
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
        match &self.pool {
            Some(pool) if is_worth_it => pool.install(|| {
                values
                    .par_chunks_mut(chunk_len)
                    .enumerate()
                    .for_each(|(idx, chunk)| work(idx, chunk));
            }),
            _ => {
                for (idx, chunk) in values.chunks_mut(chunk_len).enumerate() {
                    work(idx, chunk);
                }
            }
        }
    }
}

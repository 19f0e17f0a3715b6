//! Hands the jobs of a batch to the workers, neighbours of one module together.
//!
//! Jobs are ordered by module (first appearance first) and taken in small chunks from a shared
//! cursor: a worker meets the same module again and keeps its instance, and no worker idles while
//! another has more than one chunk left.

use std::collections::HashMap;
use std::sync::atomic::{AtomicUsize, Ordering};

use crate::job::Job;

/// Jobs per chunk at most: large enough to make the shared cursor free, small enough for balance.
const CHUNK_MAX: usize = 16;
/// Chunks per worker at least, if there are that many jobs.
const CHUNKS_PER_WORKER: usize = 8;

/// The jobs of a batch in the order they run.
pub(crate) struct Queue {
    order: Vec<usize>,
    cursor: AtomicUsize,
    chunk: usize,
}

impl Queue {
    pub fn new(jobs: &[Job<'_>], n_workers: usize) -> Self {
        let mut order: Vec<usize> = (0..jobs.len()).collect();
        let mut ranks = HashMap::new();
        let by_job: Vec<usize> = jobs
            .iter()
            .map(|job| {
                let n_known = ranks.len();
                *ranks.entry(std::ptr::from_ref(job.module)).or_insert(n_known)
            })
            .collect();
        if ranks.len() > 1 {
            order.sort_by_key(|&idx| by_job.get(idx).copied());
        }
        let chunk = (jobs.len() / (n_workers.max(1) * CHUNKS_PER_WORKER)).clamp(1, CHUNK_MAX);
        Self { order, cursor: AtomicUsize::new(0), chunk }
    }

    /// Returns the number of workers that can find work.
    pub fn n_useful(&self, n_workers: usize) -> usize {
        n_workers.min(self.order.len().div_ceil(self.chunk))
    }

    /// Takes the next chunk of job indices; empty when all are taken.
    pub fn take(&self) -> &[usize] {
        let start = self.cursor.fetch_add(self.chunk, Ordering::Relaxed).min(self.order.len());
        let end = (start + self.chunk).min(self.order.len());
        self.order.get(start..end).unwrap_or_default()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn queue(n_jobs: usize, chunk: usize) -> Queue {
        Queue { order: (0..n_jobs).collect(), cursor: AtomicUsize::new(0), chunk }
    }

    #[test]
    fn every_job_is_taken_once() {
        for n_jobs in [0, 1, 15, 16, 17, 1000] {
            let queue = queue(n_jobs, CHUNK_MAX);
            let chunks: Vec<&[usize]> =
                std::iter::from_fn(|| Some(queue.take()).filter(|it| !it.is_empty())).collect();
            assert_eq!(chunks.concat(), (0..n_jobs).collect::<Vec<_>>());
            assert!(queue.take().is_empty());
        }
    }

    #[test]
    fn few_jobs_wake_few_workers() {
        assert_eq!(queue(0, 1).n_useful(8), 0);
        assert_eq!(queue(3, 1).n_useful(8), 3);
        assert_eq!(queue(33, 16).n_useful(8), 3);
    }
}

//! Advances the engine's epoch so that modules which never call the host notice their deadline.

use std::process;
use std::sync::mpsc::{RecvTimeoutError, Sender, channel};
use std::thread::JoinHandle;
use std::time::Duration;

use wasmtime::Engine;

/// A thread that ticks until it is dropped.
#[derive(Debug)]
pub(crate) struct Ticker {
    stop: Option<Sender<()>>,
    thread: Option<JoinHandle<()>>,
    /// The process that has the thread; one forked from it would wait for it for ever.
    process: u32,
}

impl Ticker {
    pub fn start(engine: &Engine, period: Duration) -> std::io::Result<Self> {
        let (stop, stopped) = channel();
        let engine = engine.clone();
        let thread =
            std::thread::Builder::new().name("chimera-ticker".to_owned()).spawn(move || {
                while stopped.recv_timeout(period) == Err(RecvTimeoutError::Timeout) {
                    engine.increment_epoch();
                }
            })?;
        Ok(Self { stop: Some(stop), thread: Some(thread), process: process::id() })
    }
}

impl Drop for Ticker {
    fn drop(&mut self) {
        drop(self.stop.take());
        if let Some(thread) = self.thread.take().filter(|_| self.process == process::id()) {
            // A panicked ticker has nothing left to clean up.
            let _ = thread.join();
        }
    }
}

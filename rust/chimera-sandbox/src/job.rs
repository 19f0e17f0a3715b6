//! One call of a compiled module: its inputs, its layout rules, its outcome.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use crate::error::{Error, Result};
use crate::module::CompiledModule;

/// The bits every NaN has when it leaves the sandbox.
pub const CANONICAL_NAN: u64 = 0x7ff8_0000_0000_0000;

/// Returns the bits of a float with every NaN made canonical.
#[must_use]
pub fn canonical_bits(bits: u64) -> u64 {
    if f64::from_bits(bits).is_nan() { CANONICAL_NAN } else { bits }
}

/// A flag that ends a running batch; clones share it.
#[derive(Debug, Clone, Default)]
pub struct CancelFlag(Arc<AtomicBool>);

impl CancelFlag {
    /// Returns a flag that is not raised.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// Ends the batch: running jobs stop at their next refill, the others do not begin.
    pub fn raise(&self) {
        self.0.store(true, Ordering::Release);
    }

    /// Says whether the flag is raised.
    #[must_use]
    pub fn is_raised(&self) -> bool {
        self.0.load(Ordering::Acquire)
    }
}

/// How a batch runs.
#[derive(Debug, Clone, Default)]
pub struct Options {
    /// Flag that ends the batch.
    pub cancel: Option<CancelFlag>,
    /// Gives every job an instance of its own.
    pub is_fresh: bool,
}

/// What a result slot holds.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum SlotKind {
    /// An integer, a boolean or an address: left as it is.
    Bits,
    /// A float: NaNs become [`CANONICAL_NAN`].
    Float,
}

/// Values for the parameter region, instead of the module's own.
#[derive(Debug, Clone, Copy)]
pub struct Parameters<'a> {
    /// Address of the first slot.
    pub base: u32,
    /// The slots.
    pub slots: &'a [u64],
}

/// Encoded arguments and frames.
#[derive(Debug, Clone, Copy)]
pub struct Image<'a> {
    /// Address of the first byte.
    pub base: u32,
    /// The bytes; what lies between them and `end` is zero at the start of the call.
    pub bytes: &'a [u8],
    /// Address of the first frame.
    pub frame: u32,
    /// End of the image; the heap begins at the next multiple of 16.
    pub end: u32,
}

/// One call of an entry, or of many consecutive frames.
#[derive(Debug, Clone, Copy)]
pub struct Job<'a> {
    /// The module.
    pub module: &'a CompiledModule,
    /// Full name of the export: `call:NAME` or `many:NAME`.
    pub entry: &'a str,
    /// Parameter values; `None` leaves those of the module.
    pub parameters: Option<Parameters<'a>>,
    /// Arguments and frames.
    pub image: Image<'a>,
    /// Parameters per frame.
    pub n_params: u32,
    /// Results per frame.
    pub results: &'a [SlotKind],
    /// Number of frames; 1 for `call:` entries.
    pub n_frames: u32,
    /// Fuel of this job if less than `Limits::fuel_max`.
    pub fuel_max: Option<u64>,
}

impl Job<'_> {
    /// Returns the bytes from one frame to the next.
    pub(crate) fn stride(&self) -> u64 {
        8 * (u64::from(self.n_params) + self.results.len() as u64)
    }

    /// Checks the layout and finds the entry; `job` is the index for messages.
    pub(crate) fn resolve(&self, job: usize) -> Result<usize> {
        let Some((entry, is_many)) = self.module.entry(self.entry) else {
            return Err(Error::Entry { job, entry: self.entry.to_owned() });
        };
        let image = &self.image;
        let end = u64::from(image.end);
        let image_end = u64::from(image.base) + image.bytes.len() as u64;
        let frames_end = u64::from(self.n_frames)
            .checked_mul(self.stride())
            .and_then(|bytes| bytes.checked_add(u64::from(image.frame)))
            .unwrap_or(u64::MAX);
        let parameters_end = self
            .parameters
            .map_or(0, |region| u64::from(region.base) + 8 * region.slots.len() as u64);
        let rules = [
            (is_many || self.n_frames == 1, "one frame per call", u64::from(self.n_frames)),
            (image_end <= end, "the image to end before `end`", image_end),
            (image.frame >= image.base, "frames inside the image", u64::from(image.frame)),
            (frames_end <= end, "the frames to end before `end`", frames_end),
            (
                parameters_end <= u64::from(image.base),
                "parameters to end before the image",
                parameters_end,
            ),
            (end <= u64::from(u32::MAX - 15), "an image below 4 GiB", end),
        ];
        match rules.into_iter().find(|(holds, ..)| !holds) {
            Some((_, expected, got)) => Err(Error::Layout { job, expected, got }),
            None => Ok(entry),
        }
    }
}

/// How a job ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Status {
    /// All frames returned.
    Ok,
    /// The module trapped; `trap_site` or `message` says where or why.
    Trap,
    /// The fuel is spent.
    Fuel,
    /// The time is over.
    Deadline,
    /// The image does not fit the memory limit, or the module left its memory.
    Memory,
    /// The WebAssembly stack is spent.
    Stack,
    /// The caller raised the [`CancelFlag`].
    Cancelled,
}

/// What a job left behind.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Outcome {
    /// How it ended.
    pub status: Status,
    /// Result slots of the frames that returned, in order.
    pub results: Vec<u64>,
    /// Number of frames that returned.
    pub n_done: u32,
    /// Index into the module's site table, if the module itself trapped.
    pub trap_site: Option<u32>,
    /// The engine's message for a trap without a site.
    pub message: Option<String>,
    /// Fuel used; the same on every machine and thread count unless the deadline or the caller
    /// stopped the job.
    pub fuel_used: u64,
    /// Wall clock time of the job without instantiation, in nanoseconds.
    pub elapsed_ns: u64,
}

impl Outcome {
    /// Returns the outcome of a job that ended before it began.
    pub(crate) fn unstarted(status: Status) -> Self {
        Self {
            status,
            results: Vec::new(),
            n_done: 0,
            trap_site: None,
            message: None,
            fuel_used: 0,
            elapsed_ns: 0,
        }
    }
}

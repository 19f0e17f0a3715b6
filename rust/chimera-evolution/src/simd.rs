//! Run a loop with the widest vectors of this processor.
//!
//! Only elementwise arithmetic and explicit `mul_add` are used in dispatched loops, and reductions
//! keep a fixed number of partial sums: so every processor computes the same bits.

/// Run `work` compiled for the best instruction set present. `work` and what it calls must be
/// `#[inline(always)]` to be compiled along.
#[inline]
pub fn dispatch<R>(work: impl FnOnce() -> R) -> R {
    pulp::Arch::new().dispatch(work)
}

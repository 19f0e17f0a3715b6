//! Anonymous mappings that begin on a huge page.

use std::ptr::null_mut;

use libc::{
    MADV_HUGEPAGE, MAP_ANONYMOUS, MAP_FAILED, MAP_NORESERVE, MAP_PRIVATE, MREMAP_FIXED,
    MREMAP_MAYMOVE, PROT_NONE, PROT_READ, PROT_WRITE, c_int, madvise, mmap, mremap, munmap,
};

/// Every mapping begins at a multiple of this: a huge page on x86-64, and on arm64 with 4 KiB pages.
pub const ALIGNMENT: usize = 2 << 20;

/// A multiple of every page size in use (4, 16 and 64 KiB), so that lengths need no look-up.
const STEP: usize = 64 << 10;

/// The length of the mapping of a block of `size` bytes.
const fn len(size: usize) -> Option<usize> {
    size.checked_next_multiple_of(STEP)
}

/// A fresh block of zeros, not touched yet; null where the system gives none.
pub fn map(size: usize) -> *mut u8 {
    let Some(len) = len(size) else { return null_mut() };
    let block = reserve(len, PROT_READ | PROT_WRITE, 0);
    if !block.is_null() {
        // SAFETY: the range is a mapping of ours; the advice changes no contents and may be refused.
        unsafe { madvise(block.cast(), len, MADV_HUGEPAGE) };
    }
    block
}

/// Gives a block back.
///
/// # Safety
/// The block came from [`map`] or [`remap`] with this size, and nobody uses it any more.
pub unsafe fn unmap(block: *mut u8, size: usize) {
    if let Some(len) = len(size) {
        // SAFETY: the range is the whole mapping, by the caller's promise.
        unsafe { munmap(block.cast(), len) };
    }
}

/// The block with another size: its tail given back, or its pages moved to where there is room. Null,
/// and the block as it was, where the system gives no more.
///
/// # Safety
/// The block came from [`map`] or [`remap`] with `size`; it is given up unless the result is null.
pub unsafe fn remap(block: *mut u8, size: usize, new: usize) -> *mut u8 {
    let (Some(old_len), Some(new_len)) = (len(size), len(new)) else { return null_mut() };
    // SAFETY: the range is the whole mapping; without flags it stays where it is or nothing happens.
    let here = unsafe { mremap(block.cast(), old_len, new_len, 0) };
    if here != MAP_FAILED {
        return block;
    }
    if new_len <= old_len {
        return null_mut(); // a move that fails may have given the tail back before
    }
    let place = reserve(new_len, PROT_NONE, MAP_NORESERVE);
    if place.is_null() {
        return null_mut();
    }
    let flags = MREMAP_MAYMOVE | MREMAP_FIXED;
    // SAFETY: the target is a mapping of ours of that length, which the move replaces; the source is
    // the whole mapping. The advice moves with it.
    let moved = unsafe { mremap(block.cast(), old_len, new_len, flags, place) };
    // A failed move may have unmapped its target already, and another thread may have taken the addresses
    // since: giving them back here could hit it. What stays reserved instead is no memory.
    if moved == MAP_FAILED { null_mut() } else { moved.cast() }
}

/// A mapping of `len` bytes that begins at a multiple of [`ALIGNMENT`]; null where there is none.
fn reserve(len: usize, protection: c_int, flags: c_int) -> *mut u8 {
    let Some(whole) = len.checked_add(ALIGNMENT) else { return null_mut() };
    let flags = MAP_PRIVATE | MAP_ANONYMOUS | flags;
    // SAFETY: a new anonymous mapping at an address of the kernel's choice touches no other.
    let start = unsafe { mmap(null_mut(), whole, protection, flags, -1, 0) };
    if start == MAP_FAILED {
        return null_mut();
    }
    let start = start.cast::<u8>();
    let skip = start.addr().wrapping_neg() % ALIGNMENT;
    let block = start.wrapping_add(skip);
    if skip > 0 {
        // SAFETY: the head before the block is part of the mapping made above.
        unsafe { munmap(start.cast(), skip) };
    }
    // SAFETY: so is the tail behind it; it is not empty, since `skip` is less than `ALIGNMENT`.
    unsafe { munmap(block.wrapping_add(len).cast(), ALIGNMENT - skip) };
    block
}

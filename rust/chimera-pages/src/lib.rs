//! The system's allocator, with large blocks on huge pages.
//!
//! Populations, archives and distance tables are tens of megabytes. On pages of 4 KiB their first touch
//! costs a fault for every 4 KiB, and scattered rows miss the translation cache; where the kernel
//! grants huge pages only on request (`transparent_hugepage=madvise`, the usual default), a program
//! must ask. NumPy does so for its arrays; this does it for memory that Rust owns.
//!
//! A large block is a mapping of its own that begins on a huge page. It grows by moving page tables
//! instead of bytes, which costs nothing only while both ends are aligned so: the system's own
//! `realloc` loses the alignment, and the kernel then splits every page. The advice is a hint: refused,
//! all works as before. Elsewhere than on Linux this is the system's allocator.
#![allow(unsafe_code, reason = "an allocator implements an unsafe trait")]

#[cfg(target_os = "linux")]
mod mapping;

use std::alloc::{GlobalAlloc, Layout, System};

/// Blocks from this size on are mapped, as NumPy advises them: smaller ones gain nothing.
pub const LARGE_BYTES: usize = 4 << 20;

/// See the crate.
#[derive(Clone, Copy, Debug, Default)]
pub struct HugePages;

#[cfg(not(target_os = "linux"))]
mod mapping {
    //! No mappings: everything is the system's.
    pub const ALIGNMENT: usize = 0;

    pub fn map(_size: usize) -> *mut u8 {
        std::ptr::null_mut()
    }

    pub unsafe fn unmap(_block: *mut u8, _size: usize) {}

    pub unsafe fn remap(_block: *mut u8, _size: usize, _new: usize) -> *mut u8 {
        std::ptr::null_mut()
    }
}

/// Whether blocks of this layout are mappings; depends on nothing else, so that every call agrees.
const fn is_mapped(size: usize, align: usize) -> bool {
    size >= LARGE_BYTES && align <= mapping::ALIGNMENT
}

// SAFETY: a block is either a mapping or from `System`, told apart by its layout alone, and both give
// memory of at least that size and alignment. Broken, the tests below would lose bytes.
unsafe impl GlobalAlloc for HugePages {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        if is_mapped(layout.size(), layout.align()) {
            return mapping::map(layout.size());
        }
        // SAFETY: the caller's promise is the one that `System` asks for.
        unsafe { System.alloc(layout) }
    }

    unsafe fn alloc_zeroed(&self, layout: Layout) -> *mut u8 {
        if is_mapped(layout.size(), layout.align()) {
            return mapping::map(layout.size()); // fresh pages are zero
        }
        // SAFETY: as in `alloc`.
        unsafe { System.alloc_zeroed(layout) }
    }

    unsafe fn dealloc(&self, block: *mut u8, layout: Layout) {
        if is_mapped(layout.size(), layout.align()) {
            // SAFETY: a block of this layout is a mapping of this size.
            unsafe { mapping::unmap(block, layout.size()) }
        } else {
            // SAFETY: as in `alloc`; the block came from `System`.
            unsafe { System.dealloc(block, layout) }
        }
    }

    unsafe fn realloc(&self, block: *mut u8, layout: Layout, size: usize) -> *mut u8 {
        let (old, align) = (layout.size(), layout.align());
        match (is_mapped(old, align), is_mapped(size, align)) {
            (true, true) => {
                // SAFETY: a block of this layout is a mapping of this size.
                let target = unsafe { mapping::remap(block, old, size) };
                if !target.is_null() {
                    return target;
                }
                // Pages may not move, as where somebody advised a part of the block: bytes may.
                // SAFETY: the block is as it was, and the caller's promise holds for it.
                unsafe { moved(block, layout, size) }
            }
            // SAFETY: as in `alloc`; the block came from `System` and stays there.
            (false, false) => unsafe { System.realloc(block, layout, size) },
            // SAFETY: the caller's promise, with another kind of memory on the other side.
            _ => unsafe { moved(block, layout, size) },
        }
    }
}

/// A block of `size` bytes with the contents of another, which is freed; null and nothing done where
/// memory is out.
///
/// # Safety
/// As [`GlobalAlloc::realloc`].
unsafe fn moved(block: *mut u8, layout: Layout, size: usize) -> *mut u8 {
    let Ok(new) = Layout::from_size_align(size, layout.align()) else {
        return std::ptr::null_mut();
    };
    // SAFETY: `size` is not 0, by the caller's promise.
    let target = unsafe { HugePages.alloc(new) };
    if !target.is_null() {
        // SAFETY: both hold that many bytes, and a fresh block overlaps no other.
        unsafe { std::ptr::copy_nonoverlapping(block, target, layout.size().min(size)) };
        // SAFETY: the block has this layout and is given up.
        unsafe { HugePages.dealloc(block, layout) };
    }
    target
}

#[cfg(test)]
mod tests {
    use super::*;

    #[global_allocator]
    static ALLOCATOR: HugePages = HugePages;

    #[test]
    fn test_growing_blocks_keep_their_bytes() {
        let is_kept = |values: &[u64]| values.iter().zip(0_u64..).all(|(value, idx)| *value == idx);
        let mut values: Vec<u64> = Vec::new();
        while values.len() < LARGE_BYTES / 2 {
            let n = values.len() as u64;
            values.extend(n..n + 10_007);
        }
        assert!(is_kept(&values));
        values.truncate(LARGE_BYTES / 8 + 1);
        values.shrink_to_fit();
        assert!(is_kept(&values));
    }

    #[test]
    #[cfg(target_os = "linux")]
    fn test_blocks_whose_pages_cannot_move_are_copied() {
        for new in [5 * LARGE_BYTES, LARGE_BYTES + 1] {
            let layout = Layout::from_size_align(2 * LARGE_BYTES, 8).unwrap();
            // SAFETY: the layout has a size.
            let block = unsafe { HugePages.alloc(layout) };
            assert!(!block.is_null());
            // SAFETY: the block has that many bytes, and nobody else knows it.
            unsafe { block.write_bytes(7, layout.size()) };
            let half = block.wrapping_add(LARGE_BYTES).cast();
            // SAFETY: the second half of the mapping; the advice splits it off.
            let advised = unsafe { libc::madvise(half, LARGE_BYTES, libc::MADV_DONTFORK) };
            assert_eq!(advised, 0);
            // SAFETY: the block came from there with this layout.
            let target = unsafe { HugePages.realloc(block, layout, new) };
            assert!(!target.is_null());
            // SAFETY: the new block holds at least the lesser of both sizes.
            let bytes = unsafe { std::slice::from_raw_parts(target, new.min(layout.size())) };
            assert!(bytes.iter().all(|byte| *byte == 7));
            // SAFETY: the block came from there with this size.
            unsafe { HugePages.dealloc(target, Layout::from_size_align(new, 8).unwrap()) };
        }
    }

    #[test]
    fn test_large_zeroed_blocks_are_zero() {
        for size in [LARGE_BYTES - 1, LARGE_BYTES, LARGE_BYTES + 4097] {
            let mut bytes = vec![0_u8; size];
            assert!(bytes.iter().all(|byte| *byte == 0));
            bytes.fill(255); // whoever gets the memory next sees zeros again
        }
    }

    #[test]
    fn test_blocks_cross_the_limit_both_ways() {
        let mut values: Vec<u32> = (0..1000).collect();
        for capacity in [LARGE_BYTES / 4 - 1, LARGE_BYTES / 4, LARGE_BYTES, LARGE_BYTES / 3, 1000] {
            values.shrink_to(capacity);
            values.reserve_exact(capacity - values.len());
            assert_eq!(values.capacity(), capacity);
            assert!(values.iter().zip(0..).all(|(value, idx)| *value == idx));
        }
    }

    #[test]
    fn test_impossible_sizes_are_refused() {
        let mut values: Vec<u8> = Vec::with_capacity(LARGE_BYTES);
        values.push(7);
        assert!(values.try_reserve_exact(1 << 60).is_err());
        assert!(Vec::<u8>::new().try_reserve_exact(isize::MAX as usize).is_err());
        assert_eq!(values, [7]);
    }

    #[test]
    fn test_alignment_is_kept() {
        let layout = Layout::from_size_align(LARGE_BYTES + 13, 1 << 22).unwrap();
        // SAFETY: the layout has a size.
        let block = unsafe { HugePages.alloc(layout) };
        assert!(!block.is_null() && block.addr().is_multiple_of(1 << 22));
        // SAFETY: the block came from there with the same layout.
        unsafe { HugePages.dealloc(block, layout) };
    }

    #[test]
    #[cfg(target_os = "linux")]
    fn test_large_blocks_ask_for_huge_pages() {
        let block = vec![1_u8; 4 * LARGE_BYTES];
        let maps = std::fs::read_to_string("/proc/self/smaps").unwrap();
        let (middle, mut is_inside) = (block.as_ptr().addr() + 2 * LARGE_BYTES, false);
        for line in maps.lines() {
            let range = line.split_once(' ').and_then(|(range, _)| range.split_once('-'));
            if let Some((Ok(from), Ok(to))) = range
                .map(|(from, to)| (usize::from_str_radix(from, 16), usize::from_str_radix(to, 16)))
            {
                is_inside = (from..to).contains(&middle);
            }
            if let (true, Some(flags)) = (is_inside, line.strip_prefix("VmFlags:")) {
                // A kernel built without huge pages knows no such flag; it refused the advice.
                let is_known = std::path::Path::new("/sys/kernel/mm/transparent_hugepage").exists();
                assert!(!is_known || flags.split_whitespace().any(|flag| flag == "hg"));
                return;
            }
        }
        panic!("the block is in no mapping");
    }
}

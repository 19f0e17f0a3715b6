//! The platform's mathematical functions under their C names, as `CPython` calls them.
//!
//! Contract C1 asks for bit equality with `CPython`'s `math`, which calls the C library; so this is
//! a list of symbols and not an implementation. Naming a symbol is not enough: Rust's own runtime
//! carries a `cbrt` and a `fmod` that win at link time, and its `cbrt` differs from glibc's in the
//! last bits. So the dynamic linker is asked first, and the linked symbol is the fallback.
//! The only unsafe code of the crate lives here.

use std::sync::LazyLock;

/// A function of one argument.
pub type Unary = extern "C" fn(f64) -> f64;
/// A function of two arguments.
pub type Binary = extern "C" fn(f64, f64) -> f64;

macro_rules! declare {
    ($($one:ident)*; $($two:ident)*) => {
        mod linked {
            #![expect(unsafe_code, reason = "the C library is reached by declaration only")]
            // SAFETY: the signatures are those of C99 <math.h> (double is f64); the functions take
            // and return plain values, touch no memory but errno and the rounding flags, and are
            // defined for every argument, so calling them is safe. The linker fails if one is
            // missing; the test `math_equals_cpython` breaks if a signature is wrong.
            #[cfg_attr(unix, link(name = "m"))]
            unsafe extern "C" {
                $(pub(super) safe fn $one(x: f64) -> f64;)*
                $(pub(super) safe fn $two(x: f64, y: f64) -> f64;)*
            }
        }
        // A frame of its own: the address of a foreign item is not a safe function pointer.
        $(extern "C" fn $one(x: f64) -> f64 { linked::$one(x) })*
        $(extern "C" fn $two(x: f64, y: f64) -> f64 { linked::$two(x, y) })*

        static UNARY: LazyLock<Vec<(&str, Unary)>> = LazyLock::new(|| {
            vec![$((stringify!($one), loaded::unary(concat!(stringify!($one), "\0"), $one))),*]
        });
        static BINARY: LazyLock<Vec<(&str, Binary)>> = LazyLock::new(|| {
            vec![$((stringify!($two), loaded::binary(concat!(stringify!($two), "\0"), $two))),*]
        });
    };
}

declare! {
    exp exp2 expm1 log log2 log10 log1p sin cos tan asin acos atan sinh cosh tanh
    asinh acosh atanh erf erfc cbrt;
    pow atan2 fmod
}

/// Returns the functions of one argument that a module may import, with their C names.
#[must_use]
pub fn unary_functions() -> &'static [(&'static str, Unary)] {
    &UNARY
}

/// Returns the functions of two arguments that a module may import, with their C names.
#[must_use]
pub fn binary_functions() -> &'static [(&'static str, Binary)] {
    &BINARY
}

#[cfg(any(target_os = "linux", target_os = "macos"))]
mod loaded {
    #![expect(unsafe_code, reason = "the dynamic linker hands out untyped addresses")]

    use std::ffi::{CStr, c_char, c_void};
    use std::mem::transmute;

    use super::{Binary, Unary};

    /// `RTLD_DEFAULT`: search what the process has loaded, in the order of the dynamic linker.
    const DEFAULT: usize = if cfg!(target_os = "macos") { usize::MAX - 1 } else { 0 };

    // SAFETY: the signature is that of POSIX <dlfcn.h>; every process that runs Rust's standard
    // library on these systems has it. The test `math_equals_cpython` would not start without.
    unsafe extern "C" {
        fn dlsym(handle: *mut c_void, symbol: *const c_char) -> *mut c_void;
    }

    fn address(name: &str) -> Option<*mut c_void> {
        let name = CStr::from_bytes_with_nul(name.as_bytes()).ok()?;
        // SAFETY: `name` ends with a zero byte and outlives the call; the handle is the constant of
        // the system's header. The test `math_equals_cpython` breaks if it is not.
        let found = unsafe { dlsym(DEFAULT as *mut c_void, name.as_ptr()) };
        (!found.is_null()).then_some(found)
    }

    pub(super) fn unary(name: &str, linked: Unary) -> Unary {
        // SAFETY: the address is that of the C function of this name, whose C99 signature is
        // `double (double)`; libraries named at process start are never unloaded. The test
        // `math_equals_cpython` breaks if a name of two arguments stands in this list.
        address(name).map_or(linked, |found| unsafe { transmute::<*mut c_void, Unary>(found) })
    }

    pub(super) fn binary(name: &str, linked: Binary) -> Binary {
        // SAFETY: as in `unary`, with the C99 signature `double (double, double)`.
        address(name).map_or(linked, |found| unsafe { transmute::<*mut c_void, Binary>(found) })
    }
}

#[cfg(not(any(target_os = "linux", target_os = "macos")))]
mod loaded {
    use super::{Binary, Unary};

    pub(super) fn unary(_name: &str, linked: Unary) -> Unary {
        linked
    }

    pub(super) fn binary(_name: &str, linked: Binary) -> Binary {
        linked
    }
}

//! Tests of tree genetic programming, by file.

#![allow(clippy::cast_possible_truncation, reason = "reference values are rounded on purpose")]

mod machine;
mod math;
mod search;

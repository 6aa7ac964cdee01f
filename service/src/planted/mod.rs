//! Faults of logic that can be planted in the real code, one at a time, to show which check notices which: a check that
//! never fails shows nothing. Each is one line where it would be made: `if planted(Fault::X) { … }`.
//!
//! Without the feature `planted-faults` nothing is ever planted, and the compiler removes the lines.

mod faults;
#[cfg(feature = "planted-faults")]
mod switch;

pub use faults::Fault;
#[cfg(feature = "planted-faults")]
pub use switch::{Planted, plant, planted};

/// Names the fault that is planted from the start of a process: of logic, or of its disk.
pub const VARIABLE: &str = "WEIR_PLANTED_FAULT";

/// Whether this fault is planted. Here none ever is.
#[cfg(not(feature = "planted-faults"))]
#[inline]
pub const fn planted(_fault: Fault) -> bool {
    false
}

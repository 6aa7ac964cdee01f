//! A process that must not outlive the one that started it, however that one ends.

use rustix::process::{Signal, getppid, set_parent_process_death_signal};
use std::io;

/// Why a process can't be tied to its parent.
#[derive(Debug, thiserror::Error)]
pub enum ParentError {
    #[error("can't ask to end with process {0}")]
    Signal(u32, #[source] io::Error),
    #[error("process {0}, which started this one, is gone")]
    Gone(u32),
}

/// From now on the kernel kills this process when the thread of `parent` that started it ends.
///
/// # Errors
/// [`ParentError`]; `parent` may have ended before this was asked for.
pub fn end_with(parent: u32) -> Result<(), ParentError> {
    let asked = set_parent_process_death_signal(Some(Signal::KILL));
    asked.map_err(|error| ParentError::Signal(parent, error.into()))?;
    let found = getppid().map(|found| found.as_raw_nonzero().get().unsigned_abs());
    if found == Some(parent) { Ok(()) } else { Err(ParentError::Gone(parent)) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_parent_that_is_gone_is_noticed() {
        let error = end_with(u32::MAX).unwrap_err();
        set_parent_process_death_signal(None).unwrap();
        assert_eq!(error.to_string(), "process 4294967295, which started this one, is gone");
    }
}

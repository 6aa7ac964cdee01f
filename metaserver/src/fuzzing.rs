//! The metaserver's fuzz targets: whatever lies on its disk is read by one of them. Checksums are put right where the
//! input is what they cover, so that what lies behind them is reached too.

use crate::records;
use crate::store::embedded::fuzzing::{
    changes, checkpoint, followed_frame, journal, standby_notes, state_file, values,
};
use weir_service::fuzzing::Target;

/// All of them.
pub const TARGETS: &[Target] = &[
    ("records", records::fuzzing::records),
    ("record_keys", records::fuzzing::record_keys),
    ("changes", changes),
    ("checkpoint", checkpoint),
    ("journal", journal),
    ("state_file", state_file),
    ("values", values),
    ("standby_notes", standby_notes),
    ("followed_frame", followed_frame),
];

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nothing_that_was_kept_is_a_finding() {
        weir_service::fuzzing::replay(TARGETS);
    }
}

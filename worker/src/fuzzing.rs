//! The worker's fuzz targets: whatever lies on its disk is read by one of them.

use crate::store::fuzzing::{block_file, segment, segment_index};
use weir_service::fuzzing::Target;

/// All of them.
pub const TARGETS: &[Target] = &[("block_file", block_file), ("segment", segment), ("segment_index", segment_index)];

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nothing_that_was_kept_is_a_finding() {
        weir_service::fuzzing::replay(TARGETS);
    }
}

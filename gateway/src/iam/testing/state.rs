//! What the service `Access` in memory knows.

use crate::auth::Directory;

pub(super) struct State {
    pub directory: Directory,
    pub now_ms: i64,
    pub made: u64,
}

impl State {
    /// An id that no other has: `AIDA00000000000000001`.
    pub fn new_id(&mut self, prefix: &str) -> String {
        self.made += 1;
        format!("{prefix}{:017}", self.made)
    }
}

//! How many files and sockets this process may have open.

use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};

/// Raises the soft limit as far as the hard one lets, and returns it; none: there is no limit. Most systems start
/// processes with 1,024, which is fewer than a gateway has connections.
pub fn raise() -> Option<u64> {
    let limit = getrlimit(Resource::Nofile);
    let raised = Rlimit { current: limit.maximum, maximum: limit.maximum };
    match setrlimit(Resource::Nofile, raised) {
        Ok(()) => limit.maximum,
        Err(_) => limit.current,
    }
}

#[cfg(test)]
mod tests {
    #[test]
    fn the_limit_is_raised_to_what_is_allowed() {
        assert!(super::raise().is_none_or(|limit| limit >= 256));
    }
}

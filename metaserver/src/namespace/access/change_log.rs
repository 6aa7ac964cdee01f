//! Which entries of the directory changed with which version, for as many of the latest changes as are worth keeping.
//! It lies in memory alone: after a start it is empty, and reaches back to the version of that moment.

use super::directory::Name;
use super::limits::MAX_LOGGED_CHANGES;
use std::collections::{BTreeSet, VecDeque};

#[derive(Debug)]
pub(super) struct ChangeLog {
    /// All changes after this version are here.
    floor: u64,
    changes: VecDeque<(u64, Name)>,
}

impl ChangeLog {
    pub fn from_version(version: u64) -> Self {
        Self { floor: version, changes: VecDeque::new() }
    }

    pub fn push(&mut self, version: u64, names: impl Iterator<Item = Name>) {
        for name in names {
            if self.changes.len() == MAX_LOGGED_CHANGES
                && let Some((forgotten, _)) = self.changes.pop_front()
            {
                self.floor = forgotten;
            }
            self.changes.push_back((version, name));
        }
    }

    /// What has changed after a version; none: that is not known any more.
    pub fn since(&self, version: u64) -> Option<BTreeSet<Name>> {
        let later = self.changes.iter().rev().take_while(|(changed, _)| *changed > version);
        (version >= self.floor).then(|| later.map(|(_, name)| name.clone()).collect())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use weir_proto::v1::AccessKind;

    fn name(n: u64) -> Name {
        Name::new(AccessKind::User, format!("u{n}"))
    }

    #[test]
    fn what_changed_after_a_version_is_named_once() {
        let mut log = ChangeLog::from_version(7);
        for (version, n) in [(8, 1), (9, 2), (10, 1)] {
            log.push(version, [name(n)].into_iter());
        }
        assert_eq!(log.since(6), None);
        assert_eq!(log.since(7), Some([name(1), name(2)].into()));
        assert_eq!(log.since(9), Some([name(1)].into()));
        assert_eq!(log.since(10), Some(BTreeSet::new()));
    }

    #[test]
    fn a_change_that_was_forgotten_in_part_is_forgotten() {
        let mut log = ChangeLog::from_version(1);
        log.push(2, (0..3).map(name));
        log.push(3, (0..MAX_LOGGED_CHANGES as u64 - 1).map(name));
        assert_eq!(log.since(1), None, "one of the entries of version 2 is left");
        assert_eq!(log.since(2).map(|names| names.len()), Some(MAX_LOGGED_CHANGES - 1));
    }
}

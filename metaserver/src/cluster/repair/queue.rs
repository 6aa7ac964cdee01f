//! Blocks that need something, the most endangered first. Bounded: what does not fit is found by a later look at all
//! blocks.

use super::RETRY_MS;
use std::collections::{BTreeSet, HashMap};

/// Blocks that can wait.
const MAX_ENTRIES: usize = 100_000;

/// Entries that one search for due ones passes over.
const MAX_PASSED: usize = 10_000;

/// A block that is to be looked at, and what for.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Entry {
    pub block_id: u64,
    pub urgency: Urgency,
    pub not_before_ms: i64,
    /// Who failed to take a copy.
    pub avoided: Option<u64>,
    /// Who has a copy that does not count.
    pub preferred: Option<u64>,
    /// For the parts before this one they were asked in vain.
    pub asked_before: usize,
    /// From whom to whom a copy is to be moved when nothing else is needed.
    pub moved: Option<(u64, u64)>,
}

impl Entry {
    /// Takes over what another entry of the block knows of workers, where it knows nothing itself.
    fn learn(&mut self, other: &Self) {
        self.avoided = self.avoided.or(other.avoided);
        if self.preferred.is_none() {
            (self.preferred, self.asked_before) = (other.preferred, other.asked_before);
        }
    }
}

/// Smaller is earlier.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(crate) enum Urgency {
    /// Not known yet: whoever looks at it finds out.
    #[default]
    Unknown,
    /// So many copies are left that count.
    Copies(usize),
    /// Nothing is missing.
    Tidying,
    Moving,
}

#[derive(Debug, Default)]
pub(crate) struct Queue {
    order: BTreeSet<(Urgency, u64)>,
    entries: HashMap<u64, Entry>,
    /// Something did not fit since this was last asked.
    overflowed: bool,
}

impl Queue {
    pub fn len(&self) -> usize {
        self.entries.len()
    }

    pub fn take_overflowed(&mut self) -> bool {
        std::mem::take(&mut self.overflowed)
    }

    /// Adds a block. One that is there keeps the more urgent place, and what is known of workers.
    pub fn push(&mut self, mut entry: Entry) {
        if let Some(known) = self.entries.get_mut(&entry.block_id) {
            if known.urgency <= entry.urgency {
                known.learn(&entry);
                return;
            }
            entry.learn(known);
            self.remove(entry.block_id);
        }
        if self.entries.len() >= MAX_ENTRIES {
            self.overflowed = true;
            match self.order.last() {
                Some((urgency, last)) if *urgency > entry.urgency => {
                    let last = *last;
                    self.remove(last);
                }
                _ => return,
            }
        }
        self.order.insert((entry.urgency, entry.block_id));
        self.entries.insert(entry.block_id, entry);
    }

    fn remove(&mut self, block_id: u64) -> Option<Entry> {
        let entry = self.entries.remove(&block_id)?;
        self.order.remove(&(entry.urgency, block_id));
        Some(entry)
    }

    /// Takes the most urgent entries that are due.
    pub fn take_due(&mut self, limit: usize, now_ms: i64) -> Vec<Entry> {
        // None is put off by more than RETRY_MS: if one is, the clock was set back.
        let is_early = |entry: &Entry| (1..=RETRY_MS).contains(&entry.not_before_ms.saturating_sub(now_ms));
        let is_due = |id: &u64| self.entries.get(id).is_some_and(|entry| !is_early(entry));
        let due = self.order.iter().take(MAX_PASSED).map(|(_, id)| *id).filter(is_due);
        let due: Vec<u64> = due.take(limit).collect();
        due.into_iter().filter_map(|block_id| self.remove(block_id)).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn entry(block_id: u64, urgency: Urgency) -> Entry {
        Entry { block_id, urgency, ..Entry::default() }
    }

    #[test]
    fn the_most_endangered_come_first_and_none_before_its_time() {
        let mut queue = Queue::default();
        queue.push(entry(1, Urgency::Moving));
        queue.push(entry(2, Urgency::Copies(2)));
        queue.push(entry(3, Urgency::Copies(1)));
        queue.push(Entry { not_before_ms: 50, ..entry(4, Urgency::Copies(1)) });
        queue.push(entry(5, Urgency::Tidying));
        queue.push(entry(1, Urgency::Unknown));
        queue.push(entry(2, Urgency::Moving));
        let ids = |entries: Vec<Entry>| entries.iter().map(|entry| entry.block_id).collect::<Vec<_>>();
        assert_eq!(ids(queue.take_due(2, 0)), [1, 3]);
        assert_eq!(ids(queue.take_due(9, 0)), [2, 5]);
        assert_eq!((queue.len(), ids(queue.take_due(9, 50))), (1, vec![4]));
    }

    #[test]
    fn what_is_known_of_workers_is_kept_whichever_entry_stays() {
        let knows = |urgency| Entry { preferred: Some(7), asked_before: 2, ..entry(1, urgency) };
        let avoids = Entry { avoided: Some(8), ..entry(1, Urgency::Tidying) };
        for urgency in [Urgency::Copies(1), Urgency::Tidying, Urgency::Moving] {
            let mut queue = Queue::default();
            queue.push(avoids.clone());
            queue.push(knows(urgency));
            let urgency = urgency.min(Urgency::Tidying);
            assert_eq!(queue.take_due(1, 0), [Entry { avoided: Some(8), ..knows(urgency) }]);
        }
    }

    #[test]
    fn a_clock_that_is_set_back_puts_nothing_off() {
        let mut queue = Queue::default();
        queue.push(Entry { not_before_ms: 600_000, ..entry(1, Urgency::Copies(1)) });
        assert!(queue.take_due(9, 600_000 - RETRY_MS).is_empty());
        assert_eq!(queue.take_due(9, 600_000 - RETRY_MS - 1).len(), 1);
    }

    #[test]
    fn a_full_queue_gives_way_to_what_is_more_urgent_alone() {
        let mut queue = Queue::default();
        (0..MAX_ENTRIES as u64).for_each(|id| queue.push(entry(id, Urgency::Copies(2))));
        assert!(!queue.take_overflowed());
        queue.push(entry(MAX_ENTRIES as u64, Urgency::Tidying));
        assert!(queue.take_overflowed() && !queue.take_overflowed());
        queue.push(entry(MAX_ENTRIES as u64 + 1, Urgency::Copies(1)));
        assert_eq!((queue.len(), queue.take_overflowed()), (MAX_ENTRIES, true));
        assert_eq!(queue.take_due(1, 0)[0].block_id, MAX_ENTRIES as u64 + 1);
    }
}

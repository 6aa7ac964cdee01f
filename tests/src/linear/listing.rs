//! A listing shows each key that was there all the while that it ran, and none that was not there at any time of it.

use super::history::{Event, History, Instant, Listing};
use std::collections::BTreeSet;
use std::fmt;

/// What is wrong with a listing.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Fault {
    pub key: String,
    pub prefix: String,
    pub begin: Instant,
    pub end: Instant,
    pub kind: FaultKind,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum FaultKind {
    /// It was there from before the listing began until after its end.
    Missing,
    /// It was not there from before the listing began until after its end.
    Extra,
    /// Shown twice, or not in the order of bytes.
    Disorder,
}

impl fmt::Display for Fault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            f,
            "{:?}: {} in a listing of {:?} from {} to {} ns",
            self.kind, self.key, self.prefix, self.begin, self.end
        )
    }
}

/// All that is wrong with the listings of a history.
pub fn check(history: &History) -> Vec<Fault> {
    history.listings.iter().flat_map(|listing| check_one(history, listing)).collect()
}

fn check_one(history: &History, listing: &Listing) -> Vec<Fault> {
    let fault = |key: &str, kind| Fault {
        key: key.to_owned(),
        prefix: listing.prefix.clone(),
        begin: listing.begin,
        end: listing.end,
        kind,
    };
    let mut faults: Vec<Fault> = listing
        .keys
        .windows(2)
        .filter(|pair| pair[0] >= pair[1])
        .map(|pair| fault(&pair[1], FaultKind::Disorder))
        .collect();
    let shown: BTreeSet<&str> = listing.keys.iter().map(String::as_str).collect();
    for (key, events) in history.keys.range(listing.prefix.clone()..) {
        if !key.starts_with(&listing.prefix) {
            break;
        }
        let is_shown = shown.contains(key.as_str());
        if !is_shown && was_there(events, listing) {
            faults.push(fault(key, FaultKind::Missing));
        }
        if is_shown && was_not_there(events, listing) {
            faults.push(fault(key, FaultKind::Extra));
        }
    }
    for key in shown {
        if !history.keys.contains_key(key) {
            faults.push(fault(key, FaultKind::Extra));
        }
    }
    faults
}

/// Something was certainly written before, and nothing can have deleted it until the end.
fn was_there(events: &[Event], listing: &Listing) -> bool {
    let is_undisturbed = |put: &Event| {
        !events.iter().any(|event| event.may_delete() && event.latest() > put.begin && event.begin < listing.end)
    };
    let puts = events.iter().filter(|event| event.may_put() && event.is_known() && event.end < listing.begin);
    puts.into_iter().any(is_undisturbed)
}

/// It was certainly deleted before, or never written, and nothing can have written it until the end.
fn was_not_there(events: &[Event], listing: &Listing) -> bool {
    let is_unwritten = |since: Instant| {
        !events.iter().any(|event| event.may_put() && event.latest() > since && event.begin < listing.end)
    };
    let deletes = events.iter().filter(|event| event.may_delete() && event.is_known() && event.end < listing.begin);
    is_unwritten(0) || deletes.into_iter().any(|delete| is_unwritten(delete.begin))
}

#[cfg(test)]
mod tests {
    use super::super::history::{Action, Outcome};
    use super::*;

    fn faults(events: &[(Action, Outcome, u64, u64)], keys: &[&str]) -> Vec<FaultKind> {
        let mut history = History::default();
        for &(action, outcome, begin, end) in events {
            history.record("a/k", Event { client: 0, action, outcome, begin, end });
        }
        let keys = keys.iter().map(|&key| key.to_owned()).collect();
        history.listings.push(Listing { prefix: "a/".into(), keys, begin: 100, end: 200 });
        check(&history).iter().map(|fault| fault.kind).collect()
    }

    #[test]
    fn what_was_there_all_the_time_is_shown() {
        let put = (Action::Put(1), Outcome::Done, 10, 20);
        assert_eq!(faults(&[put], &["a/k"]), []);
        assert_eq!(faults(&[put], &[]), [FaultKind::Missing]);
        for delete in [(Outcome::Done, 15, 30), (Outcome::Done, 150, 300), (Outcome::Unknown, 30, 30)] {
            let (outcome, begin, end) = delete;
            let events = [put, (Action::Delete, outcome, begin, end)];
            assert_eq!(faults(&events, &[]), [], "{delete:?}");
        }
        assert_eq!(faults(&[put, (Action::Delete, Outcome::Done, 210, 220)], &[]), [FaultKind::Missing]);
        assert_eq!(faults(&[(Action::Put(1), Outcome::Done, 90, 110)], &[]), []);
    }

    #[test]
    fn what_was_not_there_at_any_time_is_not_shown() {
        let (put, delete) = ((Action::Put(1), Outcome::Done, 10, 20), (Action::Delete, Outcome::Done, 30, 40));
        assert_eq!(faults(&[put, delete], &["a/k"]), [FaultKind::Extra]);
        assert_eq!(faults(&[], &["a/k"]), [FaultKind::Extra]);
        assert_eq!(faults(&[(Action::Put(1), Outcome::Done, 210, 220)], &["a/k"]), [FaultKind::Extra]);
        assert_eq!(faults(&[(Action::Put(1), Outcome::Unknown, 10, 20), delete], &["a/k"]), []);
        assert_eq!(faults(&[put, delete, (Action::Put(2), Outcome::Done, 150, 160)], &["a/k"]), []);
        let refused = (Action::PutIfAbsent(2), Outcome::Refused, 150, 160);
        assert_eq!(faults(&[put, delete, refused], &["a/k"]), [FaultKind::Extra]);
    }

    #[test]
    fn keys_are_in_order_and_shown_once() {
        let put = (Action::Put(1), Outcome::Done, 10, 20);
        assert_eq!(faults(&[put], &["a/k", "a/k"]), [FaultKind::Disorder]);
    }
}

//! Is what all clients saw linearizable, and each listing true? And the shortest part of a history that shows it is not.

use weir_tests::linear::{Action, Event, History, Outcome, Verdict, listing, search};

/// Steps of the search for one key; the histories of a run are short.
const STEPS_MAX: u64 = 2_000_000;

/// All that is wrong with a history.
pub fn violations(history: &History) -> Vec<String> {
    let mut violations = Vec::new();
    for (key, events) in &history.keys {
        match search::check_within(events, STEPS_MAX) {
            Verdict::Linearizable => {}
            Verdict::TooHard { steps } => violations.push(format!("{key}: no order was found in {steps} steps")),
            Verdict::Violated { .. } => violations.push(format!("{key} is not linearizable:\n{}", shortest(events))),
        }
    }
    violations.extend(listing::check(history).iter().map(|fault| format!("{fault}\n{}", told(history, &fault.key))));
    violations
}

fn told(history: &History, key: &str) -> String {
    let mut events = history.keys.get(key).cloned().unwrap_or_default();
    events.sort_by_key(|event| event.begin);
    lines(&events)
}

/// The shortest beginning that no order explains, without the reads that it does not need.
fn shortest(events: &[Event]) -> String {
    let is_violated = |events: &[Event]| matches!(search::check_within(events, STEPS_MAX), Verdict::Violated { .. });
    let mut ends: Vec<u64> = events.iter().filter(|event| event.is_known()).map(|event| event.end).collect();
    ends.sort_unstable();
    let short = ends.iter().map(|end| until(events, *end)).find(|events| is_violated(events));
    let mut short = short.unwrap_or_else(|| events.to_vec());
    let mut at = 0;
    while at < short.len() {
        let mut without = short.clone();
        let left_out = without.remove(at);
        // A write that is left out leaves reads of it unexplained.
        if left_out.action == Action::Get && is_violated(&without) {
            short = without;
        } else {
            at += 1;
        }
    }
    short.sort_by_key(|event| event.begin);
    lines(&short)
}

/// What had happened by then: a write that was under way may have, a read has told nothing.
fn until(events: &[Event], end: u64) -> Vec<Event> {
    let begun = events.iter().filter(|event| event.begin < end);
    let cut = begun.map(|event| match event.end > end {
        true => Event { outcome: Outcome::Unknown, ..*event },
        false => *event,
    });
    cut.filter(|event| !event.is_idle()).collect()
}

fn lines(events: &[Event]) -> String {
    let seconds = |instant: u64| instant as f64 / 1e9;
    let line = |event: &Event| {
        let end = if event.is_known() { format!("{:.3}", seconds(event.end)) } else { "-".into() };
        format!(
            "  {:.3} to {end} s, client {}: {:x?} {:x?}",
            seconds(event.begin),
            event.client,
            event.action,
            event.outcome
        )
    };
    events.iter().map(line).collect::<Vec<_>>().join("\n")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn event(action: Action, outcome: Outcome, begin: u64, end: u64) -> Event {
        Event { client: 1, action, outcome, begin, end }
    }

    #[test]
    fn the_shortest_history_has_nothing_that_it_does_not_need() {
        let events = [
            event(Action::Put(1), Outcome::Done, 1, 2),
            event(Action::Get, Outcome::Found(Some(1)), 3, 4),
            event(Action::Put(2), Outcome::Done, 5, 6),
            event(Action::Get, Outcome::Found(Some(1)), 7, 8),
            event(Action::Get, Outcome::Found(Some(2)), 9, 10),
            event(Action::Put(3), Outcome::Done, 11, 12),
        ];
        let mut history = History::default();
        events.iter().for_each(|event| history.record("k", *event));
        let [violation] = &violations(&history)[..] else { panic!("one key is wrong") };
        assert_eq!(violation.lines().count(), 4, "{violation}");
        assert!(!violation.contains("Put(3)"), "{violation}");
    }

    #[test]
    fn a_linearizable_history_has_no_violations() {
        let mut history = History::default();
        history.record("k", event(Action::Put(1), Outcome::Unknown, 1, 1));
        history.record("k", event(Action::Get, Outcome::Found(None), 2, 3));
        history.record("k", event(Action::Get, Outcome::Found(Some(1)), 4, 5));
        assert_eq!(violations(&history), Vec::<String>::new());
    }
}

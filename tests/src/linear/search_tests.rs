use super::super::history::{Action, Event, Outcome};
use super::*;

fn event(client: u32, action: Action, outcome: Outcome, begin: u64, end: u64) -> Event {
    Event { client, action, outcome, begin, end }
}

fn put(value: u64, begin: u64, end: u64) -> Event {
    event(0, Action::Put(value), Outcome::Done, begin, end)
}

fn got(value: Option<u64>, begin: u64, end: u64) -> Event {
    event(1, Action::Get, Outcome::Found(value), begin, end)
}

fn delete(begin: u64, end: u64) -> Event {
    event(0, Action::Delete, Outcome::Done, begin, end)
}

fn unknown(action: Action, begin: u64) -> Event {
    event(2, action, Outcome::Unknown, begin, begin)
}

fn is_linearizable(events: &[Event]) -> bool {
    match check(events) {
        Verdict::Linearizable => true,
        Verdict::Violated { .. } => false,
        Verdict::TooHard { steps } => panic!("{steps} steps"),
    }
}

#[test]
fn a_read_sees_what_was_written_before_it_and_nothing_older() {
    assert!(is_linearizable(&[]));
    assert!(is_linearizable(&[put(1, 0, 10), got(Some(1), 20, 30)]));
    assert!(!is_linearizable(&[put(1, 0, 10), got(None, 20, 30)]));
    assert!(!is_linearizable(&[put(1, 0, 10), put(2, 11, 20), got(Some(1), 21, 30)]));
    assert!(!is_linearizable(&[got(Some(1), 0, 5), put(1, 10, 20)]), "from the future");
}

#[test]
fn what_overlaps_may_come_in_any_order_but_the_same_for_all() {
    assert!(is_linearizable(&[put(1, 0, 10), got(None, 0, 30)]));
    assert!(is_linearizable(&[put(1, 0, 10), put(2, 0, 10), got(Some(1), 20, 30), got(Some(1), 31, 40)]));
    assert!(!is_linearizable(&[put(1, 0, 10), put(2, 0, 10), got(Some(1), 20, 30), got(Some(2), 31, 40)]));
}

#[test]
fn a_deleted_value_never_comes_back() {
    assert!(is_linearizable(&[put(1, 0, 10), delete(11, 20), got(None, 21, 30)]));
    assert!(!is_linearizable(&[put(1, 0, 10), delete(11, 20), got(Some(1), 21, 30)]));
}

#[test]
fn of_conditional_writers_at_most_one_wins() {
    let absent = |value, outcome, begin| event(0, Action::PutIfAbsent(value), outcome, begin, 10);
    assert!(is_linearizable(&[absent(1, Outcome::Done, 0), absent(2, Outcome::Refused, 0)]));
    assert!(!is_linearizable(&[absent(1, Outcome::Done, 0), absent(2, Outcome::Done, 0)]));
    assert!(!is_linearizable(&[absent(1, Outcome::Refused, 0)]), "refused for nothing");
    let matches = |value, outcome| event(0, Action::PutIfMatches { expected: 1, value }, outcome, 20, 30);
    assert!(is_linearizable(&[put(1, 0, 10), matches(2, Outcome::Done), matches(3, Outcome::Refused)]));
    assert!(!is_linearizable(&[put(1, 0, 10), matches(2, Outcome::Done), matches(3, Outcome::Done)]));
}

#[test]
fn what_is_not_known_may_have_happened_at_any_later_time_or_never() {
    assert!(is_linearizable(&[put(1, 0, 10), unknown(Action::Put(2), 11), got(Some(1), 20, 30)]));
    assert!(is_linearizable(&[put(1, 0, 10), unknown(Action::Put(2), 11), got(Some(1), 20, 30), got(Some(2), 40, 50)]));
    let flickers = [put(1, 0, 10), unknown(Action::Put(2), 11), got(Some(2), 20, 30), got(Some(1), 40, 50)];
    assert!(!is_linearizable(&flickers), "once seen, it has happened");
    assert!(!is_linearizable(&[got(Some(2), 0, 10), unknown(Action::Put(2), 11)]), "not before it began");
    assert!(is_linearizable(&[put(1, 0, 10), unknown(Action::Delete, 11), got(None, 20, 30)]));
}

/// Every order that keeps to time, tried one by one.
fn is_linearizable_by_trying(events: &[Event], value: Option<u64>) -> bool {
    let Some(first_end) = events.iter().filter(|event| event.is_known()).map(|event| event.end).min() else {
        return true;
    };
    (0..events.len()).filter(|&at| events[at].begin < first_end).any(|at| {
        let after = apply(value, events[at].action, events[at].outcome);
        let rest = || [&events[..at], &events[at + 1..]].concat();
        after.is_some_and(|after| is_linearizable_by_trying(&rest(), after))
    })
}

#[test]
fn it_agrees_with_trying_all_orders() {
    let mut state = 1_u64;
    let mut random = |below: u64| {
        state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        (state >> 33) % below
    };
    let mut counts = [0, 0];
    for _ in 0..20_000 {
        let events: Vec<Event> = (0..2 + random(5))
            .map(|number| {
                let (action, outcomes) = match random(6) {
                    0 => (Action::Put(number), [Outcome::Done, Outcome::Unknown]),
                    1 => (Action::PutIfAbsent(number), [Outcome::Done, Outcome::Refused]),
                    2 => {
                        (Action::PutIfMatches { expected: random(5), value: number }, [Outcome::Done, Outcome::Refused])
                    }
                    3 => (Action::Delete, [Outcome::Done, Outcome::Unknown]),
                    4 => (Action::Get, [Outcome::Found(None), Outcome::Found(None)]),
                    _ => (Action::Get, [Outcome::Found(Some(random(5))), Outcome::Found(Some(random(5)))]),
                };
                let begin = random(12);
                event(number as u32, action, outcomes[random(2) as usize], begin, begin + 1 + random(12))
            })
            .collect();
        let expected = is_linearizable_by_trying(&events, None);
        assert_eq!(is_linearizable(&events), expected, "{events:#?}");
        counts[usize::from(expected)] += 1;
    }
    assert!(counts[0] > 1_000 && counts[1] > 1_000, "{counts:?}");
}

#[test]
fn long_histories_of_ten_clients_are_quick() {
    // A register that ten clients write and read, each operation in effect in the middle of its time.
    let (mut events, mut value) = (Vec::new(), None);
    for step in 0..20_000_u64 {
        let (begin, end) = (step * 10, step * 10 + 95);
        events.push(if step % 3 == 0 {
            value = Some(step);
            put(step, begin, end)
        } else {
            got(value, begin, end)
        });
    }
    assert!(is_linearizable(&events[..2_000]));
    let at = events.iter().rposition(|event| event.action == Action::Get && event.begin < 19_000).unwrap();
    events[at].outcome = Outcome::Found(Some(3));
    let Verdict::Violated { longest } = check(&events[..2_000]) else { panic!("a read of something old") };
    assert!(longest.len() > 1_800, "{}", longest.len());
}

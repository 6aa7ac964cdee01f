//! Connections that hold the server up, a thousand at once: each is closed at its deadline, and others are served.
//! `weir-connections` does the same with ten thousand of each kind, and measures.

use jiff::Timestamp;
use std::time::{Duration, Instant};
use weir_tests::crowd::{Crowd, Fate, Manner, Paths, Plan, SMALL_OBJECT};
use weir_tests::sign::{Draft, Keys, sha256_hex, v4};
use weir_tests::{Answer, Server, eventually, noise};

const HEADER_TIMEOUT: Duration = Duration::from_secs(5);
const IDLE_TIMEOUT: Duration = Duration::from_secs(6);
const BODY_IDLE_TIMEOUT: Duration = Duration::from_secs(4);
/// The server lingers with a client that is still sending, and tells an HTTP/2 client first; the tests beside this one
/// and the crowd itself want the machine too.
const DEADLINE_SLACK: Duration = Duration::from_secs(10);
const SETTINGS: &str = "[gateway]\nheader_timeout_ms = 5000\nidle_timeout_ms = 6000\nbody_idle_timeout_ms = 4000\n";
const PATHS: Paths = Paths { small: "/crowd/small", large: "/crowd/large", bucket: "/crowd" };
const MEMBERS: usize = 110;
/// The client may note an answer later than the server does.
const EARLY_SLACK: Duration = Duration::from_secs(1);
/// Most of it is what is read ahead for those who read nothing.
const RSS_GROWTH_MAX_BYTES: u64 = 256 << 20;
const ARRIVAL_SECONDS: u64 = 30;

const MANNERS: [(Manner, Duration); 9] = [
    (Manner::Silent, HEADER_TIMEOUT),
    (Manner::SlowHead, HEADER_TIMEOUT),
    (Manner::Http2Silent, HEADER_TIMEOUT),
    (Manner::Http2SlowHead, HEADER_TIMEOUT),
    (Manner::Http2Continuations, HEADER_TIMEOUT),
    (Manner::Idle, IDLE_TIMEOUT),
    (Manner::Http2Idle, IDLE_TIMEOUT),
    (Manner::SlowBody, BODY_IDLE_TIMEOUT),
    (Manner::Unread, BODY_IDLE_TIMEOUT),
];
const MANNERS_BELOW_TLS: [(Manner, Duration); 2] =
    [(Manner::SlowHandshake, HEADER_TIMEOUT), (Manner::StalledHandshake, HEADER_TIMEOUT)];

fn crowd(server: &Server, manner: Manner, count: usize) -> Crowd {
    Crowd::gather(Plan {
        server: server.address(),
        trust: server.trust(),
        paths: PATHS,
        manner,
        count,
        interval: Duration::from_millis(500),
        patience: Duration::from_secs(30),
    })
}

fn a_crowd_of_all_kinds_is_closed_at_its_deadlines(server: &Server, manners: &[(Manner, Duration)]) {
    let client = server.client();
    client.bucket("crowd");
    client.put(PATHS.small, SMALL_OBJECT).expect(200);
    client.put(PATHS.large, noise(1, 16 << 20)).expect(200);
    let (sockets_before, rss_before) = (server.socket_count(), server.rss_bytes());
    let mut crowds = Vec::new();
    for (manner, _) in manners {
        let crowd = crowd(server, *manner, MEMBERS);
        crowd.await_arrival(ARRIVAL_SECONDS);
        eventually(10, "others are served", || client.get(PATHS.small).status == 200);
        crowds.push(crowd);
    }
    let growth = server.rss_bytes().saturating_sub(rss_before);
    assert!(growth < RSS_GROWTH_MAX_BYTES, "{growth} bytes more");
    for (crowd, (manner, deadline)) in crowds.into_iter().zip(manners) {
        let fates = crowd.fates();
        if !manner.reads() {
            continue;
        }
        for fate in fates {
            let lifetime = fate.lifetime.unwrap_or_else(|| panic!("{manner:?} was never closed"));
            assert!(!fate.was_refused, "{manner:?} after {lifetime:?}");
            let is_early = manner.is_let_be() && lifetime + EARLY_SLACK < *deadline;
            assert!(!is_early && lifetime < *deadline + DEADLINE_SLACK, "{manner:?}: {lifetime:?}");
            if *manner == Manner::SlowBody {
                assert!(fate.last_words.starts_with(b"HTTP/1.1 400"), "{}", String::from_utf8_lossy(&fate.last_words));
            }
        }
    }
    eventually(10, "all sockets are closed", || server.socket_count() <= sockets_before);
    server.assert_alive();
}

#[test]
fn a_thousand_of_all_kinds_are_closed_at_their_deadlines() {
    a_crowd_of_all_kinds_is_closed_at_its_deadlines(&Server::start_with(SETTINGS), &MANNERS);
}

#[test]
fn a_thousand_of_all_kinds_are_closed_at_their_deadlines_over_tls() {
    let manners = [&MANNERS[..], &MANNERS_BELOW_TLS].concat();
    a_crowd_of_all_kinds_is_closed_at_its_deadlines(&Server::start_over_tls_with(SETTINGS), &manners);
}

fn a_crowd_over_the_cap_is_refused_by(server: &Server) {
    let client = server.client();
    client.bucket("crowd");
    let mut kept = server.connect();
    let mut ask = || {
        kept.send(b"GET / HTTP/1.1\r\nHost: localhost\r\n\r\n").unwrap();
        kept.read_answer("GET").unwrap().expect(200)
    };
    ask();
    let crowd = crowd(server, Manner::SlowHead, 300);
    crowd.await_arrival(ARRIVAL_SECONDS);
    ask();
    let fates = crowd.fates();
    let was_told = |fate: &&Fate| fate.last_words.starts_with(b"HTTP/1.1 503");
    let told: Vec<&Fate> = fates.iter().filter(was_told).collect();
    assert!(!told.is_empty(), "nobody was told of the cap");
    let text = String::from_utf8_lossy(&told[0].last_words).to_ascii_lowercase();
    assert!(text.contains("retry-after: 1") && text.contains("<code>slowdown</code>"), "{text}");
    let is_late = |fate: &&Fate| fate.lifetime.is_some_and(|lifetime| lifetime > HEADER_TIMEOUT - EARLY_SLACK);
    assert!(fates.iter().filter(is_late).count() <= 100, "more were held than the cap allows");
    assert!(fates.iter().all(|fate| fate.lifetime.is_some()), "all are closed");
    eventually(10, "there is a place again", || client.request("GET", "/").try_send().is_ok_and(|a| a.status == 200));
    server.assert_alive();
}

#[test]
fn a_crowd_over_the_cap_is_refused() {
    a_crowd_over_the_cap_is_refused_by(&Server::start_with(&format!("{SETTINGS}connection_max_count = 100\n")));
}

#[test]
fn a_crowd_over_the_cap_is_refused_over_tls() {
    a_crowd_over_the_cap_is_refused_by(&Server::start_over_tls_with(&format!(
        "{SETTINGS}connection_max_count = 100\n"
    )));
}

fn a_body_has_a_least_rate_at(server: &Server) {
    let client = server.client();
    let bucket = client.bucket("rates");
    let put = |pause: Duration, piece: usize| {
        let mut connection = server.connect();
        let head = format!("PUT {bucket}/k HTTP/1.1\r\nHost: localhost\r\nContent-Length: {}\r\n\r\n", 20 * piece);
        connection.send(head.as_bytes()).unwrap();
        for _ in 0..20 {
            std::thread::sleep(pause);
            if connection.send(&vec![b'x'; piece]).is_err() {
                break;
            }
        }
        connection.read_answer("PUT").map(|answer| (answer, connection.is_closed()))
    };
    // Never silent for as long as a body may be, but slower in all.
    let began = Instant::now();
    if let Ok((answer, is_closed)) = put(Duration::from_millis(200), 10) {
        answer.expect_error(400, "RequestTimeout");
        assert!(is_closed);
    }
    assert!(began.elapsed() < Duration::from_secs(15), "{:?}", began.elapsed());
    client.head(&format!("{bucket}/k")).expect(404);
    // Slow, and fast enough.
    put(Duration::from_millis(100), 2_000).unwrap().0.expect(200);
    server.assert_alive();
}

const LEAST_RATE: &str =
    "[gateway]\nbody_idle_timeout_ms = 1000\nbody_min_bytes_per_second = 10000\nidle_timeout_ms = 1000\n";

#[test]
fn a_body_has_a_least_rate() {
    a_body_has_a_least_rate_at(&Server::start_with(LEAST_RATE));
}

#[test]
fn a_body_has_a_least_rate_over_tls() {
    a_body_has_a_least_rate_at(&Server::start_over_tls_with(LEAST_RATE));
}

#[test]
fn a_key_that_asks_too_often_is_told_when_to_try_again() {
    let settings = "access_key = \"ROOTKEY\"\nsecret_key = \"root secret\"\nkey_requests_per_second = 1\n";
    let server = Server::start_with(&format!("[gateway]\n{settings}key_request_burst_count = 5\n"));
    let ask = |keys: Option<&Keys>| -> Answer {
        let mut draft = Draft::new("GET", &server.address().to_string(), "/");
        if let Some(keys) = keys {
            let payload = sha256_hex(b"");
            draft.add_header("x-amz-content-sha256", &payload);
            v4::Signer::new(keys, Timestamp::now(), "us-east-1").sign_header(&mut draft, &payload);
        }
        draft.request(&server.client()).send()
    };
    let root = Keys::new("ROOTKEY", "root secret");
    let answers: Vec<Answer> = (0..30).map(|_| ask(Some(&root))).collect();
    assert!(answers[..5].iter().all(|answer| answer.status == 200), "{}", answers[4]);
    let refused: Vec<Answer> = answers.into_iter().filter(|answer| answer.status != 200).collect();
    assert!(!refused.is_empty(), "30 at once are too many");
    for answer in refused {
        assert_eq!(answer.expect_error(503, "SlowDown").must("retry-after"), "1");
    }
    // Who forges a key's name uses up nothing of what it may.
    std::thread::sleep(Duration::from_millis(1100));
    for _ in 0..10 {
        ask(Some(&Keys::new("ROOTKEY", "wrong"))).expect_error(403, "SignatureDoesNotMatch");
    }
    ask(Some(&root)).expect(200);
    ask(None).expect_error(403, "AccessDenied");
}

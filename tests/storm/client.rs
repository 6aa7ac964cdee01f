//! A client: one operation after the other on keys that others use too, each written into its history.

use crate::board::KEYS;
use crate::link::Link;
use crate::place::Place;
use std::collections::HashMap;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::{Duration, Instant};
use weir_tests::Answer;
use weir_tests::linear::{Action, Event, History, Listing, Outcome, Value};
use weir_tests::load::told::{Told, between, is_error, keys, told};
use weir_tests::load::value::{content, etag, value_in, value_of};

const PAUSE: Duration = Duration::from_millis(100);
/// Who began with a key in its epoch is done with it by then.
const SWEEP_AFTER_EPOCHS: u64 = 8;
/// Of so many epochs one's keys are kept.
const KEEP_EVERY: u64 = 5;
/// Pages of listings are short, so that much happens between them.
const PAGE_ENTRIES: usize = 7;

pub struct Storming {
    place: Arc<Place>,
    link: Link,
    number: u32,
    writes: u64,
    random: u64,
    /// What this client saw last at each key of the present epoch.
    seen: HashMap<String, (Value, String)>,
    epoch: u64,
    history: History,
}

impl Storming {
    pub fn new(place: Arc<Place>, gateways: &[SocketAddr], number: u32) -> Self {
        let link = Link::new(gateways, number as usize);
        let random = u64::from(number) * 0x9e37_79b9_7f4a_7c15 + 1;
        let (seen, history) = (HashMap::new(), History::default());
        Self { place, link, number, writes: 0, random, seen, epoch: 0, history }
    }

    /// Runs until the board says stop.
    pub fn run(mut self) -> History {
        let mut turn = 0;
        while !self.place.board.is_stopped() {
            let epoch = self.place.board.epoch();
            if epoch != self.epoch {
                self.epoch = epoch;
                self.seen.clear();
            }
            if turn != self.place.board.turn() {
                turn = self.place.board.turn();
                self.link.go_home();
            }
            let key = key_of(epoch, self.random() % KEYS);
            match self.random() % 100 {
                0..30 => self.put(&key),
                30..36 => self.put_if_absent(&key),
                36..44 => self.put_if_matches(&key),
                44..47 => self.upload(&key),
                47..50 => self.copy(epoch, &key),
                50..58 => self.delete(&key),
                58..62 => self.list(epoch),
                62..66 => self.head(&key),
                66..72 => self.get_range(&key),
                _ => self.get(&key),
            }
        }
        self.history
    }

    fn path(&self, key: &str) -> String {
        format!("/{}/{key}", self.place.bucket)
    }

    fn content(&self, value: Value) -> Vec<u8> {
        content(self.place.sizes, value)
    }

    fn random(&mut self) -> u64 {
        self.random ^= self.random << 13;
        self.random ^= self.random >> 7;
        self.random ^= self.random << 17;
        self.random
    }

    fn next_value(&mut self) -> Value {
        self.writes += 1;
        value_of(self.number, self.writes)
    }

    fn record(&mut self, key: &str, action: Action, outcome: Outcome, begin: u64) {
        let event = Event { client: self.number, action, outcome, begin, end: self.place.board.now() };
        self.history.record(key, event);
    }

    /// Sends a write once, and records what is known of it.
    fn write(&mut self, key: &str, action: Action, method: &str, query: &str, headers: &[(&str, &str)], body: Vec<u8>) {
        let begin = self.place.board.now();
        let answer = self.link.send(method, &format!("{}{query}", self.path(key)), headers, body);
        let outcome = match told(action, answer.as_ref()) {
            Told::Of(outcome) => outcome,
            Told::Nothing => return,
            Told::Wrong => {
                let text = answer.map(|answer| answer.to_string()).unwrap_or_default();
                return self.place.board.is_wrong(format!("{method} {key}{query}: {text}"));
            }
        };
        self.record(key, action, outcome, begin);
        match outcome {
            Outcome::Unknown => {
                self.place.board.count(|tally| tally.writes_unknown += 1);
                std::thread::sleep(PAUSE);
            }
            _ => self.place.board.write_acknowledged(),
        }
    }

    fn put(&mut self, key: &str) {
        let value = self.next_value();
        self.write(key, Action::Put(value), "PUT", "", &[], self.content(value));
    }

    fn put_if_absent(&mut self, key: &str) {
        let value = self.next_value();
        self.write(key, Action::PutIfAbsent(value), "PUT", "", &[("If-None-Match", "*")], self.content(value));
    }

    fn put_if_matches(&mut self, key: &str) {
        let Some((expected, etag)) = self.seen.get(key).cloned() else { return self.get(key) };
        let value = self.next_value();
        let action = Action::PutIfMatches { expected, value };
        self.write(key, action, "PUT", "", &[("If-Match", &format!("\"{etag}\""))], self.content(value));
    }

    fn delete(&mut self, key: &str) {
        self.write(key, Action::Delete, "DELETE", "", &[], Vec::new());
    }

    /// An upload of one part; only its completion shows.
    fn upload(&mut self, key: &str) {
        let value = self.next_value();
        let (bytes, path) = (self.content(value), self.path(key));
        let begun = self.link.send("POST", &format!("{path}?uploads"), &[], Vec::new());
        let Some(id) = begun.filter(|answer| answer.status == 200).and_then(|answer| between(&answer, "UploadId"))
        else {
            return std::thread::sleep(PAUSE);
        };
        let part = self.link.send("PUT", &format!("{path}?partNumber=1&uploadId={id}"), &[], bytes.clone());
        if part.is_none_or(|answer| answer.status != 200) {
            return std::thread::sleep(PAUSE);
        }
        let etag = etag(&bytes, false);
        let list = format!(
            "<CompleteMultipartUpload><Part><PartNumber>1</PartNumber><ETag>{etag}</ETag></Part></CompleteMultipartUpload>"
        );
        self.write(key, Action::Put(value), "POST", &format!("?uploadId={id}"), &[], list.into_bytes());
    }

    /// Copies what was seen at another key, if it is still there.
    fn copy(&mut self, epoch: u64, key: &str) {
        let source = key_of(epoch, self.random() % KEYS);
        let Some((value, etag)) = self.seen.get(&source).cloned().filter(|_| source != key) else {
            return self.get(&source);
        };
        let (from, etag) = (self.path(&source), format!("\"{etag}\""));
        let headers = [("x-amz-copy-source", from.as_str()), ("x-amz-copy-source-if-match", etag.as_str())];
        let begin = self.place.board.now();
        let answer = self.link.send("PUT", &self.path(key), &headers, Vec::new());
        match answer.as_ref().map(|answer| answer.status) {
            Some(200) if answer.as_ref().is_some_and(|answer| !is_error(answer)) => {
                self.record(&source, Action::Get, Outcome::Found(Some(value)), begin);
                self.record(key, Action::Put(value), Outcome::Done, begin);
                self.place.board.write_acknowledged();
            }
            // The source is another one, or gone: nothing happened.
            Some(404 | 409 | 412) => {}
            _ => {
                self.record(key, Action::Put(value), Outcome::Unknown, begin);
                self.place.board.count(|tally| tally.writes_unknown += 1);
                std::thread::sleep(PAUSE);
            }
        }
    }

    pub fn get(&mut self, key: &str) {
        let Some((answer, begin)) = self.read("GET", &self.path(key), &[]) else { return };
        if answer.status == 404 {
            self.seen.remove(key);
            return self.record(key, Action::Get, Outcome::Found(None), begin);
        }
        match value_in(self.place.sizes, &answer.body) {
            Ok(value) => {
                let etag = answer.header("etag").unwrap_or_default().trim_matches('"').to_owned();
                let own = [false, true].map(|is_upload| self::etag(&answer.body, is_upload));
                if !own.contains(&etag) {
                    self.place.board.is_wrong(format!("GET {key}: value {value:x} with the ETag {etag}"));
                }
                self.seen.insert(key.to_owned(), (value, etag));
                self.record(key, Action::Get, Outcome::Found(Some(value)), begin);
            }
            Err(fault) => self.place.board.is_wrong(format!("GET {key}: {fault}")),
        }
    }

    /// A part of what this client has seen at the key, if it is still there.
    fn get_range(&mut self, key: &str) {
        let Some((value, etag)) = self.seen.get(key).cloned() else { return self.get(key) };
        let bytes = self.content(value);
        let first = self.random() as usize % bytes.len();
        let last = first + self.random() as usize % (bytes.len() - first);
        let headers = [("If-Match", &*format!("\"{etag}\"")), ("Range", &*format!("bytes={first}-{last}"))];
        let Some((answer, begin)) = self.read("GET", &self.path(key), &headers) else { return };
        match answer.status {
            206 if answer.body == bytes[first..=last] => {
                self.record(key, Action::Get, Outcome::Found(Some(value)), begin);
            }
            206 => self.place.board.is_wrong(format!("GET {key}, bytes {first} to {last}: not those of {value:x}")),
            404 => {
                self.seen.remove(key);
                self.record(key, Action::Get, Outcome::Found(None), begin);
            }
            412 => {}
            status => self.place.board.is_wrong(format!("GET {key}, bytes {first} to {last}: {status}")),
        }
    }

    /// Tells whether there is something, and which one, if this client has seen it before.
    fn head(&mut self, key: &str) {
        let Some((answer, begin)) = self.read("HEAD", &self.path(key), &[]) else { return };
        if answer.status == 404 {
            self.seen.remove(key);
            return self.record(key, Action::Get, Outcome::Found(None), begin);
        }
        let etag = answer.header("etag").unwrap_or_default().trim_matches('"').to_owned();
        let known = self.seen.get(key).filter(|(_, seen)| *seen == etag).map(|(value, _)| *value);
        if let Some(value) = known {
            self.record(key, Action::Get, Outcome::Found(Some(value)), begin);
        }
    }

    fn list(&mut self, epoch: u64) {
        let prefix = key_of(epoch, 0)[..PREFIX_LENGTH].to_owned();
        let (mut found, mut token) = (Vec::new(), String::new());
        let mut first = None;
        loop {
            let from = if token.is_empty() { String::new() } else { format!("&continuation-token={token}") };
            let bucket = self.place.bucket;
            let path = format!("/{bucket}?list-type=2&max-keys={PAGE_ENTRIES}&prefix={prefix}{from}");
            let Some((answer, begin)) = self.read("GET", &path, &[]) else { return };
            let begin = *first.get_or_insert(begin);
            found.extend(keys(&answer));
            match between(&answer, "NextContinuationToken") {
                Some(next) => token = weir_tests::query_of(next),
                None => {
                    self.place.board.count(|tally| tally.listings += 1);
                    let end = self.place.board.now();
                    return self.history.listings.push(Listing { prefix, keys: found, begin, end });
                }
            }
        }
    }

    /// Reads until there is an answer. Gives it with the begin of the attempt that it answers.
    fn read(&mut self, method: &str, path: &str, headers: &[(&str, &str)]) -> Option<(Answer, u64)> {
        let began = Instant::now();
        loop {
            let begin = self.place.board.now();
            if let Some(answer) = self.link.send(method, path, headers, Vec::new())
                && (answer.status < 500)
            {
                self.place.board.count(|tally| {
                    tally.reads += 1;
                    tally.slowest_read = tally.slowest_read.max(began.elapsed());
                });
                let is_conditional = !headers.is_empty();
                if !(matches!(answer.status, 200 | 404) || is_conditional && matches!(answer.status, 206 | 412)) {
                    self.place.board.is_wrong(format!("{method} {path}: {}", answer.status));
                    return None;
                }
                return Some((answer, begin));
            }
            if began.elapsed() > self.place.read_patience {
                self.place.board.count(|tally| tally.reads_failed += 1);
                eprintln!("FAILED: {method} {path}");
                return None;
            }
            self.place.board.count(|tally| tally.reads_repeated += 1);
            std::thread::sleep(PAUSE);
        }
    }

    /// Looks at the keys of each epoch when nobody uses them any more, and deletes them; those of some stay until the
    /// end, to be looked at after everything that happened.
    pub fn sweep(mut self) -> History {
        let mut next = 0;
        while !self.place.board.is_stopped() {
            if next + SWEEP_AFTER_EPOCHS > self.place.board.epoch() {
                std::thread::sleep(PAUSE);
                continue;
            }
            for key in (0..KEYS).map(|number| key_of(next, number)) {
                self.get(&key);
                if next % KEEP_EVERY != 0 {
                    self.delete(&key);
                }
            }
            self.seen.clear();
            next += 1;
        }
        self.history
    }

    /// After the storm: what every key of the history holds, as one more client sees it.
    pub fn look_at_all(mut self, keys: &[String]) -> History {
        for key in keys {
            self.get(key);
        }
        self.history
    }
}

const PREFIX_LENGTH: usize = 7;

fn key_of(epoch: u64, number: u64) -> String {
    format!("{epoch:06}/{number:02}")
}

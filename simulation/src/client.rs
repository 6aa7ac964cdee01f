//! A client: one operation after the other on keys that others use too, each written into the history, and each answer
//! checked by itself: its bytes, its ETag, and that such a request can be answered so.

use crate::board::{Board, ETags, KEYS};
use crate::link::Link;
use crate::settings::{BUCKET, SIZES};
use std::collections::BTreeMap;
use std::time::Duration;
use weir_service::simulation::Random;
use weir_tests::Answer;
use weir_tests::digest::{etag as etag_of, multipart_etag};
use weir_tests::linear::{Action, Event, Listing, Outcome, Value};
use weir_tests::load::told::{Told, between, is_error, keys, told};
use weir_tests::load::value::{content, value_in, value_of};

const PAUSE: Duration = Duration::from_millis(100);
/// Clients rest a moment between two operations, or nothing but the first seconds would be seen of a key.
const REST_MAX_MS: u64 = 80;
/// Pages of listings are short, so that much happens between them.
const PAGE_ENTRIES: usize = 4;
/// Says which value an object has, also where its bytes are not read.
const VALUE_HEADER: &str = "x-amz-meta-value";

pub struct Client {
    board: Board,
    link: Link,
    name: String,
    number: u32,
    writes: u64,
    random: Random,
    /// What this client saw last at each key of the present epoch.
    seen: BTreeMap<String, (Value, String)>,
    epoch: u64,
}

impl Client {
    pub fn new(board: &Board, link: Link, number: u32, random: Random) -> Self {
        let name = format!("client-{number}");
        Self { board: board.clone(), link, name, number, writes: 0, random, seen: BTreeMap::new(), epoch: 0 }
    }

    /// Runs until the board says stop.
    pub async fn run(mut self) {
        while !self.board.is_stopped() {
            let epoch = self.board.epoch();
            if epoch != self.epoch {
                self.epoch = epoch;
                self.seen.clear();
            }
            let key = key_of(epoch, self.random.below(KEYS));
            match self.random.below(100) {
                0..26 => self.put(&key).await,
                26..32 => self.put_if_absent(&key).await,
                32..40 => self.put_if_matches(&key).await,
                40..45 => self.upload(&key).await,
                45..49 => self.copy(&key).await,
                49..58 => self.delete(&key).await,
                58..62 => self.list().await,
                62..70 => self.head(&key).await,
                70..76 => self.get_range(&key).await,
                _ => self.get(&key).await,
            }
            let rest = self.random.below(REST_MAX_MS);
            tokio::time::sleep(Duration::from_millis(rest)).await;
        }
    }

    fn next_value(&mut self) -> Value {
        self.writes += 1;
        value_of(self.number, self.writes)
    }

    async fn send(&mut self, method: &str, target: &str, headers: &[(&str, &str)], body: &[u8]) -> Option<Answer> {
        let (trace, crc) = (self.board.trace.clone(), crc_fast::crc32_iscsi(body));
        trace.note(&self.name, format_args!("{method} {target} {} bytes {crc:08x}", body.len()));
        let answer = self.link.send(method, target, headers, body).await;
        match &answer {
            Some(answer) => {
                let crc = crc_fast::crc32_iscsi(&answer.body);
                trace.note(&self.name, format_args!("  {} {} bytes {crc:08x}", answer.status, answer.body.len()));
            }
            None => trace.note(&self.name, "  no answer"),
        }
        if answer.as_ref().is_none_or(|answer| answer.status >= 500) {
            self.board.count(|tally| tally.unanswered += 1);
            tokio::time::sleep(PAUSE).await;
        }
        answer
    }

    fn record(&mut self, key: &str, action: Action, outcome: Outcome, begin: u64) {
        self.board.record(key, Event { client: self.number, action, outcome, begin, end: self.board.now() });
    }

    /// Sends a write once, and records what is known of it. True: it is done.
    async fn write(
        &mut self,
        key: &str,
        action: Action,
        method: &str,
        query: &str,
        headers: &[(&str, &str)],
        body: &[u8],
    ) -> Option<Answer> {
        let begin = self.board.now();
        self.board.count(|tally| tally.writes += 1);
        let answer = self.send(method, &format!("/{BUCKET}/{key}{query}"), headers, body).await;
        let outcome = match told(action, answer.as_ref()) {
            Told::Of(outcome) => outcome,
            Told::Nothing => return None,
            Told::Wrong => {
                let text = answer.map(|answer| answer.to_string()).unwrap_or_default();
                self.board.is_wrong(format!("{method} {key}{query}: {text}"));
                return None;
            }
        };
        self.record(key, action, outcome, begin);
        if outcome == Outcome::Done {
            self.board.count(|tally| tally.acknowledged += 1);
        }
        answer.filter(|_| outcome == Outcome::Done)
    }

    async fn put_with(&mut self, key: &str, action: Action, value: Value, condition: Option<(&str, &str)>) {
        let (bytes, text) = (content(SIZES, value), format!("{value:x}"));
        let headers: Vec<_> = [(VALUE_HEADER, &*text)].into_iter().chain(condition).collect();
        let done = self.write(key, action, "PUT", "", &headers, &bytes).await;
        if let Some(answer) = done
            && answer.header("etag") != Some(&self.etags(value).whole)
        {
            self.board.is_wrong(format!("PUT {key} of value {value:x} was answered with another ETag: {answer}"));
        }
    }

    async fn put(&mut self, key: &str) {
        let value = self.next_value();
        self.put_with(key, Action::Put(value), value, None).await;
    }

    async fn put_if_absent(&mut self, key: &str) {
        let value = self.next_value();
        self.put_with(key, Action::PutIfAbsent(value), value, Some(("if-none-match", "*"))).await;
    }

    async fn put_if_matches(&mut self, key: &str) {
        let Some((expected, etag)) = self.seen.get(key).cloned() else { return self.get(key).await };
        let value = self.next_value();
        let action = Action::PutIfMatches { expected, value };
        self.put_with(key, action, value, Some(("if-match", &etag))).await;
    }

    async fn delete(&mut self, key: &str) {
        self.write(key, Action::Delete, "DELETE", "", &[], &[]).await;
    }

    /// An upload of two parts; only its completion shows. Some are given up.
    async fn upload(&mut self, key: &str) {
        let value = self.next_value();
        let (bytes, text, path) = (content(SIZES, value), format!("{value:x}"), format!("/{BUCKET}/{key}"));
        let begun = self.send("POST", &format!("{path}?uploads"), &[(VALUE_HEADER, &*text)], &[]).await;
        let begun = begun.filter(|answer| answer.status == 200);
        let Some(id) = begun.and_then(|answer| between(&answer, "UploadId")) else { return };
        let mut list = String::new();
        for (number, part) in (1..).zip(parts(&bytes)) {
            let sent = self.send("PUT", &format!("{path}?partNumber={number}&uploadId={id}"), &[], part).await;
            if sent.is_none_or(|answer| answer.status != 200) {
                return;
            }
            list = format!("{list}<Part><PartNumber>{number}</PartNumber><ETag>{}</ETag></Part>", etag_of(part));
        }
        if self.random.below(6) == 0 {
            self.send("DELETE", &format!("{path}?uploadId={id}"), &[], &[]).await;
            return;
        }
        let list = format!("<CompleteMultipartUpload>{list}</CompleteMultipartUpload>");
        self.write(key, Action::Put(value), "POST", &format!("?uploadId={id}"), &[], list.as_bytes()).await;
    }

    /// Copies what was seen at another key, if it is still there.
    async fn copy(&mut self, key: &str) {
        let source = key_of(self.epoch, self.random.below(KEYS));
        let Some((value, etag)) = self.seen.get(&source).cloned().filter(|_| source != key) else {
            return self.get(&source).await;
        };
        let from = format!("/{BUCKET}/{source}");
        let headers = [("x-amz-copy-source", &*from), ("x-amz-copy-source-if-match", &*etag)];
        let begin = self.board.now();
        self.board.count(|tally| tally.writes += 1);
        let answer = self.send("PUT", &format!("/{BUCKET}/{key}"), &headers, &[]).await;
        match answer.as_ref().map(|answer| answer.status) {
            Some(200) if answer.as_ref().is_some_and(|answer| !is_error(answer)) => {
                self.record(&source, Action::Get, Outcome::Found(Some(value)), begin);
                self.record(key, Action::Put(value), Outcome::Done, begin);
            }
            // The source is another one, or gone: nothing happened.
            Some(404 | 409 | 412) => {}
            _ => self.record(key, Action::Put(value), Outcome::Unknown, begin),
        }
    }

    pub async fn get(&mut self, key: &str) {
        let begin = self.board.now();
        let Some(answer) = self.read("GET", &format!("/{BUCKET}/{key}"), &[]).await else { return };
        match answer.status {
            404 => self.absent(key, begin),
            200 => match value_in(SIZES, &answer.body) {
                Ok(value) => self.found(key, value, &answer, begin),
                Err(fault) => self.board.is_wrong(format!("GET {key}: {fault}")),
            },
            _ => self.board.is_wrong(format!("GET {key}: {answer}")),
        }
    }

    async fn head(&mut self, key: &str) {
        let begin = self.board.now();
        let Some(answer) = self.read("HEAD", &format!("/{BUCKET}/{key}"), &[]).await else { return };
        match answer.status {
            404 => self.absent(key, begin),
            200 => match value_told(&answer) {
                Some(value) => self.found(key, value, &answer, begin),
                None => self.board.is_wrong(format!("HEAD {key} tells no value: {answer}")),
            },
            _ => self.board.is_wrong(format!("HEAD {key}: {answer}")),
        }
    }

    /// Some bytes in the middle.
    async fn get_range(&mut self, key: &str) {
        let (first, length) = (self.random.below(100_000) as usize, self.random.below(50_000) as usize + 1);
        let range = format!("bytes={first}-{}", first + length - 1);
        let begin = self.board.now();
        let Some(answer) = self.read("GET", &format!("/{BUCKET}/{key}"), &[("range", &*range)]).await else { return };
        match answer.status {
            404 => self.absent(key, begin),
            416 => {}
            206 => {
                let Some(value) = value_told(&answer) else {
                    return self.board.is_wrong(format!("GET {key} of {range} tells no value: {answer}"));
                };
                let bytes = content(SIZES, value);
                let end = (first + length).min(bytes.len());
                if bytes.get(first..end) != Some(&answer.body) {
                    let text =
                        format!("GET {key} of {range}: {} bytes that are not value {value:x}'s", answer.body.len());
                    return self.board.is_wrong(text);
                }
                self.found(key, value, &answer, begin);
            }
            _ => self.board.is_wrong(format!("GET {key} of {range}: {answer}")),
        }
    }

    fn absent(&mut self, key: &str, begin: u64) {
        self.seen.remove(key);
        self.record(key, Action::Get, Outcome::Found(None), begin);
    }

    fn found(&mut self, key: &str, value: Value, answer: &Answer, begin: u64) {
        let etag = answer.header("etag").unwrap_or_default().to_owned();
        let ETags { whole, in_parts } = self.etags(value);
        if ![whole, in_parts].contains(&etag) || value_told(answer) != Some(value) {
            self.board.is_wrong(format!("{}: value {value:x} with {:?}", answer.request, answer.headers));
        }
        self.seen.insert(key.to_owned(), (value, etag));
        self.record(key, Action::Get, Outcome::Found(Some(value)), begin);
    }

    fn etags(&self, value: Value) -> ETags {
        self.board.etags(value, || {
            let bytes = content(SIZES, value);
            ETags { whole: etag_of(&bytes), in_parts: multipart_etag(&parts(&bytes)) }
        })
    }

    async fn list(&mut self) {
        let prefix = key_of(self.epoch, 0)[..PREFIX_LENGTH].to_owned();
        let (mut found, mut token, begin) = (Vec::new(), String::new(), self.board.now());
        loop {
            let from = if token.is_empty() { String::new() } else { format!("&continuation-token={token}") };
            let target = format!("/{BUCKET}?list-type=2&max-keys={PAGE_ENTRIES}&prefix={prefix}{from}");
            let Some(answer) = self.read("GET", &target, &[]).await else { return };
            if answer.status != 200 {
                return self.board.is_wrong(format!("{target}: {answer}"));
            }
            found.extend(keys(&answer));
            match between(&answer, "NextContinuationToken") {
                Some(next) => token = weir_tests::query_of(next),
                None => break,
            }
        }
        self.board.count(|tally| tally.listings += 1);
        self.board.record_listing(Listing { prefix, keys: found, begin, end: self.board.now() });
    }

    /// Sends a read once. None: there was no answer, or an error of the server's.
    async fn read(&mut self, method: &str, target: &str, headers: &[(&str, &str)]) -> Option<Answer> {
        self.board.count(|tally| tally.reads += 1);
        self.send(method, target, headers, &[]).await.filter(|answer| answer.status < 500)
    }

    /// Reads a key until there is an answer. False: there is none within the time.
    pub async fn get_within(&mut self, key: &str, patience: Duration) -> bool {
        let deadline = tokio::time::Instant::now() + patience;
        loop {
            let unanswered = self.board.tally().unanswered;
            self.get(key).await;
            if self.board.tally().unanswered == unanswered {
                return true;
            }
            if tokio::time::Instant::now() > deadline {
                return false;
            }
        }
    }

    /// Writes a key that no one else uses until that is acknowledged. False: it is not within the time.
    pub async fn put_within(&mut self, key: &str, patience: Duration) -> bool {
        let deadline = tokio::time::Instant::now() + patience;
        loop {
            let unanswered = self.board.tally().unanswered;
            self.put(key).await;
            if self.board.tally().unanswered == unanswered {
                return true;
            }
            if tokio::time::Instant::now() > deadline {
                return false;
            }
        }
    }
}

const PREFIX_LENGTH: usize = 4;

fn key_of(epoch: u64, number: u64) -> String {
    format!("{epoch:03}/{number:02}")
}

/// The two parts that uploads have.
fn parts(bytes: &[u8]) -> Vec<&[u8]> {
    let (one, other) = bytes.split_at(bytes.len() / 2);
    vec![one, other]
}

fn value_told(answer: &Answer) -> Option<Value> {
    Value::from_str_radix(answer.header(VALUE_HEADER)?, 16).ok()
}

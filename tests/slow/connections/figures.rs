//! What was measured, and whether it is within the limits.

use std::time::Duration;
use weir_tests::crowd::Fate;
use weir_tests::latency::Latency;

/// A connection may be closed so much before or after its deadline: all of a crowd have theirs at the same time, and
/// the client that notes it shares the machine with the server.
const DEADLINE_SLACK: Duration = Duration::from_secs(3);
const LATENCY_MAX_FACTOR: u32 = 2;
/// What the machine's other work may add to the slowest of a hundred.
const P99_SLACK: Duration = Duration::from_millis(3);

/// The well-behaved client's latency without the crowd and with it.
pub struct Pair {
    pub before: Latency,
    pub during: Latency,
}

/// Of one scenario.
pub struct Figures {
    pub name: String,
    pub count: usize,
    pub cap: usize,
    pub is_http2: bool,
    /// The server's sockets while the crowd is there, beyond those before.
    pub held: usize,
    pub gone_early: usize,
    pub rss_before: u64,
    pub rss_during: u64,
    pub rss_peak: u64,
    pub rss_max: u64,
    pub kept: Pair,
    /// None: it got none.
    pub new: Option<Pair>,
    /// It is not let be until its deadline.
    pub ends_early: bool,
    /// None: the client can't see when it is closed.
    pub deadline: Option<Duration>,
    pub fates: Vec<Fate>,
}

pub fn print_head() {
    println!(
        "| crowd | held | MiB resident before, with it, peak | limit | closed after s, first, median, last | µs kept \
         p50, p99: before, with it | µs new p50, p99: before, with it |"
    );
    println!("|---|---|---|---|---|---|---|");
}

impl Figures {
    pub fn print(&self) {
        let mib = |bytes: u64| bytes >> 20;
        let lifetimes = self.lifetimes();
        let seconds = |at: Option<&Duration>| at.map_or("–".into(), |time| format!("{:.1}", time.as_secs_f64()));
        println!(
            "| {} | {} of {} | {}, {}, {} | {} | {}, {}, {} | {} | {} |",
            self.name,
            self.held,
            self.count,
            mib(self.rss_before),
            mib(self.rss_during),
            mib(self.rss_peak),
            mib(self.rss_max),
            seconds(lifetimes.first()),
            seconds(lifetimes.get(lifetimes.len() / 2)),
            seconds(lifetimes.last()),
            self.kept.text(),
            self.new.as_ref().map_or("–".into(), Pair::text),
        );
    }

    /// Of those that were there, sorted.
    fn lifetimes(&self) -> Vec<Duration> {
        let mut lifetimes: Vec<Duration> =
            self.fates.iter().filter(|fate| !self.is_refusal(fate)).filter_map(|fate| fate.lifetime).collect();
        lifetimes.sort_unstable();
        lifetimes
    }

    /// Over the cap: told so, or closed without a word.
    fn is_refusal(&self, fate: &Fate) -> bool {
        let is_early = || fate.lifetime.zip(self.deadline).is_some_and(|(lifetime, end)| lifetime < end / 2);
        self.cap < self.count && (fate.was_refused || fate.last_words.starts_with(b"HTTP/1.1 503") || is_early())
    }

    /// 503; of HTTP/2 GOAWAY, or that it is not offered.
    fn was_told(&self, fate: &Fate) -> bool {
        if self.is_http2 {
            fate.was_refused || !fate.last_words.is_empty()
        } else {
            fate.last_words.starts_with(b"HTTP/1.1 503")
        }
    }

    /// What was not as it has to be.
    pub fn failures(&self) -> Vec<String> {
        let mut failures = Vec::new();
        if self.rss_peak > self.rss_max {
            failures.push(format!("{} MiB resident at most", self.rss_peak >> 20));
        }
        if self.held < self.cap * 99 / 100 || self.held > self.cap + 100 {
            failures.push(format!("{} of the crowd were there, {} had gone early", self.held, self.gone_early));
        }
        let refused: Vec<&Fate> = self.fates.iter().filter(|fate| self.is_refusal(fate)).collect();
        if self.cap < self.count {
            let told = refused.iter().filter(|fate| self.was_told(fate)).count();
            println!("| {} refused, {told} of them were told | | | | | | |", refused.len());
            if told == 0 {
                failures.push("nobody was told of the cap".into());
            }
        }
        if let Some(deadline) = self.deadline {
            let lifetimes = self.lifetimes();
            if lifetimes.len() + refused.len() != self.count {
                failures.push(format!("{} were never closed", self.count - lifetimes.len() - refused.len()));
            }
            let is_late = |lifetime: &&Duration| {
                **lifetime > deadline + DEADLINE_SLACK || !self.ends_early && **lifetime + DEADLINE_SLACK < deadline
            };
            let late = lifetimes.iter().filter(is_late).count();
            if late > 0 {
                failures.push(format!("{late} were not closed at their deadline, {deadline:?}"));
            }
        }
        failures.extend(self.kept.failure("a kept connection"));
        failures.extend(self.new.as_ref().and_then(|new| new.failure("new connections")));
        failures
    }
}

impl Pair {
    fn text(&self) -> String {
        let of = |latency: &Latency| format!("{}, {}", latency.p50.as_micros(), latency.p99.as_micros());
        format!("{}: {}", of(&self.before), of(&self.during))
    }

    fn failure(&self, what: &str) -> Option<String> {
        let is_slow = self.during.p50 > LATENCY_MAX_FACTOR * self.before.p50
            || self.during.p99 > LATENCY_MAX_FACTOR * self.before.p99 + P99_SLACK;
        is_slow.then(|| format!("over {what} the latency is more than {LATENCY_MAX_FACTOR} times: {}", self.text()))
    }
}

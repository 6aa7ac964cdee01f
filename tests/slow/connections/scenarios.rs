//! Who comes, to a server with which limits, and what may become of them.

use super::figures::{Figures, Pair};
use std::time::Duration;
use weir_tests::crowd::{Crowd, Manner, Paths, Plan, SMALL_OBJECT};
use weir_tests::latency::Prober;
use weir_tests::{Server, noise};

const MIB: u64 = 1 << 20;
/// Long enough for all to be there at the same time, with the handshakes of both ends on this machine, and for the
/// latencies to be measured meanwhile.
const TIMEOUT: Duration = Duration::from_secs(45);
/// An HTTP/2 connection that is idle is told so before it is closed.
const LAST_CALL: Duration = Duration::from_secs(1);
const ARRIVAL_SECONDS: u64 = 40;
const INTERVAL: Duration = Duration::from_secs(2);
const BUCKET: &str = "/crowd";
const PATHS: Paths = Paths { small: "/crowd/small", large: "/crowd/large", bucket: BUCKET };
/// No socket's buffers hold it.
const LARGE_BYTES: usize = 32 << 20;
// The server's defaults.
const CONNECTION_MAX_COUNT: usize = 20_000;
const HTTP2_CONNECTION_MAX_COUNT: usize = 1_500;
const ROUNDS: usize = 10;
const REQUESTS_PER_ROUND: usize = 200;
/// After the last of a crowd was closed, its sockets are.
const SOCKETS_SECONDS: u64 = 20;

/// A crowd and its server.
pub struct Scenario {
    manner: Manner,
    pub over_tls: bool,
    count: usize,
    /// Of the crowd, so many may be there.
    cap: usize,
    connection_max_count: usize,
    rss_max_bytes: u64,
}

/// All of them, for crowds of this size.
pub fn all(count: usize) -> Vec<Scenario> {
    let manners = |over_tls: bool| {
        [
            (Manner::Idle, 128),
            (Manner::SlowHead, 160),
            (Manner::Silent, 128),
            (Manner::Http2Idle, 128),
            (Manner::Http2Silent, 160),
            (Manner::Http2SlowHead, 160),
            (Manner::Http2Continuations, 160),
            (Manner::SlowHandshake, 160),
            (Manner::StalledHandshake, 160),
            // hyper's buffers alone are 16 KiB for each.
            (Manner::SlowBody, 500),
            (Manner::Unread, if over_tls { 1_200 } else { 700 }),
        ]
    };
    let mut scenarios = Vec::new();
    for over_tls in [false, true] {
        let scenario = |manner: Manner, mib: u64| Scenario {
            manner,
            over_tls,
            count,
            cap: if manner.protocol() == "h2" { count.min(HTTP2_CONNECTION_MAX_COUNT) } else { count },
            connection_max_count: CONNECTION_MAX_COUNT,
            rss_max_bytes: mib * MIB,
        };
        let served = manners(over_tls).into_iter().filter(|(manner, _)| over_tls || !manner.is_below_tls());
        scenarios.extend(served.map(|(manner, mib)| scenario(manner, mib)));
        // The well-behaved client is there first, with a connection that it keeps.
        let (count, connection_max_count) = (2 * count, count + 1);
        scenarios.push(Scenario { count, connection_max_count, ..scenario(Manner::SlowHead, 160) });
    }
    scenarios
}

impl Scenario {
    pub fn name(&self) -> String {
        let over = if self.over_tls { "TLS" } else { "clear" };
        let cap = if self.cap < self.count { format!(", cap {}", self.cap) } else { String::new() };
        format!("{:?} {over}{cap}", self.manner)
    }

    fn settings(&self) -> String {
        let timeout_ms = TIMEOUT.as_millis();
        format!(
            "[gateway]\nconnection_max_count = {}\nhttp2_connection_max_count = {HTTP2_CONNECTION_MAX_COUNT}\n\
             header_timeout_ms = {timeout_ms}\nidle_timeout_ms = {timeout_ms}\nbody_idle_timeout_ms = {timeout_ms}\n",
            self.connection_max_count
        )
    }

    pub fn run(&self) -> Figures {
        let settings = self.settings();
        let server = if self.over_tls { Server::start_over_tls_with(&settings) } else { Server::start_with(&settings) };
        let client = server.client();
        client.bucket("crowd");
        client.put(PATHS.small, SMALL_OBJECT).expect(200);
        if self.manner == Manner::Unread {
            client.put(PATHS.large, noise(1, LARGE_BYTES)).expect(200);
        }
        let mut prober = Prober::new(&client, PATHS.small);
        let new_before = prober.over_new(ROUNDS, REQUESTS_PER_ROUND);
        let kept_before = prober.over_kept(ROUNDS, REQUESTS_PER_ROUND);
        let (sockets_before, rss_before) = (server.socket_count(), server.rss_bytes());

        let crowd = Crowd::gather(Plan {
            server: server.address(),
            trust: server.trust(),
            paths: PATHS,
            manner: self.manner,
            count: self.count,
            interval: INTERVAL,
            patience: 2 * TIMEOUT,
        });
        crowd.await_arrival(ARRIVAL_SECONDS);
        let kept_during = prober.over_kept(ROUNDS, REQUESTS_PER_ROUND);
        let has_place = self.count < self.connection_max_count;
        let new_during = has_place.then(|| prober.over_new(ROUNDS, REQUESTS_PER_ROUND));
        let (held, gone_early) = (server.socket_count().saturating_sub(sockets_before), crowd.gone_count());
        let rss_during = server.rss_bytes();
        let fates = crowd.fates();
        weir_tests::eventually(SOCKETS_SECONDS, "all sockets are closed", || server.socket_count() <= sockets_before);
        server.assert_alive();
        Figures {
            name: self.name(),
            count: self.count,
            cap: self.cap,
            is_http2: self.manner.protocol() == "h2",
            held,
            gone_early,
            rss_before,
            rss_during,
            rss_peak: server.peak_rss_bytes(),
            rss_max: self.rss_max_bytes,
            kept: Pair { before: kept_before, during: kept_during },
            new: new_during.map(|during| Pair { before: new_before, during }),
            ends_early: !self.manner.is_let_be(),
            deadline: self.manner.reads().then(|| self.deadline()),
            fates,
        }
    }

    fn deadline(&self) -> Duration {
        if self.manner == Manner::Http2Idle { TIMEOUT + LAST_CALL } else { TIMEOUT }
    }
}

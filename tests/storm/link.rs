//! One client's way to the cluster: a connection to one of the gateways, and to the next one when it breaks.

use std::net::SocketAddr;
use std::time::Duration;
use weir_tests::{Answer, Client, Connection};

/// Longer than any fault that the cluster has to bridge without its clients noticing.
const TIMEOUT: Duration = Duration::from_secs(15);

pub struct Link {
    gateways: Vec<Client>,
    /// The one to begin with.
    home: usize,
    /// The one in use.
    at: usize,
    connection: Option<Connection>,
}

impl Link {
    /// Begins with the gateway of that number, counted around.
    pub fn new(gateways: &[SocketAddr], first: usize) -> Self {
        let gateways: Vec<Client> = gateways.iter().map(|&address| Client::new(address, "")).collect();
        let home = first % gateways.len();
        Self { home, at: home, gateways, connection: None }
    }

    /// Turns to the gateway that it began with.
    pub fn go_home(&mut self) {
        if self.at != self.home {
            self.at = self.home;
            self.connection = None;
        }
    }

    /// Sends a request once. None: there was no whole answer, and nobody knows what became of it.
    pub fn send(&mut self, method: &str, path: &str, headers: &[(&str, &str)], body: Vec<u8>) -> Option<Answer> {
        let answer = self.exchange(method, path, headers, body);
        if answer.as_ref().is_none_or(|answer| answer.status >= 500) {
            self.connection = None;
            self.at = (self.at + 1) % self.gateways.len();
        }
        answer
    }

    fn exchange(&mut self, method: &str, path: &str, headers: &[(&str, &str)], body: Vec<u8>) -> Option<Answer> {
        let client = &self.gateways[self.at];
        let mut bytes = client.request(method, path).headers(headers).body(body.clone()).head_bytes();
        bytes.extend_from_slice(&body);
        let mut connection = match self.connection.take() {
            Some(connection) => connection,
            None => {
                let connection = client.open().ok()?;
                connection.stream().set_read_timeout(Some(TIMEOUT)).ok()?;
                connection.stream().set_write_timeout(Some(TIMEOUT)).ok()?;
                connection
            }
        };
        let sent = connection.send(&bytes);
        let answer = connection.read_answer(method).ok()?;
        let closes = answer.header("connection").is_some_and(|value| value.eq_ignore_ascii_case("close"));
        if sent.is_ok() && !closes {
            self.connection = Some(connection);
        }
        Some(answer)
    }
}

//! Requests without signatures over connections that are kept.

use std::io;
use std::net::SocketAddr;
use weir_tests::{Answer, Connection};

/// A thread's connections, one to each server.
#[derive(Default)]
pub struct Wire {
    connections: Vec<(SocketAddr, Connection)>,
}

impl Wire {
    /// Sends a request and reads its answer. A connection that broke is made anew with the next request.
    ///
    /// # Errors
    /// What the connection says.
    pub fn exchange(&mut self, address: SocketAddr, method: &str, path: &str, body: &[u8]) -> io::Result<Answer> {
        let at = match self.connections.iter().position(|(there, _)| *there == address) {
            Some(at) => at,
            None => {
                self.connections.push((address, Connection::open(address)?));
                self.connections.len() - 1
            }
        };
        let connection = &mut self.connections[at].1;
        let head = format!(
            "{method} {path} HTTP/1.1\r\nhost: {address}\r\ncontent-length: {length}\r\n\r\n",
            length = body.len()
        );
        let answer = connection.send(&[head.as_bytes(), body].concat()).and_then(|()| connection.read_answer(method));
        let is_over = answer.as_ref().map_or(true, |answer| answer.header("connection") == Some("close"));
        if is_over {
            self.connections.swap_remove(at);
        }
        answer
    }
}

//! A small blocking HTTP/1.1 client, in clear or over TLS. It sends paths, headers and bodies exactly as given, so that a test can send what
//! no library would.

use crate::Answer;
use crate::tls::{Stream, Trust};
use std::io::{self, BufRead, BufReader, Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::sync::Mutex;
use std::time::Duration;

const TIMEOUT: Duration = Duration::from_secs(60);
const BUFFER_BYTES: usize = 256 << 10;

/// One connection to a server.
pub struct Connection {
    reader: BufReader<Stream>,
}

impl Connection {
    pub fn open(address: SocketAddr) -> io::Result<Self> {
        Self::open_with(address, None)
    }

    /// Over TLS, where a trust is given.
    pub fn open_with(address: SocketAddr, trust: Option<&Trust>) -> io::Result<Self> {
        let stream = TcpStream::connect_timeout(&address, TIMEOUT)?;
        stream.set_read_timeout(Some(TIMEOUT))?;
        stream.set_write_timeout(Some(TIMEOUT))?;
        stream.set_nodelay(true)?;
        let stream = match trust {
            Some(trust) => Stream::over_tls(stream, address, trust)?,
            None => Stream::Clear(stream),
        };
        Ok(Self { reader: BufReader::with_capacity(BUFFER_BYTES, stream) })
    }

    /// The socket, to send what no method here would.
    pub fn stream(&self) -> &TcpStream {
        self.reader.get_ref().socket()
    }

    pub fn send(&mut self, bytes: &[u8]) -> io::Result<()> {
        self.reader.get_mut().write_all(bytes)
    }

    /// The next status line and headers; `100 Continue` is an answer of its own here.
    pub fn read_head(&mut self) -> io::Result<Answer> {
        let line = self.line()?;
        let mut words = line.splitn(3, ' ');
        let status = words.nth(1).and_then(|word| word.parse().ok());
        let status = status.ok_or_else(|| io::Error::other(format!("not a status line: {line:?}")))?;
        let mut answer = Answer { status, reason: words.next().unwrap_or("").to_owned(), ..Answer::default() };
        loop {
            let line = self.line()?;
            if line.is_empty() {
                return Ok(answer);
            }
            let (name, value) = line.split_once(':').ok_or_else(|| io::Error::other(format!("header {line:?}")))?;
            answer.headers.push((name.to_ascii_lowercase(), value.trim().to_owned()));
        }
    }

    fn line(&mut self) -> io::Result<String> {
        let mut line = Vec::new();
        self.reader.read_until(b'\n', &mut line)?;
        if line.pop() != Some(b'\n') {
            return Err(io::ErrorKind::UnexpectedEof.into());
        }
        if line.last() == Some(&b'\r') {
            line.pop();
        }
        Ok(String::from_utf8_lossy(&line).into_owned())
    }

    /// The body that belongs to this head, handed over piece by piece. A body that ends early is an error.
    pub fn read_body(&mut self, head: &Answer, method: &str, sink: &mut dyn FnMut(&[u8])) -> io::Result<()> {
        if method == "HEAD" || head.status < 200 || matches!(head.status, 204 | 304) {
            return Ok(());
        }
        if head.header("transfer-encoding").is_some_and(|value| value.eq_ignore_ascii_case("chunked")) {
            loop {
                let line = self.line()?;
                let size = u64::from_str_radix(line.split(';').next().unwrap_or("").trim(), 16)
                    .map_err(|error| io::Error::other(format!("chunk size {line:?}: {error}")))?;
                self.copy(size, sink)?;
                self.line()?;
                if size == 0 {
                    return Ok(());
                }
            }
        }
        match head.header("content-length") {
            Some(length) => {
                let length = length.parse().map_err(|error| io::Error::other(format!("{length:?}: {error}")))?;
                self.copy(length, sink)
            }
            None => loop {
                let piece = self.reader.fill_buf()?;
                if piece.is_empty() {
                    return Ok(());
                }
                sink(piece);
                let length = piece.len();
                self.reader.consume(length);
            },
        }
    }

    fn copy(&mut self, mut left: u64, sink: &mut dyn FnMut(&[u8])) -> io::Result<()> {
        while left > 0 {
            let piece = self.reader.fill_buf()?;
            if piece.is_empty() {
                return Err(io::ErrorKind::UnexpectedEof.into());
            }
            let length = piece.len().min(usize::try_from(left).unwrap_or(usize::MAX));
            sink(&piece[..length]);
            self.reader.consume(length);
            left -= length as u64;
        }
        Ok(())
    }

    /// A whole answer; what follows a `100 Continue` counts.
    pub fn read_answer(&mut self, method: &str) -> io::Result<Answer> {
        let mut answer = self.read_head()?;
        if answer.status == 100 {
            answer = Answer { continued: true, ..self.read_head()? };
        }
        let mut body = Vec::new();
        self.read_body(&answer, method, &mut |piece| body.extend_from_slice(piece))?;
        answer.body = body;
        Ok(answer)
    }

    /// Whether the server has closed the connection, waiting for that as long as an answer may take.
    pub fn is_closed(&mut self) -> bool {
        let mut byte = [0];
        !matches!(self.reader.read(&mut byte), Ok(1))
    }
}

/// A client of one server, at one base path, by one host name. Keeps connections; can be shared among threads.
pub struct Client {
    address: SocketAddr,
    prefix: String,
    host: String,
    trust: Option<Trust>,
    idle: Mutex<Vec<Connection>>,
}

impl Client {
    /// `prefix` goes before each path: empty, or a base path without a slash at its end.
    pub fn new(address: SocketAddr, prefix: &str) -> Self {
        Self { address, prefix: prefix.to_owned(), host: address.to_string(), trust: None, idle: Mutex::default() }
    }

    /// The same server under another host name.
    pub fn with_host(&self, host: &str) -> Self {
        let trust = self.trust.clone();
        Self { host: format!("{host}:{}", self.address.port()), trust, ..Self::new(self.address, &self.prefix) }
    }

    /// The same server over TLS, where a trust is given.
    pub fn with_trust(&self, trust: Option<Trust>) -> Self {
        Self { host: self.host.clone(), trust, ..Self::new(self.address, &self.prefix) }
    }

    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// `path` is sent as it is: encode what must be encoded.
    pub fn request(&self, method: &str, path: &str) -> Request<'_> {
        Request {
            client: self,
            host: self.host.clone(),
            method: method.to_owned(),
            path: format!("{}{path}", self.prefix),
            headers: Vec::new(),
            body: Vec::new(),
            length: Length::Known,
        }
    }

    pub fn get(&self, path: &str) -> Answer {
        self.request("GET", path).send()
    }

    pub fn head(&self, path: &str) -> Answer {
        self.request("HEAD", path).send()
    }

    pub fn delete(&self, path: &str) -> Answer {
        self.request("DELETE", path).send()
    }

    pub fn put(&self, path: &str, body: impl Into<Vec<u8>>) -> Answer {
        self.request("PUT", path).body(body).send()
    }

    pub fn post(&self, path: &str, body: impl Into<Vec<u8>>) -> Answer {
        self.request("POST", path).body(body).send()
    }

    /// Makes a bucket of a name that must be new and gives its path, `/NAME`.
    #[track_caller]
    pub fn bucket(&self, name: &str) -> String {
        let path = format!("/{name}");
        self.put(&path, "").expect(200);
        path
    }

    fn connection(&self) -> io::Result<(Connection, bool)> {
        match self.idle.lock().unwrap_or_else(|poisoned| poisoned.into_inner()).pop() {
            Some(connection) => Ok((connection, true)),
            None => Ok((self.open()?, false)),
        }
    }

    /// A connection of the test's own.
    ///
    /// # Errors
    /// When the server takes none.
    pub fn open(&self) -> io::Result<Connection> {
        Connection::open_with(self.address, self.trust.as_ref())
    }

    fn keep(&self, connection: Connection) {
        self.idle.lock().unwrap_or_else(|poisoned| poisoned.into_inner()).push(connection);
    }
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Length {
    /// Content-Length is that of the body.
    Known,
    /// Transfer-Encoding: chunked.
    Chunked,
    /// Neither header, or those that the test gives itself.
    Untold,
}

/// A request being made.
#[must_use]
pub struct Request<'a> {
    client: &'a Client,
    host: String,
    method: String,
    path: String,
    headers: Vec<(String, Vec<u8>)>,
    body: Vec<u8>,
    length: Length,
}

impl Request<'_> {
    /// Names this host, whatever the client's is.
    pub fn host(mut self, host: &str) -> Self {
        host.clone_into(&mut self.host);
        self
    }

    pub fn header(mut self, name: &str, value: &str) -> Self {
        self.headers.push((name.to_owned(), value.as_bytes().to_vec()));
        self
    }

    /// A header whose value need not be text.
    pub fn header_bytes(mut self, name: &str, value: &[u8]) -> Self {
        self.headers.push((name.to_owned(), value.to_vec()));
        self
    }

    pub fn headers(mut self, headers: &[(&str, &str)]) -> Self {
        for (name, value) in headers {
            self = self.header(name, value);
        }
        self
    }

    pub fn body(mut self, body: impl Into<Vec<u8>>) -> Self {
        self.body = body.into();
        self
    }

    /// Sends the body in HTTP's own chunks, without its length.
    pub fn chunked(mut self) -> Self {
        self.length = Length::Chunked;
        self
    }

    /// Says nothing about the body's length.
    pub fn without_length(mut self) -> Self {
        self.length = Length::Untold;
        self
    }

    /// The request's line and headers, with the empty line.
    pub fn head_bytes(&self) -> Vec<u8> {
        let mut head = format!("{} {} HTTP/1.1\r\nHost: {}\r\n", self.method, self.path, self.host).into_bytes();
        for (name, value) in &self.headers {
            head.extend_from_slice(name.as_bytes());
            head.extend_from_slice(b": ");
            head.extend_from_slice(value);
            head.extend_from_slice(b"\r\n");
        }
        match self.length {
            Length::Chunked => head.extend_from_slice(b"Transfer-Encoding: chunked\r\n"),
            Length::Known if !self.body.is_empty() || matches!(self.method.as_str(), "PUT" | "POST") => {
                head.extend_from_slice(format!("Content-Length: {}\r\n", self.body.len()).as_bytes());
            }
            Length::Known | Length::Untold => {}
        }
        head.extend_from_slice(b"\r\n");
        head
    }

    fn body_bytes(&self) -> Vec<u8> {
        if self.length != Length::Chunked {
            return self.body.clone();
        }
        let mut out = Vec::new();
        for chunk in self.body.chunks(64 << 10) {
            out.extend_from_slice(format!("{:x}\r\n", chunk.len()).as_bytes());
            out.extend_from_slice(chunk);
            out.extend_from_slice(b"\r\n");
        }
        out.extend_from_slice(b"0\r\n\r\n");
        out
    }

    /// Sends it and reads the whole answer.
    ///
    /// # Panics
    /// When there is no whole answer.
    #[track_caller]
    pub fn send(&self) -> Answer {
        self.try_send().unwrap_or_else(|error| panic!("{} {}: {error}", self.method, self.path))
    }

    /// # Errors
    /// When no connection can be made, or it breaks before the answer is whole.
    pub fn try_send(&self) -> io::Result<Answer> {
        let (connection, used) = self.client.connection()?;
        match self.exchange(connection) {
            // The server may have closed a kept connection meanwhile: that says nothing about this request.
            Err(error) if used && is_gone(&error) => self.exchange(self.client.open()?),
            other => other,
        }
    }

    fn exchange(&self, mut connection: Connection) -> io::Result<Answer> {
        let mut bytes = self.head_bytes();
        bytes.extend_from_slice(&self.body_bytes());
        // A server that refuses early may close while the body is still on its way: its answer counts.
        let sent = connection.send(&bytes);
        let mut answer = match (connection.read_answer(&self.method), sent) {
            (Ok(answer), _) => answer,
            (Err(_), Err(error)) => return Err(error),
            (Err(error), Ok(())) => return Err(error),
        };
        answer.request = format!("{} {}", self.method, self.path);
        let closes = answer.header("connection").is_some_and(|value| value.eq_ignore_ascii_case("close"));
        if !closes && self.length != Length::Untold && answer.status < 400 {
            self.client.keep(connection);
        }
        Ok(answer)
    }
}

fn is_gone(error: &io::Error) -> bool {
    use io::ErrorKind::{BrokenPipe, ConnectionAborted, ConnectionReset, UnexpectedEof};
    matches!(error.kind(), BrokenPipe | ConnectionAborted | ConnectionReset | UnexpectedEof)
}

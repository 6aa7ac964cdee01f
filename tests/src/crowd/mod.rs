//! A crowd of connections that misbehave, each in the same manner, and what the server does about it.

mod manner;

pub use manner::{Manner, Paths, SMALL_OBJECT};

use crate::tls::Trust;
use rustls::client::Resumption;
use rustls::pki_types::ServerName;
use std::io;
use std::net::{Ipv4Addr, SocketAddr, SocketAddrV4};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering::Relaxed};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};
use tokio::io::{AsyncRead, AsyncReadExt as _, AsyncWrite, AsyncWriteExt as _};
use tokio::net::TcpSocket;
use tokio::sync::Semaphore;
use tokio_rustls::TlsConnector;

/// Connections that are being made at the same time.
const ARRIVALS_AT_ONCE: usize = 128;
/// Connections from each address of loopback: there are fewer ports than a crowd may have connections.
const CONNECTIONS_PER_SOURCE: usize = 4_000;
/// How much is kept of what the server says at the end.
const LAST_WORDS_MAX_BYTES: usize = 1 << 10;
/// Room for what nobody reads; more of it would only keep this machine busy.
const UNREAD_MAX_BYTES: u32 = 4 << 10;

trait Io: AsyncRead + AsyncWrite + Send + Unpin {}
impl<T: AsyncRead + AsyncWrite + Send + Unpin> Io for T {}

/// Where a crowd goes, and how it behaves there.
#[derive(Clone, Debug)]
pub struct Plan {
    pub server: SocketAddr,
    /// None: in clear.
    pub trust: Option<Trust>,
    pub paths: Paths,
    pub manner: Manner,
    pub count: usize,
    /// Between two bytes of those who are slow.
    pub interval: Duration,
    /// A connection that was not closed for so long goes by itself.
    pub patience: Duration,
}

/// What became of a connection.
#[derive(Clone, Debug)]
pub struct Fate {
    /// From where its deadline counts to its end by the server; none: it was left alone.
    pub lifetime: Option<Duration>,
    /// What the server said after the opening.
    pub last_words: Vec<u8>,
    /// It never got as far as its opening.
    pub was_refused: bool,
}

/// Connections that are there, or on their way.
pub struct Crowd {
    arrived: Arc<AtomicUsize>,
    gone: Arc<AtomicUsize>,
    count: usize,
    thread: JoinHandle<Vec<Fate>>,
}

impl Crowd {
    /// Sends them off, from a thread of their own.
    ///
    /// # Panics
    /// When no thread can be started.
    pub fn gather(mut plan: Plan) -> Self {
        let (arrived, gone, count) = (Arc::<AtomicUsize>::default(), Arc::<AtomicUsize>::default(), plan.count);
        let counters = (arrived.clone(), gone.clone());
        plan.trust = plan.trust.map(|trust| {
            // Each is a stranger: none has a session to resume.
            let mut config = (*trust).clone();
            config.resumption = Resumption::disabled();
            config.alpn_protocols = vec![plan.manner.protocol().as_bytes().to_vec()];
            Arc::new(config)
        });
        let thread = std::thread::Builder::new().name("crowd".into()).spawn(move || {
            let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
            runtime.expect("a runtime can be made").block_on(live_all(plan, counters.0, counters.1))
        });
        Self { arrived, gone, count, thread: thread.expect("a thread can be started") }
    }

    /// Waits until each has sent its opening, or was refused.
    ///
    /// # Panics
    /// When that is not so within `seconds`.
    #[track_caller]
    pub fn await_arrival(&self, seconds: u64) {
        crate::eventually(seconds, "the whole crowd is there", || self.arrived.load(Relaxed) == self.count);
    }

    /// How many have gone, by themselves or by the server's will.
    pub fn gone_count(&self) -> usize {
        self.gone.load(Relaxed)
    }

    /// Waits for the end of each, which its patience bounds.
    ///
    /// # Panics
    /// When its thread has panicked.
    pub fn fates(self) -> Vec<Fate> {
        self.thread.join().expect("a crowd does not panic")
    }
}

async fn live_all(plan: Plan, arrived: Arc<AtomicUsize>, gone: Arc<AtomicUsize>) -> Vec<Fate> {
    let plan = Arc::new(plan);
    let arrivals = Arc::new(Semaphore::new(ARRIVALS_AT_ONCE));
    let members: Vec<_> = (0..plan.count)
        .map(|number| {
            let (plan, arrivals, arrived, gone) = (plan.clone(), arrivals.clone(), arrived.clone(), gone.clone());
            tokio::spawn(async move {
                let permit = arrivals.acquire_owned().await.expect("nobody closes it");
                let begun = Instant::now();
                let came = arrive(&plan, number).await;
                arrived.fetch_add(1, Relaxed);
                drop(permit);
                let fate = match came {
                    Ok((stream, since)) => live(&plan, stream, since).await,
                    Err(_) => Fate { lifetime: Some(begun.elapsed()), last_words: Vec::new(), was_refused: true },
                };
                gone.fetch_add(1, Relaxed);
                fate
            })
        })
        .collect();
    let mut fates = Vec::with_capacity(members.len());
    for member in members {
        fates.push(member.await.expect("a member does not panic"));
    }
    fates
}

/// The connection after its opening, and from where its deadline counts: its answer, if it is answered.
async fn arrive(plan: &Plan, number: usize) -> io::Result<(Box<dyn Io>, Instant)> {
    let socket = TcpSocket::new_v4()?;
    let source = u8::try_from(2 + number / CONNECTIONS_PER_SOURCE).map_err(io::Error::other)?;
    socket.bind(SocketAddrV4::new(Ipv4Addr::new(127, 0, 0, source), 0).into())?;
    if !plan.manner.reads() {
        socket.set_recv_buffer_size(UNREAD_MAX_BYTES)?;
    }
    let stream = socket.connect(plan.server).await?;
    let connected = Instant::now();
    stream.set_nodelay(true)?;
    let mut stream: Box<dyn Io> = match &plan.trust {
        Some(trust) if !plan.manner.is_below_tls() => {
            let name = ServerName::from(plan.server.ip());
            Box::new(TlsConnector::from(trust.clone()).connect(name, stream).await?)
        }
        _ => Box::new(stream),
    };
    stream.write_all(&plan.manner.opening(plan.server, plan.paths, plan.trust.as_ref())).await?;
    stream.flush().await?;
    if !plan.manner.is_answered() {
        return Ok((stream, connected));
    }
    let mut answer = Vec::new();
    while !answer.ends_with(SMALL_OBJECT) {
        if stream.read_buf(&mut answer).await? == 0 {
            return Err(io::ErrorKind::UnexpectedEof.into());
        }
    }
    Ok((stream, Instant::now()))
}

/// Goes on as its manner is, until the server closes or its patience ends.
async fn live(plan: &Plan, stream: Box<dyn Io>, since: Instant) -> Fate {
    let mut last_words = Vec::new();
    let until = tokio::time::Instant::from_std(since + plan.patience);
    let ended = tokio::time::timeout_at(until, go_on(plan, stream, &mut last_words)).await;
    Fate { lifetime: ended.ok().map(|()| since.elapsed()), last_words, was_refused: false }
}

async fn go_on(plan: &Plan, stream: Box<dyn Io>, last_words: &mut Vec<u8>) {
    if !plan.manner.reads() {
        return std::future::pending().await;
    }
    let (mut reader, mut writer) = tokio::io::split(stream);
    let trickle = plan.manner.trickle();
    let sending = async {
        while !trickle.is_empty() {
            tokio::time::sleep(plan.interval).await;
            if writer.write_all(&trickle).await.is_err() || writer.flush().await.is_err() {
                break;
            }
        }
        std::future::pending::<()>().await;
    };
    let reading = async {
        let mut piece = [0; 512];
        while let Ok(count @ 1..) = reader.read(&mut piece).await {
            let room = LAST_WORDS_MAX_BYTES.saturating_sub(last_words.len());
            last_words.extend_from_slice(&piece[..count.min(room)]);
        }
    };
    tokio::select! {
        () = sending => {}
        () = reading => {}
    }
}

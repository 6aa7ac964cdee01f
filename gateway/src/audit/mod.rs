//! The audit log: one line of JSON for each request, with who asked for what, and what came of it.
//!
//! | module | subject |
//! |---|---|
//! | [`record`] | what is known of a request, as a line and as attributes of its trace |
//! | [`keys`] | the keys of a request that is about many |
//! | [`noted`] | what an operation finds out while it runs |
//! | [`entry`] | a request under way, whose line is written when its answer is over |
//! | [`writer`] | the thread that writes |
//! | [`rotation`] | the file, and those that it was before |
//! | [`shown`] | how bytes of a client become text that can't break a line |
//!
//! No line is lost while it can be written, and none without being counted. Lines wait in a queue for the writer; when
//! it is full, requests wait before they begin, and those that waited too long are refused. A line of a request that has
//! begun always finds room: so the queue holds at most [`QUEUE_MAX_LINES`] and the requests in flight. When a write
//! fails, its lines are lost, which is counted and logged, and requests go on.

mod entry;
mod keys;
mod noted;
mod record;
mod rotation;
mod shown;
mod writer;

pub use entry::Entry;
pub use keys::ConcernedKeys;
pub use noted::Noted;
pub use record::{AuditRecord, request_span};

use prometheus_client::metrics::counter::Counter;
use prometheus_client::registry::Registry;
use rotation::RotatingFile;
use std::io;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;
use tokio::sync::{Semaphore, oneshot};
use tokio::time::timeout;
use weir_service::config::settings::GatewaySettings;
use weir_service::threads::{self, Sender};
use writer::{Message, Output, Writer};

/// Lines that may wait for the writer before requests have to. One with a list of keys counts as several.
const QUEUE_MAX_LINES: usize = 8192;
/// A request waits so long for room in the queue, and shutdown for the queue's end.
const ROOM_TIMEOUT: Duration = Duration::from_secs(5);
const FLUSH_TIMEOUT: Duration = Duration::from_secs(5);
/// Stands for standard output among the settings.
const STANDARD_OUTPUT: &str = "-";

/// Why an audit log can't be kept.
#[derive(Debug, thiserror::Error)]
pub enum AuditError {
    #[error("the audit log {} can't be opened: {source}", path.display())]
    Open { path: PathBuf, source: io::Error },
    #[error("no thread for the audit log: {0}")]
    Thread(#[source] io::Error),
    /// `ServiceUnavailable` (503).
    #[error("the audit log is behind: {QUEUE_MAX_LINES} lines wait to be written")]
    Behind,
}

/// What is counted of it.
#[derive(Clone, Debug, Default)]
struct Counts {
    written: Counter,
    lost: Counter,
}

/// Where lines go. Cheap to clone; the writer ends with the last clone.
#[derive(Clone, Debug)]
pub struct Audit {
    /// Absent: switched off.
    queue: Option<Arc<Queue>>,
}

#[derive(Debug)]
struct Queue {
    sender: Sender<Message>,
    room: Arc<Semaphore>,
    room_timeout: Duration,
    counts: Counts,
}

impl Audit {
    /// Opens what `gateway.audit_log` names, and starts the thread that writes to it.
    ///
    /// # Errors
    /// [`AuditError::Open`], [`AuditError::Thread`].
    pub fn open(settings: &GatewaySettings, registry: &mut Registry) -> Result<Self, AuditError> {
        let output = match settings.audit_log.as_str() {
            "" => return Ok(Self { queue: None }),
            STANDARD_OUTPUT => Output::Standard,
            path => {
                let path = PathBuf::from(path);
                let file = RotatingFile::open(path.clone(), settings.audit_max_bytes, settings.audit_max_count);
                Output::File(file.map_err(|source| AuditError::Open { path, source })?)
            }
        };
        let counts = Counts::default();
        registry.register("weir_gateway_audit_lines", "Lines written to the audit log", counts.written.clone());
        registry.register(
            "weir_gateway_audit_lines_lost",
            "Lines that could not be written to the audit log",
            counts.lost.clone(),
        );
        Self::with_output(output, counts)
    }

    fn with_output(output: Output, counts: Counts) -> Result<Self, AuditError> {
        let (sender, receiver) = threads::channel();
        let room = Arc::new(Semaphore::new(QUEUE_MAX_LINES));
        let writer = Writer::new(output, room.clone(), counts.clone());
        threads::start("audit", move || writer.run(receiver)).map_err(AuditError::Thread)?;
        Ok(Self { queue: Some(Arc::new(Queue { sender, room, room_timeout: ROOM_TIMEOUT, counts })) })
    }

    /// Waits until the queue has room, which it mostly has. To be called before a request does anything.
    ///
    /// # Errors
    /// [`AuditError::Behind`].
    pub async fn room(&self) -> Result<(), AuditError> {
        let Some(queue) = &self.queue else { return Ok(()) };
        if queue.room.available_permits() > 0 {
            return Ok(());
        }
        match timeout(queue.room_timeout, queue.room.acquire()).await {
            Ok(Ok(_room)) => Ok(()),
            Ok(Err(_)) | Err(_) => Err(AuditError::Behind),
        }
    }

    /// Queues a line. Never waits.
    pub fn log(&self, record: AuditRecord) {
        let Some(queue) = &self.queue else { return };
        let room = queue.room.forget_permits(record.weight());
        if !queue.sender.send(Message::Line { record: Box::new(record), room }) {
            queue.counts.lost.inc();
        }
    }

    /// Has the queue room now? For lines that nobody can be made to wait for.
    pub fn has_room(&self) -> bool {
        self.queue.as_ref().is_none_or(|queue| queue.room.available_permits() > 0)
    }

    /// Counts a line that there is no room for.
    fn lose(&self) {
        if let Some(queue) = &self.queue {
            queue.counts.lost.inc();
        }
    }

    /// Waits until everything that was logged so far is written, for a while.
    pub async fn flush(&self) {
        let Some(queue) = &self.queue else { return };
        let (done, written) = oneshot::channel();
        let is_queued = queue.sender.send(Message::Flush(done));
        if !is_queued || !matches!(timeout(FLUSH_TIMEOUT, written).await, Ok(Ok(()))) {
            tracing::error!("the last lines of the audit log may not be written");
        }
    }
}

#[cfg(test)]
mod tests;

//! The thread that writes: lines in the order in which they came, as many at a time as are there.

use super::rotation::RotatingFile;
use super::{AuditRecord, Counts};
use std::io::{self, Write as _};
use std::sync::Arc;
use tokio::sync::{Semaphore, oneshot};
use weir_service::threads::Receiver;

/// A batch takes no further line when it has so many bytes. It goes into one file, whole.
pub const BATCH_MAX_BYTES: usize = 64 << 10;

/// What the writer is told.
#[derive(Debug)]
pub enum Message {
    Line {
        record: Box<AuditRecord>,
        /// What it holds of the queue's room, to be given back.
        room: usize,
    },
    /// To be told when everything before it is written, or lost.
    Flush(oneshot::Sender<()>),
}

/// Where lines go.
#[derive(Debug)]
pub enum Output {
    Standard,
    File(RotatingFile),
}

impl Output {
    fn write(&mut self, lines: &[u8]) -> io::Result<()> {
        match self {
            Self::Standard => {
                let mut out = io::stdout().lock();
                out.write_all(lines)?;
                out.flush()
            }
            Self::File(file) => file.append(lines),
        }
    }
}

pub struct Writer {
    output: Output,
    room: Arc<Semaphore>,
    counts: Counts,
    /// The last batch could not be written: that was logged already.
    is_failing: bool,
}

/// What is written at a time.
#[derive(Default)]
struct Batch {
    lines: Vec<u8>,
    line_count: u64,
    room: usize,
    waiting: Vec<oneshot::Sender<()>>,
}

impl Batch {
    fn take(&mut self, message: Message) {
        match message {
            Message::Line { record, room } => {
                record.write_line(&mut self.lines);
                self.line_count += 1;
                self.room += room;
            }
            Message::Flush(done) => self.waiting.push(done),
        }
    }
}

impl Writer {
    pub fn new(output: Output, room: Arc<Semaphore>, counts: Counts) -> Self {
        Self { output, room, counts, is_failing: false }
    }

    /// Runs until nobody can send any more.
    pub async fn run(mut self, mut receiver: Receiver<Message>) {
        let mut batch = Batch::default();
        while let Some(first) = receiver.recv().await {
            batch.take(first);
            while batch.lines.len() < BATCH_MAX_BYTES
                && let Some(next) = receiver.try_recv()
            {
                batch.take(next);
            }
            self.write(&mut batch);
        }
    }

    /// Writes a batch and leaves it empty.
    fn write(&mut self, batch: &mut Batch) {
        if !batch.lines.is_empty() {
            match self.output.write(&batch.lines) {
                Ok(()) => {
                    self.counts.written.inc_by(batch.line_count);
                    if std::mem::take(&mut self.is_failing) {
                        tracing::info!(lost = self.counts.lost.get(), "the audit log is written again");
                    }
                }
                Err(error) => {
                    self.counts.lost.inc_by(batch.line_count);
                    if !std::mem::replace(&mut self.is_failing, true) {
                        tracing::error!(%error, "the audit log can't be written: lines are lost until it can");
                    }
                }
            }
        }
        self.room.add_permits(batch.room);
        for done in batch.waiting.drain(..) {
            // Whoever waited may have given up.
            let _ = done.send(());
        }
        batch.lines.clear();
        (batch.line_count, batch.room) = (0, 0);
    }
}

//! Blocks read from their files, where the worker runs on this machine: no bytes go through a socket. The worker tells
//! where a block lies and the checksums of its pages; what does not match them, or can't be opened, is asked of the
//! worker as from anywhere else.

use bytes::Bytes;
use parking_lot::Mutex;
use prometheus_client::metrics::counter::Counter;
use rustix::fs::OFlags;
use std::collections::HashMap;
use std::fs::{File, OpenOptions};
use std::io;
use std::os::unix::fs::{FileExt as _, OpenOptionsExt as _};
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;
use tokio::time::timeout;
use weir_proto::v1::blocks_client::BlocksClient;
use weir_proto::v1::{self, Reason};
use weir_proto::{Failure, MAX_MESSAGE_BYTES};
use weir_service::channel::Channel;
use weir_service::clock::Clock;
use weir_service::threads;

/// What one checksum covers, in bytes; see LocateBlock.
const PAGE_BYTES: u64 = 64 << 10;
/// Less is not worth asking where it lies.
pub const LOCAL_MIN_BYTES: u64 = 256 << 10;
/// A worker whose files can't be opened or read right is not asked for others for so long.
const REFUSE_MS: i64 = 60_000;

/// Whose files may be tried. Shared by all reads.
pub struct LocalReads {
    is_enabled: bool,
    clock: Arc<dyn Clock>,
    /// When a file of a worker last failed.
    failed_ms: Mutex<HashMap<u64, i64>>,
    pub bytes: Counter,
}

impl LocalReads {
    pub fn new(is_enabled: bool, clock: Arc<dyn Clock>) -> Self {
        Self { is_enabled, clock, failed_ms: Mutex::default(), bytes: Counter::default() }
    }

    pub fn may_try(&self, worker: &v1::Worker) -> bool {
        let is_out = |at_ms: &i64| (0..REFUSE_MS).contains(&(self.clock.now_ms() - at_ms));
        self.is_enabled && !self.failed_ms.lock().get(&worker.worker_id).is_some_and(is_out)
    }

    pub fn failed(&self, worker_id: u64, error: &io::Error) {
        let now_ms = self.clock.now_ms();
        let mut failed_ms = self.failed_ms.lock();
        failed_ms.retain(|_, at_ms| (0..REFUSE_MS).contains(&(now_ms - *at_ms)));
        failed_ms.insert(worker_id, now_ms);
        tracing::info!(worker_id, "a worker's files can't be read here, its blocks come over the network: {error}");
    }

    /// Asks the worker where a block lies, and opens the file; None: it has to be asked for the bytes.
    pub async fn open(
        &self,
        block_id: u64,
        worker: &v1::Worker,
        channel: Channel,
        silence: Duration,
    ) -> Option<Arc<LocalBlock>> {
        let mut client = BlocksClient::new(channel).max_decoding_message_size(MAX_MESSAGE_BYTES);
        let located = match timeout(silence, client.locate_block(v1::LocateBlockRequest { block_id })).await.ok()? {
            Ok(response) => response.into_inner(),
            Err(status) => {
                // Of an older version; what is wrong with this block alone shows when it is read.
                if Failure::from_status(&status).reason == Reason::Unspecified {
                    self.failed(worker.worker_id, &io::Error::other(status));
                }
                return None;
            }
        };
        let opened = threads::spawn_blocking(move || LocalBlock::open(located)).await;
        match opened.unwrap_or_else(|error| Err(io::Error::other(error))) {
            Ok(block) => Some(Arc::new(block)),
            Err(error) => {
                self.failed(worker.worker_id, &error);
                None
            }
        }
    }
}

/// A block's file on this machine. The descriptor stays good when the worker deletes the block meanwhile.
pub struct LocalBlock {
    file: File,
    located: v1::LocateBlockResponse,
}

impl LocalBlock {
    fn open(located: v1::LocateBlockResponse) -> io::Result<Self> {
        use std::os::unix::ffi::OsStrExt as _;
        let path = Path::new(std::ffi::OsStr::from_bytes(&located.path));
        if !path.is_absolute() || located.page_crc32c.len() as u64 != located.length_bytes.div_ceil(PAGE_BYTES) {
            return Err(io::Error::other("the worker's answer makes no sense"));
        }
        let flags = OFlags::NOFOLLOW | OFlags::NONBLOCK;
        let file = OpenOptions::new().read(true).custom_flags(flags.bits() as i32).open(path)?;
        if !file.metadata()?.is_file() {
            return Err(io::Error::other("it is not a file"));
        }
        Ok(Self { file, located })
    }

    /// Bytes that match their checksums. The pages in which they begin and end are read whole.
    pub async fn read(self: &Arc<Self>, offset_bytes: u64, length_bytes: u64) -> io::Result<Bytes> {
        let block = self.clone();
        let read = threads::spawn_blocking(move || block.read_pages(offset_bytes, length_bytes));
        read.await.unwrap_or_else(|error| Err(io::Error::other(error)))
    }

    fn read_pages(&self, offset_bytes: u64, length_bytes: u64) -> io::Result<Bytes> {
        let end = offset_bytes.checked_add(length_bytes).filter(|end| *end <= self.located.length_bytes);
        let end = end.ok_or_else(|| io::Error::other("the block is shorter than its record says"))?;
        let first_page = offset_bytes / PAGE_BYTES;
        let start = first_page * PAGE_BYTES;
        let pages_end = end.next_multiple_of(PAGE_BYTES).min(self.located.length_bytes);
        // A piece and a page more on each side: it fits.
        let mut buffer = vec![0; (pages_end - start) as usize];
        self.file.read_exact_at(&mut buffer, self.located.offset_bytes.saturating_add(start))?;
        let crcs = self.located.page_crc32c.iter().skip(first_page as usize);
        for (page, crc32c) in buffer.chunks(PAGE_BYTES as usize).zip(crcs) {
            if crc_fast::crc32_iscsi(page) != *crc32c {
                return Err(io::Error::other("a page does not match its checksum"));
            }
        }
        let wanted = (offset_bytes - start) as usize..(end - start) as usize;
        // A small part of what was read must not keep all of it.
        if 2 * wanted.len() < buffer.len() {
            return Ok(Bytes::copy_from_slice(&buffer[wanted]));
        }
        Ok(Bytes::from(buffer).slice(wanted))
    }
}

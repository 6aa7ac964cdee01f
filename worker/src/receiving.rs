//! Taking a block that comes in pieces, whoever sends it: a gateway, or another worker.

use crate::error::{WorkerError, off_thread};
use crate::store::{BlockStore, BlockWriter, Closed};
use bytes::Bytes;
use std::sync::Arc;

/// Takes the next piece; a large block is written as it comes.
pub async fn take(mut writer: BlockWriter, data: Bytes) -> Result<BlockWriter, WorkerError> {
    writer.push(data)?;
    if !writer.wants_flush() {
        return Ok(writer);
    }
    off_thread(move || writer.flush().map(|()| writer)).await?.map_err(WorkerError::from)
}

/// Compares what came with what should have, and returns when it is on disk.
pub async fn commit(
    store: &Arc<BlockStore>,
    writer: BlockWriter,
    length_bytes: u64,
    crc32c: u32,
) -> Result<(), WorkerError> {
    match writer.close(length_bytes, crc32c)? {
        Closed::Small(block) => store.append(block).await?,
        Closed::Large(block) => off_thread(move || block.commit()).await??,
    }
    Ok(())
}

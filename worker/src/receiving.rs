//! Taking a block that comes in pieces, whoever sends it: a gateway, or another worker.

use crate::disks::DiskWriter;
use crate::error::{WorkerError, off_thread};
use bytes::Bytes;

/// Takes the next piece; a large block is written as it comes.
pub async fn take(mut writer: DiskWriter, data: Bytes) -> Result<DiskWriter, WorkerError> {
    writer.push(data)?;
    if !writer.wants_flush() {
        return Ok(writer);
    }
    off_thread(move || writer.flush().map(|()| writer)).await?.map_err(WorkerError::from)
}

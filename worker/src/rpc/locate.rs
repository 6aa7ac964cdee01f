//! LocateBlock: the answer to a gateway that runs on the same machine.

use super::BlockService;
use crate::error::off_thread;
use std::os::unix::ffi::OsStringExt as _;
use tonic::Status;
use weir_proto::v1::{LocateBlockRequest, LocateBlockResponse, Reason};
use weir_proto::{BlockId, Failure};

impl BlockService {
    pub(super) async fn locate(&self, request: LocateBlockRequest) -> Result<LocateBlockResponse, Status> {
        let id = BlockId(request.block_id);
        let store = self.disks.reading(id).map_err(|error| self.refuse(id, &error.into()))?.clone();
        let located = off_thread(move || store.locate(id)).await.map_err(|error| self.refuse(id, &error))?;
        match located.map_err(|error| self.refuse(id, &error.into()))? {
            Some(located) => Ok(LocateBlockResponse {
                path: located.path.into_os_string().into_vec().into(),
                offset_bytes: located.offset_bytes,
                length_bytes: located.length_bytes,
                page_crc32c: located.page_crcs,
            }),
            None => {
                let rule = "it has no file of its own";
                Err(self.refuse_with(Failure::new(Reason::InvalidRequest, format!("block {id}"), rule)))
            }
        }
    }
}

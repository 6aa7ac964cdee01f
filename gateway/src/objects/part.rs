//! UploadPart.

use super::Inner;
use super::Objects;
use super::pipeline::Uploaded;
use super::types::{ObjectsError, PutPart};
use crate::body::{DeclaredChecksum, IncomingBody};
use std::sync::Arc;
use weir_proto::Failure;
use weir_proto::v1::namespace_client::NamespaceClient;
use weir_proto::v1::{self, ChecksumAlgorithm, Reason};
use weir_service::channel::Channel;

impl Objects {
    /// Stores a body as a part of an upload. The checksum in the answer is the one that the client sent, if it did.
    ///
    /// # Errors
    /// `NO_SUCH_UPLOAD` before anything of the body is read; `INVALID_REQUEST` when its checksum is of another
    /// algorithm than the upload's; otherwise as [`Objects::put_object`].
    #[tracing::instrument(level = "debug", skip_all, fields(bucket = %request.bucket, key = %request.key))]
    pub async fn put_part(&self, request: PutPart, mut body: IncomingBody) -> Result<v1::Part, ObjectsError> {
        let algorithm = self.part_algorithm(&request).await?;
        let declared = body.plan().declared.as_ref().map(DeclaredChecksum::algorithm);
        match (algorithm, declared) {
            // S3's default for uploads: a checksum of the whole object comes of the parts' CRC64NVMEs, whatever else
            // they were sent with.
            (ChecksumAlgorithm::None, _) => body.store_checksum(ChecksumAlgorithm::Crc64nvme),
            (expected, Some(sent)) if expected != sent => return Err(other_algorithm(expected, sent).into()),
            (expected, _) => body.store_checksum(expected),
        }
        let uploaded = self.inner.upload(&mut body, None, request.keeping).await?;
        drop(body);
        Ok(self.inner.commit_part(request, uploaded).await?)
    }

    /// The checksum algorithm of an open upload.
    pub(super) async fn part_algorithm(&self, request: &PutPart) -> Result<ChecksumAlgorithm, Failure> {
        let request = v1::GetUploadRequest {
            bucket: request.bucket.to_string(),
            key: request.key.as_bytes().clone(),
            upload_id: request.upload_id,
        };
        let upload = self.get_upload(request).await?.upload.unwrap_or_default();
        Ok(upload.checksum_algorithm())
    }
}

impl Inner {
    /// Makes what was uploaded that part of its upload.
    pub async fn commit_part(self: &Arc<Self>, request: PutPart, mut uploaded: Uploaded) -> Result<v1::Part, Failure> {
        let commit = v1::CommitPartRequest {
            request_id: None,
            bucket: request.bucket.to_string(),
            key: request.key.into_bytes(),
            upload_id: request.upload_id,
            part_number: request.part_number,
            content: Some(std::mem::take(&mut uploaded.content)),
            session_id: 0,
        };
        let declared = uploaded.verified.declared.clone();
        let send = move |mut namespace: NamespaceClient<Channel>, id: v1::RequestId| {
            let session_id = id.session_id;
            let commit = v1::CommitPartRequest { request_id: Some(id), session_id, ..commit.clone() };
            async move { namespace.commit_part(commit).await }
        };
        let response: v1::CommitPartResponse = self.commit(uploaded, send).await?;
        let part = response.part;
        let part = part.ok_or_else(|| Failure::new(Reason::Unspecified, "", "the metaserver's answer has no part"))?;
        Ok(v1::Part { checksum: declared.or(part.checksum.clone()), ..part })
    }
}

fn other_algorithm(expected: ChecksumAlgorithm, sent: ChecksumAlgorithm) -> Failure {
    let name = |algorithm: ChecksumAlgorithm| {
        algorithm.as_str_name().trim_start_matches("CHECKSUM_ALGORITHM_").to_ascii_lowercase()
    };
    let message = format!(
        "Checksum Type mismatch occurred, expected checksum Type: {}, actual checksum Type: {}",
        name(expected),
        name(sent)
    );
    Failure::new(Reason::InvalidRequest, "", message)
}

#[cfg(test)]
#[path = "part_tests.rs"]
mod tests;

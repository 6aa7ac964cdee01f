//! What is computed of a body while it streams by, and compared with what was declared at its end.

use super::error::BodyError;
use super::md5::Md5;
use super::plan::{BodyKind, BodyPlan, DeclaredChecksum, Payload, checksum_header};
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD as BASE64;
use bytes::Bytes;
use crc_fast::{CrcAlgorithm, Digest as CrcDigest};
use sha1::Sha1;
use sha2::{Digest as _, Sha256};
use weir_proto::v1::{Checksum, ChecksumAlgorithm, ChecksumType};

/// One checksum of S3's, running.
#[derive(Clone)]
pub struct ChecksumHasher {
    algorithm: ChecksumAlgorithm,
    state: State,
}

#[derive(Clone)]
enum State {
    None,
    Crc32(CrcDigest),
    Crc64(CrcDigest),
    Sha1(Sha1),
    Sha256(Sha256),
}

impl ChecksumHasher {
    /// Of NONE, the checksum is empty.
    pub fn new(algorithm: ChecksumAlgorithm) -> Self {
        let state = match algorithm {
            ChecksumAlgorithm::None => State::None,
            ChecksumAlgorithm::Crc32 => State::Crc32(CrcDigest::new(CrcAlgorithm::Crc32IsoHdlc)),
            ChecksumAlgorithm::Crc32c => State::Crc32(CrcDigest::new(CrcAlgorithm::Crc32Iscsi)),
            ChecksumAlgorithm::Crc64nvme => State::Crc64(CrcDigest::new(CrcAlgorithm::Crc64Nvme)),
            ChecksumAlgorithm::Sha1 => State::Sha1(Sha1::new()),
            ChecksumAlgorithm::Sha256 => State::Sha256(Sha256::new()),
        };
        Self { algorithm, state }
    }

    pub fn algorithm(&self) -> ChecksumAlgorithm {
        self.algorithm
    }

    pub fn update(&mut self, data: &[u8]) {
        match &mut self.state {
            State::None => {}
            State::Crc32(digest) | State::Crc64(digest) => digest.update(data),
            State::Sha1(digest) => digest.update(data),
            State::Sha256(digest) => digest.update(data),
        }
    }

    /// The checksum of a whole object or part.
    pub fn finish(self) -> Checksum {
        let value = match self.state {
            State::None => Bytes::new(),
            // The four bytes of a 32 bit CRC are the low half of what the library gives.
            State::Crc32(digest) => Bytes::copy_from_slice(&digest.finalize().to_be_bytes()[4..]),
            State::Crc64(digest) => Bytes::copy_from_slice(&digest.finalize().to_be_bytes()),
            State::Sha1(digest) => Bytes::copy_from_slice(&digest.finalize()),
            State::Sha256(digest) => Bytes::copy_from_slice(&digest.finalize()),
        };
        Checksum { algorithm: self.algorithm.into(), r#type: ChecksumType::FullObject.into(), value }
    }
}

/// What is known of a body whose end has come and of which everything declared was true.
#[derive(Clone, Debug, PartialEq)]
pub struct Verified {
    pub size_bytes: u64,
    /// All zero for documents, of which it is not computed unless declared.
    pub md5: [u8; 16],
    /// What is to be stored; its algorithm is NONE for documents.
    pub checksum: Checksum,
    /// The checksum that the client sent, if it sent one.
    pub declared: Option<Checksum>,
}

/// All digests of one body.
pub(super) struct Digests {
    md5: Option<Md5>,
    /// What is stored.
    stored: ChecksumHasher,
    /// What was declared, where that is another algorithm.
    declared: Option<ChecksumHasher>,
    /// Of the payload, where no checksum computes it anyway.
    payload: Option<Sha256>,
}

impl Digests {
    pub fn new(plan: &BodyPlan) -> Self {
        let declared = plan.declared.as_ref().map(DeclaredChecksum::algorithm);
        let (is_stored, default) = match plan.kind {
            BodyKind::Put | BodyKind::Part => (true, ChecksumAlgorithm::Crc64nvme),
            BodyKind::Document | BodyKind::Completion => (false, ChecksumAlgorithm::None),
        };
        let stored = match plan.stored_algorithm {
            ChecksumAlgorithm::None => declared.unwrap_or(default),
            chosen => chosen,
        };
        let computes_sha256 = stored == ChecksumAlgorithm::Sha256 || declared == Some(ChecksumAlgorithm::Sha256);
        Self {
            md5: (is_stored || plan.content_md5.is_some()).then(Md5::default),
            stored: ChecksumHasher::new(stored),
            declared: declared.filter(|algorithm| *algorithm != stored).map(ChecksumHasher::new),
            payload: (matches!(plan.payload, Payload::Sha256(_)) && !computes_sha256).then(Sha256::new),
        }
    }

    /// # Errors
    /// [`BodyError::Md5Lost`].
    pub async fn update(&mut self, data: &Bytes) -> Result<(), BodyError> {
        if let Some(md5) = &mut self.md5 {
            md5.update(data.clone()).await?;
        }
        self.stored.update(data);
        if let Some(declared) = &mut self.declared {
            declared.update(data);
        }
        if let Some(payload) = &mut self.payload {
            payload.update(data);
        }
        Ok(())
    }

    /// Compares everything that was declared. `trailer`: the checksum that the body's trailer held.
    ///
    /// # Errors
    /// [`BodyError::PayloadHashMismatch`], [`BodyError::ContentMd5Mismatch`], [`BodyError::ChecksumMismatch`],
    /// [`BodyError::MalformedTrailer`] when an announced checksum did not come, [`BodyError::Md5Lost`].
    pub async fn finish(
        self,
        plan: &BodyPlan,
        size_bytes: u64,
        trailer: Option<Vec<u8>>,
    ) -> Result<Verified, BodyError> {
        let stored = self.stored.finish();
        let declared = plan.declared.is_some().then(|| self.declared.map_or(stored.clone(), ChecksumHasher::finish));
        let sha256 = match self.payload {
            Some(payload) => Some(Bytes::copy_from_slice(&payload.finalize())),
            None => [Some(&stored), declared.as_ref()]
                .into_iter()
                .flatten()
                .find(|checksum| checksum.algorithm() == ChecksumAlgorithm::Sha256)
                .map(|checksum| checksum.value.clone()),
        };
        check_payload(plan, sha256)?;
        let md5 = match self.md5 {
            Some(md5) => md5.finish().await?,
            None => [0; 16],
        };
        check_md5(plan, md5)?;
        if let Some(computed) = &declared {
            check_checksum(plan, computed, trailer)?;
        }
        Ok(Verified { size_bytes, md5, checksum: stored, declared })
    }
}

fn check_payload(plan: &BodyPlan, computed: Option<Bytes>) -> Result<(), BodyError> {
    match (plan.payload, computed) {
        (Payload::Sha256(hash), Some(computed)) if computed[..] != hash => {
            Err(BodyError::PayloadHashMismatch { declared: hex::encode(hash), computed: hex::encode(&computed) })
        }
        _ => Ok(()),
    }
}

fn check_md5(plan: &BodyPlan, computed: [u8; 16]) -> Result<(), BodyError> {
    match plan.content_md5 {
        Some(declared) if declared != computed => {
            Err(BodyError::ContentMd5Mismatch { declared: BASE64.encode(declared), computed: BASE64.encode(computed) })
        }
        _ => Ok(()),
    }
}

fn check_checksum(plan: &BodyPlan, computed: &Checksum, trailer: Option<Vec<u8>>) -> Result<(), BodyError> {
    let declared = match &plan.declared {
        None => return Ok(()),
        Some(DeclaredChecksum::Header { value, .. }) => value.clone(),
        Some(DeclaredChecksum::Trailer { .. }) => {
            trailer.ok_or(BodyError::MalformedTrailer { reason: "the checksum that x-amz-trailer names is missing" })?
        }
    };
    if declared[..] == computed.value[..] {
        return Ok(());
    }
    Err(BodyError::ChecksumMismatch {
        name: checksum_header(computed.algorithm()).unwrap_or("checksum"),
        declared: BASE64.encode(&declared),
        computed: BASE64.encode(&computed.value),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The check values of the CRC catalogue and of FIPS 180, over "123456789".
    #[test]
    fn checksums_are_those_of_the_published_vectors() {
        for (algorithm, expected) in [
            (ChecksumAlgorithm::Crc32, "cbf43926"),
            (ChecksumAlgorithm::Crc32c, "e3069283"),
            (ChecksumAlgorithm::Crc64nvme, "ae8b14860a799888"),
            (ChecksumAlgorithm::Sha1, "f7c3bc1d808e04732adf679965ccc34ca7ae3441"),
            (ChecksumAlgorithm::Sha256, "15e2b0d3c33891ebb0f1ef609ec419420c20e320ce94c65fbc8c3312448eb225"),
        ] {
            let mut hasher = ChecksumHasher::new(algorithm);
            hasher.update(b"1234");
            hasher.update(b"");
            hasher.update(b"56789");
            let checksum = hasher.finish();
            assert_eq!(hex::encode(&checksum.value), expected, "{algorithm:?}");
            assert_eq!(checksum.algorithm(), algorithm);
        }
    }
}

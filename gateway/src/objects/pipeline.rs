//! A body becomes content: bytes with the metadata when it is small, else blocks that stream to workers while the body
//! still comes.

use super::Inner;
use super::block_stream::{BlockStream, Written};
use super::leases::BlockLease;
use super::term::Term;
use super::types::{Keeping, ObjectsError};
use crate::body::{IncomingBody, Step, Verified};
use bytes::{Bytes, BytesMut};
use prometheus_client::metrics::gauge::Gauge;
use std::sync::Arc;
use weir_proto::v1;
use weir_proto::v1::content::Where;

/// A verified body, on disk but for what is inline, that no one refers to yet. Dropping it abandons its blocks.
pub(super) struct Uploaded {
    pub content: v1::Content,
    pub verified: Verified,
    /// Empty: nothing in it belongs to a session.
    pub leases: Vec<Arc<BlockLease>>,
    pub term: Arc<Term>,
}

impl Inner {
    /// Reads a body to its end and stores it. `inline_max_bytes`: the largest body that stays in the content itself;
    /// absent: none does. `keeping`: how its bucket wants blocks kept.
    ///
    /// # Errors
    /// Whatever is wrong with the body; `UNAVAILABLE`, `NO_SPACE` and what else workers say.
    pub async fn upload(
        self: &Arc<Self>,
        body: &mut IncomingBody,
        inline_max_bytes: Option<u64>,
        keeping: Keeping,
    ) -> Result<Uploaded, ObjectsError> {
        let _counted = Counted::new(&self.metrics.uploads_in_flight);
        let mut blocks = BlockStream::new(self, body.plan().length.known(), keeping);
        let mut head = Head::default();
        let verified = loop {
            match body.next().await? {
                Step::Data(data) => {
                    self.metrics.received_bytes.inc_by(data.len() as u64);
                    match inline_max_bytes {
                        Some(max) if blocks.is_empty() && head.length_bytes() + data.len() as u64 <= max => {
                            head.push(data);
                        }
                        _ => {
                            blocks.push(head.take()).await?;
                            blocks.push(data).await?;
                        }
                    }
                }
                Step::End(verified) => break verified,
            }
        };
        // The last block's end is sent only now: of a body that turns out false, nothing of it stays on a worker.
        let leases_and_extents = blocks.finish().await?;
        Ok(uploaded(verified, inline_max_bytes.is_some(), head, leases_and_extents))
    }
}

fn uploaded(verified: Verified, may_be_inline: bool, mut head: Head, blocks: Written) -> Uploaded {
    let place = if may_be_inline && blocks.extents.is_empty() {
        Where::Inline(head.take())
    } else {
        Where::Extents(v1::Extents { extents: blocks.extents })
    };
    let content = v1::Content {
        size_bytes: verified.size_bytes,
        md5: Bytes::copy_from_slice(&verified.md5),
        checksum: Some(verified.checksum.clone()),
        r#where: Some(place),
    };
    Uploaded { content, verified, leases: blocks.leases, term: blocks.term }
}

/// The beginning of a body that may turn out small. The first piece is kept as it came; what follows is copied to it,
/// since a byte that trickles in is a part of a buffer of the connection's, all of which would stay with it.
#[derive(Default)]
struct Head {
    first: Bytes,
    joined: BytesMut,
}

impl Head {
    fn length_bytes(&self) -> u64 {
        self.first.len().max(self.joined.len()) as u64
    }

    fn push(&mut self, data: Bytes) {
        if self.length_bytes() == 0 {
            self.first = data;
            return;
        }
        self.joined.extend_from_slice(&std::mem::take(&mut self.first));
        self.joined.extend_from_slice(&data);
    }

    /// All that came; nothing is left.
    fn take(&mut self) -> Bytes {
        if self.joined.is_empty() { std::mem::take(&mut self.first) } else { self.joined.split().freeze() }
    }
}

/// Counts something while it lives.
struct Counted(Gauge);

impl Counted {
    fn new(gauge: &Gauge) -> Self {
        gauge.inc();
        Self(gauge.clone())
    }
}

impl Drop for Counted {
    fn drop(&mut self) {
        self.0.dec();
    }
}

//! The blocks that the workers hold: committed as gateways commit them, in large objects.

use crate::metaserver::Metaserver;
use futures::stream::{self, StreamExt as _, TryStreamExt as _};
use tonic::Status;
use weir_proto::v1::content::Where;
use weir_proto::v1::namespace_client::NamespaceClient;
use weir_proto::v1::sessions_client::SessionsClient;
use weir_proto::v1::{
    CommitObjectRequest, Content, CreateBucketRequest, Extent, Extents, GrantBlocksRequest, HeartbeatRequest,
    OpenSessionRequest, WrittenExtent,
};

pub const COPIES: usize = 3;
const BUCKET: &str = "members";
const PER_OBJECT: usize = 500;
/// So that an object stays below the 5 GiB that one may have without parts.
const BLOCK_BYTES: u64 = 8 << 20;
const COMMITS_AT_ONCE: usize = 8;
/// Between two grants the session is kept alive.
const GRANT_COUNT: usize = 20_000;

/// Block ids, ascending. Block `n` lies on the workers `n`, `n + 1`, `n + 2`, counted around.
pub struct Blocks {
    ids: Vec<u64>,
    workers: usize,
}

impl Blocks {
    /// Commits `count` blocks on these workers.
    ///
    /// # Errors
    /// What the metaserver says.
    pub async fn commit(metaserver: &Metaserver, worker_ids: &[u64], count: usize) -> Result<Self, Status> {
        let (mut sessions, mut namespace) =
            (SessionsClient::new(metaserver.channel()), NamespaceClient::new(metaserver.channel()));
        namespace.create_bucket(CreateBucketRequest { name: BUCKET.into(), ..Default::default() }).await?;
        let session_id = sessions.open_session(OpenSessionRequest::default()).await?.into_inner().session_id;
        let mut ids: Vec<u64> = Vec::with_capacity(count);
        while ids.len() < count {
            let wanted = (count - ids.len()).min(GRANT_COUNT) as u32;
            sessions.heartbeat(HeartbeatRequest { session_id, ..Default::default() }).await?;
            let request = GrantBlocksRequest { session_id, count: wanted };
            let granted = sessions.grant_blocks(request).await?.into_inner();
            let begun = ids.len();
            ids.extend(granted.first_block_id..granted.first_block_id + u64::from(granted.count));
            let of_objects = (begun..ids.len()).step_by(PER_OBJECT).map(|first| {
                let last = (first + PER_OBJECT).min(ids.len());
                object(session_id, first, &ids[first..last], worker_ids)
            });
            let commits = stream::iter(of_objects.collect::<Vec<_>>()).map(|request| {
                let mut namespace = namespace.clone();
                async move { namespace.commit_object(request).await }
            });
            commits.buffer_unordered(COMMITS_AT_ONCE).try_for_each(|_| async { Ok(()) }).await?;
        }
        Ok(Self { ids, workers: worker_ids.len() })
    }

    pub fn len(&self) -> usize {
        self.ids.len()
    }

    /// What the worker at a place holds, ascending.
    pub fn of(&self, worker: usize) -> Vec<u64> {
        let firsts = (0..COPIES.min(self.workers)).map(|copy| (worker + self.workers - copy) % self.workers);
        let numbers = firsts.flat_map(|first| (first..self.ids.len()).step_by(self.workers));
        let mut held: Vec<u64> = numbers.map(|number| self.ids[number]).collect();
        held.sort_unstable();
        held
    }
}

fn holders(block: usize, workers: usize) -> impl Iterator<Item = usize> {
    (0..COPIES.min(workers)).map(move |copy| (block + copy) % workers)
}

fn object(session_id: u64, first: usize, block_ids: &[u64], worker_ids: &[u64]) -> CommitObjectRequest {
    let extent = |(at, block_id): (usize, &u64)| WrittenExtent {
        extent: Some(Extent { block_id: *block_id, length_bytes: BLOCK_BYTES, crc32c: 0 }),
        worker_ids: holders(first + at, worker_ids.len()).map(|holder| worker_ids[holder]).collect(),
        replication: COPIES as u32,
        coded: None,
    };
    let extents = Extents { extents: block_ids.iter().enumerate().map(extent).collect() };
    CommitObjectRequest {
        bucket: BUCKET.into(),
        key: format!("{first:012}").into(),
        content: Some(Content {
            size_bytes: BLOCK_BYTES * block_ids.len() as u64,
            md5: vec![0; 16].into(),
            r#where: Some(Where::Extents(extents)),
            ..Default::default()
        }),
        session_id,
        ..Default::default()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_block_lies_on_three_workers_and_all_hold_as_many() {
        let blocks = Blocks { ids: (100..200).collect(), workers: 10 };
        let held: Vec<Vec<u64>> = (0..10).map(|worker| blocks.of(worker)).collect();
        assert!(held.iter().all(|ids| ids.len() == 30 && ids.is_sorted()));
        assert_eq!(held.iter().filter(|ids| ids.contains(&155)).count(), COPIES);
    }
}

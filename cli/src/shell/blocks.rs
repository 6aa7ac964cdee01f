//! Where an object's bytes lie.

use super::Shell;
use super::error::ShellError;
use super::path::ShellPath;
use std::collections::HashMap;
use std::fmt;
use weir_proto::v1;

/// The host of roles in the process that the shell speaks to.
pub const THIS_HOST: &str = "localhost";

/// An object with its blocks.
pub struct Located {
    pub object: v1::Object,
    /// The bytes lie with the metadata, in no block.
    pub is_inline: bool,
    pub blocks: Vec<Block>,
    metaserver_address: String,
}

/// A block and the workers that hold it.
pub struct Block {
    pub block_id: u64,
    pub length_bytes: u64,
    pub workers: Vec<v1::Worker>,
    /// Of a coded block: which shard each of the workers holds.
    pub shards: Vec<u32>,
}

impl Located {
    /// Where the bytes are and can be read now; a host may come more than once.
    pub fn hosts(&self) -> impl Iterator<Item = &str> {
        let metaserver = self.is_inline.then(|| host(&self.metaserver_address));
        let workers = self.blocks.iter().flat_map(|block| &block.workers).filter(|worker| worker.live);
        metaserver.into_iter().chain(workers.map(|worker| host(&worker.address)))
    }
}

impl fmt::Display for Block {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "BlockInfo{{id={}, length={}, locations=[", self.block_id, self.length_bytes)?;
        for (number, worker) in self.workers.iter().enumerate() {
            let comma = if number == 0 { "" } else { ", " };
            write!(f, "{comma}BlockLocation{{workerId={}, address={}", worker.worker_id, shown(&worker.address))?;
            match self.shards.get(number) {
                Some(shard) => write!(f, ", shard={shard}}}")?,
                None => f.write_str("}")?,
            }
        }
        f.write_str("]}")
    }
}

/// The object at `path`, with its blocks.
///
/// # Errors
/// [`ShellError::Missing`].
pub async fn locate(path: &ShellPath, shell: &Shell) -> Result<Located, ShellError> {
    let ShellPath::Key(bucket, key) = path else { return Err(ShellError::NotFile(path.clone())) };
    let request =
        v1::GetObjectRequest { bucket: bucket.clone(), key: key.clone(), with_content: true, ..Default::default() };
    let answer = shell.tree.namespace().get_object(request).await;
    let answer = answer.map_err(|status| ShellError::from(status).about(path))?.into_inner();
    let report = shell.admin().report(v1::ReportRequest {}).await?.into_inner();
    let workers: HashMap<u64, v1::Worker> = report.workers.into_iter().map(|w| (w.worker_id, w)).collect();
    let known = |id: u64| workers.get(&id).cloned().unwrap_or(v1::Worker { worker_id: id, ..Default::default() });
    let blocks = answer
        .extents
        .into_iter()
        .map(|located| {
            let extent = located.extent.unwrap_or_default();
            let holders = located.coded.unwrap_or_default().holders;
            let shards = holders.iter().map(|holder| holder.shard).collect();
            let holders = holders.into_iter().map(|holder| holder.worker_id);
            let workers = located.worker_ids.into_iter().chain(holders).map(known).collect();
            Block { block_id: extent.block_id, length_bytes: extent.length_bytes, workers, shards }
        })
        .collect();
    Ok(Located {
        object: answer.object.ok_or_else(|| ShellError::Missing(path.clone()))?,
        is_inline: answer.inline.is_some(),
        blocks,
        metaserver_address: report.address,
    })
}

/// An address as people read it: that of a role in the process that answers is empty.
pub fn shown(address: &str) -> &str {
    if address.is_empty() { THIS_HOST } else { address }
}

/// The host of `host:port`.
pub fn host(address: &str) -> &str {
    shown(address.rsplit_once(':').map_or(address, |(host, _port)| host))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_block_is_shown_with_its_locations() {
        let worker = |worker_id, address: &str| v1::Worker { worker_id, address: address.into(), ..Default::default() };
        let workers = vec![worker(1, ""), worker(2, "[::1]:29999")];
        let mut block = Block { block_id: 7, length_bytes: 10, workers, shards: Vec::new() };
        assert_eq!(
            block.to_string(),
            "BlockInfo{id=7, length=10, locations=[BlockLocation{workerId=1, address=localhost}, \
             BlockLocation{workerId=2, address=[::1]:29999}]}"
        );
        block.shards = vec![3, 0];
        assert!(
            block
                .to_string()
                .ends_with("address=localhost, shard=3}, BlockLocation{workerId=2, address=[::1]:29999, shard=0}]}")
        );
        assert_eq!(host("[::1]:29999"), "[::1]");
        assert_eq!(host("a.example:1"), "a.example");
        assert_eq!(host(""), "localhost");
    }
}

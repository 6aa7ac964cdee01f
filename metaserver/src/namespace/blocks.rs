//! What refers to a block. A block has a record from the commit that first refers to it; copies add to its references,
//! reclaim takes them away, and with the last one it is condemned, for good: its workers are ordered to delete it.

use super::Namespace;
use super::transaction::Transaction;
use super::validate;
use crate::error::Error;
use crate::records::block::{self, BlockRecord, Reference};
use crate::records::coded::CodedRecord;
use crate::records::condemned::{self, CondemnedRecord};
use crate::records::content::ExtentRecord;
use crate::records::key::Kind;
use crate::records::{MAX_RECORD_BYTES, RecordError, decode, encode, upload};
use crate::store::MAX_BATCH_BYTES;
use bytes::Bytes;
use prost::Message as _;
use std::collections::{BTreeMap, BTreeSet};
use weir_proto::v1;
use weir_service::planted::{Fault, planted};

/// Blocks that one AbandonBlocks names.
const MAX_ABANDONED: usize = 100_000;

/// Whether blocks could be shared.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Shared {
    Yes,
    /// One is referenced so often that its record is full, or they are too many for one commit: copy the bytes.
    NeedsData,
}

/// Writes the records of new blocks, each referred to by `reference` alone.
pub(crate) fn add_new(transaction: &mut Transaction, extents: &[v1::WrittenExtent], reference: &Reference) {
    for written in extents {
        let Some(extent) = &written.extent else { continue };
        let key = block::key(extent.block_id);
        transaction.unchanged(key.clone(), None);
        let coded = written.coded.as_ref().map(CodedRecord::from);
        let worker_ids = match &written.coded {
            Some(place) => place.holders.iter().map(|holder| holder.worker_id).collect(),
            None => written.worker_ids.clone(),
        };
        let wanted = match (&coded, written.replication) {
            (Some(coded), _) => coded.shard_count(),
            (None, 0) => worker_ids.len(),
            (None, wanted) => wanted as usize,
        };
        if worker_ids.len() < wanted {
            transaction.note_short(extent.block_id);
        }
        let record = BlockRecord {
            length_bytes: extent.length_bytes,
            crc32c: extent.crc32c,
            worker_ids,
            references: vec![reference.clone()],
            wanted: u32::try_from(wanted).unwrap_or(u32::MAX),
            coded,
            ..BlockRecord::default()
        };
        transaction.put(key, &record);
    }
}

/// The extents as records hold them.
pub(crate) fn extent_records(extents: &[v1::WrittenExtent]) -> Vec<ExtentRecord> {
    extents.iter().filter_map(|written| written.extent.as_ref()).map(ExtentRecord::from).collect()
}

fn missing(key: &[u8]) -> Error {
    RecordError::new(Kind::Block, key, "it is missing, but something refers to it").into()
}

impl Namespace {
    /// The records of blocks that something refers to, in the order of the ids.
    ///
    /// # Errors
    /// [`Error::Record`]: one is missing or condemned. Unless what refers to it has changed meanwhile, that is damage.
    pub(crate) async fn live_blocks(&self, block_ids: &[u64]) -> Result<Vec<(Bytes, Bytes, BlockRecord)>, Error> {
        let keys: Vec<Bytes> = block_ids.iter().map(|&id| block::key(id)).collect();
        let values = self.store.get_many(&keys).await?;
        let mut blocks = Vec::with_capacity(keys.len());
        for (key, value) in keys.into_iter().zip(values) {
            let value = value.ok_or_else(|| missing(&key))?;
            let record: BlockRecord = decode(&key, value.clone())?;
            if record.condemned {
                return Err(missing(&key));
            }
            blocks.push((key, value, record));
        }
        Ok(blocks)
    }

    /// Looks whether a commit of new blocks fails because they are not new: then it always will.
    ///
    /// # Errors
    /// [`Error::Invalid`]: one is committed, or condemned, already.
    pub(crate) async fn refuse_used(&self, extents: &[v1::WrittenExtent]) -> Result<(), Error> {
        let ids: Vec<u64> = extent_records(extents).iter().map(|extent| extent.block_id).collect();
        let keys: Vec<Bytes> = ids.iter().map(|&id| block::key(id)).collect();
        let values = self.store.get_many(&keys).await?;
        match ids.iter().zip(values).find(|(_, value)| value.is_some()) {
            Some((block_id, _)) => Err(Error::invalid("extents", format!("block {block_id} is not new"))),
            None => Ok(()),
        }
    }

    /// Adds a reference to blocks that others refer to already.
    pub(crate) async fn share(
        &self,
        transaction: &mut Transaction,
        block_ids: impl IntoIterator<Item = u64>,
        reference: &Reference,
    ) -> Result<Shared, Error> {
        let distinct: BTreeSet<u64> = block_ids.into_iter().collect();
        let distinct: Vec<u64> = distinct.into_iter().collect();
        for (key, value, mut record) in self.live_blocks(&distinct).await? {
            record.references.push(reference.clone());
            if record.encoded_len() > MAX_RECORD_BYTES {
                return Ok(Shared::NeedsData);
            }
            transaction.unchanged(key.clone(), Some(value));
            transaction.put(key, &record);
            if transaction.bytes() > MAX_BATCH_BYTES {
                return Ok(Shared::NeedsData);
            }
        }
        Ok(Shared::Yes)
    }

    /// Takes the references of owners away from blocks; blocks that have none left are condemned. What is gone already
    /// stays gone.
    pub(crate) async fn release(
        &self,
        transaction: &mut Transaction,
        references: impl IntoIterator<Item = (u64, u64)>,
    ) -> Result<u64, Error> {
        let mut owners_by_block: BTreeMap<u64, BTreeSet<u64>> = BTreeMap::new();
        for (owner, block_id) in references {
            owners_by_block.entry(block_id).or_default().insert(owner);
        }
        let keys: Vec<Bytes> = owners_by_block.keys().map(|&id| block::key(id)).collect();
        let values = self.store.get_many(&keys).await?;
        let mut condemned = 0;
        for (((block_id, owners), key), value) in owners_by_block.into_iter().zip(keys).zip(values) {
            let Some(value) = value else { continue };
            let mut record: BlockRecord = decode(&key, value.clone())?;
            let before = record.references.len();
            record.references.retain(|reference| !owners.contains(&reference.owner));
            if record.condemned || record.references.len() == before {
                continue;
            }
            transaction.unchanged(key.clone(), Some(value));
            if record.references.is_empty() || planted(Fault::ReclaimIgnoresCopies) {
                record.condemned = true;
                self.order_deletion(transaction, block_id, &record.worker_ids);
                condemned += 1;
            }
            if record.condemned && record.worker_ids.is_empty() {
                transaction.delete(key);
            } else {
                transaction.put(key, &record);
            }
        }
        Ok(condemned)
    }

    pub(crate) fn order_deletion(&self, transaction: &mut Transaction, block_id: u64, worker_ids: &[u64]) {
        let record = CondemnedRecord { since_ms: self.clock.now_ms() };
        for worker_id in worker_ids {
            transaction.put(condemned::key(*worker_id, block_id), &record);
        }
    }

    /// Condemns blocks that were written and never committed, by their ids and the workers that hold them. A block that
    /// has a live record keeps it, and what the record says.
    pub(crate) async fn condemn_unwritten(&self, blocks: &[(u64, Vec<u64>)]) -> Result<u64, Error> {
        let mut attempts = super::transaction::Attempts::default();
        loop {
            match self.try_condemn_unwritten(blocks).await {
                Err(Error::Raced) => attempts.again(self, || "blocks".to_owned()).await?,
                done => return done,
            }
        }
    }

    async fn try_condemn_unwritten(&self, blocks: &[(u64, Vec<u64>)]) -> Result<u64, Error> {
        let keys: Vec<Bytes> = blocks.iter().map(|(id, _)| block::key(*id)).collect();
        let values = self.store.get_many(&keys).await?;
        let mut transaction = Transaction::urgent();
        let mut condemned = 0;
        for (((block_id, worker_ids), key), value) in blocks.iter().zip(keys).zip(values) {
            let mut record = match &value {
                None => BlockRecord { condemned: true, ..BlockRecord::default() },
                Some(value) => decode(&key, value.clone())?,
            };
            let new: Vec<u64> = worker_ids.iter().copied().filter(|id| !record.worker_ids.contains(id)).collect();
            if !record.condemned || new.is_empty() {
                continue;
            }
            record.worker_ids.extend(&new);
            self.order_deletion(&mut transaction, *block_id, &new);
            transaction.unchanged(key.clone(), value);
            transaction.put(key, &record);
            condemned += 1;
        }
        if !transaction.is_empty() {
            self.commit(transaction).await?;
            self.metrics.condemned_blocks.inc_by(condemned);
        }
        Ok(condemned)
    }

    /// A session gives up blocks that it wrote: they are condemned at once. While a restored store is not confirmed,
    /// inventories find them later.
    pub async fn abandon_blocks(&self, request: &v1::AbandonBlocksRequest) -> Result<(), Error> {
        let count = request.blocks.len();
        if count > MAX_ABANDONED {
            return Err(Error::invalid("blocks", format!("there are {count}; {MAX_ABANDONED} are allowed")));
        }
        for abandoned in &request.blocks {
            if !abandoned.worker_ids.is_empty() {
                validate::sent_to(abandoned.block_id, &abandoned.worker_ids)?;
            }
        }
        let ids: Vec<u64> = request.blocks.iter().map(|abandoned| abandoned.block_id).collect();
        let free: BTreeSet<u64> = self.sessions.abandon(request.session_id, &ids)?.into_iter().collect();
        if self.awaits_confirmation() {
            return Ok(());
        }
        let mut blocks: BTreeMap<u64, BTreeSet<u64>> = BTreeMap::new();
        for abandoned in request.blocks.iter().filter(|abandoned| free.contains(&abandoned.block_id)) {
            blocks.entry(abandoned.block_id).or_default().extend(&abandoned.worker_ids);
        }
        let blocks: Vec<(u64, Vec<u64>)> =
            blocks.into_iter().map(|(id, workers)| (id, workers.into_iter().collect())).collect();
        for some in blocks.chunks(super::SCAN_LIMIT) {
            self.condemn_unwritten(some).await?;
        }
        Ok(())
    }

    /// What operators want to know of a block: its record.
    ///
    /// # Errors
    /// [`Error::NoSuchBlock`].
    pub async fn block(&self, block_id: u64) -> Result<BlockRecord, Error> {
        let key = block::key(block_id);
        let value = self.store.get(&key).await?.ok_or(Error::NoSuchBlock { block_id })?;
        Ok(decode(&key, value)?)
    }

    /// The records of blocks that something refers to; those that are gone are left out.
    pub(crate) async fn blocks(&self, block_ids: &[u64]) -> Result<Vec<BlockRecord>, Error> {
        let keys: Vec<Bytes> = block_ids.iter().map(|&id| block::key(id)).collect();
        let values = self.store.get_many(&keys).await?;
        let mut records = Vec::with_capacity(keys.len());
        for (key, value) in keys.iter().zip(values) {
            let Some(value) = value else { continue };
            let record: BlockRecord = decode(key, value)?;
            if !record.condemned {
                records.push(record);
            }
        }
        Ok(records)
    }

    /// Whether a reference is of a part whose upload is open still.
    pub(crate) async fn is_open(&self, reference: &Reference) -> Result<bool, Error> {
        let (Ok(bucket), true) = (validate::bucket(&reference.bucket), reference.upload_id != 0) else {
            return Ok(false);
        };
        let key = |id| upload::key(id, &reference.key, reference.upload_id);
        match self.read_in([&bucket], |[id]| vec![key(id)]).await {
            Ok((_, values)) => Ok(values.iter().any(Option::is_some)),
            Err(Error::NoSuchBucket { .. }) => Ok(false),
            Err(error) => Err(error),
        }
    }

    /// Renames what the references of an owner say, for operators.
    pub(crate) async fn rename_references(
        &self,
        transaction: &mut Transaction,
        references: impl IntoIterator<Item = (u64, u64)>,
        bucket: &str,
        key: &Bytes,
    ) -> Result<(), Error> {
        let references: BTreeSet<(u64, u64)> = references.into_iter().map(|(owner, block)| (block, owner)).collect();
        let ids: BTreeSet<u64> = references.iter().map(|(block_id, _)| *block_id).collect();
        let ids: Vec<u64> = ids.into_iter().collect();
        for (block_id, (store_key, value, mut record)) in ids.iter().zip(self.live_blocks(&ids).await?) {
            for reference in &mut record.references {
                if references.contains(&(*block_id, reference.owner)) {
                    reference.bucket = bucket.to_owned();
                    reference.key = key.clone();
                }
            }
            // A longer name may not fit; what it says matters less than that it can be read.
            if encode(&record).len() <= MAX_RECORD_BYTES {
                transaction.unchanged(store_key.clone(), Some(value));
                transaction.put(store_key, &record);
            }
        }
        Ok(())
    }
}

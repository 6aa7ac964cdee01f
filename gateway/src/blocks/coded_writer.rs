//! Writes one coded block: row by row, each shard to a worker of its own. A worker that fails is left behind, as with
//! copies; whoever writes decides whether another one takes its shard.

use super::WorkerConnector;
use super::replica::{Answer, Hold, Permit, Replica};
use super::writer::{FailedReplica, Mendable, NewBlock, WINDOW_BYTES, low_half, shortage_of};
use bytes::Bytes;
use crc_fast::{CrcAlgorithm, Digest as CrcDigest};
use futures::future::join_all;
use std::sync::Arc;
use weir_coding::{Codec, CodecError, Layout};
use weir_proto::v1::write_block_request::Step;
use weir_proto::v1::{self, Reason};
use weir_proto::{BlockId, Failure};

/// A row as it was sent, with the memory that it takes.
struct Row {
    data: Bytes,
    /// By shard.
    cells: Vec<Bytes>,
    permit: Option<Permit>,
}

/// What went to a shard so far.
struct Shard {
    /// The stream to its worker; none: nobody takes it.
    replica: Option<Replica>,
    length_bytes: u64,
    crc32c: CrcDigest,
}

/// A coded block being written. Dropping it before [`CodedWriter::finish`] leaves nothing on any worker.
pub struct CodedWriter {
    block: NewBlock,
    layout: Layout,
    codec: Codec,
    connector: Arc<dyn WorkerConnector>,
    shards: Vec<Shard>,
    failed: Vec<FailedReplica>,
    /// All rows so far; none: they are not kept.
    window: Option<Vec<Row>>,
    crc32c: CrcDigest,
    length_bytes: u64,
}

impl CodedWriter {
    /// Opens a stream to the worker of each shard. Data shards should come first: with too few workers parity is left
    /// out.
    pub fn begin(
        block: NewBlock,
        layout: Layout,
        workers: &[(usize, v1::Worker)],
        connector: &Arc<dyn WorkerConnector>,
    ) -> Self {
        let digest = || CrcDigest::new(CrcAlgorithm::Crc32Iscsi);
        let shard = |_| Shard { replica: None, length_bytes: 0, crc32c: digest() };
        let scheme = layout.scheme();
        let mut writer = Self {
            window: block.is_replaceable.then(Vec::new),
            block,
            layout,
            codec: Codec::new(scheme),
            connector: connector.clone(),
            shards: (0..scheme.shards()).map(shard).collect(),
            failed: Vec::new(),
            crc32c: digest(),
            length_bytes: 0,
        };
        for (shard, worker) in workers {
            writer.shards[*shard].replica = Some(writer.open(worker));
        }
        writer
    }

    fn open(&self, worker: &v1::Worker) -> Replica {
        let NewBlock { block_id, expected_bytes, patience, hold, .. } = &self.block;
        let length_bytes = self.layout.shard_bytes(*expected_bytes, self.layout.scheme().data());
        let header = v1::WriteBlockHeader { block_id: block_id.0, length_bytes };
        Replica::open(header, worker.worker_id, self.connector.channel(worker), *patience, hold.clone())
    }

    pub fn length_bytes(&self) -> u64 {
        self.length_bytes
    }

    /// As [`BlockWriter::forget_window`](super::BlockWriter::forget_window).
    pub fn forget_window(&mut self) {
        self.window = None;
    }

    /// Codes and sends a row; waits while the slowest worker is behind. One that fails is out. All rows but the last are
    /// full.
    ///
    /// # Errors
    /// It can't be coded: nothing was sent.
    pub async fn write(&mut self, data: Bytes, permit: Option<Permit>) -> Result<(), Failure> {
        let cells = self.cells(&data).map_err(|error| self.failure(&error))?;
        self.crc32c.update(&data);
        self.length_bytes += data.len() as u64;
        for (shard, cell) in self.shards.iter_mut().zip(&cells) {
            shard.crc32c.update(cell);
            shard.length_bytes += cell.len() as u64;
        }
        let sends = self.shards.iter_mut().zip(&cells).map(|(shard, cell)| {
            let permit = permit.clone();
            async move {
                match &mut shard.replica {
                    Some(replica) if !cell.is_empty() => replica.send(Step::Data(cell.clone()), permit).await,
                    _ => Ok(()),
                }
            }
        });
        let outcomes = join_all(sends).await;
        self.drop_failed(outcomes);
        if self.length_bytes > WINDOW_BYTES {
            self.forget_window();
        }
        if let Some(rows) = &mut self.window {
            rows.push(Row { data, cells, permit });
        }
        Ok(())
    }

    /// The cells of a row, by shard.
    fn cells(&mut self, data: &Bytes) -> Result<Vec<Bytes>, CodecError> {
        let cell_bytes = self.layout.cell_bytes_of(data.len() as u64) as usize;
        let cut =
            |shard: usize| data.slice((shard * cell_bytes).min(data.len())..((shard + 1) * cell_bytes).min(data.len()));
        let mut cells: Vec<Bytes> = (0..self.layout.scheme().data()).map(cut).collect();
        let views: Vec<&[u8]> = cells.iter().map(|cell| &cell[..]).collect();
        let parity = self.codec.encode(&views, cell_bytes)?;
        cells.extend(parity.into_iter().map(Bytes::from));
        Ok(cells)
    }

    fn failure(&self, error: &CodecError) -> Failure {
        Failure::new(Reason::Unavailable, format!("block {}", self.block.block_id), error.to_string())
    }

    fn drop_failed(&mut self, outcomes: Vec<Result<(), Failure>>) {
        for (shard, outcome) in self.shards.iter_mut().zip(outcomes) {
            if let Err(failure) = outcome
                && let Some(replica) = shard.replica.take()
            {
                self.failed.push(FailedReplica { worker_id: replica.worker_id, failure });
            }
        }
    }

    /// Lets another worker take a shard: it gets what the window has. Without a window nothing is done.
    async fn take_over(&mut self, shard: usize, worker: &v1::Worker) {
        let Some(rows) = &self.window else { return };
        let mut replica = self.open(worker);
        for row in rows.iter().filter(|row| !row.cells[shard].is_empty()) {
            if let Err(failure) = replica.send(Step::Data(row.cells[shard].clone()), row.permit.clone()).await {
                self.failed.push(FailedReplica { worker_id: worker.worker_id, failure });
                return;
            }
        }
        self.shards[shard].replica = Some(replica);
    }

    /// Tells all workers that this was all; see [`BlockWriter::finish`](super::BlockWriter::finish).
    pub async fn finish(mut self) -> FinishingCoded {
        let block_id = self.block.block_id.0;
        let extents: Vec<v1::Extent> = self
            .shards
            .iter()
            .map(|shard| v1::Extent {
                block_id,
                length_bytes: shard.length_bytes,
                crc32c: low_half(shard.crc32c.finalize()),
            })
            .collect();
        let sends = self.shards.iter_mut().zip(&extents).map(|(shard, extent)| {
            let finish = v1::WriteBlockFinish { length_bytes: extent.length_bytes, crc32c: extent.crc32c };
            async move {
                match &mut shard.replica {
                    Some(replica) => replica.send(Step::Finish(finish), None).await,
                    None => Ok(()),
                }
            }
        });
        let outcomes = join_all(sends).await;
        self.drop_failed(outcomes);
        let answers = self.shards.into_iter().map(|shard| shard.replica.map(Replica::into_answer)).collect();
        let crc32c = low_half(self.crc32c.finalize());
        FinishingCoded {
            written: WrittenCoded {
                extent: v1::Extent { block_id, length_bytes: self.length_bytes, crc32c },
                layout: self.layout,
                shards: extents,
                holders: vec![None; self.layout.scheme().shards()],
                failed: self.failed,
                hold: self.block.hold,
                window: self.window,
            },
            answers,
        }
    }
}

impl Mendable for CodedWriter {
    fn block_id(&self) -> u64 {
        self.block.block_id.0
    }

    fn holder_ids(&self) -> Vec<u64> {
        self.shards.iter().filter_map(|shard| shard.replica.as_ref()).map(|replica| replica.worker_id).collect()
    }

    /// The length of the longest shard.
    fn part_bytes(&self) -> u64 {
        self.layout.shard_bytes(self.length_bytes, self.layout.scheme().data())
    }

    fn failed(&self) -> &[FailedReplica] {
        &self.failed
    }

    fn has_window(&self) -> bool {
        self.window.is_some()
    }

    /// Each takes the next shard that nobody takes.
    async fn add(&mut self, workers: &[v1::Worker]) {
        let missing = (0..self.shards.len()).filter(|shard| self.shards[*shard].replica.is_none());
        for (shard, worker) in missing.collect::<Vec<_>>().into_iter().zip(workers) {
            self.take_over(shard, worker).await;
        }
    }
}

/// A coded block of which the last byte is sent.
pub struct FinishingCoded {
    written: WrittenCoded,
    answers: Vec<Option<Answer>>,
}

impl FinishingCoded {
    pub fn block_id(&self) -> u64 {
        self.written.extent.block_id
    }

    /// Workers that have failed so far.
    pub fn failed(&self) -> &[FailedReplica] {
        &self.written.failed
    }

    pub fn forget_window(&mut self) {
        self.written.window = None;
    }

    /// Waits until each worker has its shard on disk or has failed.
    pub async fn answered(self) -> WrittenCoded {
        let Self { mut written, answers } = self;
        for (shard, answer) in answers.into_iter().enumerate() {
            let Some(answer) = answer else { continue };
            let worker_id = answer.worker_id;
            match answer.acknowledged(&written.shards[shard]).await {
                Ok(()) => written.holders[shard] = Some(worker_id),
                Err(failure) => written.failed.push(FailedReplica { worker_id, failure }),
            }
        }
        written
    }
}

/// A coded block of which each worker has its shard on disk or has failed to take it.
pub struct WrittenCoded {
    pub extent: v1::Extent,
    pub layout: Layout,
    /// Length and CRC32C of each shard.
    pub shards: Vec<v1::Extent>,
    /// By shard: who has it on disk.
    pub holders: Vec<Option<u64>>,
    pub failed: Vec<FailedReplica>,
    hold: Hold,
    window: Option<Vec<Row>>,
}

impl WrittenCoded {
    pub fn holder_ids(&self) -> Vec<u64> {
        self.holders.iter().copied().flatten().collect()
    }

    /// Shards that nobody has.
    pub fn missing(&self) -> Vec<usize> {
        (0..self.holders.len()).filter(|shard| self.holders[*shard].is_none()).collect()
    }

    /// Where its shards are.
    pub fn place(&self) -> v1::CodedPlace {
        let (data_shards, parity_shards) = self.layout.scheme().numbers();
        let number = |number: usize| u32::try_from(number).unwrap_or(u32::MAX);
        let holder = |(shard, worker_id): (usize, &Option<u64>)| {
            Some(v1::ShardHolder { worker_id: (*worker_id)?, shard: number(shard) })
        };
        v1::CodedPlace {
            coding: Some(v1::Coding {
                data_shards,
                parity_shards,
                cell_bytes: number(self.layout.cell_bytes() as usize),
            }),
            holders: self.holders.iter().enumerate().filter_map(holder).collect(),
            shard_crc32c: self.shards.iter().map(|shard| shard.crc32c).collect(),
        }
    }

    /// See [`shortage_of`].
    pub fn shortage(&self, min: usize) -> Failure {
        shortage_of(&self.failed, self.holder_ids().len(), min, "shards")
    }

    /// A writer of the same block for other workers.
    pub fn again(
        &self,
        workers: &[(usize, v1::Worker)],
        patience: super::Patience,
        connector: &Arc<dyn WorkerConnector>,
    ) -> CodedWriter {
        let block = NewBlock {
            block_id: BlockId(self.extent.block_id),
            expected_bytes: self.extent.length_bytes,
            patience,
            is_replaceable: false,
            hold: self.hold.clone(),
        };
        CodedWriter::begin(block, self.layout, workers, connector)
    }

    /// All rows, if they are still kept.
    pub fn take_window(&mut self) -> Option<Vec<(Bytes, Option<Permit>)>> {
        Some(self.window.take()?.into_iter().map(|row| (row.data, row.permit)).collect())
    }
}

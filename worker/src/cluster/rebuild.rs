//! A shard of a coded block that nobody has is computed from k others: the same lines of each, a step at a time.

use super::copies::{Copies, in_time};
use crate::disks::DiskWriter;
use crate::error::failure;
use crate::receiving::take;
use bytes::{Bytes, BytesMut};
use futures::future::join_all;
use std::ops::Range;
use weir_coding::{Codec, Layout};
use weir_proto::v1::{CopyOrder, ReadBlockRequest, Reason, Rebuild, ShardSource};
use weir_proto::{BlockId, Failure};

/// Read of each shard at a time.
const STEP_BYTES: u64 = 256 << 10;

/// What is wanted, and how.
struct Shape {
    layout: Layout,
    block_bytes: u64,
    shard: usize,
}

impl Shape {
    fn of(order: &CopyOrder, rebuild: &Rebuild) -> Result<Self, Failure> {
        let wrong = |why: String| Failure::new(Reason::InvalidRequest, format!("block {}", order.block_id), why);
        let coding = rebuild.coding.unwrap_or_default();
        let layout = Layout::new(coding.data_shards, coding.parity_shards, coding.cell_bytes.into());
        let layout = layout.map_err(|error| wrong(error.to_string()))?;
        let (block_bytes, shard) = (rebuild.block_length_bytes, rebuild.shard as usize);
        if shard >= layout.scheme().shards() || layout.shard_bytes(block_bytes, shard) != order.length_bytes {
            return Err(wrong("it has no such shard of that length".into()));
        }
        Ok(Self { layout, block_bytes, shard })
    }

    /// What a shard has of a run of all shards.
    fn share(&self, shard: usize, run: &Range<u64>) -> Range<u64> {
        let length_bytes = self.layout.shard_bytes(self.block_bytes, shard);
        run.start.min(length_bytes)..run.end.min(length_bytes)
    }
}

impl Copies {
    /// Computes the shard that is ordered, and puts it on disk when it is the one that was ordered.
    pub(super) async fn rebuild(&self, order: &CopyOrder, rebuild: &Rebuild) -> Result<(), Failure> {
        let id = BlockId(order.block_id);
        let shape = Shape::of(order, rebuild)?;
        let scheme = shape.layout.scheme();
        // One for each shard, so that no two give the same.
        let mut sources: Vec<&ShardSource> = Vec::new();
        for source in &rebuild.sources {
            let shard = source.shard as usize;
            if shard < scheme.shards()
                && shard != shape.shard
                && sources.iter().all(|known| known.shard != source.shard)
            {
                sources.push(source);
            }
        }
        let mut writer = None;
        let mut codec = Codec::new(scheme);
        // All runs end where the longest shards do: with a line.
        let end = shape.layout.shard_bytes(shape.block_bytes, scheme.data());
        let mut at = 0;
        while at < order.length_bytes {
            let run = at..end.min(at + STEP_BYTES);
            at = run.end;
            let shards = self.gather(id, &shape, &run, &mut sources).await?;
            let views: Vec<Option<&[u8]>> = shards.iter().map(Option::as_deref).collect();
            let mut computed = codec
                .restore(&views, (run.end - run.start) as usize, &[shape.shard])
                .map_err(|error| Failure::new(Reason::Unavailable, format!("block {id}"), error.to_string()))?;
            let mut data = computed.pop().unwrap_or_default();
            let share = shape.share(shape.shard, &run);
            data.truncate((share.end - share.start) as usize);
            let begun = self.begun(writer, order).await?;
            writer = Some(take(begun, data.into()).await.map_err(|error| failure(id, &error))?);
        }
        let writer = self.begun(writer, order).await?;
        writer.commit(order.length_bytes, order.crc32c).await.map_err(|error| failure(id, &error))?;
        self.metrics.rebuilt_shards.inc();
        Ok(())
    }

    async fn begun(&self, writer: Option<DiskWriter>, order: &CopyOrder) -> Result<DiskWriter, Failure> {
        match writer {
            Some(writer) => Ok(writer),
            None => self.begin(order).await,
        }
    }

    /// A run of k shards, by shard. Sources that fail are done without from then on.
    async fn gather(
        &self,
        id: BlockId,
        shape: &Shape,
        run: &Range<u64>,
        sources: &mut Vec<&ShardSource>,
    ) -> Result<Vec<Option<Bytes>>, Failure> {
        let needed = shape.layout.scheme().data();
        let mut shards = vec![None; shape.layout.scheme().shards()];
        let mut why = Failure::new(Reason::Unavailable, format!("block {id}"), "too few of its shards are there");
        loop {
            let have = shards.iter().flatten().count();
            let waiting = sources.iter().copied().filter(|source| shards[source.shard as usize].is_none());
            let asked: Vec<&ShardSource> = waiting.take(needed - have).collect();
            if have + asked.len() < needed {
                return Err(why);
            }
            if asked.is_empty() {
                return Ok(shards);
            }
            let reads = asked.iter().map(|source| self.read_of(id, source, shape.share(source.shard as usize, run)));
            for (source, read) in asked.iter().zip(join_all(reads).await) {
                match read {
                    Ok(data) => shards[source.shard as usize] = Some(data),
                    Err(failure) => {
                        tracing::warn!(block = %id, shard = source.shard, %failure, "a shard could not be read");
                        sources.retain(|other| other.shard != source.shard);
                        why = failure;
                    }
                }
            }
        }
    }

    /// Some bytes of another worker's shard.
    async fn read_of(&self, id: BlockId, source: &ShardSource, range: Range<u64>) -> Result<Bytes, Failure> {
        if range.is_empty() {
            return Ok(Bytes::new());
        }
        let unavailable = |why: &str| Failure::new(Reason::Unavailable, format!("block {id}"), why);
        let address = source.source.as_ref().map(|source| source.address.as_str()).unwrap_or_default();
        let length_bytes = range.end - range.start;
        self.pace.wait_for(length_bytes).await;
        let request = ReadBlockRequest { block_id: id.0, offset_bytes: range.start, length_bytes };
        let mut frames = self.frames(address, request).await?;
        let mut data = BytesMut::with_capacity(length_bytes as usize);
        while let Some(frame) = in_time(frames.message()).await? {
            data.extend_from_slice(&frame.data);
            if data.len() as u64 > length_bytes {
                return Err(unavailable("the other worker sent more than was asked for"));
            }
        }
        match data.len() as u64 == length_bytes {
            true => Ok(data.freeze()),
            false => Err(unavailable("the other worker sent less than was asked for")),
        }
    }
}

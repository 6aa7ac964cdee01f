//! Enough shards for a part of a coded block: those that are wanted, or any k of them.

use super::budget::Grant;
use super::coded_block::{CodedBlock, Share};
use super::local::LocalBlock;
use super::piece::{OpenPiece, Piece};
use super::sources::ReadSources;
use bytes::{Bytes, BytesMut};
use futures::StreamExt as _;
use futures::future::BoxFuture;
use futures::stream::FuturesUnordered;
use std::collections::{BTreeSet, VecDeque};
use std::sync::Arc;
use tokio::sync::OnceCell;
use tokio::time::sleep;
use weir_coding::Codec;
use weir_proto::Failure;
use weir_proto::v1::{self, Reason};

type Fetched = (usize, Result<Bytes, Failure>);

pub(super) struct Search<'a> {
    block: &'a Arc<CodedBlock>,
    share: Share,
    sources: &'a ReadSources,
    /// Of nothing: the part has the memory.
    empty: Grant,
    /// By shard: its run, as far as the shard goes.
    runs: Vec<Option<Bytes>>,
    asked: FuturesUnordered<BoxFuture<'a, Fetched>>,
    running: BTreeSet<usize>,
    late: BTreeSet<usize>,
    /// Shards that can still be asked for, the best ones first.
    spare: VecDeque<usize>,
    last: Failure,
}

impl<'a> Search<'a> {
    pub fn new(block: &'a Arc<CodedBlock>, share: Share, empty: Grant, sources: &'a ReadSources) -> Self {
        let last = "too few of the workers that hold its shards are known";
        let last = Failure::new(Reason::Unavailable, format!("block {}", block.block_id), last);
        let poor = block.poor.lock().clone();
        let is_well = |shard: usize| {
            let workers = &block.shards[shard].workers;
            let is_doubtful = |worker: &v1::Worker| sources.nearness.is_doubtful(worker, &sources.health);
            !poor.contains(&shard) && workers.iter().any(|worker| !is_doubtful(worker))
        };
        let known = (0..block.shards.len()).filter(|shard| !block.shards[*shard].workers.is_empty());
        // A wanted one that is not well is asked for last: it has to be computed anyway.
        let (first, mut spare): (Vec<usize>, Vec<usize>) =
            known.partition(|shard| share.wanted.contains(shard) && is_well(*shard));
        spare.sort_by_key(|shard| (!is_well(*shard), share.wanted.contains(shard)));
        let mut search = Self {
            block,
            share,
            sources,
            empty,
            runs: vec![None; block.shards.len()],
            asked: FuturesUnordered::new(),
            running: BTreeSet::new(),
            late: BTreeSet::new(),
            spare: spare.into(),
            last,
        };
        first.into_iter().for_each(|shard| search.ask(shard));
        search
    }

    /// The runs of the wanted shards, by shard; others may be there too.
    ///
    /// # Errors
    /// What the last worker said, when fewer than k shards can be had.
    pub async fn run(mut self) -> Result<Vec<Option<Bytes>>, Failure> {
        loop {
            self.top_up();
            if self.is_enough() {
                return self.finish();
            }
            let may_hedge = self.on_time() > 0 && !self.spare.is_empty();
            tokio::select! {
                fetched = self.asked.next() => match fetched {
                    Some((shard, outcome)) => self.take(shard, outcome),
                    None => return Err(self.last),
                },
                () = sleep(self.sources.patience.hedge), if may_hedge => {
                    self.sources.metrics.hedges.inc();
                    self.late.extend(self.running.iter().copied());
                }
            }
        }
    }

    fn needed(&self) -> usize {
        self.block.layout.scheme().data()
    }

    fn have(&self) -> usize {
        self.runs.iter().flatten().count()
    }

    fn on_time(&self) -> usize {
        self.running.difference(&self.late).count()
    }

    /// Wanted shards that are not there.
    fn missing(&self) -> Vec<usize> {
        self.share.wanted.clone().filter(|shard| self.runs[*shard].is_none()).collect()
    }

    fn is_enough(&self) -> bool {
        self.have() >= self.needed() || self.missing().is_empty()
    }

    /// Where one of those that are wanted will not come, or not in time, k are asked for.
    fn top_up(&mut self) {
        let is_coming = |shard: &usize| self.running.contains(shard) && !self.late.contains(shard);
        if self.missing().iter().all(is_coming) {
            return;
        }
        while self.have() + self.on_time() < self.needed()
            && let Some(shard) = self.spare.pop_front()
        {
            self.ask(shard);
        }
    }

    fn ask(&mut self, shard: usize) {
        let block = self.block;
        let length_bytes = block.layout.shard_bytes(block.length_bytes, shard);
        let run = self.share.run.start..self.share.run.end.min(length_bytes);
        if run.is_empty() {
            self.runs[shard] = Some(Bytes::new());
            return;
        }
        let sources = self.sources;
        let mut replicas = block.shards[shard].workers.clone();
        sources.nearness.sort(&mut replicas, &sources.health, sources.clock.as_ref());
        let piece = Piece {
            block_id: block.block_id,
            offset_bytes: run.start,
            length_bytes: run.end - run.start,
            local: self.local(shard, &replicas, run.end - run.start),
            replicas,
            has_others: true,
        };
        let grant = self.empty.split(0);
        self.running.insert(shard);
        self.asked.push(Box::pin(async move { (shard, fetch(piece, grant, sources).await) }));
    }

    /// The shard's file, where its worker is on this machine.
    fn local(
        &self,
        shard: usize,
        replicas: &[v1::Worker],
        run_bytes: u64,
    ) -> Option<Arc<OnceCell<Option<Arc<LocalBlock>>>>> {
        let is_worth = run_bytes >= self.block.layout.cell_bytes() && self.sources.may_open_file(replicas);
        is_worth.then(|| self.block.shards[shard].local.clone())
    }

    fn take(&mut self, shard: usize, outcome: Result<Bytes, Failure>) {
        self.running.remove(&shard);
        match outcome {
            Ok(run) => self.runs[shard] = Some(run),
            Err(failure) => {
                self.block.poor.lock().insert(shard);
                self.last = failure;
            }
        }
    }

    /// Computes what is missing.
    fn finish(mut self) -> Result<Vec<Option<Bytes>>, Failure> {
        let missing = self.missing();
        if missing.is_empty() {
            return Ok(self.runs);
        }
        for shard in missing.iter().filter(|shard| self.running.contains(shard)) {
            self.block.poor.lock().insert(*shard);
            self.block.shards[*shard].workers.iter().for_each(|worker| self.sources.health.was_late(worker.worker_id));
        }
        let run_bytes = (self.share.run.end - self.share.run.start) as usize;
        let runs: Vec<Option<&[u8]>> = self.runs.iter().map(Option::as_deref).collect();
        let computed = Codec::new(self.block.layout.scheme()).restore(&runs, run_bytes, &missing);
        let computed = computed.map_err(|error| {
            Failure::new(Reason::StoreFailed, format!("block {}", self.block.block_id), error.to_string())
        })?;
        for (shard, run) in missing.into_iter().zip(computed) {
            self.runs[shard] = Some(run.into());
        }
        self.sources.metrics.rebuilt.inc();
        Ok(self.runs)
    }
}

/// All of a piece.
async fn fetch(piece: Piece, grant: Grant, sources: &ReadSources) -> Result<Bytes, Failure> {
    let length_bytes = piece.length_bytes as usize;
    let mut open = OpenPiece::open(piece, grant, sources.clone()).await?;
    let mut data = BytesMut::new();
    loop {
        let frame = match open.next_frame().await {
            Ok(frame) => frame,
            Err(failure) => {
                open.give_up(&failure, sources);
                return Err(failure);
            }
        };
        open.took(frame.len() as u64);
        if frame.len() == length_bytes {
            return Ok(frame);
        }
        if data.is_empty() {
            data.reserve(length_bytes);
        }
        data.extend_from_slice(&frame);
        if data.len() >= length_bytes {
            return Ok(data.freeze());
        }
    }
}

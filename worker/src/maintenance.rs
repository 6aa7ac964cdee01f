//! What a worker does by itself: compaction and scrubbing.

use crate::error::{WorkerError, off_thread};
use crate::store::{BlockStore, ScrubReport};
use std::sync::Arc;
use std::time::Duration;
use weir_proto::BlockId;
use weir_service::clock::Clock;
use weir_service::config::WorkerSettings;
use weir_service::shutdown::Shutdown;

/// A start has better things to do than to scrub.
const FIRST_SCRUB_MS: u64 = 600_000;

/// Starts both, until shutdown.
pub fn start(store: &Arc<BlockStore>, settings: &WorkerSettings, clock: &Arc<dyn Clock>, shutdown: &Shutdown) {
    let (each, stop) = (store.clone(), shutdown.clone());
    let interval = Duration::from_millis(settings.compaction_interval_ms.max(1));
    shutdown.spawn(async move {
        tokio::select! {
            () = stop.begun() => each.end_compaction(),
            () = compact_for_ever(each.clone(), interval) => {}
        }
    });
    if settings.scrub_interval_ms == 0 {
        return;
    }
    let (store, clock, settings, stop) = (store.clone(), clock.clone(), settings.clone(), shutdown.clone());
    shutdown.spawn(async move {
        tokio::select! {
            () = stop.begun() => {}
            () = scrub_for_ever(&store, &settings, &*clock) => {}
        }
    });
}

async fn compact_for_ever(store: Arc<BlockStore>, interval: Duration) {
    loop {
        tokio::time::sleep(interval).await;
        let compacted = store.clone();
        match off_thread(move || compacted.compact()).await {
            Ok(Ok(done)) if done.removed_segments > 0 => {
                let (segments, blocks) = (done.removed_segments, done.copied_blocks);
                tracing::info!(segments, blocks, freed_bytes = done.freed_bytes, "compacted");
            }
            Ok(Ok(_)) => {}
            Ok(Err(error)) => tracing::warn!(%error, "compaction failed"),
            Err(_) => return,
        }
    }
}

async fn scrub_for_ever(store: &Arc<BlockStore>, settings: &WorkerSettings, clock: &dyn Clock) {
    let interval = Duration::from_millis(settings.scrub_interval_ms);
    tokio::time::sleep(interval.min(Duration::from_millis(FIRST_SCRUB_MS))).await;
    loop {
        let began = tokio::time::Instant::now();
        let start = BlockId(clock.random_u64() % (store.highest_id().0 + 1));
        match scrub_pass(store, start, Some(settings.scrub_bytes_per_second.max(1))).await {
            Ok(report) => tracing::info!(
                blocks = report.checked_blocks,
                bytes = report.checked_bytes,
                damaged = report.damaged_blocks,
                "scrubbed"
            ),
            Err(_) => return,
        }
        tokio::time::sleep_until(began + interval).await;
    }
}

/// One pass over all blocks, at most so many bytes a second.
pub async fn scrub_pass(
    store: &Arc<BlockStore>,
    start: BlockId,
    bytes_per_second: Option<u64>,
) -> Result<ScrubReport, WorkerError> {
    let mut scrub = store.scrub(start);
    loop {
        let (step, next) = off_thread(move || (scrub.step(), scrub)).await?;
        scrub = next;
        let Some(bytes) = step else { return Ok(scrub.report) };
        if let Some(rate) = bytes_per_second {
            tokio::time::sleep(Duration::from_secs_f64(bytes as f64 / rate as f64)).await;
        }
    }
}

//! What a worker does by itself: compaction and scrubbing.

use crate::disks::{self, Disks};
use crate::error::{WorkerError, off_thread, off_thread_waiting};
use crate::store::ScrubReport;
use std::sync::Arc;
use std::time::Duration;
use weir_proto::BlockId;
use weir_service::clock::Clock;
use weir_service::config::WorkerSettings;
use weir_service::shutdown::Shutdown;

/// A start has better things to do than to scrub.
const FIRST_SCRUB_MS: u64 = 600_000;

/// Starts both, and the watch over the disks, until shutdown.
pub fn start(disks: &Arc<Disks>, settings: &WorkerSettings, clock: &Arc<dyn Clock>, shutdown: &Shutdown) {
    let (watched, stop) = (disks.clone(), shutdown.clone());
    shutdown.spawn(async move {
        tokio::select! {
            () = stop.begun() => {}
            () = disks::watch(watched) => {}
        }
    });
    let (each, stop) = (disks.clone(), shutdown.clone());
    let interval = Duration::from_millis(settings.compaction_interval_ms.max(1));
    shutdown.spawn(async move {
        tokio::select! {
            () = stop.begun() => each.all_stores().for_each(|store| store.end_compaction()),
            () = compact_for_ever(each.clone(), interval) => {}
        }
    });
    if settings.scrub_interval_ms == 0 {
        return;
    }
    let (disks, clock, settings, stop) = (disks.clone(), clock.clone(), settings.clone(), shutdown.clone());
    shutdown.spawn(async move {
        tokio::select! {
            () = stop.begun() => {}
            () = scrub_for_ever(&disks, &settings, &*clock) => {}
        }
    });
}

async fn compact_for_ever(disks: Arc<Disks>, interval: Duration) {
    loop {
        tokio::time::sleep(interval).await;
        for (disk, store) in disks.stores() {
            match off_thread_waiting(async move { store.compact().await }).await {
                Ok(Ok(done)) if done.removed_segments > 0 => {
                    let (segments, blocks) = (done.removed_segments, done.copied_blocks);
                    tracing::info!(disk, segments, blocks, freed_bytes = done.freed_bytes, "compacted");
                }
                Ok(Ok(_)) => {}
                Ok(Err(error)) => {
                    tracing::warn!(disk, %error, "compaction failed");
                    disks.note(disk, &error);
                }
                Err(_) => return,
            }
        }
    }
}

async fn scrub_for_ever(disks: &Arc<Disks>, settings: &WorkerSettings, clock: &dyn Clock) {
    let interval = Duration::from_millis(settings.scrub_interval_ms);
    tokio::time::sleep(interval.min(Duration::from_millis(FIRST_SCRUB_MS))).await;
    loop {
        let began = tokio::time::Instant::now();
        match scrub_pass(disks, || clock.random_u64(), Some(settings.scrub_bytes_per_second.max(1))).await {
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

/// One pass over all blocks of the disks that are well, one disk after the other, at most so many bytes a second. Each
/// begins at a place that `random` gives.
pub async fn scrub_pass(
    disks: &Disks,
    random: impl Fn() -> u64,
    bytes_per_second: Option<u64>,
) -> Result<ScrubReport, WorkerError> {
    let mut total = ScrubReport::default();
    for (_, store) in disks.stores() {
        let mut scrub = store.scrub(BlockId(random() % (store.highest_id().0 + 1)));
        loop {
            let (step, next) = off_thread(move || (scrub.step(), scrub)).await?;
            scrub = next;
            let Some(bytes) = step else { break };
            if let Some(rate) = bytes_per_second {
                tokio::time::sleep(Duration::from_secs_f64(bytes as f64 / rate as f64)).await;
            }
        }
        total.checked_blocks += scrub.report.checked_blocks;
        total.checked_bytes += scrub.report.checked_bytes;
        total.damaged_blocks += scrub.report.damaged_blocks;
    }
    Ok(total)
}

//! The start: what is on disk becomes the index, what was torn is cut, what is damaged is set aside.

use super::block_file::{self, format};
use super::cache::Cache;
use super::error::StoreError;
use super::fatal::Fatal;
use super::folder_sync::FolderSync;
use super::index::{Index, Place};
use super::layout::{self, Layout};
use super::quarantine::Quarantine;
use super::segment::appender::Appender;
use super::segment::open::Opened as OpenedSegments;
use super::segment::scan::Damage;
use super::segment::{self, record};
use super::unreadable::Unreadable;
use super::usage::Counters;
use super::{BlockStore, Common, Shared, StoreOptions};
use parking_lot::Mutex;
use std::collections::{BTreeSet, HashSet};
use std::sync::Arc;
use std::sync::atomic::Ordering;
use tokio::sync::Semaphore;
use weir_proto::BlockId;
use weir_service::disk::Disk;

/// What lies in the quarantine.
#[derive(Default)]
struct Quarantined {
    ids: BTreeSet<BlockId>,
    records: HashSet<(u32, u32)>,
}

impl BlockStore {
    /// Opens a data folder, which is made if it does not exist. Blocks the thread.
    ///
    /// # Errors
    /// [`StoreError::Io`] when the folder can't be read or written. Damage is no error: it is set aside.
    pub fn open(options: StoreOptions, disk: Arc<dyn Disk>, common: &Common) -> Result<Self, StoreError> {
        let layout = Layout::new(&options.data);
        make_folders(&*disk, &layout)?;
        let quarantined = read_quarantine(&*disk, &layout)?;
        let files = block_file::recover(&*disk, &layout)?;
        let mut segments = segment::open::recover(&*disk, &layout, &options, &quarantined.records)?;
        let beyond = quarantined.records.iter().map(|&(segment, _)| segment + 1).max().unwrap_or(1);
        segments.next_number = segments.next_number.max(beyond);

        let counters = Counters::default();
        let (pairs, dead) = places(&files.live, &segments, &quarantined, &counters);
        let queue = BlockStore::append_queue_permits(options.append_queue_max_bytes);
        let Common { tickets, waiting, timings } = common.clone();
        let shared = Arc::new(Shared {
            layout,
            files: Cache::new(options.open_file_max_count),
            options,
            index: Index::from_sorted(pairs),
            segments: segments.segments(),
            folders: FolderSync::new(disk.clone()),
            quarantine: Quarantine::default(),
            unreadable: Unreadable::default(),
            tickets,
            fatal: Fatal::new(),
            counters,
            timings,
            waiting,
            shards: Mutex::default(),
            disk,
        });
        settle(&shared, &files, &segments, &quarantined, &dead);
        tracing::info!(
            blocks = shared.index.len(),
            segments = shared.segments.count(),
            scanned_segments = segments.scanned_count,
            removed_remainders = files.removed_count,
            "the block store is open"
        );
        let open = segments.filling(&shared.segments, &shared.options);
        let appender = Appender::start(shared.clone(), open, segments.next_number)
            .map_err(StoreError::io("start the appender of", &shared.layout.segments))?;
        let append_queue = Arc::new(Semaphore::new(queue));
        Ok(Self { appender, shared, append_queue, compacting: tokio::sync::Mutex::default(), closing: false.into() })
    }
}

/// Makes the folders. They are synced even if they exist: whoever made them may have been cut off before that.
fn make_folders(disk: &dyn Disk, layout: &Layout) -> Result<(), StoreError> {
    for path in [&layout.files, &layout.segments, &layout.quarantine] {
        disk.create_dir_all(path).map_err(StoreError::io("create", path))?;
    }
    for path in [&layout.root, &layout.files, &layout.segments, &layout.quarantine] {
        disk.sync_dir(path).map_err(StoreError::io("sync", path))?;
    }
    Ok(())
}

fn read_quarantine(disk: &dyn Disk, layout: &Layout) -> Result<Quarantined, StoreError> {
    let mut quarantined = Quarantined::default();
    let folder = &layout.quarantine;
    for name in disk.list(folder).map_err(StoreError::io("list", folder))? {
        if let Some((id, place)) = layout::quarantined(&name) {
            quarantined.ids.insert(id);
            quarantined.records.extend(place);
        }
    }
    Ok(quarantined)
}

type Pairs = Vec<(BlockId, Place)>;

/// Every live block once, by ascending id, and the records that lost: copies that a cut-off compaction left.
fn places(
    files: &[(BlockId, u32)],
    segments: &OpenedSegments,
    quarantined: &Quarantined,
    counters: &Counters,
) -> (Pairs, Pairs) {
    let mut pairs: Pairs = files.iter().map(|&(id, length_bytes)| (id, Place::file(length_bytes))).collect();
    let file_bytes = files.iter().map(|&(_, length_bytes)| format::file_bytes(u64::from(length_bytes))).sum();
    counters.file_bytes.store(file_bytes, Ordering::Relaxed);
    for found in &segments.segments {
        let live = found.entries.iter().filter(|entry| {
            !found.deleted.contains(&entry.offset_bytes)
                && !quarantined.records.contains(&(found.number, entry.offset_bytes))
        });
        pairs.extend(live.map(|entry| (entry.id, entry.place(found.number))));
    }
    // The latest copy of a block was verified last.
    pairs.sort_unstable_by_key(|&(id, place)| (id, std::cmp::Reverse(place)));
    let mut dead = Vec::new();
    pairs.dedup_by(|next, kept| {
        let same = next.0 == kept.0;
        if same {
            dead.push(*next);
        }
        same
    });
    (pairs, dead)
}

/// Counts what is alive, and sets aside what is damaged.
fn settle(
    shared: &Arc<Shared>,
    files: &block_file::Opened,
    segments: &OpenedSegments,
    quarantined: &Quarantined,
    dead: &[(BlockId, Place)],
) {
    let mut after = None;
    loop {
        let page = shared.index.page(after, 4096);
        let Some(&(last, _)) = page.last() else { break };
        for (_, place) in page {
            if let Some(segment) = shared.segments.get(place.segment) {
                segment.live_bytes.fetch_add(record::record_bytes(place.length_bytes), Ordering::Relaxed);
            }
        }
        after = Some(last);
    }
    for &(_, place) in dead.iter().filter(|(_, place)| !place.is_file()) {
        if let Some(segment) = shared.segments.get(place.segment) {
            segment::deletions::append(shared, &segment, &[place.offset_bytes]);
        }
    }
    for &id in &quarantined.ids {
        match shared.index.get(id) {
            None => shared.quarantine.add(id),
            Some(_) => shared.quarantine.add_replaced(id),
        }
    }
    for (id, fault) in &files.damaged {
        let place = Place::file(0);
        // It is not in the index, nor counted, when the start finds it damaged: it passes through both.
        shared.counters.file_bytes.fetch_add(format::file_bytes(0), Ordering::Relaxed);
        if shared.index.get(*id).is_none() {
            shared.index.insert(*id, place);
        }
        shared.set_aside(*id, place, fault);
    }
    for (id, length_bytes, fault) in &files.unreadable {
        shared.note_unreadable(*id, Place::file(*length_bytes), fault);
    }
    for found in &segments.segments {
        for entry in &found.unreadable {
            shared.note_unreadable(entry.id, entry.place(found.number), "the start could not read it");
        }
        if found.has_gap {
            shared.note_gap(found.number);
        }
        // Damage to one record that was deleted concerns nobody.
        let is_deleted = |damage: &Damage| damage.length_bytes.is_some() && found.deleted.contains(&damage.from);
        let is_known = |damage: &Damage| quarantined.records.contains(&(found.number, damage.from));
        for damage in found.damage.iter().filter(|damage| !is_known(damage) && !is_deleted(damage)) {
            shared.set_aside_scanned(found.number, damage);
        }
    }
}

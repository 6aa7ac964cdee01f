//! The standby's side: a store that takes what a primary sends, and becomes one when an operator says so.

use super::notes::{self, FOLLOWING_FILE, FollowingNote};
use super::{Frame, Position, StandbyOptions, refused};
use crate::store::embedded::state::write_file;
use crate::store::embedded::{
    CHECKPOINT_FOLDER, EmbeddedOptions, EmbeddedStore, JOURNAL_FOLDER, RESTORED_FILE, STATE_FILE, blocking, changes,
    checkpoint, io_error,
};
use crate::store::{CommitError, Sequence, StoreError};
use parking_lot::{Mutex, RwLock};
use std::future::Future;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use tokio::sync::oneshot;
use weir_service::clock::Clock;
use weir_service::config::StandbyMode;
use weir_service::disk::{Disk, DiskFile};

const SEED_FOLDER: &str = "seed";
/// Lies there while a checkpoint takes the place of all else; says which.
const SEEDING_FILE: &str = "seeding";

/// What a standby knows of itself. It can't know what the primary did after it was last heard.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Belief {
    pub standby_id: String,
    /// Of the primary.
    pub address: String,
    /// Of the primary when it was last heard.
    pub mode: StandbyMode,
    /// No commit was answered then that is not here.
    pub in_sync: bool,
    /// The primary has stepped down in favour of this standby, which has everything.
    pub released: bool,
    /// The last commit here.
    pub sequence: u64,
    /// When the primary was last heard; 0: never.
    pub heard_ms: i64,
}

/// A store that follows another one. Cheap to clone.
#[derive(Clone)]
pub struct StandbyStore {
    inner: Arc<Inner>,
}

struct Inner {
    data: PathBuf,
    options: EmbeddedOptions,
    disk: Arc<dyn Disk>,
    clock: Arc<dyn Clock>,
    /// `None`: it is being replaced.
    store: RwLock<Option<Arc<EmbeddedStore>>>,
    note: Mutex<FollowingNote>,
    heard_ms: Mutex<i64>,
    seed: tokio::sync::Mutex<Option<Seed>>,
}

/// A checkpoint that comes in.
struct Seed {
    file: Arc<dyn DiskFile>,
    path: PathBuf,
    bytes: u64,
    received: u64,
    position: Position,
}

impl StandbyStore {
    /// Opens the store in a folder, or makes one. Blocks while it recovers.
    ///
    /// # Errors
    /// As [`EmbeddedStore::open`].
    pub fn open(
        data: &Path,
        options: EmbeddedOptions,
        disk: Arc<dyn Disk>,
        clock: Arc<dyn Clock>,
    ) -> Result<Self, StoreError> {
        disk.create_dir_all(data).map_err(io_error("make", data))?;
        finish_seed(&*disk, data, &options)?;
        let note = match FollowingNote::read(&*disk, data)? {
            Some(note) => note,
            None => FollowingNote {
                standby_id: format!("{:016x}", clock.random_u64()),
                address: String::new(),
                mode: StandbyMode::None,
                in_sync: false,
                released: false,
                sequence: 0,
                at_ms: 0,
                base: None,
            },
        };
        let store = EmbeddedStore::open_as(data, options, disk.clone(), clock.clone(), true)?;
        let (heard_ms, note) = (Mutex::new(note.at_ms), Mutex::new(note));
        let store = RwLock::new(Some(Arc::new(store)));
        let (data, seed) = (data.to_path_buf(), tokio::sync::Mutex::default());
        Ok(Self { inner: Arc::new(Inner { data, options, disk, clock, store, note, heard_ms, seed }) })
    }

    /// The store as it is now.
    ///
    /// # Errors
    /// [`StoreError::Busy`]: it is being replaced by another one's checkpoint.
    pub fn store(&self) -> Result<Arc<EmbeddedStore>, StoreError> {
        self.inner.store.read().clone().ok_or(StoreError::Busy)
    }

    pub fn standby_id(&self) -> String {
        self.inner.note.lock().standby_id.clone()
    }

    /// What it wants of a standby of its own, once it is promoted.
    pub fn options(&self) -> StandbyOptions {
        self.inner.options.standby
    }

    /// Where this store ends.
    pub fn position(&self) -> Result<Position, StoreError> {
        let base = self.inner.note.lock().base;
        Ok(self.store()?.position(base))
    }

    pub fn belief(&self) -> Belief {
        let note = self.inner.note.lock().clone();
        let sequence = self.store().map_or(0, |store| store.shared.applied());
        Belief {
            standby_id: note.standby_id,
            address: note.address,
            mode: note.mode,
            in_sync: note.in_sync,
            released: note.released,
            sequence,
            heard_ms: *self.inner.heard_ms.lock(),
        }
    }

    /// The primary was heard.
    pub fn heard(&self) {
        *self.inner.heard_ms.lock() = self.inner.clock.now_ms();
    }

    /// The primary at an address goes on from where this store ends: it is not known any more whether that is all.
    /// `restored`: the primary's own store came from a backup that nobody has confirmed.
    pub async fn begin(&self, address: &str, mode: StandbyMode, restored: bool) -> Result<(), StoreError> {
        self.heard();
        let (inner, address) = (self.inner.clone(), address.to_owned());
        blocking(move || {
            inner.change_note(|note| {
                note.address = address;
                note.mode = mode;
                note.in_sync = false;
                note.released = false;
            })?;
            // Only now is the folder a standby's, and what it was as a primary over.
            notes::forget_primary(&*inner.disk, &inner.data)?;
            match restored {
                true => write_file(&*inner.disk, &inner.data, RESTORED_FILE, "restored.temporary", b""),
                false => notes::remove(&*inner.disk, &inner.data, RESTORED_FILE),
            }
        })
        .await
    }

    /// Takes a frame. The answer comes when it is durable and applied.
    ///
    /// # Errors
    /// [`StoreError::Refused`]: it is none. That it does not follow on the last one, the answer tells.
    pub fn frame(
        &self,
        frame: Frame,
    ) -> Result<impl Future<Output = Result<Sequence, StoreError>> + Send + use<>, StoreError> {
        self.heard();
        let store = self.store()?;
        let answered: oneshot::Receiver<_> = store.follow(frame)?;
        Ok(async move {
            match answered.await {
                Ok(Ok(sequence)) => Ok(sequence),
                Ok(Err(CommitError::Store(error))) => Err(error),
                Ok(Err(CommitError::GuardFailed { .. })) | Err(_) => Err(store.shared.stopped_error()),
            }
        })
    }

    /// No commit is answered from now on that is not here. To be called when all frames before are.
    pub async fn in_sync(&self) -> Result<(), StoreError> {
        self.heard();
        let inner = self.inner.clone();
        blocking(move || inner.change_note(|note| note.in_sync = true)).await
    }

    /// The primary has stepped down for this standby, and its last commit is here.
    pub async fn released(&self) -> Result<(), StoreError> {
        let inner = self.inner.clone();
        blocking(move || inner.change_note(|note| (note.in_sync, note.released) = (true, true))).await
    }

    /// The connection is lost: what is known is kept, with its date.
    pub async fn lost(&self) -> Result<(), StoreError> {
        let inner = self.inner.clone();
        blocking(move || if inner.note.lock().address.is_empty() { Ok(()) } else { inner.change_note(|_| ()) }).await
    }

    /// A checkpoint comes that replaces all that is here.
    pub async fn begin_seed(&self, bytes: u64, position: Position) -> Result<(), StoreError> {
        self.heard();
        let mut seed = self.inner.seed.lock().await;
        let inner = self.inner.clone();
        *seed = Some(blocking(move || inner.create_seed(bytes, position)).await?);
        Ok(())
    }

    /// Takes the next piece of the checkpoint. With the last one it takes the place of all that is here, and the last
    /// commit that it has is returned.
    ///
    /// # Errors
    /// [`StoreError::Refused`]: it is no piece of a checkpoint. [`StoreError::Damaged`]: the whole is none. Then what was
    /// here is still here.
    pub async fn seed_piece(&self, piece: bytes::Bytes) -> Result<Option<u64>, StoreError> {
        self.heard();
        let mut slot = self.inner.seed.lock().await;
        let Some(mut seed) = slot.take() else { return Err(refused("a piece of a checkpoint comes without one")) };
        if piece.is_empty() || piece.len() as u64 > seed.bytes - seed.received {
            return Err(refused("the checkpoint is longer than was said"));
        }
        let inner = self.inner.clone();
        let (seed, is_whole) = blocking(move || {
            seed.file.write_all_at(&piece, seed.received).map_err(io_error("write", &seed.path))?;
            seed.received += piece.len() as u64;
            let is_whole = seed.received == seed.bytes;
            if is_whole {
                inner.verify_seed(&seed)?;
            }
            Ok((seed, is_whole))
        })
        .await?;
        if !is_whole {
            *slot = Some(seed);
            return Ok(None);
        }
        let sequence = seed.position.sequence;
        self.install(seed).await?;
        Ok(Some(sequence))
    }

    async fn install(&self, seed: Seed) -> Result<(), StoreError> {
        let old = self.inner.store.write().take();
        if let Some(old) = old {
            // What can't be closed in order is replaced all the same.
            if let Err(error) = old.close().await {
                tracing::warn!(%error, "the store that is replaced was not closed in order");
            }
        }
        let inner = self.inner.clone();
        blocking(move || {
            let (disk, data) = (&*inner.disk, &inner.data);
            let name = seed.path.file_name().and_then(|name| name.to_str()).unwrap_or_default();
            write_file(disk, data, SEEDING_FILE, "seeding.temporary", name.as_bytes())?;
            finish_seed(disk, data, &inner.options)?;
            let store = EmbeddedStore::open_as(data, inner.options, inner.disk.clone(), inner.clock.clone(), true)?;
            let found = store.shared.applied();
            if found != seed.position.sequence {
                // It was verified: this can't be helped by another try.
                let reason = format!("the checkpoint gave commit {found}, not {}", seed.position.sequence);
                return Err(StoreError::Stopped { reason });
            }
            *inner.store.write() = Some(Arc::new(store));
            inner.change_note(|note| note.base = seed.position.frame)
        })
        .await
    }

    /// Becomes the primary, under an epoch; `lacks`: commits may be missing here, so nothing is deleted before an
    /// operator confirms, and no id is given that may have been given out. Nobody may be sending any more.
    pub async fn promote(&self, epoch: u64, lacks: bool) -> Result<Arc<EmbeddedStore>, StoreError> {
        let store = self.store()?;
        let inner = self.inner.clone();
        blocking(move || {
            let (disk, data) = (&*inner.disk, &*inner.data);
            notes::write_epoch(disk, data, epoch)?;
            if lacks {
                write_file(disk, data, RESTORED_FILE, "restored.temporary", b"")?;
            }
            notes::forget_primary(disk, data)?;
            // The last step: before it the folder is a standby's, after it a primary's.
            notes::forget_following(disk, data)
        })
        .await?;
        store.lead(epoch, lacks);
        Ok(store)
    }

    /// Closes the store in order.
    pub async fn close(&self) -> Result<(), StoreError> {
        self.lost().await?;
        self.store()?.close().await
    }
}

impl Inner {
    fn change_note(&self, change: impl FnOnce(&mut FollowingNote)) -> Result<(), StoreError> {
        let sequence = self.store.read().as_ref().map_or(0, |store| store.shared.applied());
        let mut note = self.note.lock();
        let mut changed = note.clone();
        change(&mut changed);
        (changed.sequence, changed.at_ms) = (sequence, *self.heard_ms.lock());
        if changed != *note || !self.disk.exists(&self.data.join(FOLLOWING_FILE)).unwrap_or(false) {
            changed.write(&*self.disk, &self.data)?;
            *note = changed;
        }
        Ok(())
    }

    fn create_seed(&self, bytes: u64, position: Position) -> Result<Seed, StoreError> {
        let folder = self.data.join(SEED_FOLDER);
        self.disk.create_dir_all(&folder).map_err(io_error("make", &folder))?;
        for name in self.disk.list(&folder).map_err(io_error("list", &folder))? {
            let path = folder.join(name);
            self.disk.remove_file(&path).map_err(io_error("remove", &path))?;
        }
        let path = folder.join(checkpoint::name(position.sequence));
        let file = self.disk.create_new(&path).map_err(io_error("create", &path))?;
        Ok(Seed { file, path, bytes, received: 0, position })
    }

    /// What came is durable, and a whole checkpoint of the commit that was said.
    fn verify_seed(&self, seed: &Seed) -> Result<(), StoreError> {
        seed.file.sync_data().map_err(io_error("sync", &seed.path))?;
        let folder = self.data.join(SEED_FOLDER);
        self.disk.sync_dir(&folder).map_err(io_error("sync", &folder))?;
        let summary = checkpoint::read(&*self.disk, &seed.path, &mut |payload| {
            changes::read(payload).try_for_each(|change| match change {
                Ok(_) => Ok(()),
                Err(_) => Err(refused("the checkpoint has something else than changes")),
            })
        })?;
        if summary.sequence != seed.position.sequence {
            return Err(refused(format!("the checkpoint has commit {}, not what was said", summary.sequence)));
        }
        Ok(())
    }
}

/// Puts a checkpoint in the place of all else in a folder, if that was begun. Each step can be done again.
fn finish_seed(disk: &dyn Disk, data: &Path, options: &EmbeddedOptions) -> Result<(), StoreError> {
    let marker = data.join(SEEDING_FILE);
    if !disk.exists(&marker).map_err(io_error("look for", &marker))? {
        return Ok(());
    }
    let file = disk.open(&marker).map_err(io_error("open", &marker))?;
    let mut name = vec![0; file.len().map_err(io_error("measure", &marker))? as usize];
    file.read_exact_at(&mut name, 0).map_err(io_error("read", &marker))?;
    let name = String::from_utf8(name).ok().filter(|name| !name.is_empty() && !name.contains('/'));
    let damaged = || StoreError::Damaged { what: marker.display().to_string(), detail: "it names nothing".into() };
    let name = name.ok_or_else(damaged)?;

    let (seed, checkpoints) = (data.join(SEED_FOLDER).join(&name), data.join(CHECKPOINT_FOLDER));
    for folder in [&data.join(JOURNAL_FOLDER), &checkpoints] {
        disk.create_dir_all(folder).map_err(io_error("make", folder))?;
        for found in disk.list(folder).map_err(io_error("list", folder))? {
            let path = folder.join(&found);
            // The checkpoint itself may be there already.
            if *folder == checkpoints && found.to_str() == Some(&name) && !disk.exists(&seed).unwrap_or(true) {
                continue;
            }
            disk.remove_file(&path).map_err(io_error("remove", &path))?;
        }
        disk.sync_dir(folder).map_err(io_error("sync", folder))?;
    }
    options.index_folder(data).remove()?;
    notes::remove(disk, data, STATE_FILE)?;
    if disk.exists(&seed).map_err(io_error("look for", &seed))? {
        let place = checkpoints.join(&name);
        disk.rename(&seed, &place).map_err(io_error("rename", &seed))?;
        disk.sync_dir(&checkpoints).map_err(io_error("sync", &checkpoints))?;
    }
    notes::remove(disk, data, SEEDING_FILE)
}

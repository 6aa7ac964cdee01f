//! A file's bytes: as they are read, as they are on the disk, and what they were in between.

use super::{Data, Kind, SimulatedDisk};
use crate::disk::DiskFile;
use crate::simulation::Random;
use parking_lot::Mutex;
use std::collections::BTreeMap;
use std::io;
use std::path::PathBuf;
use std::sync::Arc;

const PAGE_BYTES: usize = 4096;
/// A page is torn at the borders of these.
const SECTOR_BYTES: usize = 512;
/// Of a page that is written more often than this between two syncs, the last states count as one.
const VERSION_MAX_COUNT: usize = 32;

type Bytes = Arc<[u8; PAGE_BYTES]>;
pub(super) type Node = Arc<Mutex<Content>>;

/// A file without its name.
#[derive(Clone, Default)]
pub(super) struct Content {
    pages: BTreeMap<u64, Page>,
    /// On the disk.
    durable_bytes: u64,
    /// Since then; the last one counts.
    lengths: Vec<u64>,
}

/// Absent bytes are zeros.
#[derive(Clone, Default)]
struct Page {
    durable: Option<Bytes>,
    /// What an fsync failed to write: it is read, and never comes to the disk by itself.
    dropped: Option<Bytes>,
    /// What was written since, each time the whole page.
    unsynced: Vec<Bytes>,
}

impl Page {
    fn now(&self) -> Option<&Bytes> {
        self.unsynced.last().or(self.dropped.as_ref()).or(self.durable.as_ref())
    }

    fn change(&mut self, from: usize, data: &[u8]) {
        let mut bytes = self.now().map_or([0; PAGE_BYTES], |bytes| **bytes);
        bytes[from..from + data.len()].copy_from_slice(data);
        if self.unsynced.len() >= VERSION_MAX_COUNT {
            self.unsynced.pop();
        }
        self.unsynced.push(Arc::new(bytes));
    }

    /// As it was at one time since the last sync.
    fn at_some_time(&self, random: &mut Random) -> Option<&Bytes> {
        match random.below(self.unsynced.len() as u64 + 1) as usize {
            0 => self.durable.as_ref(),
            time => self.unsynced.get(time - 1),
        }
    }

    fn after_crash(&self, fate: Fate, random: &mut Random) -> Option<Bytes> {
        match fate {
            Fate::Lost => self.durable.clone(),
            Fate::Kept => self.unsynced.last().or(self.durable.as_ref()).cloned(),
            Fate::Mixed => {
                let whole = self.at_some_time(random).cloned();
                if self.unsynced.is_empty() || random.below(3) > 0 {
                    return whole;
                }
                let mut torn = whole.map_or([0; PAGE_BYTES], |bytes| *bytes);
                let other = self.at_some_time(random).map_or([0; PAGE_BYTES], |bytes| **bytes);
                for from in (0..PAGE_BYTES).step_by(SECTOR_BYTES).filter(|_| random.flip()).collect::<Vec<_>>() {
                    torn[from..from + SECTOR_BYTES].copy_from_slice(&other[from..from + SECTOR_BYTES]);
                }
                Some(Arc::new(torn))
            }
        }
    }
}

/// What becomes of what was not synced.
#[derive(Clone, Copy)]
enum Fate {
    Lost,
    Kept,
    Mixed,
}

impl Content {
    pub fn of(bytes: &[u8]) -> Self {
        let mut content = Self::default();
        content.write(bytes, 0);
        content.sync();
        content
    }

    pub fn bytes(&self) -> Vec<u8> {
        let mut bytes = vec![0; self.length() as usize];
        self.read(&mut bytes, 0);
        bytes
    }

    fn length(&self) -> u64 {
        self.lengths.last().copied().unwrap_or(self.durable_bytes)
    }

    fn read(&self, buffer: &mut [u8], offset: u64) {
        for (page, from, part) in parts(offset, buffer.len()) {
            match self.pages.get(&page).and_then(Page::now) {
                Some(bytes) => buffer[part.clone()].copy_from_slice(&bytes[from..from + part.len()]),
                None => buffer[part].fill(0),
            }
        }
    }

    fn write(&mut self, data: &[u8], offset: u64) {
        for (page, from, part) in parts(offset, data.len()) {
            self.pages.entry(page).or_default().change(from, &data[part]);
        }
        let end = offset + data.len() as u64;
        if !data.is_empty() && end > self.length() {
            self.lengths.push(end);
        }
    }

    fn set_length(&mut self, length: u64) {
        let before = self.length();
        if length == before {
            return;
        }
        if length < before {
            let zeros = [0; PAGE_BYTES];
            for (number, page) in self.pages.range_mut(length / PAGE_BYTES as u64..) {
                let from = length.saturating_sub(number * PAGE_BYTES as u64) as usize;
                page.change(from, &zeros[from..]);
            }
        }
        self.lengths.push(length);
    }

    fn sync(&mut self) {
        self.durable_bytes = self.length();
        self.lengths.clear();
        for page in self.pages.values_mut() {
            if let Some(last) = page.unsynced.pop() {
                page.unsynced.clear();
                (page.durable, page.dropped) = (Some(last), None);
            }
        }
        let end = self.durable_bytes.div_ceil(PAGE_BYTES as u64);
        self.pages.split_off(&end);
    }

    /// The sync fails, and what it was to write counts as written.
    fn drop_unsynced(&mut self) {
        for page in self.pages.values_mut() {
            if let Some(last) = page.unsynced.pop() {
                page.unsynced.clear();
                page.dropped = Some(last);
            }
        }
    }

    /// Flips a bit of what is on the disk. False: nothing is there alone, without something newer in memory.
    pub fn damage(&mut self, random: &mut Random) -> bool {
        let end = self.durable_bytes.div_ceil(PAGE_BYTES as u64);
        let is_alone = |page: &Page| page.durable.is_some() && page.dropped.is_none() && page.unsynced.is_empty();
        let alone = self.pages.range(..end).filter(|(_, page)| is_alone(page)).map(|(number, _)| *number);
        let alone: Vec<u64> = alone.collect();
        let Some(&number) = alone.get(random.below(alone.len() as u64) as usize) else { return false };
        let Some(bytes) = self.pages.get_mut(&number).and_then(|page| page.durable.as_mut()) else { return false };
        let there = (self.durable_bytes - number * PAGE_BYTES as u64).min(PAGE_BYTES as u64);
        let bit = random.below(there * 8) as usize;
        Arc::make_mut(bytes)[bit / 8] ^= 1 << (bit % 8);
        true
    }

    pub fn after_crash(&self, random: &mut Random) -> Self {
        let fate = match random.below(4) {
            0 => Fate::Lost,
            1 => Fate::Kept,
            _ => Fate::Mixed,
        };
        let durable_bytes = match fate {
            Fate::Lost => self.durable_bytes,
            Fate::Kept => self.length(),
            Fate::Mixed => match random.below(self.lengths.len() as u64 + 1) as usize {
                0 => self.durable_bytes,
                time => self.lengths[time - 1],
            },
        };
        let mut found = Self { durable_bytes, ..Self::default() };
        for (number, page) in &self.pages {
            let from = durable_bytes.saturating_sub(number * PAGE_BYTES as u64) as usize;
            let Some(mut bytes) = page.after_crash(fate, random).filter(|_| from > 0) else { continue };
            if from < PAGE_BYTES && bytes[from..].iter().any(|byte| *byte != 0) {
                Arc::make_mut(&mut bytes)[from..].fill(0);
            }
            found.pages.insert(*number, Page { durable: Some(bytes), ..Page::default() });
        }
        found
    }
}

/// The pages that some bytes lie on: each one's number, where on it they begin, and which they are.
fn parts(offset: u64, length: usize) -> impl Iterator<Item = (u64, usize, std::ops::Range<usize>)> {
    let mut done = 0;
    std::iter::from_fn(move || {
        if done == length {
            return None;
        }
        let at = offset + done as u64;
        let from = (at % PAGE_BYTES as u64) as usize;
        let part = done..length.min(done + PAGE_BYTES - from);
        done = part.end;
        Some((at / PAGE_BYTES as u64, from, part))
    })
}

/// A file that one start of a machine has open.
pub(super) struct SimulatedFile {
    pub disk: SimulatedDisk,
    pub path: PathBuf,
    pub node: Node,
}

impl DiskFile for SimulatedFile {
    fn read_exact_at(&self, buffer: &mut [u8], offset: u64) -> io::Result<()> {
        let _state = self.disk.call(Kind::Read, &self.path, offset, Data::Length(buffer.len() as u64))?;
        let content = self.node.lock();
        let end = offset.checked_add(buffer.len() as u64).filter(|end| *end <= content.length());
        end.ok_or(io::ErrorKind::UnexpectedEof)?;
        content.read(buffer, offset);
        Ok(())
    }

    fn read_cached_at(&self, buffer: &mut [u8], offset: u64) -> io::Result<bool> {
        self.read_exact_at(buffer, offset).map(|()| true)
    }

    fn write_all_at(&self, data: &[u8], offset: u64) -> io::Result<()> {
        let _state = self.disk.call(Kind::Write, &self.path, offset, Data::Bytes(data))?;
        offset.checked_add(data.len() as u64).ok_or(io::ErrorKind::FileTooLarge)?;
        self.node.lock().write(data, offset);
        Ok(())
    }

    fn sync_data(&self) -> io::Result<()> {
        match self.disk.call(Kind::Sync, &self.path, 0, Data::None) {
            Ok(_state) => {
                self.node.lock().sync();
                Ok(())
            }
            Err(error) => {
                if error.raw_os_error().is_some() {
                    self.node.lock().drop_unsynced();
                }
                Err(error)
            }
        }
    }

    fn allocate(&self, length: u64) -> io::Result<()> {
        let state = self.disk.call(Kind::Allocate, &self.path, 0, Data::Length(length))?;
        state.has_room(length)?;
        let mut content = self.node.lock();
        let length = length.max(content.length());
        content.set_length(length);
        Ok(())
    }

    fn set_len(&self, length: u64) -> io::Result<()> {
        let _state = self.disk.call(Kind::Length, &self.path, 0, Data::Length(length))?;
        self.node.lock().set_length(length);
        Ok(())
    }

    fn len(&self) -> io::Result<u64> {
        let _state = self.disk.call(Kind::Look, &self.path, 5, Data::None)?;
        Ok(self.node.lock().length())
    }
}

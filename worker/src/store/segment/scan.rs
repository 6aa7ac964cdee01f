//! Reading a segment without an index from its beginning: which records are there, what is torn, what is damaged.

use super::record::{self, Header, Kind};
use crate::store::checksum::wrong_page;
use crate::store::error::is_damage;
use std::io;
use weir_proto::BlockId;
use weir_service::disk::DiskFile;
use weir_service::planted::{Fault, planted};

const WINDOW_BYTES: usize = 4 * 1024 * 1024;
/// An unreadable sector costs this much of what is around it, not all.
const SECTOR_BYTES: usize = 4096;

/// A stretch of a segment that holds no valid record.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Damage {
    pub from: u32,
    pub to: u32,
    /// The block whose record seems to have been there; certain when `length_bytes` is given.
    pub id: Option<BlockId>,
    pub length_bytes: Option<u32>,
}

/// What a segment holds.
#[derive(Debug, Default, PartialEq, Eq)]
pub struct Scan {
    pub entries: Vec<super::Entry>,
    /// Before what was known to be durable: corruption.
    pub damage: Vec<Damage>,
    /// The version of a record that a newer build wrote.
    pub newer_version: Option<u16>,
    /// Where the records end: behind it lies nothing that was acknowledged.
    pub end: u32,
}

enum Item {
    Record(Header),
    Broken(Damage, /* blank */ bool),
}

/// Scans the first `length` bytes. `complete`: all of it was made durable (a later segment exists); else what no
/// durable mark covers and is not valid is a torn tail, which was never acknowledged.
pub fn scan(file: &dyn DiskFile, segment: u32, length: u64, complete: bool) -> io::Result<Scan> {
    let mut window = Window { file, length, base: 0, bytes: Vec::new() };
    let (mut items, mut newer_version) = (Vec::new(), None);
    let mut at = 0;
    while at + record::FIXED_BYTES as u64 <= length {
        let (item, next) = step(&mut window, segment, at)?;
        if matches!(item, Item::Broken(..)) {
            newer_version = newer_version.max(newer(&mut window, at)?);
        }
        items.push(item);
        at = next;
    }
    Ok(Scan { newer_version, ..judge(&items, complete) })
}

fn judge(items: &[Item], complete: bool) -> Scan {
    let durable_bytes = items.iter().map(|item| match item {
        Item::Record(header) => header.durable_bytes,
        Item::Broken(..) => 0,
    });
    let durable_bytes = durable_bytes.filter(|_| !planted(Fault::DamageTakenForTail));
    let durable_bytes = if complete { u32::MAX } else { durable_bytes.max().unwrap_or(0) };
    let mut scan = Scan::default();
    for (index, item) in items.iter().enumerate() {
        match *item {
            Item::Record(header) => {
                scan.end = header.offset_bytes + record::record_bytes(header.length_bytes) as u32;
                if header.kind == Kind::Block {
                    let (offset_bytes, length_bytes) = (header.offset_bytes, header.length_bytes);
                    scan.entries.push(super::Entry { id: header.id, offset_bytes, length_bytes });
                }
            }
            Item::Broken(damage, blank) => {
                let unused = blank && complete && index + 1 == items.len();
                if unused || damage.from >= durable_bytes {
                    scan.end = damage.from;
                    break;
                }
                scan.end = damage.to;
                scan.damage.push(damage);
            }
        }
    }
    scan
}

/// What lies at `at`, and where to go on.
fn step(window: &mut Window<'_>, segment: u32, at: u64) -> io::Result<(Item, u64)> {
    let peeked = Header::peek(window.get(at, record::FIXED_BYTES)?);
    if let Some(header) = peeked
        && valid_header(window, &header, segment, at)?
    {
        let next = at + record::record_bytes(header.length_bytes);
        let header_bytes = record::header_bytes(header.length_bytes);
        let bytes = window.get(at, header_bytes + header.length_bytes as usize)?;
        if wrong_page(&bytes[header_bytes..], &header.page_crcs(bytes)).is_none() {
            return Ok((Item::Record(header), next));
        }
        let damage =
            Damage { from: at as u32, to: next as u32, id: Some(header.id), length_bytes: Some(header.length_bytes) };
        return Ok((Item::Broken(damage, false), next));
    }
    let (next, blank) = find_next(window, segment, at)?;
    // The header is wrong, so its id may be; but where nothing else is known it is the best guess.
    let id = peeked.filter(|header| header.segment == segment && u64::from(header.offset_bytes) == at);
    let damage = Damage { from: at as u32, to: next as u32, id: id.map(|header| header.id), length_bytes: None };
    Ok((Item::Broken(damage, blank), next))
}

/// Whether a newer build's record begins there. What a power cut left is none: it has no right checksum.
fn newer(window: &mut Window<'_>, at: u64) -> io::Result<Option<u16>> {
    let peeked = window.get(at, record::FIXED_BYTES)?.first_chunk().and_then(Header::peek_newer);
    let Some((version, length_bytes)) = peeked else { return Ok(None) };
    let header_bytes = record::header_bytes(length_bytes);
    let is_whole = at + header_bytes as u64 <= window.length && record::is_sealed(window.get(at, header_bytes)?);
    Ok(is_whole.then_some(version))
}

fn valid_header(window: &mut Window<'_>, header: &Header, segment: u32, at: u64) -> io::Result<bool> {
    if header.segment != segment
        || u64::from(header.offset_bytes) != at
        || at + record::record_bytes(header.length_bytes) > window.length
        || u64::from(header.durable_bytes) > at
    {
        return Ok(false);
    }
    Ok(header.is_right(window.get(at, record::header_bytes(header.length_bytes))?))
}

/// The next valid header behind `at`, or the end; and whether all between is zero.
fn find_next(window: &mut Window<'_>, segment: u32, at: u64) -> io::Result<(u64, bool)> {
    let mut blank = window.get(at, record::ALIGNMENT as usize)?.iter().all(|&byte| byte == 0);
    let mut next = at + record::ALIGNMENT;
    while next + record::FIXED_BYTES as u64 <= window.length {
        let left = (window.length - next) as usize;
        let bytes = window.get(next, left.min(WINDOW_BYTES / 2))?;
        let words = bytes.as_chunks::<{ record::ALIGNMENT as usize }>().0;
        let Some(index) = words.iter().position(|word| *word != [0; 8]) else {
            next += (words.len() as u64).max(1) * record::ALIGNMENT;
            continue;
        };
        next += index as u64 * record::ALIGNMENT;
        if next + record::FIXED_BYTES as u64 > window.length {
            blank = false;
            break;
        }
        if let Some(header) = Header::peek(window.get(next, record::FIXED_BYTES)?)
            && valid_header(window, &header, segment, next)?
        {
            return Ok((next, blank));
        }
        blank = false;
        next += record::ALIGNMENT;
    }
    Ok((window.length, blank))
}

/// A moving view of a file.
struct Window<'a> {
    file: &'a dyn DiskFile,
    length: u64,
    base: u64,
    bytes: Vec<u8>,
}

impl Window<'_> {
    /// `count` bytes at `offset`, which must lie in the file.
    fn get(&mut self, offset: u64, count: usize) -> io::Result<&[u8]> {
        if offset < self.base || offset + count as u64 > self.base + self.bytes.len() as u64 {
            let wanted = count.max(WINDOW_BYTES).min((self.length - offset) as usize);
            self.bytes.resize(wanted, 0);
            self.base = offset;
            read_or_blank(self.file, &mut self.bytes, offset)?;
        }
        let start = (offset - self.base) as usize;
        Ok(&self.bytes[start..start + count])
    }
}

/// What the medium can't give reads as zeros, which are no record.
fn read_or_blank(file: &dyn DiskFile, buffer: &mut [u8], offset: u64) -> io::Result<()> {
    match file.read_exact_at(buffer, offset) {
        Err(error) if is_damage(&error) => {
            for (index, sector) in buffer.chunks_mut(SECTOR_BYTES).enumerate() {
                match file.read_exact_at(sector, offset + (index * SECTOR_BYTES) as u64) {
                    Err(error) if is_damage(&error) => sector.fill(0),
                    result => result?,
                }
            }
            Ok(())
        }
        result => result,
    }
}

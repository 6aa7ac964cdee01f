//! Reading a segment without an index from its beginning: which records are there, what is torn, what is damaged, and
//! what the disk does not give for now.

use super::record::{self, Header, Kind};
use crate::store::checksum::wrong_page;
use crate::store::error::{is_damage, is_unreadable};
use std::io;
use std::ops::Range;
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
    /// Entries whose headers are right, and whose bytes the disk did not give.
    pub unreadable: Vec<super::Entry>,
    /// The disk did not give a stretch in which records may begin, also one that says what was durable: neither is the
    /// end known, nor what is torn.
    pub has_gap: bool,
    /// The version of a record that a newer build wrote.
    pub newer_version: Option<u16>,
    /// Where the records end: behind it lies nothing that was acknowledged.
    pub end: u32,
}

enum Item {
    Record(Header),
    /// A record whose bytes the disk did not give.
    Unreadable(Header),
    Broken(Damage, /* blank */ bool),
    /// No record, and the disk did not give all of it.
    Gap,
}

/// Scans the first `length` bytes. `complete`: all of it was made durable (a later segment exists); else what no
/// durable mark covers and is not valid is a torn tail, which was never acknowledged.
pub fn scan(file: &dyn DiskFile, segment: u32, length: u64, complete: bool) -> io::Result<Scan> {
    let mut window = Window { file, length, base: 0, bytes: Vec::new(), holes: Vec::new() };
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
        Item::Record(header) | Item::Unreadable(header) => header.durable_bytes,
        Item::Broken(..) | Item::Gap => 0,
    });
    let durable_bytes = durable_bytes.filter(|_| !planted(Fault::DamageTakenForTail));
    let durable_bytes = if complete { u32::MAX } else { durable_bytes.max().unwrap_or(0) };
    let mut scan = Scan { has_gap: items.iter().any(|item| matches!(item, Item::Gap)), ..Scan::default() };
    for (index, item) in items.iter().enumerate() {
        match *item {
            Item::Record(header) | Item::Unreadable(header) => {
                scan.end = header.offset_bytes + record::record_bytes(header.length_bytes) as u32;
                if header.kind == Kind::Block {
                    let (offset_bytes, length_bytes) = (header.offset_bytes, header.length_bytes);
                    let entry = super::Entry { id: header.id, offset_bytes, length_bytes };
                    scan.entries.push(entry);
                    scan.unreadable.extend(matches!(item, Item::Unreadable(_)).then_some(entry));
                }
            }
            Item::Broken(damage, blank) => {
                let unused = blank && complete && index + 1 == items.len();
                let is_tail = unused || damage.from >= durable_bytes;
                if is_tail && scan.has_gap {
                    // What lies in the gap may say that it was durable.
                    continue;
                }
                if is_tail {
                    scan.end = damage.from;
                    break;
                }
                scan.end = damage.to;
                scan.damage.push(damage);
            }
            Item::Gap => {}
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
        if window.has_hole(at..next) {
            return Ok((Item::Unreadable(header), next));
        }
        let damage =
            Damage { from: at as u32, to: next as u32, id: Some(header.id), length_bytes: Some(header.length_bytes) };
        return Ok((Item::Broken(damage, false), next));
    }
    let (next, blank) = find_next(window, segment, at)?;
    if window.has_hole(at..next) {
        return Ok((Item::Gap, next));
    }
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
    /// What the disk did not give.
    holes: Vec<Range<u64>>,
}

impl Window<'_> {
    /// `count` bytes at `offset`, which must lie in the file.
    fn get(&mut self, offset: u64, count: usize) -> io::Result<&[u8]> {
        if offset < self.base || offset + count as u64 > self.base + self.bytes.len() as u64 {
            let wanted = count.max(WINDOW_BYTES).min((self.length - offset) as usize);
            self.bytes.resize(wanted, 0);
            self.base = offset;
            read_or_blank(self.file, &mut self.bytes, offset, &mut self.holes)?;
        }
        let start = (offset - self.base) as usize;
        Ok(&self.bytes[start..start + count])
    }

    fn has_hole(&self, range: Range<u64>) -> bool {
        self.holes.iter().any(|hole| hole.start < range.end && range.start < hole.end)
    }
}

/// What the medium can't give reads as zeros, which are no record; what it does not give for now is a hole.
fn read_or_blank(file: &dyn DiskFile, buffer: &mut [u8], offset: u64, holes: &mut Vec<Range<u64>>) -> io::Result<()> {
    match file.read_exact_at(buffer, offset) {
        Err(error) if is_damage(&error) => {
            for (index, sector) in buffer.chunks_mut(SECTOR_BYTES).enumerate() {
                let from = offset + (index * SECTOR_BYTES) as u64;
                match file.read_exact_at(sector, from) {
                    Err(error) if is_damage(&error) => {
                        sector.fill(0);
                        holes.extend(is_unreadable(&error).then_some(from..from + sector.len() as u64));
                    }
                    result => result?,
                }
            }
            Ok(())
        }
        result => result,
    }
}

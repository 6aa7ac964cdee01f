//! The formats of a worker's files. An input says what an honest writer writes and then what a disk does to it; what is
//! read is what was written, or is called damaged.

use super::block_file::format::{self, Summary};
use super::block_file::{OpenBlockFile, ReadFault, Verdict, look};
use super::checksum::Checksummer;
use super::segment::record::{self, Header, Kind};
use super::segment::scan::scan;
use super::segment::{Entry, deletions, index_file};
use std::path::Path;
use weir_proto::BlockId;
use weir_service::disk::Disk as _;
use weir_service::fuzzing::Input;
use weir_service::simulation::SimulatedDisk;

const ID: BlockId = BlockId(7);
const SEGMENT: u32 = 5;
/// A block may have three pages.
const BLOCK_MAX_BYTES: usize = 160 << 10;

/// Overwrites bytes as the rest of an input says: place, mask, again and again. How many differ in the end.
fn damage(input: &mut Input<'_>, bytes: &mut [u8]) -> usize {
    let written = bytes.to_vec();
    while !input.is_empty() && !bytes.is_empty() {
        let at = (usize::from(input.number()) << 3 | usize::from(input.byte()) & 7) % bytes.len();
        bytes[at] ^= input.byte();
    }
    written.iter().zip(bytes).filter(|(written, found)| written != found).count()
}

/// A block's length and how often its bytes are repeated, its bytes, by how much the file is cut, damage. Whatever is
/// read is what was written; one byte that changed never makes an acknowledged block look unfinished.
pub(crate) fn block_file(bytes: &[u8]) {
    let mut input = Input::new(bytes);
    let (length, repeats) = (usize::from(input.byte()), usize::from(input.number()));
    let some = input.take(length);
    let block = some.repeat(repeats.min(BLOCK_MAX_BYTES / some.len().max(1)));
    let mut checksummer = Checksummer::new();
    checksummer.update(&block);
    let checksums = checksummer.finish();
    let summary = Summary::of(ID, &checksums).encode();
    let mut file = vec![0; format::DATA_OFFSET as usize];
    file[..format::HEADER_BYTES].copy_from_slice(&format::encode_header(ID));
    let at = format::SUMMARY_OFFSET as usize;
    file[at..at + summary.len()].copy_from_slice(&summary);
    file.extend_from_slice(&block);
    file.extend_from_slice(&format::encode_page_crcs(&checksums.page_crcs));
    file.extend_from_slice(&summary);
    assert_eq!(file.len() as u64, format::file_bytes(block.len() as u64));

    let cut_bytes = usize::from(input.number());
    file.truncate(file.len().saturating_sub(cut_bytes));
    let changed = damage(&mut input, &mut file);
    let (disk, path) = (SimulatedDisk::default(), Path::new("/block"));
    disk.put(path, file);
    let verdict = look(&disk, path, ID).expect("memory does not fail");
    match verdict {
        Verdict::Live(length) => assert!(length as usize == block.len() && cut_bytes == 0),
        Verdict::Remainder => assert!(cut_bytes > 0 || changed > 1),
        Verdict::Damaged(_) => assert!(cut_bytes > 0 || changed > 0),
        Verdict::Unreadable(_, fault) => panic!("bytes in memory can be read: {fault}"),
        // Its version and the checksum over it.
        Verdict::Newer(_) => assert!(changed > 1),
    }
    let read = OpenBlockFile::open(disk.open(path).expect("it is there"), ID, block.len() as u64)
        .and_then(|file| file.read(0..block.len() as u64, false));
    match read {
        Ok(found) => assert!(found.as_deref() == Some(&block[..])),
        Err(ReadFault::Damage(_)) => assert!(cut_bytes > 0 || changed > 0),
        Err(ReadFault::Unreadable(fault)) => panic!("bytes in memory can be read: {fault}"),
        Err(ReadFault::Io(error)) => assert!(cut_bytes > 0, "{error}"),
    }
}

/// A record that was written.
struct Written {
    header: Header,
    bytes: Vec<u8>,
}

/// Records with a length each up to a zero, `0xff` for a mark; whether all was made durable; then damage. Every record
/// that is whole is found, and no other.
pub(crate) fn segment(bytes: &[u8]) {
    let mut input = Input::new(bytes);
    let (mut file, mut written) = (Vec::new(), Vec::new());
    loop {
        let (kind, block) = match input.byte() {
            0 => break,
            0xFF => (Kind::Mark, Vec::new()),
            length => {
                let repeats = usize::from(input.byte()).max(1);
                (Kind::Block, input.take(usize::from(length)).repeat(repeats))
            }
        };
        let mut checksummer = Checksummer::new();
        checksummer.update(&block);
        let sums = checksummer.finish();
        let header = Header {
            kind,
            id: BlockId(written.len() as u64 + 1),
            length_bytes: block.len() as u32,
            segment: SEGMENT,
            offset_bytes: file.len() as u32,
            durable_bytes: file.len() as u32,
            block_crc: sums.block_crc,
        };
        let start = file.len();
        header.encode(&sums.page_crcs, &mut file);
        file.extend_from_slice(&block);
        written.push(Written { header, bytes: file[start..].to_vec() });
        file.resize(file.len().next_multiple_of(record::ALIGNMENT as usize), 0);
    }
    let end = file.len();
    file.resize(end + 64 * usize::from(input.byte() % 8), 0);
    let is_complete = input.byte() & 1 == 1;
    damage(&mut input, &mut file[..end]);
    let (disk, path) = (SimulatedDisk::default(), Path::new("/segment"));
    disk.put(path, file.clone());
    let segment = disk.open(path).expect("it is there");
    let scan = scan(&*segment, SEGMENT, file.len() as u64, is_complete).expect("memory does not fail");

    let is_whole = |record: &&Written| file[record.header.offset_bytes as usize..].starts_with(&record.bytes);
    let whole: Vec<&Written> = written.iter().filter(is_whole).collect();
    let blocks = whole.iter().map(|record| record.header).filter(|header| header.kind == Kind::Block);
    let expected: Vec<Entry> = blocks.map(entry_of).collect();
    assert_eq!(scan.entries, expected);
    let is_lost = |record: &&Written| !is_whole(record);
    for lost in written.iter().filter(is_lost).map(|record| record.header) {
        let offset = lost.offset_bytes;
        let is_acknowledged = is_complete || whole.iter().any(|record| record.header.durable_bytes > offset);
        let is_told = scan.damage.iter().any(|damage| (damage.from..damage.to).contains(&offset));
        let looks_unused = file[offset as usize..].iter().all(|byte| *byte == 0);
        assert!(is_told || !is_acknowledged || looks_unused, "the record at {offset} is lost: {scan:?}");
    }
    assert!(u64::from(scan.end) <= segment.len().expect("memory does not fail"));
}

fn entry_of(header: Header) -> Entry {
    Entry { id: header.id, offset_bytes: header.offset_bytes, length_bytes: header.length_bytes }
}

/// Files beside a segment, with any bytes and as they are written.
pub(crate) fn segment_index(bytes: &[u8]) {
    let (disk, path) = (SimulatedDisk::default(), Path::new("/index"));
    disk.put(path, bytes);
    let found = index_file::read(&disk, path, SEGMENT).expect("memory does not fail");
    let deleted = deletions::read(&disk, path, SEGMENT).expect("memory does not fail");
    assert!(deleted.len() <= bytes.len() / 8);
    if let Some((segment_bytes, entries)) = found {
        index_file::write(&disk, path, SEGMENT, segment_bytes, &entries).expect("memory does not fail");
        assert_eq!(disk.bytes(path).as_deref(), Some(bytes));
    }
    let mut input = Input::new(bytes);
    let (segment_bytes, count) = (input.long(), input.byte());
    let entries: Vec<Entry> = (0..count)
        .map(|_| Entry {
            id: BlockId(input.long()),
            offset_bytes: input.number().into(),
            length_bytes: input.number().into(),
        })
        .collect();
    index_file::write(&disk, path, SEGMENT, segment_bytes, &entries).expect("memory does not fail");
    let mut file = disk.bytes(path).expect("it was written");
    let changed = damage(&mut input, &mut file);
    disk.put(path, file);
    let read = index_file::read(&disk, path, SEGMENT).expect("memory does not fail");
    assert_eq!(read, (changed == 0).then_some((segment_bytes, entries)));
}

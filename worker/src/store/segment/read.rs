//! Reading a block from its segment: header and bytes are compared with their checksums, each time.

use super::record::{self, Header, Kind};
use crate::store::block_file::ReadFault;
use crate::store::checksum::{PAGE_BYTES, wrong_page};
use crate::store::index::Place;
use bytes::Bytes;
use std::ops::Range;
use weir_proto::BlockId;
use weir_service::disk::DiskFile;

/// A gap between the header and the wanted pages up to this size is read along, to save a call.
const GAP_MAX_BYTES: u64 = PAGE_BYTES;

/// Verified bytes of a range that lies in the block. None, with `cached`: the disk would have to be waited for.
pub fn read(
    file: &dyn DiskFile,
    id: BlockId,
    place: Place,
    range: Range<u64>,
    cached: bool,
) -> Result<Option<Bytes>, ReadFault> {
    let get = |buffer: &mut [u8], offset: u64| match cached {
        true => file.read_cached_at(buffer, offset),
        false => file.read_exact_at(buffer, offset).map(|()| true),
    };
    let header_bytes = record::header_bytes(place.length_bytes);
    let first_page = range.start / PAGE_BYTES;
    let start = first_page * PAGE_BYTES;
    let end = range.end.next_multiple_of(PAGE_BYTES).min(u64::from(place.length_bytes));
    let record = u64::from(place.offset_bytes);
    let data = record + header_bytes as u64;
    let together = start <= GAP_MAX_BYTES;
    let mut buffer = vec![0; if together { header_bytes + end as usize } else { header_bytes }];
    if !get(&mut buffer, record)? {
        return Ok(None);
    }
    let page_crcs = verify_header(&buffer, id, place).map_err(ReadFault::Damage)?;
    let skip = if together {
        header_bytes + start as usize
    } else {
        buffer = vec![0; (end - start) as usize];
        if !get(&mut buffer, data + start)? {
            return Ok(None);
        }
        0
    };
    if let Some(page) = wrong_page(&buffer[skip..], &page_crcs[first_page as usize..]) {
        let at = start + page as u64 * PAGE_BYTES;
        return Err(ReadFault::Damage(format!("the checksum of the 64 KiB at byte {at} is wrong")));
    }
    let skip = skip + (range.start - start) as usize;
    Ok(Some(Bytes::from(buffer).slice(skip..skip + (range.end - range.start) as usize)))
}

/// The CRC32C of the whole block, from its header.
pub fn block_crc(file: &dyn DiskFile, id: BlockId, place: Place) -> Result<u32, ReadFault> {
    let mut header = vec![0; record::header_bytes(place.length_bytes)];
    file.read_exact_at(&mut header, u64::from(place.offset_bytes))?;
    verify_header(&header, id, place).map_err(ReadFault::Damage)?;
    Header::peek(&header).map(|header| header.block_crc).ok_or_else(|| ReadFault::Damage("no header".into()))
}

/// The page checksums of the record at `place`, if it is there and is this block's.
fn verify_header(bytes: &[u8], id: BlockId, place: Place) -> Result<Vec<u32>, String> {
    let header = Header::peek(bytes).ok_or("there is no record")?;
    if header.length_bytes != place.length_bytes || !header.is_right(bytes) {
        return Err("the record's header is wrong".into());
    }
    if (header.kind, header.id, header.segment, header.offset_bytes)
        != (Kind::Block, id, place.segment, place.offset_bytes)
    {
        return Err(format!("the record of block {} of segment {} lies here", header.id, header.segment));
    }
    Ok(header.page_crcs(bytes))
}

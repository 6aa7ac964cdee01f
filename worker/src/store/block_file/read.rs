//! Reading a block file: whatever leaves was compared with its checksum.

use super::format::{self, Found, HEADER_BYTES, SUMMARY_BYTES, Summary};
use crate::store::checksum::{PAGE_BYTES, crc32c, wrong_page};
use crate::store::error::{is_damage, is_unreadable};
use bytes::Bytes;
use std::io;
use std::ops::Range;
use std::sync::Arc;
use weir_proto::BlockId;
use weir_service::disk::DiskFile;

/// Why a block's bytes were not given.
#[derive(Debug)]
pub enum ReadFault {
    /// The bytes are not what was written; with what was found.
    Damage(String),
    /// The disk does not give the bytes.
    Unreadable(String),
    Io(io::Error),
}

impl From<io::Error> for ReadFault {
    fn from(error: io::Error) -> Self {
        match error {
            error if is_unreadable(&error) => Self::Unreadable(error.to_string()),
            error if is_damage(&error) => Self::Damage(error.to_string()),
            error => Self::Io(error),
        }
    }
}

/// A block file whose header and checksums have been read and found right.
pub struct OpenBlockFile {
    file: Arc<dyn DiskFile>,
    summary: Summary,
    page_crcs: Vec<u32>,
}

impl OpenBlockFile {
    pub fn open(file: Arc<dyn DiskFile>, id: BlockId, length_bytes: u64) -> Result<Self, ReadFault> {
        let mut header = [0; HEADER_BYTES];
        file.read_exact_at(&mut header, 0)?;
        if header != format::encode_header(id) {
            return Err(ReadFault::Damage("the header is not this block's".into()));
        }
        let mut first = [0; SUMMARY_BYTES];
        file.read_exact_at(&mut first, format::SUMMARY_OFFSET)?;
        let crcs_offset = format::page_crcs_offset(length_bytes);
        let mut end = vec![0; (format::file_bytes(length_bytes) - crcs_offset) as usize];
        file.read_exact_at(&mut end, crcs_offset)?;
        let (crcs, trailer) = end.split_at(end.len() - SUMMARY_BYTES);
        let mut second = [0; SUMMARY_BYTES];
        second.copy_from_slice(trailer);
        let summary = match (Summary::decode(id, &first), Summary::decode(id, &second)) {
            (Found::Valid(first), Found::Valid(second)) if first != second => {
                return Err(ReadFault::Damage("the two summaries differ".into()));
            }
            // One is enough: the checksums that it vouches for are verified below.
            (Found::Valid(summary), _) | (_, Found::Valid(summary)) => summary,
            _ => return Err(ReadFault::Damage("both summaries are wrong".into())),
        };
        if summary.length_bytes != length_bytes || summary.page_crcs_crc != crc32c(crcs) {
            return Err(ReadFault::Damage("the page checksums are wrong".into()));
        }
        Ok(Self { file, summary, page_crcs: format::decode_page_crcs(crcs) })
    }

    pub fn block_crc(&self) -> u32 {
        self.summary.block_crc
    }

    pub fn page_crcs(&self) -> &[u32] {
        &self.page_crcs
    }

    /// Where the block's bytes begin in the file.
    pub fn data_offset_bytes(&self) -> u64 {
        format::DATA_OFFSET
    }

    /// Verified bytes of a range that lies in the block. None, with `cached`: the disk would have to be waited for.
    pub fn read(&self, range: Range<u64>, cached: bool) -> Result<Option<Bytes>, ReadFault> {
        let first_page = range.start / PAGE_BYTES;
        let start = first_page * PAGE_BYTES;
        let end = range.end.next_multiple_of(PAGE_BYTES).min(self.summary.length_bytes);
        let mut buffer = vec![0; (end - start) as usize];
        let offset = format::DATA_OFFSET + start;
        if !cached {
            self.file.read_exact_at(&mut buffer, offset)?;
        } else if !self.file.read_cached_at(&mut buffer, offset)? {
            return Ok(None);
        }
        match wrong_page(&buffer, &self.page_crcs[first_page as usize..]) {
            Some(page) => {
                let at = start + page as u64 * PAGE_BYTES;
                Err(ReadFault::Damage(format!("the checksum of the 64 KiB at byte {at} is wrong")))
            }
            None => Ok(Some(Bytes::from(buffer).slice((range.start - start) as usize..(range.end - start) as usize))),
        }
    }
}

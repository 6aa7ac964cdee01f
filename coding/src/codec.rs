//! Reed–Solomon over the cells of a row, or over runs of rows: of k data cells m parity cells, of any k of the k + m the
//! others.

use super::layout::LINE_BYTES;
use super::scheme::Scheme;
use reed_solomon_simd::{ReedSolomonDecoder, ReedSolomonEncoder};

/// Computes cells. Keeps its working memory from call to call.
pub struct Codec {
    scheme: Scheme,
    encoder: Option<ReedSolomonEncoder>,
    decoder: Option<ReedSolomonDecoder>,
    /// A cell that is shorter than the others, with zeros after it.
    padded: Vec<u8>,
}

#[derive(Debug, thiserror::Error)]
pub enum CodecError {
    #[error("{have} of the {need} cells that are needed are there")]
    TooFew { have: usize, need: usize },
    #[error("a cell of {0} bytes can't be coded")]
    Cell(usize),
    #[error(transparent)]
    Library(#[from] reed_solomon_simd::Error),
}

impl Codec {
    pub fn new(scheme: Scheme) -> Self {
        Self { scheme, encoder: None, decoder: None, padded: Vec::new() }
    }

    /// The m parity cells of k data cells, each `cell_bytes` long; data cells that are shorter end in zeros.
    ///
    /// # Errors
    /// Other than k cells; a cell that is longer; a size that is zero or no multiple of 64.
    pub fn encode(&mut self, cells: &[&[u8]], cell_bytes: usize) -> Result<Vec<Vec<u8>>, CodecError> {
        let (k, m) = (self.scheme.data(), self.scheme.parity());
        check_size(cell_bytes)?;
        if cells.len() != k {
            return Err(CodecError::TooFew { have: cells.len(), need: k });
        }
        let encoder = match &mut self.encoder {
            Some(encoder) => {
                encoder.reset(k, m, cell_bytes)?;
                encoder
            }
            none => none.insert(ReedSolomonEncoder::new(k, m, cell_bytes)?),
        };
        for cell in cells {
            encoder.add_original_shard(padded(cell, cell_bytes, &mut self.padded)?)?;
        }
        Ok(encoder.encode()?.recovery_iter().map(<[u8]>::to_vec).collect())
    }

    /// The cells of some shards, computed from k others: as many bytes of each cell, the same ones, in whole lines.
    /// `cells`: by shard, those that are there; more than k are not used. Returned in the order of `wanted`.
    ///
    /// # Errors
    /// Fewer than k cells; a cell that is longer than `cell_bytes`; a size that is zero or no multiple of 64.
    pub fn restore(
        &mut self,
        cells: &[Option<&[u8]>],
        cell_bytes: usize,
        wanted: &[usize],
    ) -> Result<Vec<Vec<u8>>, CodecError> {
        check_size(cell_bytes)?;
        let (k, m) = (self.scheme.data(), self.scheme.parity());
        let there = |shard: usize| cells.get(shard).copied().flatten();
        let have = (0..k + m).filter(|shard| there(*shard).is_some()).count();
        if have < k {
            return Err(CodecError::TooFew { have, need: k });
        }
        let missing: Vec<usize> = (0..k).filter(|shard| there(*shard).is_none()).collect();
        let restored = if missing.is_empty() { Vec::new() } else { self.decode(&there, cell_bytes)? };
        let data: Vec<&[u8]> = (0..k)
            .map(|shard| match there(shard) {
                Some(cell) => cell,
                None => missing.iter().position(|lost| *lost == shard).map_or(&[][..], |at| &restored[at]),
            })
            .collect();
        let parity = if wanted.iter().all(|shard| *shard < k) { Vec::new() } else { self.encode(&data, cell_bytes)? };
        let cell = |shard: &usize| match shard.checked_sub(k) {
            Some(parity_at) => parity.get(parity_at).cloned().unwrap_or_default(),
            None => {
                let mut cell = data[*shard].to_vec();
                cell.resize(cell_bytes, 0);
                cell
            }
        };
        Ok(wanted.iter().map(cell).collect())
    }

    /// The data cells that are not there, in order.
    fn decode<'a>(
        &mut self,
        there: &dyn Fn(usize) -> Option<&'a [u8]>,
        cell_bytes: usize,
    ) -> Result<Vec<Vec<u8>>, CodecError> {
        let (k, m) = (self.scheme.data(), self.scheme.parity());
        let decoder = match &mut self.decoder {
            Some(decoder) => {
                decoder.reset(k, m, cell_bytes)?;
                decoder
            }
            none => none.insert(ReedSolomonDecoder::new(k, m, cell_bytes)?),
        };
        let present = (0..k + m).filter_map(|shard| Some((shard, there(shard)?)));
        for (shard, cell) in present.take(k) {
            let cell = padded(cell, cell_bytes, &mut self.padded)?;
            match shard.checked_sub(k) {
                Some(parity_at) => decoder.add_recovery_shard(parity_at, cell)?,
                None => decoder.add_original_shard(shard, cell)?,
            }
        }
        Ok(decoder.decode()?.restored_original_iter().map(|(_, cell)| cell.to_vec()).collect())
    }
}

fn check_size(cell_bytes: usize) -> Result<(), CodecError> {
    match cell_bytes > 0 && (cell_bytes as u64).is_multiple_of(LINE_BYTES) {
        true => Ok(()),
        false => Err(CodecError::Cell(cell_bytes)),
    }
}

/// The cell with zeros after it.
fn padded<'a>(cell: &'a [u8], cell_bytes: usize, buffer: &'a mut Vec<u8>) -> Result<&'a [u8], CodecError> {
    if cell.len() == cell_bytes {
        return Ok(cell);
    }
    if cell.len() > cell_bytes {
        return Err(CodecError::Cell(cell.len()));
    }
    buffer.clear();
    buffer.extend_from_slice(cell);
    buffer.resize(cell_bytes, 0);
    Ok(buffer)
}

#[cfg(test)]
#[path = "codec_tests.rs"]
mod tests;

//! Bytes of blocks that were received and are not written yet. They are counted over all blocks: many that are received
//! slowly must not hold more than a few that are received fast.

use bytes::{Bytes, BytesMut};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

/// A piece that is smaller is copied: it may be a small part of a large buffer of the transport's.
const PIECE_MIN_BYTES: usize = 4 * 1024;

/// Bytes that wait, of all blocks.
#[derive(Clone, Debug, Default)]
pub struct Waiting(Arc<AtomicU64>);

/// Those of one block, in order.
#[derive(Debug)]
pub struct Pending {
    waiting: Waiting,
    pieces: Vec<Bytes>,
    /// What came last, in small pieces.
    tail: BytesMut,
    bytes: u64,
}

impl Waiting {
    pub fn bytes(&self) -> u64 {
        self.0.load(Ordering::Relaxed)
    }
}

impl Pending {
    pub fn new(waiting: &Waiting) -> Self {
        Self { waiting: waiting.clone(), pieces: Vec::new(), tail: BytesMut::new(), bytes: 0 }
    }

    pub fn of(data: Bytes, waiting: &Waiting) -> Self {
        let mut pending = Self::new(waiting);
        pending.push(data);
        pending
    }

    pub fn bytes(&self) -> u64 {
        self.bytes
    }

    pub fn push(&mut self, data: Bytes) {
        self.bytes += data.len() as u64;
        self.waiting.0.fetch_add(data.len() as u64, Ordering::Relaxed);
        if data.len() < PIECE_MIN_BYTES {
            self.tail.extend_from_slice(&data);
        } else {
            self.end_tail();
            self.pieces.push(data);
        }
    }

    pub fn pieces(&mut self) -> &[Bytes] {
        self.end_tail();
        &self.pieces
    }

    /// The same bytes once more, counted in `waiting`.
    pub fn share(&mut self, waiting: &Waiting) -> Self {
        self.end_tail();
        waiting.0.fetch_add(self.bytes, Ordering::Relaxed);
        Self { waiting: waiting.clone(), pieces: self.pieces.clone(), tail: BytesMut::new(), bytes: self.bytes }
    }

    pub fn clear(&mut self) {
        self.waiting.0.fetch_sub(std::mem::take(&mut self.bytes), Ordering::Relaxed);
        self.pieces.clear();
        self.tail.clear();
    }

    fn end_tail(&mut self) {
        if !self.tail.is_empty() {
            self.pieces.push(self.tail.split().freeze());
        }
    }
}

impl Drop for Pending {
    fn drop(&mut self) {
        self.clear();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pieces_of_any_size_come_out_in_order_and_are_counted() {
        let waiting = Waiting::default();
        let mut pending = Pending::new(&waiting);
        let mut expected = Vec::new();
        for length in [1, 2, 5000, 3, 4096, 4095, 1] {
            let data = vec![length as u8; length];
            expected.extend_from_slice(&data);
            pending.push(data.into());
        }
        assert_eq!((pending.bytes(), waiting.bytes()), (expected.len() as u64, expected.len() as u64));
        assert_eq!(pending.pieces().concat(), expected);
        assert_eq!(pending.pieces().len(), 5);
        let other = Pending::of(vec![0; 7].into(), &waiting);
        pending.clear();
        assert_eq!((waiting.bytes(), pending.pieces().len()), (7, 0));
        drop(other);
        assert_eq!(waiting.bytes(), 0);
    }
}

//! Where the bytes of a block are in its shards. The bytes are dealt in cells, round robin over the k data shards; k
//! cells are a row. In the last row, where it is not full, the cells are as short as they can be: all the same, and a
//! multiple of [`LINE_BYTES`]; of the last data shards nothing is there then. Each parity shard has a cell in each row.
//!
//! ```text
//! 4+2, cells of 64 KiB, 600,000 bytes:   data 0   1        2        3        parity 4  5
//!   row 0                                 65,536   65,536   65,536   65,536   65,536    65,536
//!   row 1                                 65,536   65,536   65,536   65,536   65,536    65,536
//!   row 2 (75,712 bytes)                  18,944   18,944   18,944   18,880   18,944    18,944
//! ```

use super::scheme::{Scheme, SchemeError};

/// Lines of so many bytes are coded each by itself: the same lines of k cells give that line of any other.
pub const LINE_BYTES: u64 = 64;
/// A cell is no longer than this.
const CELL_MAX_BYTES: u64 = 1 << 20;

/// The shape of a coded block.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Layout {
    scheme: Scheme,
    cell_bytes: u64,
}

#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum LayoutError {
    #[error(transparent)]
    Scheme(#[from] SchemeError),
    #[error("a cell has 64 to {CELL_MAX_BYTES} bytes, a multiple of 64, not {0}")]
    Cell(u64),
}

/// Rows with cells of the same size that follow each other: in each shard one run of bytes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Row {
    /// Where the row begins in the block.
    pub offset_bytes: u64,
    /// The block's bytes in it.
    pub length_bytes: u64,
    /// Where it begins in each shard.
    pub shard_offset_bytes: u64,
    /// The size of its cells. Data cells at its end may have fewer bytes, or none: what they lack counts as zeros.
    pub cell_bytes: u64,
}

/// A byte's place.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Place {
    pub shard: usize,
    /// Within the shard.
    pub offset_bytes: u64,
}

impl Layout {
    /// # Errors
    /// The scheme's; a cell that is empty, no multiple of 64 bytes or too large.
    pub fn new(data: u32, parity: u32, cell_bytes: u64) -> Result<Self, LayoutError> {
        Self::of(Scheme::new(data, parity)?, cell_bytes)
    }

    /// # Errors
    /// A cell that is empty, no multiple of 64 bytes or too large.
    pub fn of(scheme: Scheme, cell_bytes: u64) -> Result<Self, LayoutError> {
        if cell_bytes == 0 || cell_bytes > CELL_MAX_BYTES || !cell_bytes.is_multiple_of(LINE_BYTES) {
            return Err(LayoutError::Cell(cell_bytes));
        }
        Ok(Self { scheme, cell_bytes })
    }

    pub fn scheme(&self) -> Scheme {
        self.scheme
    }

    pub fn cell_bytes(&self) -> u64 {
        self.cell_bytes
    }

    /// The block's bytes in a full row.
    pub fn row_bytes(&self) -> u64 {
        self.cell_bytes * self.scheme.data() as u64
    }

    /// The row that has a byte of a block of that length.
    pub fn row_of(&self, block_bytes: u64, at: u64) -> Row {
        let row = at / self.row_bytes();
        let offset_bytes = row * self.row_bytes();
        let length_bytes = block_bytes.saturating_sub(offset_bytes).min(self.row_bytes());
        let cell_bytes = self.cell_bytes_of(length_bytes);
        Row { offset_bytes, length_bytes, shard_offset_bytes: row * self.cell_bytes, cell_bytes }
    }

    /// The size of the cells of a row with so many bytes.
    pub fn cell_bytes_of(&self, row_bytes: u64) -> u64 {
        row_bytes.div_ceil(self.scheme.data() as u64).next_multiple_of(LINE_BYTES).min(self.cell_bytes)
    }

    /// The length of a shard of a block of that length.
    pub fn shard_bytes(&self, block_bytes: u64, shard: usize) -> u64 {
        let full_bytes = block_bytes / self.row_bytes() * self.cell_bytes;
        let last = self.row_of(block_bytes, block_bytes);
        full_bytes + self.cell_length(&last, shard)
    }

    /// The true bytes of a shard's cell in a row.
    pub fn cell_length(&self, row: &Row, shard: usize) -> u64 {
        if shard >= self.scheme.data() {
            return row.cell_bytes;
        }
        row.length_bytes.saturating_sub(shard as u64 * row.cell_bytes).min(row.cell_bytes)
    }

    /// Where a byte of a block of that length is.
    pub fn place_of(&self, block_bytes: u64, at: u64) -> Place {
        let row = self.row_of(block_bytes, at);
        let within = at - row.offset_bytes;
        // Below k, as long as the byte is in the block.
        let shard = (within / row.cell_bytes.max(1)) as usize;
        Place { shard, offset_bytes: row.shard_offset_bytes + within % row.cell_bytes.max(1) }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn layout(data: u32, parity: u32, cell_bytes: u64) -> Layout {
        Layout::new(data, parity, cell_bytes).unwrap()
    }

    #[test]
    fn the_example_is_true() {
        let layout = layout(4, 2, 65_536);
        let row = layout.row_of(600_000, 524_288);
        let expected =
            Row { offset_bytes: 524_288, length_bytes: 75_712, shard_offset_bytes: 131_072, cell_bytes: 18_944 };
        assert_eq!(row, expected);
        let cells: Vec<u64> = (0..6).map(|shard| layout.cell_length(&row, shard)).collect();
        assert_eq!(cells, [18_944, 18_944, 18_944, 18_880, 18_944, 18_944]);
        assert_eq!(layout.shard_bytes(600_000, 3), 131_072 + 18_880);
    }

    #[test]
    fn cells_have_a_shape() {
        for (data, parity, cell_bytes) in [(4, 2, 0), (4, 2, 65), (4, 2, 2 << 20), (1, 2, 64), (4, 0, 64), (17, 1, 64)]
        {
            assert!(Layout::new(data, parity, cell_bytes).is_err(), "{data}+{parity} {cell_bytes}");
        }
    }

    proptest! {
        #[test]
        fn each_byte_has_a_place_of_its_own_and_the_shards_have_no_other(
            data in 2u32..6, parity in 1u32..4, lines in 1u64..4, block_bytes in 1u64..3_000,
        ) {
            let layout = layout(data, parity, lines * LINE_BYTES);
            let mut next = vec![0; data as usize];
            // The naive model: what was dealt so far lies without gaps in each shard, row by row.
            for at in 0..block_bytes {
                let place = layout.place_of(block_bytes, at);
                prop_assert_eq!(place.offset_bytes, next[place.shard], "byte {}", at);
                next[place.shard] += 1;
            }
            for (shard, bytes) in next.iter().enumerate() {
                prop_assert_eq!(layout.shard_bytes(block_bytes, shard), *bytes);
            }
            let parity_bytes = layout.shard_bytes(block_bytes, data as usize);
            prop_assert!(next.iter().all(|bytes| *bytes <= parity_bytes));
            prop_assert!(parity_bytes * u64::from(data) < block_bytes + LINE_BYTES * u64::from(data));
        }
    }
}

//! What every engine checks and computes alike: limits and counters.

use super::{Batch, Guard, MAX_BATCH_BYTES, MAX_STORE_KEY_BYTES, MAX_VALUE_BYTES, StoreError, Write};

/// What a counter's value takes.
pub(super) const COUNTER_BYTES: usize = 8;

/// Refuses a batch that has a key, a value or a sum of both over the limit. Returns the sum, in bytes.
///
/// # Errors
/// [`StoreError::TooLarge`].
pub(super) fn check_limits(batch: &Batch) -> Result<usize, StoreError> {
    let mut total = 0_usize;
    let mut count = |key: &[u8], value_bytes: usize| {
        at_most("a key of the store", key.len(), MAX_STORE_KEY_BYTES)?;
        at_most("a value of the store", value_bytes, MAX_VALUE_BYTES)?;
        total = total.saturating_add(key.len() + value_bytes);
        Ok(())
    };
    for guard in &batch.guards {
        match guard {
            Guard::Equals { key, value } => count(key, value.len())?,
            Guard::Absent { key } => count(key, 0)?,
        }
    }
    for write in &batch.writes {
        match write {
            Write::Put { key, value } => count(key, value.len())?,
            Write::Delete { key } => count(key, 0)?,
            Write::Add { key, .. } => count(key, COUNTER_BYTES)?,
        }
    }
    at_most("a batch of the store", total, MAX_BATCH_BYTES)?;
    Ok(total)
}

fn at_most(what: &'static str, bytes: usize, allowed: usize) -> Result<(), StoreError> {
    if bytes > allowed { Err(StoreError::TooLarge { what, bytes, allowed }) } else { Ok(()) }
}

/// A counter's value after an addition to what it was.
///
/// # Errors
/// [`StoreError::NotACounter`]: the value has another length.
pub(super) fn add(key: &[u8], before: Option<&[u8]>, amount: i64) -> Result<[u8; COUNTER_BYTES], StoreError> {
    let before = match before {
        None => 0,
        Some(value) => i64::from_le_bytes(
            value.try_into().map_err(|_| StoreError::NotACounter { key: printable(key), bytes: value.len() })?,
        ),
    };
    Ok(before.wrapping_add(amount).to_le_bytes())
}

/// A key as it is shown in an error.
pub(super) fn printable(key: &[u8]) -> String {
    key.escape_ascii().to_string()
}

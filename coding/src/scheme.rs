//! How many shards: `k+m`.

use std::fmt::{Display, Formatter};
use std::str::FromStr;

/// Data shards, at most.
pub const DATA_MAX: usize = 16;
/// Parity shards, at most.
pub const PARITY_MAX: usize = 8;
/// Shards of a block, at most.
pub const SHARDS_MAX: usize = DATA_MAX + PARITY_MAX;

/// k data shards and m parity shards. Written `k+m`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Scheme {
    data: u8,
    parity: u8,
}

#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("a coding is k+m with 2 to {DATA_MAX} data shards and 1 to {PARITY_MAX} parity shards, like 4+2: {0:?} is not")]
pub struct SchemeError(String);

impl Scheme {
    /// # Errors
    /// [`SchemeError`]: fewer than 2 or more than [`DATA_MAX`] data shards, none or more than [`PARITY_MAX`] parity ones.
    pub fn new(data: u32, parity: u32) -> Result<Self, SchemeError> {
        let wrong = || SchemeError(format!("{data}+{parity}"));
        match (u8::try_from(data), u8::try_from(parity)) {
            (Ok(k), Ok(m)) if (2..=DATA_MAX).contains(&k.into()) && (1..=PARITY_MAX).contains(&m.into()) => {
                Ok(Self { data: k, parity: m })
            }
            _ => Err(wrong()),
        }
    }

    /// k: so many shards are needed to read.
    pub fn data(self) -> usize {
        self.data.into()
    }

    /// m: so many shards may be lost.
    pub fn parity(self) -> usize {
        self.parity.into()
    }

    /// k and m, as the contract has them.
    pub fn numbers(self) -> (u32, u32) {
        (self.data.into(), self.parity.into())
    }

    /// k + m. Data shards have the numbers below k.
    pub fn shards(self) -> usize {
        self.data() + self.parity()
    }

    /// With fewer shards no write is acknowledged, where of m + 1 copies `min_copies` are needed: as many losses are
    /// survived as those copies survive, and at least one.
    pub fn min_shards(self, min_copies: usize) -> usize {
        self.data() + min_copies.clamp(2, self.parity() + 1) - 1
    }
}

impl Display for Scheme {
    fn fmt(&self, f: &mut Formatter<'_>) -> std::fmt::Result {
        write!(f, "{}+{}", self.data, self.parity)
    }
}

impl FromStr for Scheme {
    type Err = SchemeError;

    fn from_str(text: &str) -> Result<Self, SchemeError> {
        let wrong = || SchemeError(text.to_owned());
        let number = |text: &str| match text.bytes().all(|byte| byte.is_ascii_digit()) {
            true => text.parse().map_err(|_| wrong()),
            false => Err(wrong()),
        };
        let (data, parity) = text.split_once('+').ok_or_else(wrong)?;
        Self::new(number(data)?, number(parity)?).map_err(|_| wrong())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_scheme_is_read_as_it_is_written() {
        for text in ["2+1", "4+2", "16+8"] {
            assert_eq!(text.parse::<Scheme>().unwrap().to_string(), text);
        }
        for wrong in ["", "4", "+", "4+", "+2", "4+0", "1+1", "17+2", "4+9", "4+-2", "++4+2", "4 + 2", "260+2", "4+2+1"]
        {
            assert!(wrong.parse::<Scheme>().is_err(), "{wrong}");
        }
    }

    #[test]
    fn as_many_losses_are_survived_as_the_copies_would() {
        let scheme = |text: &str| text.parse::<Scheme>().unwrap();
        assert_eq!((1..=4).map(|min| scheme("4+2").min_shards(min)).collect::<Vec<_>>(), [5, 5, 6, 6]);
        assert_eq!(scheme("4+1").min_shards(1), 5, "one at least");
        assert_eq!(scheme("10+4").min_shards(3), 12);
    }
}

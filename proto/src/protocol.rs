//! Which builds of the roles understand each other. Each handshake carries, of both ends, the numbers of the protocol that
//! they speak and their build's version, as text, for people. Who has no number in common with the other is refused, and
//! tries again: an operator may be in the middle of an upgrade. The metaserver, or who wants to join it, decides; what
//! gateways and workers say to each other is bounded by it, since it lets none in that is outside its own range.

use crate::v1;
use std::fmt;

/// The protocol that this build speaks. Raise it when a peer of the number before would misunderstand something; a field
/// that it may ignore raises nothing.
pub const CURRENT: u32 = 1;
/// The oldest that this build still speaks. 0: builds from before there were numbers. Raise it in a release after the one
/// that raised [`CURRENT`], so that two releases in a row always understand each other.
pub const OLDEST: u32 = 0;
/// The build's version.
pub const VERSION: &str = env!("CARGO_PKG_VERSION");

/// The numbers that one end speaks, both ends of the range included.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Spoken {
    pub current: u32,
    pub oldest: u32,
}

/// One end of a handshake.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Party {
    /// Such as `gateway`.
    pub role: &'static str,
    pub version: String,
    pub spoken: Spoken,
}

/// Two ends have no number in common.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Mismatch {
    pub ours: Party,
    pub theirs: Party,
}

/// What this build says of itself in a handshake.
pub fn own() -> v1::Protocol {
    v1::Protocol { current: CURRENT, oldest: OLDEST }
}

/// Compares this build, in a role, with what the other end of a handshake told.
///
/// # Errors
/// [`Mismatch`] when no number is in both ranges.
pub fn check(
    role: &'static str,
    their_role: &'static str,
    told: Option<&v1::Protocol>,
    version: &str,
) -> Result<(), Mismatch> {
    let ours = Party { role, version: VERSION.to_owned(), spoken: Spoken { current: CURRENT, oldest: OLDEST } };
    let theirs = Party { role: their_role, version: version.to_owned(), spoken: Spoken::told(told) };
    if ours.spoken.meets(theirs.spoken) { Ok(()) } else { Err(Mismatch { ours, theirs }) }
}

impl Spoken {
    /// What the other end told; who tells nothing is from before there were numbers.
    pub fn told(told: Option<&v1::Protocol>) -> Self {
        let v1::Protocol { current, oldest } = told.copied().unwrap_or_default();
        Self { current, oldest: oldest.min(current) }
    }

    fn meets(self, other: Self) -> bool {
        self.oldest <= other.current && other.oldest <= self.current
    }
}

impl fmt::Display for Spoken {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match *self {
            Self { current, oldest } if current == oldest => write!(f, "protocol {current}"),
            Self { current, oldest } => write!(f, "protocols {oldest} to {current}"),
        }
    }
}

impl fmt::Display for Party {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let version = if self.version.is_empty() { "unknown" } else { &self.version };
        write!(f, "the {}, version {version}, speaks {}", self.role, self.spoken)
    }
}

impl fmt::Display for Mismatch {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { ours, theirs } = self;
        let behind = if ours.spoken.current < theirs.spoken.current { ours } else { theirs };
        write!(f, "{ours}, {theirs}: upgrade the {} first", behind.role)
    }
}

impl std::error::Error for Mismatch {}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ranges_that_have_a_number_in_common_meet() {
        let meet = |a: (u32, u32), b: (u32, u32)| {
            let spoken = |(oldest, current)| Spoken { current, oldest };
            assert_eq!(spoken(a).meets(spoken(b)), spoken(b).meets(spoken(a)));
            spoken(a).meets(spoken(b))
        };
        assert!(meet((1, 1), (1, 1)));
        assert!(meet((1, 2), (2, 3)));
        assert!(meet((0, 5), (2, 3)));
        assert!(!meet((1, 1), (2, 3)));
    }

    #[test]
    fn this_build_understands_itself_and_builds_without_numbers() {
        assert_eq!(check("worker", "metaserver", Some(&own()), VERSION), Ok(()));
        assert_eq!(check("worker", "metaserver", None, ""), Ok(()));
    }

    #[test]
    fn who_is_behind_is_to_be_upgraded_first() {
        let newer = v1::Protocol { current: CURRENT + 3, oldest: CURRENT + 2 };
        let text = check("metaserver", "worker", Some(&newer), "9.0.0").unwrap_err().to_string();
        let expected = format!(
            "the metaserver, version {VERSION}, speaks protocols 0 to 1, the worker, version 9.0.0, speaks protocols 3 to \
             4: upgrade the metaserver first"
        );
        assert_eq!(text, expected);
        let party = |role, current| Party { role, version: String::new(), spoken: Spoken { current, oldest: current } };
        let text = Mismatch { ours: party("metaserver", 2), theirs: party("worker", 0) }.to_string();
        assert_eq!(
            text,
            "the metaserver, version unknown, speaks protocol 2, the worker, version unknown, speaks protocol 0: upgrade \
             the worker first"
        );
    }

    #[test]
    fn an_upside_down_range_is_its_upper_number_alone() {
        assert_eq!(Spoken::told(Some(&v1::Protocol { current: 2, oldest: 7 })), Spoken { current: 2, oldest: 2 });
    }
}

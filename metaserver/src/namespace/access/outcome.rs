//! What a change comes to before it is committed, and what it is decided with.

use super::directory::{Directory, Name};
use crate::error::Error;
use weir_proto::v1::AccessKind;
use weir_proto::v1::access_entry::Entry;
use weir_service::clock::Clock;
use weir_service::sealing::Sealer;

/// What a change is decided with.
pub(super) struct Context<'a> {
    pub directory: &'a Directory,
    pub clock: &'a dyn Clock,
    pub sealer: &'a Sealer,
    /// Of the bucket that the change names; 0 when it names none.
    pub bucket_id: u64,
}

/// What a change comes to.
#[derive(Debug, Default)]
pub(super) struct Outcome {
    /// What is put or removed; nothing: all is as it should be already.
    pub entries: Vec<Entry>,
    /// What the answer shows; none after a removal.
    pub shown: Option<Name>,
    /// Of a new access key.
    pub secret: Option<String>,
}

impl Outcome {
    /// An entry was made or changed.
    pub fn put(entry: Entry) -> Self {
        Self { shown: Name::of(&entry), entries: vec![entry], secret: None }
    }

    /// An entry takes the place of one of another name, or of its own.
    pub fn moved(from: Name, entry: Entry) -> Self {
        let mut outcome = Self::put(entry);
        if outcome.shown.as_ref() != Some(&from) {
            outcome.entries.insert(0, from.removed());
        }
        outcome
    }

    pub fn removed(kind: AccessKind, name: &str) -> Self {
        Self { entries: vec![Name::new(kind, name).removed()], ..Self::default() }
    }

    pub fn unchanged(kind: AccessKind, name: &str) -> Self {
        Self { shown: Some(Name::new(kind, name)), ..Self::default() }
    }
}

/// A name that none of the taken ones equals, not even in other case.
///
/// # Errors
/// [`Error::EntityExists`].
pub(super) fn unused<'a>(
    mut taken: impl Iterator<Item = &'a String>,
    kind: &'static str,
    name: &str,
) -> Result<(), Error> {
    match taken.any(|taken| taken.eq_ignore_ascii_case(name)) {
        true => Err(Error::EntityExists { kind, name: name.to_owned() }),
        false => Ok(()),
    }
}

/// There is room for one more.
///
/// # Errors
/// [`Error::LimitExceeded`].
pub(super) fn room(what: &'static str, count: usize, allowed: usize) -> Result<(), Error> {
    if count >= allowed { Err(Error::limit(what, allowed)) } else { Ok(()) }
}

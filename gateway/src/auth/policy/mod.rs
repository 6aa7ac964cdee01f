//! AWS policy documents: read and checked once, decided by for each request. Nothing here does I/O.
//! <https://docs.aws.amazon.com/IAM/latest/UserGuide/reference_policies.html>
//!
//! | file | subject |
//! |---|---|
//! | `document`, `statement` | a document becomes statements, or is refused |
//! | `json` | JSON in which no name comes twice |
//! | `pattern`, `piece` | wildcards and variables |
//! | `principal` | whom a statement is about |
//! | `condition`, `key`, `operator` | when it holds |
//! | `decide` | several documents, one decision |
//! | `current` | a saved document with the names of now |
//! | `public` | does a bucket's policy let everyone in? |

mod condition;
mod current;
mod decide;
mod document;
mod facts;
#[cfg(any(test, feature = "fuzzing"))]
pub(crate) mod fuzzing;
mod json;
mod key;
mod kind;
#[cfg(test)]
mod matrix;
mod operator;
mod pattern;
mod piece;
mod principal;
mod public;
mod statement;

pub use current::as_of_now;
pub use decide::{Decision, Reason, Sources, decide, is_within_bounds};
pub use document::{PolicyDocument, Verdict};
pub use facts::{Ask, Facts};
pub use key::HEADER_KEYS;
pub use kind::{DocumentKind, PolicyError};
pub use pattern::Pattern;

//! What an answer tells of a write.

use crate::Answer;
use crate::linear::{Action, Outcome};

/// What a client knows of a write when it has the answer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Told {
    /// What goes into the history.
    Of(Outcome),
    /// It lost a race and was told so: nothing happened.
    Nothing,
    /// No S3 server answers this to such a request.
    Wrong,
}

/// What is known of a write by its answer; None: none came.
pub fn told(action: Action, answer: Option<&Answer>) -> Told {
    let Some(answer) = answer else { return Told::Of(Outcome::Unknown) };
    match answer.status {
        200 | 204 if !is_error(answer) => Told::Of(Outcome::Done),
        412 => Told::Of(Outcome::Refused),
        // Without If-Match a key that is not there is no obstacle.
        404 if matches!(action, Action::PutIfMatches { .. }) => Told::Of(Outcome::Refused),
        409 => Told::Nothing,
        400..500 => Told::Wrong,
        _ => Told::Of(Outcome::Unknown),
    }
}

/// An answer of 200 whose document is an error: it came too late for the status.
pub fn is_error(answer: &Answer) -> bool {
    answer.body.starts_with(b"<?xml") && answer.text().contains("<Error>")
}

/// The text of the first element of that name.
pub fn between(answer: &Answer, name: &str) -> Option<String> {
    let text = answer.text();
    let (_, rest) = text.split_once(&format!("<{name}>"))?;
    Some(rest.split_once('<')?.0.to_owned())
}

/// The keys that a page of a listing shows.
pub fn keys(answer: &Answer) -> Vec<String> {
    let text = answer.text();
    text.split("<Key>").skip(1).filter_map(|rest| Some(rest.split_once('<')?.0.to_owned())).collect()
}

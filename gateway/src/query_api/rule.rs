//! What the text of a parameter may be.

use super::{QueryError, QueryErrorCode};
use std::ops::RangeInclusive;

/// A value is shown in a message up to so many characters.
const SHOWN_MAX: usize = 128;

/// The bounds of a text, as AWS's service models state them.
#[derive(Clone, Debug)]
pub struct TextRule {
    /// In characters.
    pub length: RangeInclusive<usize>,
    /// The expression that messages show; empty: any text.
    pub pattern: &'static str,
    /// Is a text of allowed length as the expression says?
    pub matches: fn(&str) -> bool,
}

/// Of names of users, groups, roles, policies and sessions.
pub const NAME_PATTERN: &str = "[\\w+=,.@-]+";

/// Is a text as [`NAME_PATTERN`] says?
pub fn is_name(text: &str) -> bool {
    text.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"_+=,.@-".contains(&byte))
}

/// A resource's name. <https://docs.aws.amazon.com/IAM/latest/UserGuide/reference-arns.html>
pub const ARN: TextRule = TextRule { length: 20..=2048, pattern: "", matches: |_| true };

impl TextRule {
    /// Checks a value; `place` names it in the message.
    ///
    /// # Errors
    /// `ValidationError`.
    pub fn check(&self, place: &str, value: &str) -> Result<(), QueryError> {
        // Bytes bound characters: a value that is far too long is not counted.
        let too_long = value.len() > self.length.end() * 4;
        let length = if too_long { usize::MAX } else { value.chars().count() };
        let broken = if length < *self.length.start() {
            format!("Member must have length greater than or equal to {}", self.length.start())
        } else if length > *self.length.end() {
            format!("Member must have length less than or equal to {}", self.length.end())
        } else if !(self.matches)(value) {
            format!("Member must satisfy regular expression pattern: {}", self.pattern)
        } else {
            return Ok(());
        };
        Err(invalid(place, Some(value), &broken))
    }
}

/// `ValidationError` in AWS's words. No value: `null`.
pub(super) fn invalid(place: &str, value: Option<&str>, constraint: &str) -> QueryError {
    let value = value.map_or_else(|| "null".to_owned(), |value| format!("'{}'", shown(value)));
    let place = member(place);
    QueryError::new(
        QueryErrorCode::ValidationError,
        format!("1 validation error detected: Value {value} at '{place}' failed to satisfy constraint: {constraint}"),
    )
}

fn shown(value: &str) -> String {
    match value.char_indices().nth(SHOWN_MAX) {
        Some((end, _)) => format!("{}…", &value[..end]),
        None => value.to_owned(),
    }
}

/// `UserName` is the member `userName` of a request.
fn member(place: &str) -> String {
    let mut characters = place.chars();
    characters.next().map_or_else(String::new, |first| first.to_lowercase().chain(characters).collect())
}

#[cfg(test)]
mod tests {
    use super::*;

    const NAME: TextRule = TextRule { length: 2..=4, pattern: NAME_PATTERN, matches: is_name };

    #[test]
    fn a_text_has_its_length_and_characters() {
        for name in ["ab", "a+=,", ".@-_", "AZ09"] {
            assert!(NAME.check("UserName", name).is_ok(), "{name}");
        }
        for name in ["", "a", "abcde", "a b", "a/b", "éa", "a\n", &"x".repeat(10_000)] {
            assert_eq!(NAME.check("UserName", name).unwrap_err().code(), QueryErrorCode::ValidationError, "{name}");
        }
        let any = TextRule { length: 0..=3, pattern: "", matches: |_| true };
        assert!(any.check("x", "日本語").is_ok());
        assert!(any.check("x", "日本語!").is_err());
    }

    #[test]
    fn a_message_names_the_value_the_member_and_the_constraint() {
        assert_eq!(
            NAME.check("UserName", "a b").unwrap_err().message(),
            "1 validation error detected: Value 'a b' at 'userName' failed to satisfy constraint: \
             Member must satisfy regular expression pattern: [\\w+=,.@-]+"
        );
        assert!(NAME.check("UserName", &"é".repeat(10_000)).unwrap_err().message().len() < 500);
    }
}

//! Tags: of users, roles and sessions.
//! <https://docs.aws.amazon.com/IAM/latest/UserGuide/id_tags.html>

use super::{Parameters, QueryError, QueryErrorCode, TextRule};
use weir_proto::v1::Tag;

/// The most tags of a user, a role or a session.
pub const TAGS_MAX: usize = 50;

pub const TAG_KEY: TextRule =
    TextRule { length: 1..=128, pattern: "[\\p{L}\\p{Z}\\p{N}_.:/=+\\-@]+", matches: is_tag_text };
pub const TAG_VALUE: TextRule =
    TextRule { length: 0..=256, pattern: "[\\p{L}\\p{Z}\\p{N}_.:/=+\\-@]*", matches: is_tag_text };

/// Keys that begin so are AWS's own, in any case.
const RESERVED: &str = "aws:";

fn is_tag_text(text: &str) -> bool {
    let is_separator = |character: char| character.is_whitespace() && !character.is_control();
    text.chars()
        .all(|character| character.is_alphanumeric() || is_separator(character) || "_.:/=+-@".contains(character))
}

impl Parameters {
    /// The list of tags `NAME`, with keys that differ in more than case.
    ///
    /// # Errors
    /// `ValidationError`, `MalformedQueryString`; `InvalidInput` for a key that comes twice or is reserved.
    pub fn tags(&self, name: &str) -> Result<Option<Vec<Tag>>, QueryError> {
        let Some(structures) = self.structures(name, &["Key", "Value"], TAGS_MAX)? else { return Ok(None) };
        let mut tags: Vec<Tag> = Vec::with_capacity(structures.len());
        for (index, structure) in structures.iter().enumerate() {
            let place = |member: &str| format!("{name}.{}.member.{member}", index + 1);
            let member =
                |member: &'static str| structure.get(member).ok_or_else(|| QueryError::missing(&place(member)));
            let (key, value) = (*member("Key")?, *member("Value")?);
            TAG_KEY.check(&place("key"), key)?;
            TAG_VALUE.check(&place("value"), value)?;
            if key.to_lowercase().starts_with(RESERVED) {
                return Err(refused("Tag keys that begin with aws: are reserved."));
            }
            if tags.iter().any(|known| is_same_key(&known.key, key)) {
                return Err(refused("Duplicate tag keys found. Please note that Tag keys are case insensitive."));
            }
            tags.push(Tag { key: key.to_owned(), value: value.to_owned() });
        }
        Ok(Some(tags))
    }
}

/// Sets tags beside those that are there. A key that is there in another case stays as it was written first.
///
/// # Errors
/// `LimitExceeded` beyond [`TAGS_MAX`].
pub fn set_tags(tags: &mut Vec<Tag>, set: Vec<Tag>) -> Result<(), QueryError> {
    for tag in set {
        match tags.iter_mut().find(|known| is_same_key(&known.key, &tag.key)) {
            Some(known) => known.value = tag.value,
            None => tags.push(tag),
        }
    }
    if tags.len() > TAGS_MAX {
        let message = format!("Cannot exceed quota for tags: {TAGS_MAX}");
        return Err(QueryError::new(QueryErrorCode::LimitExceeded, message));
    }
    Ok(())
}

fn is_same_key(one: &str, other: &str) -> bool {
    one.to_lowercase() == other.to_lowercase()
}

fn refused(message: &'static str) -> QueryError {
    QueryError::new(QueryErrorCode::InvalidInput, message)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn tags(form: &str) -> Result<Vec<(String, String)>, QueryErrorCode> {
        let tags = Parameters::parse("", form.as_bytes()).unwrap().tags("Tags").map_err(|error| error.code())?;
        Ok(tags.unwrap_or_default().into_iter().map(|tag| (tag.key, tag.value)).collect())
    }

    #[test]
    fn tags_have_keys_and_values() {
        let form = "Tags.member.1.Key=team&Tags.member.1.Value=storage+%26".replace("%26", "%C3%A9");
        assert_eq!(tags(&form), Ok(vec![("team".into(), "storage é".into())]));
        assert_eq!(tags("Tags.member.1.Key=team&Tags.member.1.Value="), Ok(vec![("team".into(), String::new())]));
        assert_eq!(tags(""), Ok(vec![]));
    }

    #[test]
    fn what_is_no_tag_is_refused() {
        let one = |key: &str, value: &str| format!("Tags.member.1.Key={key}&Tags.member.1.Value={value}");
        let long = "k".repeat(129);
        for (form, code) in [
            ("Tags.member.1.Key=a".to_owned(), QueryErrorCode::ValidationError),
            ("Tags.member.1.Value=a".to_owned(), QueryErrorCode::ValidationError),
            (one("", "a"), QueryErrorCode::ValidationError),
            (one(&long, "a"), QueryErrorCode::ValidationError),
            (one("a", &"v".repeat(257)), QueryErrorCode::ValidationError),
            (one("a%3Cb", "a"), QueryErrorCode::ValidationError),
            (one("a%0Ab", "a"), QueryErrorCode::ValidationError),
            (one("AWS:x", "a"), QueryErrorCode::InvalidInput),
            (one("a", "1") + "&Tags.member.2.Key=A&Tags.member.2.Value=2", QueryErrorCode::InvalidInput),
        ] {
            assert_eq!(tags(&form), Err(code), "{form}");
        }
        let many = |count: usize| {
            (1..=count).map(|i| format!("Tags.member.{i}.Key=k{i}&Tags.member.{i}.Value=&")).collect::<String>()
        };
        assert_eq!(tags(&many(50)).unwrap().len(), 50);
        assert_eq!(tags(&many(51)), Err(QueryErrorCode::ValidationError));
    }

    #[test]
    fn setting_replaces_and_adds_up_to_the_limit() {
        let tag = |key: &str, value: &str| Tag { key: key.into(), value: value.into() };
        let mut tags = vec![tag("Team", "a")];
        set_tags(&mut tags, vec![tag("team", "b"), tag("cost", "c")]).unwrap();
        assert_eq!(tags, [tag("Team", "b"), tag("cost", "c")]);
        let more = (0..49).map(|i| tag(&format!("k{i}"), "")).collect();
        assert_eq!(set_tags(&mut tags, more).unwrap_err().code(), QueryErrorCode::LimitExceeded);
    }
}

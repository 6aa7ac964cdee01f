//! Wildcards and variables in documents.
//! <https://docs.aws.amazon.com/IAM/latest/UserGuide/reference_policies_variables.html>

use super::facts::Facts;
use super::piece::{Item, Piece};

/// A text with `*` for any run of characters, `?` for any one, and, from version 2012-10-17 on, `${…}` for what the
/// request says.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Pattern {
    Fixed(Wildcard),
    /// It is put together for each request.
    Variable(Vec<Part>),
}

/// A piece of a pattern with variables.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Part {
    Text(Vec<Item>),
    /// A key in lower case, and what stands for it where the request has no single value of it.
    Value {
        key: String,
        default: Option<String>,
    },
}

/// A pattern without variables, cut at its runs.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Wildcard {
    /// Never empty; without a run there is one piece.
    pieces: Vec<Piece>,
}

impl Pattern {
    /// # Errors
    /// A variable that does not end.
    pub fn new(text: &str, with_variables: bool) -> Result<Self, &'static str> {
        if !with_variables || !text.contains("${") {
            return Ok(Self::Fixed(Wildcard::new(text)));
        }
        let mut parts = Vec::new();
        let mut items = Vec::new();
        let mut rest = text;
        while let Some(at) = rest.find("${") {
            items.extend(rest[..at].chars().map(Item::of));
            let (name, after) = rest[at + 2..].split_once('}').ok_or("a variable has no closing brace")?;
            rest = after;
            match name {
                "*" | "?" | "$" => items.extend(name.chars().map(Item::Char)),
                _ => {
                    parts.push(Part::Text(std::mem::take(&mut items)));
                    parts.push(variable(name));
                }
            }
        }
        items.extend(rest.chars().map(Item::of));
        if parts.is_empty() {
            return Ok(Self::Fixed(Wildcard::of(items)));
        }
        parts.push(Part::Text(items));
        Ok(Self::Variable(parts))
    }

    /// Does it match? A variable that the request has no value for matches nothing.
    pub fn matches(&self, text: &str, facts: &Facts) -> bool {
        match self {
            Self::Fixed(wildcard) => wildcard.matches(text),
            Self::Variable(parts) => expanded(parts, facts).is_some_and(|wildcard| wildcard.matches(text)),
        }
    }

    /// Its text without wildcards, in which these are plain characters; none without a value for a variable.
    pub fn literal(&self, facts: &Facts) -> Option<String> {
        match self {
            Self::Fixed(wildcard) => Some(wildcard.literal()),
            Self::Variable(parts) => expanded(parts, facts).map(|wildcard| wildcard.literal()),
        }
    }

    /// Does the request have a value for each variable?
    pub fn has_values(&self, facts: &Facts) -> bool {
        match self {
            Self::Fixed(_) => true,
            Self::Variable(parts) => expanded(parts, facts).is_some(),
        }
    }

    /// Has it neither wildcards nor variables?
    pub fn is_literal(&self) -> bool {
        match self {
            Self::Fixed(wildcard) => !wildcard.has_wildcards(),
            Self::Variable(_) => false,
        }
    }

    /// Does it match every text?
    pub fn is_everything(&self) -> bool {
        match self {
            Self::Fixed(Wildcard { pieces }) => pieces.len() > 1 && pieces.iter().all(|piece| piece.items.is_empty()),
            Self::Variable(_) => false,
        }
    }
}

fn variable(name: &str) -> Part {
    let (key, default) = match name.split_once(',') {
        Some((key, default)) => (key, Some(default.trim().trim_matches('\'').to_owned())),
        None => (name, None),
    };
    Part::Value { key: key.trim().to_ascii_lowercase(), default }
}

/// Values are plain text: a user who is called `*` is not everyone.
fn expanded(parts: &[Part], facts: &Facts) -> Option<Wildcard> {
    let mut items = Vec::new();
    for part in parts {
        match part {
            Part::Text(text) => items.extend_from_slice(text),
            Part::Value { key, default } => {
                let value = facts.one(key).or(default.as_deref())?;
                items.extend(value.chars().map(Item::Char));
            }
        }
    }
    Some(Wildcard::of(items))
}

impl Wildcard {
    pub fn new(text: &str) -> Self {
        Self::of(text.chars().map(Item::of).collect())
    }

    fn of(items: Vec<Item>) -> Self {
        Self { pieces: items.split(|item| *item == Item::Run).map(Piece::of).collect() }
    }

    fn has_wildcards(&self) -> bool {
        self.pieces.len() > 1 || self.pieces.iter().any(|piece| piece.text.is_none())
    }

    fn literal(&self) -> String {
        let shown = |item: &Item| match item {
            Item::Char(character) => *character,
            Item::One => '?',
            Item::Run => '*',
        };
        let pieces = self.pieces.iter().map(|piece| piece.items.iter().map(shown).collect::<String>());
        pieces.collect::<Vec<_>>().join("*")
    }

    /// The first piece begins the text, the last one ends it, and those between come in order, each as early as it can:
    /// no piece is ever looked for again before where the one before it ended.
    pub fn matches(&self, text: &str) -> bool {
        let Some((first, more)) = self.pieces.split_first() else { return false };
        let Some(rest) = first.after(text) else { return false };
        let Some((last, between)) = more.split_last() else { return rest.is_empty() };
        let mut rest = rest;
        for piece in between {
            match piece.find(rest) {
                Some(after) => rest = after,
                None => return false,
            }
        }
        let skipped = match last.items.len().checked_sub(1) {
            None => return true,
            Some(from_end) => rest.char_indices().rev().nth(from_end).map(|(at, _)| at),
        };
        skipped.is_some_and(|at| last.after(&rest[at..]).is_some_and(str::is_empty))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn matches(pattern: &str, text: &str) -> bool {
        Pattern::new(pattern, true).unwrap().matches(text, &Facts::default())
    }

    #[test]
    fn a_star_is_any_run_and_a_question_mark_one_character() {
        for (pattern, text, expected) in [
            ("", "", true),
            ("", "a", false),
            ("*", "", true),
            ("*", "abc", true),
            ("a*", "abc", true),
            ("a*", "ba", false),
            ("*c", "abc", true),
            ("*c", "abcd", false),
            ("a*c", "ac", true),
            ("a*c", "a", false),
            ("ab*bc", "abc", false),
            ("a*b*c", "a-b-b-c", true),
            ("a*b*c", "acb", false),
            ("a?c", "abc", true),
            ("a?c", "ac", false),
            ("a?c", "aéc", true),
            ("*?", "", false),
            ("*?", "é", true),
            ("?*?", "ab", true),
            ("?*?", "a", false),
            ("**", "", true),
            ("*a*a*a", "aaa", true),
            ("*a*a*a", "aa", false),
            ("arn:aws:s3:::b/*", "arn:aws:s3:::b/x/y", true),
            ("arn:aws:s3:::b/*", "arn:aws:s3:::b", false),
            ("A", "a", false),
        ] {
            assert_eq!(matches(pattern, text), expected, "{pattern} on {text}");
        }
    }

    #[test]
    fn variables_stand_for_what_the_request_says_and_for_nothing_else() {
        let mut facts = Facts::default();
        facts.add("aws:username", "a*b");
        facts.add("aws:many", "1");
        facts.add("aws:many", "2");
        let pattern = |text: &str| Pattern::new(text, true).unwrap();
        assert!(pattern("home/${aws:username}/*").matches("home/a*b/x", &facts));
        assert!(!pattern("home/${aws:username}/*").matches("home/axb/x", &facts));
        assert!(pattern("${AWS:UserName}").matches("a*b", &facts));
        assert!(!pattern("${aws:absent}").matches("", &facts));
        assert!(!pattern("${aws:many}").matches("1", &facts));
        assert!(pattern("${aws:absent, 'all'}").matches("all", &facts));
        assert!(pattern("a${*}${?}${$}").matches("a*?$", &facts));
        assert!(!pattern("a${*}").matches("ab", &facts));
        assert!(Pattern::new("a${b", true).is_err());
        assert!(Pattern::new("${b}", false).unwrap().matches("${b}", &facts));
    }

    #[test]
    fn long_patterns_take_no_longer_than_they_have_to() {
        let text = "a".repeat(1024);
        // Backtracking would try every way to share the text out among ten thousand runs.
        assert!(!matches(&("*a".repeat(10_000) + "b"), &text));
        assert!(matches(&("*a".repeat(1024) + "*"), &text));
        assert!(!matches(&("a".repeat(20_480) + "*"), &text));
        assert!(!matches(&("*".to_owned() + &"?".repeat(512) + "b*"), &text));
    }

    #[test]
    fn the_time_of_a_search_does_not_grow_with_the_piece() {
        let text = "a".repeat(16 << 10);
        for piece in ["a".repeat(8 << 10) + "b", "?".repeat(8 << 10) + "b", "a?".repeat(4 << 10) + "b"] {
            let pattern = Pattern::new(&format!("*{piece}*"), true).unwrap();
            let began = std::time::Instant::now();
            for _ in 0..10 {
                assert!(!pattern.matches(&text, &Facts::default()));
            }
            // A tenth of a second; each place by each character took a minute.
            assert!(began.elapsed() < std::time::Duration::from_secs(15), "{:?}", began.elapsed());
        }
    }

    /// The definition, word for word, and slow.
    fn reference(pattern: &[char], text: &[char]) -> bool {
        match pattern.split_first() {
            None => text.is_empty(),
            Some(('*', rest)) => (0..=text.len()).any(|skipped| reference(rest, &text[skipped..])),
            Some(('?', rest)) => !text.is_empty() && reference(rest, &text[1..]),
            Some((own, rest)) => text.first() == Some(own) && reference(rest, &text[1..]),
        }
    }

    proptest! {
        #[test]
        fn a_match_is_what_its_definition_says(pattern in "[ab?*é]{0,9}", text in "[abé]{0,12}") {
            let chars = |text: &str| text.chars().collect::<Vec<_>>();
            prop_assert_eq!(matches(&pattern, &text), reference(&chars(&pattern), &chars(&text)));
        }
    }
}

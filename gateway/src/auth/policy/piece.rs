//! A run of a pattern between two stars, and where it comes in a text. The text is what a stranger sends, and the piece
//! may be long: the time must not be that of one times the other.

use std::collections::HashMap;

const WORD_BITS: usize = u64::BITS as usize;

/// An element of a wildcard.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Item {
    Char(char),
    One,
    Run,
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Piece {
    /// None of them is a run.
    pub items: Vec<Item>,
    /// The same as a text; none where a character may be any.
    pub text: Option<Box<str>>,
}

impl Item {
    pub(super) fn of(character: char) -> Self {
        match character {
            '*' => Self::Run,
            '?' => Self::One,
            other => Self::Char(other),
        }
    }

    fn matches(self, character: char) -> bool {
        match self {
            Self::Char(own) => own == character,
            Self::One => true,
            Self::Run => false,
        }
    }
}

impl Piece {
    pub fn of(items: &[Item]) -> Self {
        let character = |item: &Item| match item {
            Item::Char(character) => Some(*character),
            Item::One | Item::Run => None,
        };
        Self { items: items.to_vec(), text: items.iter().map(character).collect::<Option<String>>().map(Into::into) }
    }

    /// What follows it in a text that begins with it.
    pub fn after<'t>(&self, text: &'t str) -> Option<&'t str> {
        let mut characters = text.chars();
        for item in &self.items {
            if !item.matches(characters.next()?) {
                return None;
            }
        }
        Some(characters.as_str())
    }

    /// What follows it where it first comes in the text.
    pub fn find<'t>(&self, text: &'t str) -> Option<&'t str> {
        match &self.text {
            // The two-way search of the standard library is linear.
            Some(own) => text.find(&**own).map(|at| &text[at + own.len()..]),
            None => self.find_any(text),
        }
    }

    /// Baeza-Yates and Gonnet's Shift-And: bit n of the state says that the first n + 1 items end here, and 64 of them
    /// take one step together.
    fn find_any<'t>(&self, text: &'t str) -> Option<&'t str> {
        // Characters have a byte at least: a piece that is longer than the text is not looked for.
        if self.items.len() > text.len() {
            return None;
        }
        let word_count = self.items.len().div_ceil(WORD_BITS);
        let mut any = vec![0_u64; word_count];
        let mut by_character: HashMap<char, Vec<u64>> = HashMap::new();
        for (at, item) in self.items.iter().enumerate() {
            let bit = 1 << (at % WORD_BITS);
            match item {
                Item::Char(own) => {
                    by_character.entry(*own).or_insert_with(|| vec![0; word_count])[at / WORD_BITS] |= bit;
                }
                Item::One | Item::Run => any[at / WORD_BITS] |= bit,
            }
        }
        let last = self.items.len() - 1;
        let mut state = vec![0_u64; word_count];
        let mut characters = text.chars();
        while let Some(character) = characters.next() {
            let own = by_character.get(&character);
            let mut carried = 1;
            for (at, word) in state.iter_mut().enumerate() {
                let shifted = *word << 1 | carried;
                carried = *word >> (WORD_BITS - 1);
                *word = shifted & (any[at] | own.map_or(0, |own| own[at]));
            }
            if state[last / WORD_BITS] >> (last % WORD_BITS) & 1 == 1 {
                return Some(characters.as_str());
            }
        }
        None
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn piece(text: &str) -> Piece {
        let items: Vec<_> = text.chars().map(|own| if own == '?' { Item::One } else { Item::Char(own) }).collect();
        Piece::of(&items)
    }

    #[test]
    fn a_piece_is_found_where_it_first_comes() {
        for (own, text, after) in [
            ("b", "abcb", Some("cb")),
            ("?b", "abcb", Some("cb")),
            ("c?", "abcé!", Some("!")),
            ("c?", "abc", None),
            ("", "abc", Some("abc")),
        ] {
            assert_eq!(piece(own).find(text), after, "{own} in {text}");
        }
        let long = "ab".repeat(70);
        assert_eq!(piece(&long.replace('b', "?")).find(&format!("b{long}x")), Some("x"));
    }

    proptest! {
        #[test]
        fn it_is_found_as_if_it_were_tried_at_each_place(own in "[a?é]{1,3}[ab?]{0,140}", text in "[abé]{0,300}") {
            let own = piece(&own);
            let tried = text.char_indices().find_map(|(at, _)| own.after(&text[at..]));
            prop_assert_eq!(own.find(&text), tried);
        }
    }
}

//! A setting's text becomes its value: numbers, sizes with a suffix, spans of time with a unit, lists.

use std::fmt;
use toml::Value;

/// What a key takes. Numbers carry the smallest and the largest value allowed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    Text,
    /// A text that is never shown.
    Secret,
    /// Texts; in the environment and in flags separated by commas.
    List,
    /// At least one folder: a list as above, where a single one needs no list.
    Folders,
    /// One of these.
    Choice(&'static [&'static str]),
    Count(u64, u64),
    Bytes(u64, u64),
    Milliseconds(u64, u64),
    Percent,
    /// A fraction from 0 to 1.
    Ratio,
    /// `true` or `false`.
    Switch,
}

const SIZES: &[(&str, u64)] = &[("TiB", 1 << 40), ("GiB", 1 << 30), ("MiB", 1 << 20), ("KiB", 1 << 10)];
/// Longest unit first, so that `ms` is not taken for `s`.
const SPANS: &[(&str, u64)] = &[("ms", 1), ("s", 1_000), ("m", 60_000), ("h", 3_600_000), ("d", 86_400_000)];

impl Kind {
    fn range(self) -> Option<(u64, u64)> {
        match self {
            Self::Count(min, max) | Self::Bytes(min, max) | Self::Milliseconds(min, max) => Some((min, max)),
            Self::Percent => Some((0, 100)),
            Self::Text | Self::Secret | Self::List | Self::Folders | Self::Choice(_) | Self::Switch | Self::Ratio => {
                None
            }
        }
    }

    fn units(self) -> &'static [(&'static str, u64)] {
        match self {
            Self::Bytes(..) => SIZES,
            Self::Milliseconds(..) => SPANS,
            _ => &[],
        }
    }

    /// The value that a flag's or a variable's text means.
    pub fn of_text(self, text: &str) -> Option<Value> {
        match self {
            Self::Text | Self::Secret => Some(Value::String(text.to_owned())),
            Self::Choice(allowed) => allowed.contains(&text).then(|| Value::String(text.to_owned())),
            Self::List => {
                let items = text.split(',').map(str::trim).filter(|item| !item.is_empty());
                Some(Value::Array(items.map(|item| Value::String(item.to_owned())).collect()))
            }
            Self::Folders => Self::List.of_text(text).filter(is_not_empty),
            Self::Switch => text.trim().parse().ok().map(Value::Boolean),
            Self::Ratio => text.trim().parse().ok().and_then(fraction),
            _ => self.in_range(self.number(text)?),
        }
    }

    /// The value that a file's value means.
    pub fn of_toml(self, value: &Value) -> Option<Value> {
        match (self, value) {
            (Self::Text | Self::Secret, Value::String(_)) => Some(value.clone()),
            (Self::Choice(allowed), Value::String(text)) => allowed.contains(&&**text).then(|| value.clone()),
            (Self::Switch, Value::Boolean(_)) => Some(value.clone()),
            (Self::Ratio, Value::Float(number)) => fraction(*number),
            (Self::Ratio, Value::Integer(number @ 0..=1)) => fraction(*number as f64),
            (Self::List, Value::Array(items)) => items.iter().all(Value::is_str).then(|| value.clone()),
            (Self::Folders, Value::String(_)) => Some(Value::Array(vec![value.clone()])),
            (Self::Folders, _) => Self::List.of_toml(value).filter(is_not_empty),
            (Self::Bytes(..) | Self::Milliseconds(..), Value::String(text)) => self.in_range(self.number(text)?),
            (_, Value::Integer(number)) if self.range().is_some() => self.in_range(u64::try_from(*number).ok()?),
            _ => None,
        }
    }

    fn number(self, text: &str) -> Option<u64> {
        let text = text.trim();
        let (digits, unit) = self
            .units()
            .iter()
            .find_map(|(suffix, factor)| Some((strip_suffix_ignoring_case(text, suffix)?.trim_end(), *factor)))
            .unwrap_or((text, 1));
        if digits.is_empty() || !digits.bytes().all(|byte| byte.is_ascii_digit()) {
            return None;
        }
        digits.parse::<u64>().ok()?.checked_mul(unit)
    }

    fn in_range(self, number: u64) -> Option<Value> {
        let (min, max) = self.range()?;
        (min..=max).contains(&number).then(|| i64::try_from(number).ok().map(Value::Integer)).flatten()
    }

    /// The unit in words, for the documentation.
    pub fn unit(self) -> &'static str {
        match self {
            Self::Text | Self::Secret | Self::Choice(_) => "text",
            Self::List | Self::Folders => "list",
            Self::Count(..) => "count",
            Self::Bytes(..) => "bytes",
            Self::Milliseconds(..) => "ms",
            Self::Percent => "percent",
            Self::Switch => "switch",
            Self::Ratio => "ratio",
        }
    }

    /// The smallest and the largest value in words, for the documentation.
    pub fn allowed(self) -> String {
        match (self.range(), self) {
            (Some((min, max)), _) => format!("{} to {}", self.shown(min), self.shown(max)),
            (None, Self::Choice(allowed)) => allowed.join(", "),
            (None, Self::Ratio) => "0 to 1".to_owned(),
            (None, _) => String::new(),
        }
    }

    /// A number with the largest unit that divides it.
    pub fn shown(self, number: u64) -> String {
        let largest_first = |factor: &&(&str, u64)| number != 0 && number.is_multiple_of(factor.1);
        match self {
            Self::Bytes(..) => SIZES.iter().find(largest_first),
            Self::Milliseconds(..) => SPANS.iter().rev().find(largest_first),
            _ => None,
        }
        .map_or_else(|| number.to_string(), |(unit, factor)| format!("{} {unit}", number / factor))
    }
}

/// What is expected, for an error.
impl fmt::Display for Kind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Text | Self::Secret => return f.write_str("a text"),
            Self::List => return f.write_str("a list of texts"),
            Self::Folders => return f.write_str("a folder, or a list of folders"),
            Self::Choice(allowed) => return write!(f, "one of {}", allowed.join(", ")),
            Self::Switch => return f.write_str("true or false"),
            Self::Count(..) => f.write_str("a whole number")?,
            Self::Bytes(..) => f.write_str("a number of bytes, such as 65536 or \"64 KiB\" (KiB, MiB, GiB, TiB),")?,
            Self::Milliseconds(..) => {
                f.write_str("a span of time, a number of milliseconds or such as \"30 s\" (ms, s, m, h, d),")?;
            }
            Self::Percent => f.write_str("a percentage")?,
            Self::Ratio => f.write_str("a fraction such as 0.01,")?,
        }
        write!(f, " from {}", self.allowed())
    }
}

fn is_not_empty(list: &Value) -> bool {
    list.as_array().is_some_and(|items| !items.is_empty())
}

fn fraction(number: f64) -> Option<Value> {
    (0.0..=1.0).contains(&number).then_some(Value::Float(number))
}

fn strip_suffix_ignoring_case<'t>(text: &'t str, suffix: &str) -> Option<&'t str> {
    let at = text.len().checked_sub(suffix.len())?;
    let end = text.get(at..)?;
    end.eq_ignore_ascii_case(suffix).then(|| &text[..at])
}

#[cfg(test)]
mod tests {
    use super::*;

    const BYTES: Kind = Kind::Bytes(1, 1 << 40);
    const SPAN: Kind = Kind::Milliseconds(0, 1 << 40);

    #[test]
    fn sizes_are_plain_numbers_or_have_a_suffix() {
        for (text, bytes) in
            [("1", 1), ("65536", 65536), ("64KiB", 65536), ("64 KiB", 65536), ("2 mib", 2 << 20), ("1GiB", 1 << 30)]
        {
            assert_eq!(BYTES.of_text(text), Some(Value::Integer(bytes)), "{text}");
        }
        for text in
            ["", "KiB", "1.5 MiB", "-1", "1 KB", "1k", "64 KiBs", "99999999999999999999", "9999999 TiB", "é", "+1"]
        {
            assert_eq!(BYTES.of_text(text), None, "{text}");
        }
    }

    #[test]
    fn spans_are_milliseconds_or_have_a_unit() {
        for (text, ms) in
            [("0", 0), ("250", 250), ("250ms", 250), ("30 s", 30_000), ("5m", 300_000), ("7 d", 604_800_000)]
        {
            assert_eq!(SPAN.of_text(text), Some(Value::Integer(ms)), "{text}");
        }
        assert_eq!(SPAN.of_text("1w"), None);
        assert_eq!(Kind::Count(0, 9).of_text("3 s"), None, "a count has no unit");
    }

    #[test]
    fn numbers_outside_the_range_are_refused() {
        let kind = Kind::Count(2, 4);
        let fine: Vec<u64> = (0..7).filter(|number| kind.of_text(&number.to_string()).is_some()).collect();
        assert_eq!(fine, [2, 3, 4]);
        assert_eq!(Kind::Percent.of_text("101"), None);
        assert_eq!(kind.of_toml(&Value::Integer(-3)), None);
    }

    #[test]
    fn a_ratio_is_a_fraction_from_nothing_to_all() {
        for (text, ratio) in [("0", 0.0), ("0.25", 0.25), ("1", 1.0), (" .5 ", 0.5)] {
            assert_eq!(Kind::Ratio.of_text(text), Some(Value::Float(ratio)), "{text}");
        }
        for text in ["", "-0.1", "1.01", "NaN", "inf", "half", "50%"] {
            assert_eq!(Kind::Ratio.of_text(text), None, "{text}");
        }
        assert_eq!(Kind::Ratio.of_toml(&Value::Integer(1)), Some(Value::Float(1.0)));
        assert_eq!(Kind::Ratio.of_toml(&Value::Integer(2)), None);
    }

    #[test]
    fn lists_are_arrays_in_a_file_and_have_commas_elsewhere() {
        let list = Value::Array(vec!["a.test".into(), "b.test".into()]);
        assert_eq!(Kind::List.of_text("a.test, b.test,"), Some(list.clone()));
        assert_eq!(Kind::List.of_toml(&list), Some(list));
        assert_eq!(Kind::List.of_text(""), Some(Value::Array(Vec::new())));
        assert_eq!(Kind::List.of_toml(&Value::Array(vec![1.into()])), None);
    }

    #[test]
    fn one_folder_needs_no_list() {
        let one = Value::Array(vec!["/a".into()]);
        assert_eq!(Kind::Folders.of_text("/a"), Some(one.clone()));
        assert_eq!(Kind::Folders.of_toml(&"/a".into()), Some(one.clone()));
        assert_eq!(Kind::Folders.of_toml(&one), Some(one));
        assert_eq!(Kind::Folders.of_text("/a, /b"), Some(Value::Array(vec!["/a".into(), "/b".into()])));
        assert_eq!(Kind::Folders.of_text(" , "), None);
        assert_eq!(Kind::Folders.of_toml(&Value::Array(Vec::new())), None);
    }

    #[test]
    fn numbers_are_shown_with_the_largest_unit_that_divides_them() {
        assert_eq!(BYTES.shown(64 << 20), "64 MiB");
        assert_eq!(BYTES.shown(15_000), "15000");
        assert_eq!(SPAN.shown(604_800_000), "7 d");
        assert_eq!(SPAN.shown(0), "0");
    }
}

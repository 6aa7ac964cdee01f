//! How a condition compares one value of a request with one of a document.
//! <https://docs.aws.amazon.com/IAM/latest/UserGuide/reference_policies_elements_condition_operators.html>

use super::facts::Facts;
use super::pattern::Pattern;
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD as BASE64;
use std::cmp::Ordering;
use std::net::IpAddr;

/// What is compared, and how.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Comparison {
    StringEquals,
    StringEqualsIgnoreCase,
    StringLike,
    Numeric(Order),
    Date(Order),
    Bool,
    Binary,
    IpAddress,
    Arn,
}

/// Which outcomes of a comparison satisfy it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Order {
    Equals,
    Less,
    LessOrEqual,
    Greater,
    GreaterOrEqual,
}

impl Order {
    fn holds(self, ordering: Ordering) -> bool {
        match self {
            Self::Equals => ordering.is_eq(),
            Self::Less => ordering.is_lt(),
            Self::LessOrEqual => ordering.is_le(),
            Self::Greater => ordering.is_gt(),
            Self::GreaterOrEqual => ordering.is_ge(),
        }
    }
}

/// A comparison by its name in documents, without prefix and suffix; whether it is a negation.
pub fn by_name(name: &str) -> Option<(Comparison, bool)> {
    use Comparison as C;
    Some(match name {
        "StringEquals" => (C::StringEquals, false),
        "StringNotEquals" => (C::StringEquals, true),
        "StringEqualsIgnoreCase" => (C::StringEqualsIgnoreCase, false),
        "StringNotEqualsIgnoreCase" => (C::StringEqualsIgnoreCase, true),
        "StringLike" => (C::StringLike, false),
        "StringNotLike" => (C::StringLike, true),
        "NumericEquals" => (C::Numeric(Order::Equals), false),
        "NumericNotEquals" => (C::Numeric(Order::Equals), true),
        "NumericLessThan" => (C::Numeric(Order::Less), false),
        "NumericLessThanEquals" => (C::Numeric(Order::LessOrEqual), false),
        "NumericGreaterThan" => (C::Numeric(Order::Greater), false),
        "NumericGreaterThanEquals" => (C::Numeric(Order::GreaterOrEqual), false),
        "DateEquals" => (C::Date(Order::Equals), false),
        "DateNotEquals" => (C::Date(Order::Equals), true),
        "DateLessThan" => (C::Date(Order::Less), false),
        "DateLessThanEquals" => (C::Date(Order::LessOrEqual), false),
        "DateGreaterThan" => (C::Date(Order::Greater), false),
        "DateGreaterThanEquals" => (C::Date(Order::GreaterOrEqual), false),
        "Bool" => (C::Bool, false),
        "BinaryEquals" => (C::Binary, false),
        "IpAddress" => (C::IpAddress, false),
        "NotIpAddress" => (C::IpAddress, true),
        "ArnEquals" | "ArnLike" => (C::Arn, false),
        "ArnNotEquals" | "ArnNotLike" => (C::Arn, true),
        _ => return None,
    })
}

/// A value of a document, ready to be compared.
#[derive(Clone, Debug, PartialEq)]
pub enum Operand {
    Text(Pattern),
    Number(f64),
    /// Seconds since 1970, with their fraction.
    Date(f64),
    Bool(bool),
    Binary(Vec<u8>),
    Network(IpAddr, u8),
    /// The six parts.
    Arn(Box<[Pattern; 6]>),
}

impl Operand {
    /// # Errors
    /// What the comparison expects.
    pub fn parse(comparison: Comparison, text: &str, with_variables: bool) -> Result<Self, &'static str> {
        Ok(match comparison {
            Comparison::StringEquals | Comparison::StringEqualsIgnoreCase | Comparison::StringLike => {
                Self::Text(Pattern::new(text, with_variables)?)
            }
            Comparison::Numeric(_) => Self::Number(number(text).ok_or("a number is expected")?),
            Comparison::Date(_) => Self::Date(date(text).ok_or("a date is expected")?),
            Comparison::Bool => Self::Bool(boolean(text).ok_or("true or false is expected")?),
            Comparison::Binary => Self::Binary(BASE64.decode(text).map_err(|_| "base64 is expected")?),
            Comparison::IpAddress => {
                let (address, bits) = network(text).ok_or("an IP address or a range in CIDR form is expected")?;
                Self::Network(address, bits)
            }
            Comparison::Arn => Self::Arn(Box::new(arn(text, with_variables)?)),
        })
    }

    /// Does the request have a value for each variable in it?
    pub fn has_values(&self, facts: &Facts) -> bool {
        match self {
            Self::Text(pattern) => pattern.has_values(facts),
            Self::Arn(parts) => parts.iter().all(|part| part.has_values(facts)),
            Self::Number(_) | Self::Date(_) | Self::Bool(_) | Self::Binary(_) | Self::Network(..) => true,
        }
    }

    /// Does a value of the request satisfy the comparison with this one?
    pub fn accepts(&self, comparison: Comparison, value: &str, facts: &Facts) -> bool {
        match (self, comparison) {
            (Self::Text(pattern), Comparison::StringLike) => pattern.matches(value, facts),
            (Self::Text(pattern), Comparison::StringEqualsIgnoreCase) => {
                pattern.literal(facts).is_some_and(|own| own.to_lowercase() == value.to_lowercase())
            }
            (Self::Text(pattern), _) => pattern.literal(facts).is_some_and(|own| own == value),
            (Self::Number(own), Comparison::Numeric(order)) => {
                number(value).and_then(|value| value.partial_cmp(own)).is_some_and(|found| order.holds(found))
            }
            (Self::Date(own), Comparison::Date(order)) => {
                date(value).and_then(|value| value.partial_cmp(own)).is_some_and(|found| order.holds(found))
            }
            (Self::Bool(own), _) => boolean(value) == Some(*own),
            (Self::Binary(own), _) => value.as_bytes() == own,
            (Self::Network(network, bits), _) => {
                value.parse::<IpAddr>().is_ok_and(|address| contains(*network, *bits, address))
            }
            (Self::Arn(own), _) => {
                let parts: Vec<&str> = value.splitn(6, ':').collect();
                parts.len() == 6 && own.iter().zip(parts).all(|(own, part)| own.matches(part, facts))
            }
            (Self::Number(_) | Self::Date(_), _) => false,
        }
    }
}

fn number(text: &str) -> Option<f64> {
    text.trim().parse().ok().filter(|number: &f64| number.is_finite())
}

/// ISO 8601, or seconds since 1970.
fn date(text: &str) -> Option<f64> {
    let text = text.trim();
    let timestamp = || text.parse::<jiff::Timestamp>().ok().map(|time| time.as_duration().as_secs_f64());
    let day = || {
        text.parse::<jiff::civil::Date>()
            .ok()
            .and_then(|day| jiff::tz::TimeZone::UTC.to_timestamp(day.to_datetime(jiff::civil::Time::midnight())).ok())
    };
    number(text).or_else(timestamp).or_else(|| day().map(|time| time.as_duration().as_secs_f64()))
}

fn boolean(text: &str) -> Option<bool> {
    match text {
        _ if text.eq_ignore_ascii_case("true") => Some(true),
        _ if text.eq_ignore_ascii_case("false") => Some(false),
        _ => None,
    }
}

/// An address, or a range of them as RFC 4632 writes it.
pub fn network(text: &str) -> Option<(IpAddr, u8)> {
    let (address, bits) = match text.trim().split_once('/') {
        Some((address, bits)) => (address, Some(bits)),
        None => (text.trim(), None),
    };
    let address: IpAddr = address.parse().ok()?;
    let all = if address.is_ipv4() { 32 } else { 128 };
    let is_number = |bits: &&str| !bits.is_empty() && bits.bytes().all(|byte| byte.is_ascii_digit());
    let bits = match bits {
        Some(bits) => Some(bits).filter(is_number)?.parse().ok().filter(|bits| *bits <= all)?,
        None => all,
    };
    Some((address, bits))
}

fn contains(network: IpAddr, bits: u8, address: IpAddr) -> bool {
    let same = |own: u128, other: u128, all: u8| bits == 0 || (own ^ other) >> (all - bits) == 0;
    match (network, address.to_canonical()) {
        (IpAddr::V4(own), IpAddr::V4(other)) => same(own.to_bits().into(), other.to_bits().into(), 32),
        (IpAddr::V6(own), IpAddr::V6(other)) => same(own.to_bits(), other.to_bits(), 128),
        (IpAddr::V4(_), IpAddr::V6(_)) | (IpAddr::V6(_), IpAddr::V4(_)) => false,
    }
}

fn arn(text: &str, with_variables: bool) -> Result<[Pattern; 6], &'static str> {
    let parts = text.splitn(6, ':').map(|part| Pattern::new(part, with_variables)).collect::<Result<Vec<_>, _>>()?;
    // `*` alone is any ARN.
    if let [only] = parts.as_slice()
        && only.is_everything()
    {
        return Ok(std::array::from_fn(|_| only.clone()));
    }
    parts.try_into().map_err(|_| "an ARN is expected")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn accepts(name: &str, own: &str, value: &str) -> bool {
        let (comparison, _) = by_name(name).unwrap();
        Operand::parse(comparison, own, true).unwrap().accepts(comparison, value, &Facts::default())
    }

    #[test]
    fn values_are_compared_as_what_they_are() {
        for (name, own, value, expected) in [
            ("StringEquals", "a*", "a*", true),
            ("StringEquals", "a*", "ab", false),
            ("StringEqualsIgnoreCase", "É", "é", true),
            ("StringLike", "a*", "ab", true),
            ("NumericEquals", "10", "10.0", true),
            ("NumericLessThan", "10", "9", true),
            ("NumericLessThan", "10", "x", false),
            ("NumericGreaterThanEquals", "10", "10", true),
            ("DateLessThan", "2026-01-01T00:00:00Z", "1767225599", true),
            ("DateLessThan", "2026-01-01T00:00:00Z", "2026-01-01T00:00:00Z", false),
            ("DateEquals", "2026-01-01", "2026-01-01T00:00:00Z", true),
            ("Bool", "true", "TRUE", true),
            ("Bool", "true", "1", false),
            ("BinaryEquals", "QUJD", "ABC", true),
            ("BinaryEquals", "QUJD", "QUJD", false),
            ("IpAddress", "10.0.0.0/8", "10.255.0.1", true),
            ("IpAddress", "10.0.0.0/8", "11.0.0.1", false),
            ("IpAddress", "10.0.0.0/8", "::ffff:10.1.2.3", true),
            ("IpAddress", "10.0.0.0/8", "2001:db8::1", false),
            ("IpAddress", "0.0.0.0/0", "203.0.113.9", true),
            ("IpAddress", "203.0.113.9", "203.0.113.9", true),
            ("IpAddress", "2001:db8::/33", "2001:db8:7fff::1", true),
            ("IpAddress", "2001:db8::/33", "2001:db8:8000::1", false),
            ("ArnLike", "arn:aws:s3:::b*", "arn:aws:s3:::bucket", true),
            ("ArnLike", "arn:aws:*:user", "arn:aws:iam::1:user", false),
            ("ArnEquals", "arn:aws:iam::*:user/*", "arn:aws:iam::0:user/a", true),
            ("ArnEquals", "*", "arn:aws:iam::0:user/a", true),
            ("ArnEquals", "*", "no arn", false),
        ] {
            if name == "ArnLike" && own == "arn:aws:*:user" {
                assert!(Operand::parse(Comparison::Arn, own, true).is_err());
                continue;
            }
            assert_eq!(accepts(name, own, value), expected, "{name} {own} {value}");
        }
    }

    #[test]
    fn a_value_that_can_t_be_compared_is_refused() {
        for (name, own) in [
            ("NumericEquals", "ten"),
            ("NumericEquals", "NaN"),
            ("DateEquals", "tomorrow"),
            ("Bool", "yes"),
            ("BinaryEquals", "?"),
            ("IpAddress", "10.0.0.0/33"),
            ("IpAddress", "10.0.0"),
            ("IpAddress", "10.0.0.0/+8"),
            ("IpAddress", "::/129"),
            ("ArnLike", "user"),
        ] {
            let (comparison, _) = by_name(name).unwrap();
            assert!(Operand::parse(comparison, own, true).is_err(), "{name} {own}");
        }
        assert_eq!(by_name("StringSortOf"), None);
    }
}

//! The policy of a form: what its fields and its file may be, signed by whoever made the form.
//! <https://docs.aws.amazon.com/AmazonS3/latest/API/sigv4-HTTPPOSTConstructPolicy.html>

use super::fields::Fields;
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD as BASE64;
use serde::de::{Error as _, IgnoredAny, MapAccess, SeqAccess, Visitor};
use serde::{Deserialize, Deserializer};
use std::fmt;
use std::ops::RangeInclusive;
use weir_proto::BucketName;

/// The bucket of the request's URL, as conditions name it. It is held against them as a field is.
const BUCKET: &str = "bucket";
const CONTENT_TYPE: &str = "content-type";
/// Fields that no condition has to name, besides those that begin with [`IGNORED_PREFIX`].
const UNCOVERED: [&str; 5] = ["x-amz-signature", "signature", "awsaccesskeyid", "policy", "file"];
const IGNORED_PREFIX: &str = "x-ignore-";

/// Why a form does not come with a policy that allows it. Each variant names the S3 error code that it becomes; the
/// texts begin as S3's do.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum PolicyError {
    /// `InvalidPolicyDocument`.
    #[error("Invalid Policy: it is not base64.")]
    NotBase64,
    /// `InvalidPolicyDocument`.
    #[error("Invalid Policy: {reason}.")]
    Malformed { reason: String },
    /// `AccessDenied`.
    #[error("Invalid according to Policy: Policy expired.")]
    Expired,
    /// `AccessDenied`.
    #[error("Invalid according to Policy: Policy Condition failed: {condition}")]
    ConditionFailed { condition: String },
    /// `AccessDenied`.
    #[error("Invalid according to Policy: Extra input fields: {name}")]
    ExtraField { name: String },
}

/// A policy document.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Policy {
    /// The last instant at which it holds, in milliseconds since 1970.
    expiration_ms: i64,
    conditions: Vec<Condition>,
}

/// Names of fields are in lower case: theirs says nothing.
#[derive(Clone, Debug, PartialEq, Eq)]
enum Condition {
    Equals { field: String, value: String },
    StartsWith { field: String, prefix: String },
    ContentLength(RangeInclusive<u64>),
}

impl Policy {
    /// Reads the document as the field `policy` carries it.
    ///
    /// # Errors
    /// [`PolicyError::NotBase64`], [`PolicyError::Malformed`].
    pub fn parse(encoded: &str) -> Result<Self, PolicyError> {
        let json = BASE64.decode(encoded).map_err(|_| PolicyError::NotBase64)?;
        let malformed = |reason: String| PolicyError::Malformed { reason };
        // The library would take a list for a structure.
        if !json.trim_ascii_start().starts_with(b"{") {
            return Err(malformed("it is not a JSON object".to_owned()));
        }
        let document: Document = serde_json::from_slice(&json).map_err(|error| malformed(error.to_string()))?;
        let expiration_ms = expiration_ms(&document.expiration)
            .ok_or_else(|| malformed(format!("Invalid 'expiration' value: '{}'", document.expiration)))?;
        Ok(Self { expiration_ms, conditions: document.conditions })
    }

    /// The sizes that the file may have, in bytes. An empty range allows none.
    pub fn content_length(&self) -> RangeInclusive<u64> {
        let ranges = self.conditions.iter().filter_map(|condition| match condition {
            Condition::ContentLength(range) => Some(range),
            Condition::Equals { .. } | Condition::StartsWith { .. } => None,
        });
        ranges.fold(0..=u64::MAX, |all, range| *all.start().max(range.start())..=*all.end().min(range.end()))
    }

    /// Holds the fields, and the bucket of the request's URL, against all conditions but those on the size of the file.
    ///
    /// # Errors
    /// [`PolicyError::Expired`], [`PolicyError::ConditionFailed`], [`PolicyError::ExtraField`] for a field that no
    /// condition names.
    pub fn check(&self, bucket: &BucketName, fields: &Fields, now_ms: i64) -> Result<(), PolicyError> {
        if now_ms > self.expiration_ms {
            return Err(PolicyError::Expired);
        }
        for condition in &self.conditions {
            let holds = match condition {
                Condition::Equals { field, value } => value_of(field, bucket, fields) == Some(value),
                Condition::StartsWith { field, prefix } => {
                    value_of(field, bucket, fields).is_some_and(|value| starts_with(field, value, prefix))
                }
                Condition::ContentLength(_) => true,
            };
            if !holds {
                return Err(PolicyError::ConditionFailed { condition: condition.to_string() });
            }
        }
        let names = fields.iter().map(|(name, _)| name).chain([BUCKET]);
        match names.into_iter().find(|name| !self.covers(name)) {
            Some(name) => Err(PolicyError::ExtraField { name: name.to_owned() }),
            None => Ok(()),
        }
    }

    fn covers(&self, name: &str) -> bool {
        let is_named = self.conditions.iter().any(|condition| match condition {
            Condition::Equals { field, .. } | Condition::StartsWith { field, .. } => field == name,
            Condition::ContentLength(_) => false,
        });
        is_named || UNCOVERED.contains(&name) || name.starts_with(IGNORED_PREFIX)
    }
}

/// A condition on a field that is absent does not hold, whatever it asks for.
fn value_of<'a>(field: &str, bucket: &'a BucketName, fields: &'a Fields) -> Option<&'a str> {
    if field == BUCKET { Some(bucket.as_str()) } else { fields.get(field) }
}

/// Of a list of content types each has to begin so; other values are no lists.
fn starts_with(field: &str, value: &str, prefix: &str) -> bool {
    if field == CONTENT_TYPE {
        value.split(',').all(|one| one.trim_start().starts_with(prefix))
    } else {
        value.starts_with(prefix)
    }
}

/// `2007-12-01T12:00:00.000Z`: UTC, with or without a fraction of the second.
fn expiration_ms(text: &str) -> Option<i64> {
    let (seconds, fraction) = text.strip_suffix('Z')?.split_at_checked("2007-12-01T12:00:00".len())?;
    let is_pattern = seconds.bytes().zip("dddd-dd-ddTdd:dd:dd".bytes()).all(|(byte, wanted)| match wanted {
        b'd' => byte.is_ascii_digit(),
        other => byte == other,
    });
    let is_fraction = fraction.is_empty()
        || fraction
            .strip_prefix('.')
            .is_some_and(|digits| (1..=9).contains(&digits.len()) && digits.bytes().all(|byte| byte.is_ascii_digit()));
    (is_pattern && is_fraction)
        .then(|| text.parse::<jiff::Timestamp>().ok())
        .flatten()
        .map(|time| time.as_millisecond())
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Document {
    expiration: String,
    conditions: Vec<Condition>,
}

impl<'de> Deserialize<'de> for Condition {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Conditions;

        impl<'de> Visitor<'de> for Conditions {
            type Value = Condition;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("a condition: an object with one property, or a list")
            }

            fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Condition, A::Error> {
                let one = "Invalid Simple-Condition: Simple-Conditions must have exactly one property specified";
                let (field, value) = map.next_entry::<String, String>()?.ok_or_else(|| A::Error::custom(one))?;
                match map.next_key::<IgnoredAny>()? {
                    None => Ok(Condition::Equals { field: field.to_ascii_lowercase(), value }),
                    Some(_) => Err(A::Error::custom(one)),
                }
            }

            fn visit_seq<A: SeqAccess<'de>>(self, mut list: A) -> Result<Condition, A::Error> {
                let missing = || A::Error::custom("Invalid Condition: missing operation identifier");
                let operation = list.next_element::<String>()?.ok_or_else(missing)?;
                let condition = match operation.to_ascii_lowercase().as_str() {
                    "eq" => Condition::Equals { field: field(&mut list)?, value: operand(&mut list)? },
                    "starts-with" => Condition::StartsWith { field: field(&mut list)?, prefix: operand(&mut list)? },
                    "content-length-range" => {
                        let (Bytes(min), Bytes(max)) = (operand(&mut list)?, operand(&mut list)?);
                        Condition::ContentLength(min..=max)
                    }
                    _ => return Err(A::Error::custom(format!("Invalid Condition: unknown operation '{operation}'"))),
                };
                match list.next_element::<IgnoredAny>()? {
                    None => Ok(condition),
                    Some(_) => Err(wrong_count()),
                }
            }
        }

        deserializer.deserialize_any(Conditions)
    }
}

fn operand<'de, A: SeqAccess<'de>, T: Deserialize<'de>>(list: &mut A) -> Result<T, A::Error> {
    list.next_element()?.ok_or_else(wrong_count)
}

fn wrong_count<E: serde::de::Error>() -> E {
    E::custom("Invalid Condition: wrong number of arguments")
}

/// The name of a field, which lists write with a `$` before it.
fn field<'de, A: SeqAccess<'de>>(list: &mut A) -> Result<String, A::Error> {
    let name: String = operand(list)?;
    match name.strip_prefix('$') {
        Some(name) => Ok(name.to_ascii_lowercase()),
        None => Err(A::Error::custom(format!("Invalid Condition: the field '{name}' is written without a $"))),
    }
}

/// A number of bytes, also as a text of digits.
struct Bytes(u64);

impl<'de> Deserialize<'de> for Bytes {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Number;

        impl Visitor<'_> for Number {
            type Value = Bytes;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("a number of bytes")
            }

            fn visit_u64<E: serde::de::Error>(self, number: u64) -> Result<Bytes, E> {
                Ok(Bytes(number))
            }

            fn visit_str<E: serde::de::Error>(self, text: &str) -> Result<Bytes, E> {
                let digits = !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit());
                let number = digits.then(|| text.parse().ok()).flatten();
                number.map(Bytes).ok_or_else(|| E::invalid_value(serde::de::Unexpected::Str(text), &self))
            }
        }

        deserializer.deserialize_any(Number)
    }
}

/// As a list of JSON, which is how S3 names the condition that failed.
impl fmt::Display for Condition {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let quoted = |text: &str| serde_json::Value::from(text);
        match self {
            Self::Equals { field, value } => write!(f, "[\"eq\", {}, {}]", quoted(&format!("${field}")), quoted(value)),
            Self::StartsWith { field, prefix } => {
                write!(f, "[\"starts-with\", {}, {}]", quoted(&format!("${field}")), quoted(prefix))
            }
            Self::ContentLength(range) => write!(f, "[\"content-length-range\", {}, {}]", range.start(), range.end()),
        }
    }
}

#[cfg(test)]
#[path = "policy_tests.rs"]
mod tests;

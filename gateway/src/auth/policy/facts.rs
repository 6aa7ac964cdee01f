//! What a request is, as documents see it.

use crate::auth::Identity;
use std::collections::HashMap;
use weir_proto::v1::Tag;

/// What the keys of the tags of the object that is asked for begin with, in lower case.
pub(super) const EXISTING_TAG: &str = "s3:existingobjecttag/";

/// Condition keys of a request and their values.
/// <https://docs.aws.amazon.com/IAM/latest/UserGuide/reference_policies_condition-keys.html>
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Facts {
    /// By key in lower case.
    values: HashMap<String, Vec<String>>,
}

impl Facts {
    /// Adds a value to a key, whose case does not count.
    pub fn add(&mut self, key: &str, value: impl Into<String>) {
        self.values.entry(key.to_ascii_lowercase()).or_default().push(value.into());
    }

    /// The tags of the object that is asked for.
    pub fn add_existing(&mut self, tags: &[Tag]) {
        tags.iter().for_each(|tag| self.add(&format!("{EXISTING_TAG}{}", tag.key), tag.value.as_str()));
    }

    /// A key's values; none: the request does not have it. `key` is in lower case.
    pub fn get(&self, key: &str) -> Option<&[String]> {
        self.values.get(key).map(Vec::as_slice)
    }

    /// The value of a key that has one.
    pub fn one(&self, key: &str) -> Option<&str> {
        match self.get(key) {
            Some([value]) => Some(value),
            Some(_) | None => None,
        }
    }
}

/// What is asked of policies: may this one do that to this?
#[derive(Clone, Copy, Debug)]
pub struct Ask<'a> {
    pub identity: &'a Identity,
    /// Such as `s3:GetObject`.
    pub action: &'a str,
    /// An ARN, or `*` for an action without a resource.
    pub resource: &'a str,
    pub facts: &'a Facts,
}

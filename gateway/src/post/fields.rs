//! The fields of a form before its file.
//! <https://docs.aws.amazon.com/AmazonS3/latest/API/sigv4-HTTPPOSTForms.html>

use super::error::{FormError, malformed};

/// What comes before the content of the file: fields, boundaries and headers of parts together, in bytes.
/// <https://docs.aws.amazon.com/AmazonS3/latest/API/RESTObjectPOST.html>
pub const FIELDS_MAX_BYTES: usize = 20 << 10;

/// A form has at most so many fields before its file.
pub const FIELDS_MAX_COUNT: usize = 100;

/// Stands for the name of the file that the user chose, in any field.
const FILE_NAME: &str = "${filename}";

/// Fields that say something about the request or the object, besides all that begin with `x-amz-`.
const KNOWN: [&str; 18] = [
    "acl",
    "awsaccesskeyid",
    "bucket",
    "cache-control",
    "content-disposition",
    "content-encoding",
    "content-language",
    "content-md5",
    "content-type",
    "expires",
    "file",
    "key",
    "policy",
    "redirect",
    "signature",
    "success_action_redirect",
    "success_action_status",
    "tagging",
];

/// Would whoever sends this field be wrong to think that it has no effect?
pub(super) fn has_meaning(name: &str) -> bool {
    let name = name.to_ascii_lowercase();
    name.starts_with("x-amz-") || KNOWN.contains(&name.as_str())
}

/// Names in lower case, since their case says nothing, each once; values as they came.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Fields {
    list: Vec<(String, String)>,
}

impl Fields {
    /// A field's value. `name` in any case.
    pub fn get(&self, name: &str) -> Option<&str> {
        self.list.iter().find(|(known, _)| known.eq_ignore_ascii_case(name)).map(|(_, value)| value.as_str())
    }

    /// Names and values, in their order.
    pub fn iter(&self) -> impl Iterator<Item = (&str, &str)> {
        self.list.iter().map(|(name, value)| (name.as_str(), value.as_str()))
    }

    /// # Errors
    /// A malformed form: a name that was there before, since which of the two was checked elsewhere can't be known; a
    /// value that is not UTF-8; too many fields.
    pub(super) fn add(&mut self, name: &str, value: Vec<u8>) -> Result<(), FormError> {
        if self.get(name).is_some() {
            return Err(malformed(format!("the field {name:?} comes twice")).into());
        }
        if self.list.len() == FIELDS_MAX_COUNT {
            return Err(malformed(format!("it has more than {FIELDS_MAX_COUNT} fields")).into());
        }
        let value = String::from_utf8(value).map_err(|_| malformed(format!("the field {name:?} is not UTF-8")))?;
        self.list.push((name.to_ascii_lowercase(), value));
        Ok(())
    }

    /// Puts the file's name in the place of `${filename}`: of a path what follows its last slash or backslash; nothing
    /// when there is no name.
    ///
    /// # Errors
    /// [`FormError::FieldsTooLarge`] when the fields would be longer afterwards than a form's fields may be.
    pub(super) fn expand(&mut self, file_name: Option<&str>) -> Result<(), FormError> {
        let file_name = file_name.unwrap_or_default();
        let file_name = file_name.rsplit(['/', '\\']).next().unwrap_or_default();
        // Counted before it is done: a long name in many places would be long indeed.
        let count: usize = self.list.iter().map(|(_, value)| value.matches(FILE_NAME).count()).sum();
        let bytes: usize = self.list.iter().map(|(_, value)| value.len()).sum();
        if bytes + count * file_name.len() > FIELDS_MAX_BYTES + count * FILE_NAME.len() {
            return Err(FormError::FieldsTooLarge { max_bytes: FIELDS_MAX_BYTES });
        }
        if count > 0 {
            for (_, value) in &mut self.list {
                *value = value.replace(FILE_NAME, file_name);
            }
        }
        Ok(())
    }
}

/// For tests: fields that are there.
#[cfg(test)]
impl<'a> FromIterator<(&'a str, &'a str)> for Fields {
    fn from_iter<I: IntoIterator<Item = (&'a str, &'a str)>>(fields: I) -> Self {
        let mut made = Self::default();
        for (name, value) in fields {
            made.add(name, value.into()).unwrap();
        }
        made
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_have_no_case_and_come_once() {
        let mut fields = Fields::from_iter([("Key", "a"), ("X-Amz-Meta-B", "C")]);
        assert_eq!(fields.get("key"), Some("a"));
        assert_eq!(fields.get("x-amz-META-b"), Some("C"));
        assert_eq!(fields.iter().next(), Some(("key", "a")));
        assert!(fields.add("KEY", b"b".to_vec()).is_err());
        assert!(fields.add("raw", vec![0xFF]).is_err());
        assert_eq!(fields.iter().count(), 2);
    }

    #[test]
    fn a_form_has_at_most_a_hundred_fields() {
        let mut fields = Fields::default();
        for number in 0..FIELDS_MAX_COUNT {
            fields.add(&format!("f{number}"), Vec::new()).unwrap();
        }
        assert!(fields.add("one more", Vec::new()).is_err());
    }

    #[test]
    fn the_files_name_is_what_follows_the_last_slash() {
        for (file_name, expected) in [
            (Some("a.jpg"), "user/a.jpg"),
            (Some("C:\\Program Files\\directory1\\file.txt"), "user/file.txt"),
            (Some("/etc/passwd"), "user/passwd"),
            (Some("../../x"), "user/x"),
            (Some("dir/"), "user/"),
            (Some(""), "user/"),
            (Some("${filename}"), "user/${filename}"),
            (None, "user/"),
        ] {
            let mut fields = Fields::from_iter([("key", "user/${filename}"), ("x-amz-meta-name", "${Filename}")]);
            fields.expand(file_name).unwrap();
            assert_eq!(fields.get("key"), Some(expected), "{file_name:?}");
            assert_eq!(fields.get("x-amz-meta-name"), Some("${Filename}"));
        }
    }

    #[test]
    fn a_long_name_in_many_places_is_refused() {
        let mut fields = Fields::from_iter([("key", "${filename}".repeat(900).as_str())]);
        assert_eq!(
            fields.expand(Some(&"n".repeat(9000))),
            Err(FormError::FieldsTooLarge { max_bytes: FIELDS_MAX_BYTES })
        );
        fields.expand(Some("n")).unwrap();
        assert_eq!(fields.get("key").map(str::len), Some(900));
    }
}

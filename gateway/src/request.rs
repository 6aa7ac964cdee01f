//! A request on its way to its operation, and its body.

mod body;

pub use body::{BodyState, RequestBody};

use crate::audit::Noted;
use crate::auth::acl::{AclSettings, NewObject};
use crate::auth::{Access, Caller, Owner, Resource, Rules};
use crate::error::{ErrorCode, S3Error};
use crate::objects::Keeping;
use crate::route::Query;
use crate::xml::url_encoded;
use http::{HeaderMap, Version};
use std::sync::Arc;
use weir_proto::{BucketName, ObjectKey, v1};
use weir_service::accept::Peer;

/// Everything of a request but its operation and its body.
#[derive(Debug)]
pub struct Request {
    pub headers: HeaderMap,
    pub query: Query,
    /// The host that the client named, with its port.
    pub host: String,
    /// The raw path, as errors name it.
    pub path: String,
    pub version: Version,
    pub by_base_path: bool,
    /// Whoever sent it, if that is known.
    pub peer: Option<Peer>,
    pub caller: Caller,
    pub access: Access,
    /// As they were when the request came.
    pub rules: Arc<Rules>,
    /// What its line in the audit log has of what shows only while it is performed.
    pub noted: Arc<Noted>,
}

impl Request {
    /// The owner of what it makes.
    pub fn owner(&self) -> Owner {
        self.caller.owner()
    }

    /// What a bucket says about ACLs.
    pub fn acl_settings(&self, bucket: &BucketName) -> AclSettings {
        AclSettings::of(self.rules.bucket(bucket.as_str()))
    }

    /// How a bucket wants the blocks of its objects kept.
    pub fn keeping(&self, bucket: &BucketName) -> Keeping {
        Keeping::of(self.rules.bucket(bucket.as_str()))
    }

    /// Whose the object is that it writes, and its ACL.
    ///
    /// # Errors
    /// Those of [`AclSettings::new_object`].
    pub fn new_object(&self, bucket: &BucketName) -> Result<NewObject, S3Error> {
        self.acl_settings(bucket).new_object(&self.headers, self.owner().id)
    }

    /// The condition on the object that a write or a delete takes away: what the client set, and whose it may be.
    pub fn condition(
        &self,
        action: &'static str,
        (bucket, key): (&BucketName, &ObjectKey),
        condition: Option<v1::Precondition>,
    ) -> Option<v1::Precondition> {
        self.access.own_alone(action, &Resource::Object(bucket, key), condition)
    }

    /// Uploads in parts are for those who can be told apart: a stranger whom an ACL alone lets in could put its own into
    /// another's.
    ///
    /// # Errors
    /// `AccessDenied`, in S3's words.
    pub fn check_multipart(&self, bucket: &BucketName, key: &ObjectKey) -> Result<(), S3Error> {
        if self.access.is_strangers_by_acl("s3:PutObject", &Resource::Object(bucket, key)) {
            let message = "Anonymous users cannot initiate multipart uploads. Please authenticate.";
            return Err(S3Error::with_message(ErrorCode::AccessDenied, message));
        }
        Ok(())
    }

    /// Upload ids are decimal numbers; whatever else comes names no upload.
    ///
    /// # Errors
    /// `NoSuchUpload`; `InvalidArgument` when there is none.
    pub fn upload_id(&self) -> Result<u64, S3Error> {
        let Some(text) = self.query.get("uploadId") else {
            return Err(S3Error::invalid_argument("uploadId", "", "This operation needs an uploadId"));
        };
        let is_number = !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit());
        let id = is_number.then(|| text.parse().ok()).flatten();
        id.ok_or_else(|| ErrorCode::NoSuchUpload.into())
    }

    /// `partNumber`, if given.
    ///
    /// # Errors
    /// `InvalidArgument` for what is not a number from 1 to 10,000.
    pub fn part_number(&self) -> Result<Option<u32>, S3Error> {
        let Some(text) = self.query.get("partNumber") else { return Ok(None) };
        match decimal(text) {
            Some(number) if (1..=MAX_PART_NUMBER).contains(&number) => Ok(Some(number)),
            _ => {
                let message = "Part number must be an integer between 1 and 10000, inclusive";
                Err(S3Error::invalid_argument("partNumber", text, message))
            }
        }
    }

    /// The size of a page: at most 1,000 of what was asked for; 1,000 when nothing was.
    ///
    /// # Errors
    /// `InvalidArgument` for what is not a number from 0 to 2,147,483,647.
    pub fn page_size(&self, name: &'static str) -> Result<u32, S3Error> {
        let Some(text) = self.query.get(name).filter(|text| !text.is_empty()) else { return Ok(MAX_PAGE) };
        match decimal(text) {
            Some(number) if number <= i32::MAX as u32 => Ok(number.min(MAX_PAGE)),
            _ => {
                let message = format!("Provided {name} not an integer or within integer range");
                Err(S3Error::invalid_argument(name, text, message))
            }
        }
    }

    /// Is `encoding-type=url` asked for?
    ///
    /// # Errors
    /// `InvalidArgument` for other types.
    pub fn wants_url_encoding(&self) -> Result<bool, S3Error> {
        match self.query.get("encoding-type") {
            None | Some("") => Ok(false),
            Some("url") => Ok(true),
            Some(other) => {
                let message = "Invalid Encoding Method specified in Request";
                Err(S3Error::invalid_argument("encoding-type", other, message))
            }
        }
    }

    /// Where an object is, as the client would name it.
    pub fn location(&self, bucket: &BucketName, key: &ObjectKey) -> String {
        let is_secure = self.peer.is_some_and(|peer| peer.secure);
        let scheme = if is_secure { "https" } else { "http" };
        let host = if self.host.is_empty() { "localhost" } else { &self.host };
        let in_host = self.host.to_ascii_lowercase().starts_with(&format!("{bucket}."));
        let key = url_encoded(key.as_bytes());
        if in_host { format!("{scheme}://{host}/{key}") } else { format!("{scheme}://{host}/{bucket}/{key}") }
    }

    /// The one version that an object has is `null`.
    ///
    /// # Errors
    /// `NoSuchVersion` for any other.
    pub fn check_version(&self) -> Result<(), S3Error> {
        match self.query.get("versionId") {
            None | Some("null") => Ok(()),
            Some("") => Err(S3Error::invalid_argument("versionId", "", "Version id cannot be the empty string")),
            Some(other) => Err(S3Error::new(ErrorCode::NoSuchVersion).element("VersionId", other)),
        }
    }
}

const MAX_PART_NUMBER: u32 = 10_000;
/// The most entries of a page of any listing.
pub const MAX_PAGE: u32 = 1000;

/// A number of digits alone.
pub fn decimal(text: &str) -> Option<u32> {
    let is_number = !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit());
    is_number.then(|| text.parse().ok()).flatten()
}

#[cfg(test)]
pub mod tests {
    use super::*;

    /// A request with this query and nothing else.
    pub fn request(query: &str) -> Request {
        Request {
            headers: HeaderMap::new(),
            query: Query::parse(query).unwrap(),
            host: "localhost:39999".into(),
            path: "/bbb/k".into(),
            version: Version::HTTP_11,
            by_base_path: false,
            peer: None,
            caller: Caller::everyone(),
            access: Access::everything(),
            rules: Arc::default(),
            noted: Arc::default(),
        }
    }

    #[test]
    fn upload_ids_are_numbers() {
        assert_eq!(request("uploadId=2").upload_id().unwrap(), 2);
        assert_eq!(request("uploadId=18446744073709551615").upload_id().unwrap(), u64::MAX);
        for text in ["x", "", "-1", "+1", "1.5", "18446744073709551616", "0x2"] {
            let error = request(&format!("uploadId={}", text.replace('+', "%2B"))).upload_id().unwrap_err();
            assert_eq!(error.code(), ErrorCode::NoSuchUpload, "{text}");
        }
        assert_eq!(request("").upload_id().unwrap_err().code(), ErrorCode::InvalidArgument);
    }

    #[test]
    fn part_numbers_are_one_to_ten_thousand() {
        assert_eq!(request("").part_number().unwrap(), None);
        assert_eq!(request("partNumber=1").part_number().unwrap(), Some(1));
        assert_eq!(request("partNumber=10000").part_number().unwrap(), Some(10_000));
        for text in ["0", "10001", "-1", "x", "", "4294967297", "1.5"] {
            assert!(request(&format!("partNumber={text}")).part_number().is_err(), "{text}");
        }
    }

    #[test]
    fn pages_are_clamped_or_refused() {
        let size = |text: &str| request(&format!("max-keys={text}")).page_size("max-keys").ok();
        for (text, expected) in [
            ("0", Some(0)),
            ("1", Some(1)),
            ("1000", Some(1000)),
            ("1001", Some(1000)),
            ("2147483647", Some(1000)),
            ("", Some(1000)),
            ("2147483648", None),
            ("-1", None),
            ("x", None),
            ("1e3", None),
            ("99999999999999999999", None),
        ] {
            assert_eq!(size(text), expected, "{text}");
        }
        assert_eq!(request("").page_size("max-keys").unwrap(), 1000);
    }

    #[test]
    fn the_location_names_host_bucket_and_key() {
        let (bucket, key) = (BucketName::new("photos").unwrap(), ObjectKey::new("a b").unwrap());
        let mut request = request("");
        assert_eq!(request.location(&bucket, &key), "http://localhost:39999/photos/a%20b");
        request.host = "photos.s3.test".into();
        assert_eq!(request.location(&bucket, &key), "http://photos.s3.test/a%20b");
        let address = ([192, 0, 2, 1], 7).into();
        request.peer = Some(Peer { address, secure: true, tls_version: None });
        assert_eq!(request.location(&bucket, &key), "https://photos.s3.test/a%20b");
    }

    #[test]
    fn only_the_null_version_exists() {
        assert!(request("").check_version().is_ok());
        assert!(request("versionId=null").check_version().is_ok());
        assert_eq!(request("versionId=x").check_version().unwrap_err().code(), ErrorCode::NoSuchVersion);
        assert!(request("versionId=").check_version().is_err());
    }

    #[test]
    fn url_is_the_one_encoding() {
        assert!(!request("").wants_url_encoding().unwrap());
        assert!(request("encoding-type=url").wants_url_encoding().unwrap());
        assert!(request("encoding-type=base64").wants_url_encoding().is_err());
    }
}

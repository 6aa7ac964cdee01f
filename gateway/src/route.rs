//! A request becomes one [`Operation`], in this one place: where it points ([`address`]), and what it asks for
//! ([`choose`]). The path is decoded once, here, and never again.
//! <https://docs.aws.amazon.com/AmazonS3/latest/userguide/VirtualHosting.html>

mod address;
mod choose;
#[cfg(any(test, feature = "fuzzing"))]
pub(crate) mod fuzzing;
mod operation;
mod query;
#[cfg(test)]
mod tests;

pub use address::without_port;
pub use choose::SUBRESOURCES;
pub(crate) use choose::chooses_operation;
pub use operation::{BucketOperation, ObjectOperation, Operation, ServiceOperation};
pub use query::{Query, decoded};

use crate::error::{ErrorCode, S3Error};
use address::Address;
use http::{HeaderMap, Method};
use weir_proto::{BucketName, ObjectKey};
use weir_service::config::settings::GatewaySettings;

/// What was asked, of what, and how it was named.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Route {
    pub operation: Operation,
    /// The request came by the base path: some rules are those of the program that used to be served there.
    pub by_base_path: bool,
    /// The bucket was named by the host.
    pub by_host: bool,
}

impl Route {
    /// The bucket, if the host names it.
    pub fn bucket_of_host(&self) -> Option<&str> {
        match &self.operation {
            Operation::Bucket(bucket, _) | Operation::Object(bucket, _, _) => self.by_host.then_some(bucket.as_str()),
            Operation::Service(_) => None,
        }
    }
}

/// Knows the ways to name a bucket.
#[derive(Clone, Debug)]
pub struct Router {
    /// With a leading slash and without one at its end; empty: switched off.
    base_path: String,
    /// Lower case, without dots at their ends.
    domains: Vec<String>,
}

/// The base path can't be one.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error(
    "gateway.base_path is {0:?}: it is empty, or begins with a slash and has plain segments after it, as /api/v1/s3"
)]
pub struct BasePathError(String);

impl Router {
    /// # Errors
    /// [`BasePathError`].
    pub fn new(settings: &GatewaySettings) -> Result<Self, BasePathError> {
        let base_path = settings.base_path.trim_end_matches('/');
        let is_plain = |segment: &str| {
            !segment.is_empty()
                && segment.bytes().all(|byte| byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'_' | b'.' | b'~'))
        };
        let is_valid = match base_path.strip_prefix('/') {
            Some(segments) => segments.split('/').all(is_plain),
            None => base_path.is_empty(),
        };
        if !is_valid {
            return Err(BasePathError(settings.base_path.clone()));
        }
        let domains = settings.domains.iter().map(|domain| domain.trim_matches('.').to_ascii_lowercase()).collect();
        Ok(Self { base_path: base_path.to_owned(), domains })
    }

    /// Is the host one of the domains, or a bucket of theirs?
    pub fn is_of_domain(&self, host: &str) -> bool {
        address::is_of_domain(host, &self.domains)
    }

    /// The name that no bucket may have, since the base path hides what is in it.
    fn reserved_bucket(&self) -> Option<&str> {
        self.base_path.split('/').nth(1)
    }

    /// `path` is the raw path of the request, `host` its host with or without a port.
    ///
    /// # Errors
    /// `InvalidURI`, `InvalidBucketName`, `KeyTooLongError`, `MethodNotAllowed`, `InvalidArgument` for parameters that
    /// contradict each other, `NotImplemented` for a query that asks for something unknown, and the refusal of CORS.
    pub fn route(
        &self,
        method: &Method,
        host: &str,
        path: &str,
        query: &Query,
        headers: &HeaderMap,
    ) -> Result<Route, S3Error> {
        let address = Address::of(path, host, &self.base_path, &self.domains)?;
        if method == Method::OPTIONS {
            return Err(choose::preflight(headers));
        }
        let operation = match (address.bucket, address.key) {
            (None, _) => Operation::Service(choose::of_service(method)?),
            (Some(bucket), None) => {
                let bucket = BucketName::new(&bucket)?;
                let operation = choose::of_bucket(method, query)?;
                self.check_reserved(&bucket, operation)?;
                Operation::Bucket(bucket, operation)
            }
            (Some(bucket), Some(key)) => {
                let bucket = BucketName::new(&bucket)?;
                let operation = choose::of_object(method, query, headers)?;
                Operation::Object(bucket, ObjectKey::new(key)?, operation)
            }
        };
        Ok(Route { operation, by_base_path: address.by_base_path, by_host: address.by_host })
    }

    fn check_reserved(&self, bucket: &BucketName, operation: BucketOperation) -> Result<(), S3Error> {
        if operation == BucketOperation::CreateBucket && self.reserved_bucket() == Some(bucket.as_str()) {
            let message = format!(
                "The bucket name {bucket} is not available: it is the first segment of the base path {}, which would \
                 hide objects in it",
                self.base_path
            );
            return Err(
                S3Error::with_message(ErrorCode::InvalidBucketName, message).element("BucketName", bucket.to_string())
            );
        }
        Ok(())
    }
}

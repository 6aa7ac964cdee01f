//! A table of requests and what they are.

use super::*;
use http::header::HeaderName;

fn router() -> Router {
    Router::new(&GatewaySettings { domains: vec!["s3.test".into()], ..GatewaySettings::default() }).unwrap()
}

fn route_with(method: &str, target: &str, host: &str, headers: &[(&'static str, &str)]) -> Result<Route, S3Error> {
    let (path, query) = target.split_once('?').unwrap_or((target, ""));
    let headers: HeaderMap =
        headers.iter().map(|(name, value)| (HeaderName::from_static(name), value.parse().unwrap())).collect();
    let method = Method::from_bytes(method.as_bytes()).unwrap();
    router().route(&method, host, path, &Query::parse(query)?, &headers)
}

/// The operation's name, or the error's code.
fn outcome(method: &str, target: &str) -> &'static str {
    match route_with(method, target, "localhost:39999", &[]) {
        Ok(route) => route.operation.name(),
        Err(error) => error.code().name(),
    }
}

#[test]
fn each_method_and_query_is_one_operation() {
    for (method, target, expected) in [
        ("GET", "/", "ListBuckets"),
        ("GET", "/?x-id=ListBuckets", "ListBuckets"),
        ("GET", "/?max-buckets=10&prefix=a", "ListBuckets"),
        ("GET", "/api/v1/s3", "ListBuckets"),
        ("GET", "/api/v1/s3/", "ListBuckets"),
        ("HEAD", "/", "MethodNotAllowed"),
        ("PUT", "/", "MethodNotAllowed"),
        ("POST", "/", "QueryApi"),
        ("DELETE", "/", "MethodNotAllowed"),
        // Buckets.
        ("PUT", "/bbb", "CreateBucket"),
        ("PUT", "/bbb/", "CreateBucket"),
        ("PUT", "/api/v1/s3/bbb", "CreateBucket"),
        ("PUT", "/bbb?x-id=CreateBucket", "CreateBucket"),
        ("HEAD", "/bbb", "HeadBucket"),
        ("HEAD", "/bbb?x-id=HeadBucket", "HeadBucket"),
        ("DELETE", "/bbb", "DeleteBucket"),
        ("GET", "/bbb", "ListObjects"),
        ("GET", "/bbb?", "ListObjects"),
        ("GET", "/bbb?&&", "ListObjects"),
        ("GET", "/bbb?prefix=a&delimiter=/&marker=b&max-keys=3", "ListObjects"),
        ("GET", "/bbb?nonsense", "ListObjects"),
        ("GET", "/bbb?list-type=2", "ListObjectsV2"),
        ("GET", "/bbb/?list-type=2&prefix=a", "ListObjectsV2"),
        ("GET", "/bbb?list-type=3", "InvalidArgument"),
        ("GET", "/bbb?list-type=", "InvalidArgument"),
        ("GET", "/bbb?versions", "ListObjectVersions"),
        ("GET", "/bbb?uploads", "ListMultipartUploads"),
        ("GET", "/bbb?uploads=&prefix=a", "ListMultipartUploads"),
        ("POST", "/bbb?delete", "DeleteObjects"),
        ("POST", "/bbb/?delete=", "DeleteObjects"),
        ("POST", "/bbb?delete&x-id=DeleteObjects", "DeleteObjects"),
        ("POST", "/bbb", "PostObject"),
        ("GET", "/bbb?session", "CreateSession"),
        // Settings of buckets, read.
        ("GET", "/bbb?abac", "GetBucketAbac"),
        ("GET", "/bbb?accelerate", "GetBucketAccelerateConfiguration"),
        ("GET", "/bbb?acl", "GetBucketAcl"),
        ("GET", "/bbb?analytics", "ListBucketAnalyticsConfigurations"),
        ("GET", "/bbb?analytics&id=1", "GetBucketAnalyticsConfiguration"),
        ("GET", "/bbb?cors", "GetBucketCors"),
        ("GET", "/bbb?encryption", "GetBucketEncryption"),
        ("GET", "/bbb?intelligent-tiering", "ListBucketIntelligentTieringConfigurations"),
        ("GET", "/bbb?intelligent-tiering&id=1", "GetBucketIntelligentTieringConfiguration"),
        ("GET", "/bbb?inventory", "ListBucketInventoryConfigurations"),
        ("GET", "/bbb?inventory&id=1", "GetBucketInventoryConfiguration"),
        ("GET", "/bbb?lifecycle", "GetBucketLifecycleConfiguration"),
        ("GET", "/bbb?location", "GetBucketLocation"),
        ("GET", "/bbb?logging", "GetBucketLogging"),
        ("GET", "/bbb?metadataConfiguration", "GetBucketMetadataConfiguration"),
        ("GET", "/bbb?metadataTable", "GetBucketMetadataTableConfiguration"),
        ("GET", "/bbb?metrics", "ListBucketMetricsConfigurations"),
        ("GET", "/bbb?metrics&id=1", "GetBucketMetricsConfiguration"),
        ("GET", "/bbb?notification", "GetBucketNotificationConfiguration"),
        ("GET", "/bbb?object-lock", "GetObjectLockConfiguration"),
        ("GET", "/bbb?ownershipControls", "GetBucketOwnershipControls"),
        ("GET", "/bbb?policy", "GetBucketPolicy"),
        ("GET", "/bbb?policyStatus", "GetBucketPolicyStatus"),
        ("GET", "/bbb?publicAccessBlock", "GetPublicAccessBlock"),
        ("GET", "/bbb?replication", "GetBucketReplication"),
        ("GET", "/bbb?requestPayment", "GetBucketRequestPayment"),
        ("GET", "/bbb?tagging", "GetBucketTagging"),
        ("GET", "/bbb?versioning", "GetBucketVersioning"),
        ("GET", "/bbb?website", "GetBucketWebsite"),
        // Settings of buckets, written.
        ("PUT", "/bbb?abac", "PutBucketAbac"),
        ("PUT", "/bbb?accelerate", "PutBucketAccelerateConfiguration"),
        ("PUT", "/bbb?acl", "PutBucketAcl"),
        ("PUT", "/bbb?analytics&id=1", "PutBucketAnalyticsConfiguration"),
        ("PUT", "/bbb?cors", "PutBucketCors"),
        ("PUT", "/bbb?encryption", "PutBucketEncryption"),
        ("PUT", "/bbb?intelligent-tiering&id=1", "PutBucketIntelligentTieringConfiguration"),
        ("PUT", "/bbb?inventory&id=1", "PutBucketInventoryConfiguration"),
        ("PUT", "/bbb?lifecycle", "PutBucketLifecycleConfiguration"),
        ("PUT", "/bbb?logging", "PutBucketLogging"),
        ("PUT", "/bbb?metadataInventoryTable", "UpdateBucketMetadataInventoryTableConfiguration"),
        ("PUT", "/bbb?metadataJournalTable", "UpdateBucketMetadataJournalTableConfiguration"),
        ("PUT", "/bbb?metrics&id=1", "PutBucketMetricsConfiguration"),
        ("PUT", "/bbb?notification", "PutBucketNotificationConfiguration"),
        ("PUT", "/bbb?object-lock", "PutObjectLockConfiguration"),
        ("PUT", "/bbb?ownershipControls", "PutBucketOwnershipControls"),
        ("PUT", "/bbb?policy", "PutBucketPolicy"),
        ("PUT", "/bbb?publicAccessBlock", "PutPublicAccessBlock"),
        ("PUT", "/bbb?replication", "PutBucketReplication"),
        ("PUT", "/bbb?requestPayment", "PutBucketRequestPayment"),
        ("PUT", "/bbb?tagging", "PutBucketTagging"),
        ("PUT", "/bbb?versioning", "PutBucketVersioning"),
        ("PUT", "/bbb?website", "PutBucketWebsite"),
        ("POST", "/bbb?metadataConfiguration", "CreateBucketMetadataConfiguration"),
        ("POST", "/bbb?metadataTable", "CreateBucketMetadataTableConfiguration"),
        // Settings of buckets, deleted.
        ("DELETE", "/bbb?analytics&id=1", "DeleteBucketAnalyticsConfiguration"),
        ("DELETE", "/bbb?cors", "DeleteBucketCors"),
        ("DELETE", "/bbb?encryption", "DeleteBucketEncryption"),
        ("DELETE", "/bbb?intelligent-tiering&id=1", "DeleteBucketIntelligentTieringConfiguration"),
        ("DELETE", "/bbb?inventory&id=1", "DeleteBucketInventoryConfiguration"),
        ("DELETE", "/bbb?lifecycle", "DeleteBucketLifecycle"),
        ("DELETE", "/bbb?metadataConfiguration", "DeleteBucketMetadataConfiguration"),
        ("DELETE", "/bbb?metadataTable", "DeleteBucketMetadataTableConfiguration"),
        ("DELETE", "/bbb?metrics&id=1", "DeleteBucketMetricsConfiguration"),
        ("DELETE", "/bbb?ownershipControls", "DeleteBucketOwnershipControls"),
        ("DELETE", "/bbb?policy", "DeleteBucketPolicy"),
        ("DELETE", "/bbb?publicAccessBlock", "DeletePublicAccessBlock"),
        ("DELETE", "/bbb?replication", "DeleteBucketReplication"),
        ("DELETE", "/bbb?tagging", "DeleteBucketTagging"),
        ("DELETE", "/bbb?website", "DeleteBucketWebsite"),
        // Objects.
        ("PUT", "/bbb/k", "PutObject"),
        ("PUT", "/api/v1/s3/bbb/k", "PutObject"),
        ("PUT", "/bbb/k?x-id=PutObject", "PutObject"),
        ("PUT", "/bbb/k?X-Amz-Signature=a&X-Amz-Expires=1&x-amz-checksum-crc32=AAAAAA%3D%3D", "PutObject"),
        ("PUT", "/bbb/k?AWSAccessKeyId=a&Signature=b&Expires=1", "PutObject"),
        ("PUT", "/bbb//", "PutObject"),
        ("PUT", "/bbb/k?versionId=1", "InvalidArgument"),
        ("GET", "/bbb/k", "GetObject"),
        ("GET", "/bbb/k?partNumber=1", "GetObject"),
        ("GET", "/bbb/k?versionId=null", "GetObject"),
        ("GET", "/bbb/k?response-content-type=a", "GetObject"),
        ("GET", "/bbb/k?nonsense=1", "GetObject"),
        ("HEAD", "/bbb/k", "HeadObject"),
        ("HEAD", "/bbb/k?partNumber=1", "HeadObject"),
        ("DELETE", "/bbb/k", "DeleteObject"),
        ("DELETE", "/bbb/k?versionId=null", "DeleteObject"),
        ("DELETE", "/bbb/k?x-id=DeleteObject", "DeleteObject"),
        ("PUT", "/bbb/k?renameObject", "RenameObject"),
        ("POST", "/bbb/k?uploads", "CreateMultipartUpload"),
        ("POST", "/bbb/k?uploads=", "CreateMultipartUpload"),
        ("PUT", "/bbb/k?partNumber=1&uploadId=2", "UploadPart"),
        ("PUT", "/bbb/k?uploadId=2", "UploadPart"),
        ("PUT", "/bbb/k?partNumber=1", "UploadPart"),
        ("PUT", "/bbb/k?partNumber=&uploadId=", "UploadPart"),
        ("POST", "/bbb/k?uploadId=2", "CompleteMultipartUpload"),
        ("DELETE", "/bbb/k?uploadId=2", "AbortMultipartUpload"),
        ("GET", "/bbb/k?uploadId=2", "ListParts"),
        ("GET", "/bbb/k?uploadId=2&max-parts=1&part-number-marker=3", "ListParts"),
        ("GET", "/bbb/k?acl", "GetObjectAcl"),
        ("PUT", "/bbb/k?acl", "PutObjectAcl"),
        ("GET", "/bbb/k?attributes", "GetObjectAttributes"),
        ("PUT", "/bbb/k?encryption", "UpdateObjectEncryption"),
        ("GET", "/bbb/k?legal-hold", "GetObjectLegalHold"),
        ("PUT", "/bbb/k?legal-hold", "PutObjectLegalHold"),
        ("GET", "/bbb/k?retention", "GetObjectRetention"),
        ("PUT", "/bbb/k?retention", "PutObjectRetention"),
        ("GET", "/bbb/k?tagging", "GetObjectTagging"),
        ("PUT", "/bbb/k?tagging", "PutObjectTagging"),
        ("DELETE", "/bbb/k?tagging", "DeleteObjectTagging"),
        ("GET", "/bbb/k?torrent", "GetObjectTorrent"),
        ("POST", "/bbb/k?restore", "RestoreObject"),
        ("POST", "/bbb/k?restore&versionId=1", "RestoreObject"),
        ("POST", "/bbb/k?select&select-type=2", "SelectObjectContent"),
        ("POST", "/bbb/k", "MethodNotAllowed"),
        // Methods that S3 does not have, as it writes them.
        ("PATCH", "/bbb/k", "MethodNotAllowed"),
        ("get", "/bbb/k", "MethodNotAllowed"),
        ("TRACE", "/", "MethodNotAllowed"),
        ("FOO", "/bbb", "MethodNotAllowed"),
        ("OPTIONS", "/bbb/k", "BadRequest"),
        // Names and addresses that are none.
        ("PUT", "/Upper", "InvalidBucketName"),
        ("GET", "//", "InvalidBucketName"),
        ("PUT", "/a%2Fb", "InvalidBucketName"),
        ("GET", "/%2e%2e/k", "InvalidBucketName"),
        ("GET", "/bbb/%zz", "InvalidURI"),
        ("GET", "/bbb?prefix=%zz", "InvalidURI"),
        ("GET", "*", "InvalidURI"),
        ("PUT", "/api", "InvalidBucketName"),
        ("PUT", "/api/v1/s3/api", "InvalidBucketName"),
        ("GET", "/api", "ListObjects"),
        ("DELETE", "/api", "DeleteBucket"),
    ] {
        assert_eq!(outcome(method, target), expected, "{method} {target}");
    }
}

#[test]
fn what_is_not_understood_changes_nothing() {
    let unknown = [
        "nonsense",
        "Policy",
        "publicAccesBlock",
        "rename",
        "list-type=2",
        "prefix=a",
        "versions",
        "location",
        "session",
    ];
    for query in unknown {
        for (method, path) in
            [("PUT", "/bbb"), ("DELETE", "/bbb"), ("PUT", "/bbb/k"), ("DELETE", "/bbb/k"), ("POST", "/bbb/k")]
        {
            assert_eq!(outcome(method, &format!("{path}?{query}")), "NotImplemented", "{method} {path}?{query}");
        }
    }
    for (method, target) in [
        ("PUT", "/bbb/k?lifecycle"),
        ("PUT", "/bbb/k?uploads"),
        ("PUT", "/bbb/k?delete"),
        ("DELETE", "/bbb?versioning"),
        ("DELETE", "/bbb/k?acl"),
        ("PUT", "/bbb/k?uploadId=1&partNumber=1&nonsense"),
        ("POST", "/bbb/k?uploads&nonsense"),
        ("POST", "/bbb/k?uploadId=1&nonsense"),
        ("DELETE", "/bbb/k?uploadId=1&nonsense"),
        ("POST", "/bbb?delete&nonsense"),
        ("POST", "/bbb?uploads"),
    ] {
        assert_eq!(outcome(method, target), "NotImplemented", "{method} {target}");
    }
    let error = route_with("PUT", "/bbb/k?nonsense", "x", &[]).unwrap_err();
    assert!(error.message().contains("nonsense"), "{}", error.message());
}

#[test]
fn several_subresources_contradict_each_other() {
    for (method, target) in [
        ("GET", "/bbb?acl&policy"),
        ("PUT", "/bbb?acl&cors"),
        ("PUT", "/bbb/k?acl&tagging"),
        ("DELETE", "/bbb/k?uploadId=1&tagging"),
        ("POST", "/bbb/k?uploads&uploadId=1"),
        ("PUT", "/bbb/k?uploadId=1&uploadId=2&partNumber=1"),
    ] {
        assert_eq!(outcome(method, target), "InvalidArgument", "{method} {target}");
    }
}

#[test]
fn a_source_makes_a_put_a_copy() {
    let copy = |target: &str| {
        let route = route_with("PUT", target, "x", &[("x-amz-copy-source", "/bbb/k")]);
        route.map_or_else(|error| error.code().name(), |route| route.operation.name())
    };
    assert_eq!(copy("/bbb/k"), "CopyObject");
    assert_eq!(copy("/bbb/k?partNumber=1&uploadId=2"), "UploadPartCopy");
    assert_eq!(copy("/bbb/k?nonsense"), "NotImplemented");
    assert_eq!(copy("/bbb/k?acl"), "PutObjectAcl");
    assert_eq!(copy("/bbb"), "CreateBucket");
}

#[test]
fn a_route_tells_bucket_key_and_the_way_it_was_named() {
    let route = route_with("GET", "/api/v1/s3/bbb/a%2F..%2F/b", "x", &[]).unwrap();
    assert!(route.by_base_path);
    match route.operation {
        Operation::Object(bucket, key, operation) => {
            assert_eq!((bucket.as_str(), key.as_bytes().as_ref()), ("bbb", b"a/..//b".as_slice()));
            assert_eq!(operation, ObjectOperation::GetObject);
        }
        other => panic!("{other:?}"),
    }
    let route = route_with("DELETE", "/", "bbb.s3.test", &[]).unwrap();
    assert_eq!(route.operation.name(), "DeleteBucket");
    assert!(!route.by_base_path);
}

#[test]
fn keys_have_at_most_1024_bytes() {
    let target = |length: usize| format!("/bbb/{}", "k".repeat(length));
    assert_eq!(outcome("PUT", &target(1023)), "PutObject");
    assert_eq!(outcome("PUT", &target(1024)), "PutObject");
    assert_eq!(outcome("PUT", &target(1025)), "KeyTooLongError");
    assert_eq!(outcome("PUT", &format!("/bbb/{}", "%C3%A9".repeat(512))), "PutObject");
    assert_eq!(outcome("PUT", &format!("/bbb/{}", "%C3%A9".repeat(513))), "KeyTooLongError");
}

#[test]
fn the_reserved_name_is_refused_with_its_reason() {
    let error = route_with("PUT", "/api", "x", &[]).unwrap_err();
    assert!(error.message().contains("/api/v1/s3"), "{}", error.message());
    assert_eq!(route_with("PUT", "/", "api.s3.test", &[]).unwrap_err().code(), ErrorCode::InvalidBucketName);
    let off = Router::new(&GatewaySettings { base_path: String::new(), ..GatewaySettings::default() }).unwrap();
    let route = off.route(&Method::PUT, "x", "/api", &Query::default(), &HeaderMap::new()).unwrap();
    assert_eq!(route.operation.name(), "CreateBucket");
}

#[test]
fn browsers_are_told_that_there_is_no_cors() {
    let origin = ("origin", "http://example.com");
    let refused = |headers: &[(&'static str, &str)]| route_with("OPTIONS", "/bbb/k", "x", headers).unwrap_err();
    assert_eq!(refused(&[]).code(), ErrorCode::BadRequest);
    assert_eq!(refused(&[origin]).code(), ErrorCode::BadRequest);
    assert_eq!(refused(&[origin, ("access-control-request-method", "PUT")]).code(), ErrorCode::AccessForbidden);
}

#[test]
fn base_paths_are_plain() {
    let router = |base_path: &str| {
        Router::new(&GatewaySettings { base_path: base_path.into(), ..GatewaySettings::default() }).is_ok()
    };
    for base_path in ["", "/", "/s3", "/api/v1/s3", "/api/v1/s3/"] {
        assert!(router(base_path), "{base_path}");
    }
    for base_path in ["api", "/a//b", "/a b", "/a%20b", "/a?b", "//", "/é"] {
        assert!(!router(base_path) || base_path == "//", "{base_path}");
    }
}

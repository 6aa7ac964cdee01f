//! Each operation as a request that would be served to the owner of the scene: one that gets through does harm.

use super::scene::{Scene, block, completion, policy};
use weir_proto::account::ACCOUNT_CANONICAL_ID;
use weir_tests::sign::Draft;

const OWNERSHIP: &str =
    "<OwnershipControls><Rule><ObjectOwnership>ObjectWriter</ObjectOwnership></Rule></OwnershipControls>";

/// The account has everything, and nobody else anything.
fn acl() -> String {
    let owner = format!("<ID>{ACCOUNT_CANONICAL_ID}</ID>");
    format!(
        "<AccessControlPolicy><Owner>{owner}</Owner><AccessControlList><Grant><Grantee \
         xmlns:xsi=\"http://www.w3.org/2001/XMLSchema-instance\" xsi:type=\"CanonicalUser\">{owner}</Grantee>\
         <Permission>FULL_CONTROL</Permission></Grant></AccessControlList></AccessControlPolicy>"
    )
}

/// What an operation does with its body.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Body {
    /// It has none.
    Nothing,
    /// It is stored.
    Data,
    /// It is parsed.
    Document,
}

/// An operation by its name in S3's reference, and a request for it.
#[derive(Clone, Debug)]
pub struct Route {
    pub name: &'static str,
    pub draft: Draft,
    pub body: Body,
    /// The status of the answer to whoever may.
    pub served: u16,
}

impl Route {
    pub fn changes(&self) -> bool {
        !matches!(self.draft.method.as_str(), "GET" | "HEAD")
    }
}

/// All of them. In this order each would be served once, even if those before it were.
pub fn routes(scene: &Scene) -> Vec<Route> {
    let route = |name, served, method, target: &str| Route {
        name,
        draft: Draft::new(method, &scene.host, target),
        body: Body::Nothing,
        served,
    };
    let with = |body, content: &str, mut route: Route| {
        route.draft.body = content.as_bytes().to_vec();
        route.body = body;
        route
    };
    let copied = |mut route: Route| {
        route.draft.add_header("x-amz-copy-source", "/held/b");
        route
    };
    let whole = format!("/held/upload?uploadId={}", scene.upload_id);
    let part = |number: u32| format!("/held/upload?partNumber={number}&uploadId={}", scene.upload_id);
    let delete = "<Delete><Object><Key>a</Key></Object></Delete>";
    let mut routes = vec![
        route("ListBuckets", 200, "GET", "/"),
        route("HeadBucket", 200, "HEAD", "/held"),
        route("ListObjects", 200, "GET", "/held?prefix=a"),
        route("ListObjectsV2", 200, "GET", "/held?list-type=2"),
        route("ListMultipartUploads", 200, "GET", "/held?uploads"),
        route("ListParts", 200, "GET", &whole),
        route("GetObject", 200, "GET", "/held/a"),
        route("HeadObject", 200, "HEAD", "/held/a"),
        route("GetObject of a part", 206, "GET", "/held/a?partNumber=1"),
        route("GetObjectAcl", 200, "GET", "/held/a?acl"),
        route("GetObjectTagging", 200, "GET", "/held/a?tagging"),
    ];
    for (name, subresource, served) in [
        ("GetBucketLocation", "location", 200),
        ("GetBucketAcl", "acl", 200),
        ("GetBucketPolicy", "policy", 200),
        ("GetBucketPolicyStatus", "policyStatus", 200),
        ("GetPublicAccessBlock", "publicAccessBlock", 200),
        ("GetBucketOwnershipControls", "ownershipControls", 200),
        ("GetBucketVersioning", "versioning", 200),
        ("GetBucketCors", "cors", 404),
        ("GetBucketTagging", "tagging", 404),
    ] {
        routes.push(route(name, served, "GET", &format!("/held?{subresource}")));
    }
    routes.extend([
        route("CreateBucket", 200, "PUT", "/new-bucket"),
        with(Body::Document, policy(), route("PutBucketPolicy", 204, "PUT", "/held?policy")),
        with(Body::Document, block(), route("PutPublicAccessBlock", 200, "PUT", "/held?publicAccessBlock")),
        with(Body::Document, OWNERSHIP, route("PutBucketOwnershipControls", 200, "PUT", "/held?ownershipControls")),
        with(Body::Document, &acl(), route("PutBucketAcl", 200, "PUT", "/held?acl")),
        with(Body::Document, &acl(), route("PutObjectAcl", 200, "PUT", "/held/a?acl")),
        with(Body::Data, "overwritten", route("PutObject", 200, "PUT", "/held/a")),
        with(Body::Data, "new content", route("PutObject of a strange key", 200, "PUT", "/held/new%20%2B%2F..%2Fk")),
        copied(route("CopyObject", 200, "PUT", "/held/copy")),
        route("CreateMultipartUpload", 200, "POST", "/held/other?uploads"),
        with(Body::Data, "part", route("UploadPart", 200, "PUT", &part(1))),
        copied(route("UploadPartCopy", 200, "PUT", &part(2))),
        with(Body::Document, &completion(), route("CompleteMultipartUpload", 200, "POST", &whole)),
        route("AbortMultipartUpload", 204, "DELETE", &whole),
        with(Body::Document, delete, route("DeleteObjects", 200, "POST", "/held?delete")),
        route("DeleteObject", 204, "DELETE", "/held/b"),
        route("DeleteBucketOwnershipControls", 204, "DELETE", "/held?ownershipControls"),
        route("DeletePublicAccessBlock", 204, "DELETE", "/held?publicAccessBlock"),
        route("DeleteBucketPolicy", 204, "DELETE", "/held?policy"),
        route("DeleteBucket", 204, "DELETE", "/empty"),
    ]);
    routes
}

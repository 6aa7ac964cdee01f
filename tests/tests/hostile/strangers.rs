//! Who has no credentials, those that other servers have by default, or those of a user without permission.

use super::case::{Case, DENIED, MISMATCH, Refusal, UNKNOWN_KEY};
use super::routes::{Route, routes};
use super::scene::{REGION, Scene};
use jiff::Timestamp;
use weir_tests::sign::{Draft, Keys, sha256_hex, v2, v4};

/// DeleteObjects answers for each key by itself.
/// <https://docs.aws.amazon.com/AmazonS3/latest/API/API_DeleteObjects.html>
const DENIED_FOR_EACH_KEY: Refusal = Refusal(200, "AccessDenied");

/// What other object stores, and the examples of their manuals, let in.
const WELL_KNOWN: [(&str, &str); 12] = [
    ("minioadmin", "minioadmin"),
    ("minio", "minio123"),
    ("rustfsadmin", "rustfsadmin"),
    ("rustfs", "rustfs rpc"),
    ("admin", "admin"),
    ("root", "root"),
    ("any", "any"),
    ("test", "test"),
    ("weir", "weir"),
    ("GK000000000000000000000000", "0"),
    ("AKIAIOSFODNN7EXAMPLE", "wJalrXUtnFEMI/K7MDENG/bPxRfiCYEXAMPLEKEY"),
    ("0555b35654ad1656d804", "h7GhxuBLTrlhVUyxSPUKUV8r/2EI4ngqJxD7iBdBYLhwluN30JaT3Q=="),
];

fn by_header(route: &Route, keys: &Keys) -> Draft {
    let mut draft = route.draft.clone();
    let payload = sha256_hex(&draft.body);
    draft.add_header("x-amz-content-sha256", &payload);
    v4::Signer::new(keys, Timestamp::now(), REGION).sign_header(&mut draft, &payload);
    draft
}

/// The same request by each kind of credentials that a request can carry.
fn by_each_kind(route: &Route, keys: &Keys) -> [(&'static str, Draft); 4] {
    let mut presigned = route.draft.clone();
    v4::Signer::new(keys, Timestamp::now(), REGION).sign_query(&mut presigned, "900", v4::UNSIGNED_PAYLOAD);
    let (mut old, mut old_presigned) = (route.draft.clone(), route.draft.clone());
    v2::Signer::new(keys, Timestamp::now()).sign_header(&mut old);
    v2::Signer::new(keys, Timestamp::now()).sign_query(&mut old_presigned, "99999999999");
    [
        ("header", by_header(route, keys)),
        ("presigned", presigned),
        ("Version 2", old),
        ("Version 2 presigned", old_presigned),
    ]
}

/// What a route answers to whoever may not.
fn denied(route: &Route) -> Refusal {
    if route.name == "DeleteObjects" { DENIED_FOR_EACH_KEY } else { DENIED }
}

#[test]
fn who_has_no_credentials_may_do_nothing() {
    let scene = Scene::shared();
    let cases = routes(&scene).into_iter().flat_map(|route| {
        let plain = route.draft.clone();
        let declared = plain.clone().with_header("x-amz-content-sha256", v4::UNSIGNED_PAYLOAD);
        let named = plain.clone().with_header("x-amz-expected-bucket-owner", "000000000000");
        let cases = [("no credentials", plain), ("an unsigned payload alone", declared), ("an owner alone", named)];
        cases.map(|(what, draft)| Case::new(&route, what, draft, denied(&route)))
    });
    scene.refuses(cases.collect::<Vec<_>>());
}

#[test]
fn credentials_that_others_have_by_default_are_unknown() {
    let scene = Scene::shared();
    let mut cases = Vec::new();
    for route in routes(&scene) {
        for (access, secret) in WELL_KNOWN {
            for (kind, draft) in by_each_kind(&route, &Keys::new(access, secret)) {
                cases.push(Case::new(&route, &format!("{access} by {kind}"), draft, UNKNOWN_KEY));
            }
        }
    }
    scene.refuses(cases);
}

#[test]
fn a_user_without_permission_may_do_nothing() {
    let scene = Scene::shared();
    let mut cases = Vec::new();
    for route in routes(&scene) {
        for (kind, draft) in by_each_kind(&route, &scene.user) {
            cases.push(Case::new(&route, &format!("a user by {kind}"), draft, denied(&route)));
        }
        let mixed = Keys::new(&scene.user.access, &super::scene::root().secret);
        for (kind, draft) in by_each_kind(&route, &mixed) {
            cases.push(Case::new(&route, &format!("a user with another's secret by {kind}"), draft, MISMATCH));
        }
    }
    scene.refuses(cases);
}

/// Doors that other servers have beside S3's: here they are buckets and keys like others.
#[test]
fn paths_of_other_servers_lead_nowhere() {
    let scene = Scene::shared();
    let mut cases = Vec::new();
    for (target, refusal) in [
        ("/minio/health/live", DENIED),
        ("/minio/health/cluster", DENIED),
        ("/minio/admin/v3/info", DENIED),
        ("/minio/bootstrap/v1/verify", DENIED),
        ("/minio/v2/metrics/cluster", DENIED),
        ("/minio/webrpc", DENIED),
        ("/rustfs/console/", DENIED),
        ("/rustfs/admin/v3/list-users", DENIED),
        ("/rustfs/rpc/read_file_stream?disk=/&path=etc/passwd", DENIED),
        ("/profile/cpu", DENIED),
        ("/debug/pprof/heap", DENIED),
        ("/metrics", DENIED),
        ("/healthz", DENIED),
        ("/readyz", DENIED),
        ("/status", DENIED),
        ("/version", DENIED),
        ("/admin/user?list", DENIED),
        ("/admin/metadata/user", DENIED),
        ("/swift/v1", DENIED),
        ("/auth/v1.0", DENIED),
        ("/dir/status", DENIED),
        ("/cluster/status", DENIED),
        ("/actuator/env", DENIED),
        ("/latest/meta-data/iam/security-credentials/", DENIED),
        ("/.env", Refusal(400, "InvalidBucketName")),
        ("/.git/config", Refusal(400, "InvalidBucketName")),
        ("/.well-known/security.txt", Refusal(400, "InvalidBucketName")),
        ("/_up", Refusal(400, "InvalidBucketName")),
        ("/weir.v1.Namespace/ListBuckets", Refusal(400, "InvalidBucketName")),
        ("/weir.v1.Blocks/ReadBlock", Refusal(400, "InvalidBucketName")),
        ("/grpc.health.v1.Health/Check", Refusal(400, "InvalidBucketName")),
        ("/grpc.reflection.v1.ServerReflection/ServerReflectionInfo", Refusal(400, "InvalidBucketName")),
    ] {
        let draft = Draft::new("GET", &scene.host, target);
        cases.push(Case { what: format!("GET {target}"), draft, refusal, hidden: Vec::new() });
    }
    scene.refuses(cases);
    // The port for operators tells them how it goes, and nobody a secret.
    for path in ["/healthz", "/readyz", "/metrics"] {
        let text = scene.server.admin(path).text();
        assert!(!text.contains(&super::scene::root().secret) && !text.contains(&scene.user.secret), "{path}");
        assert!(path == "/metrics" || text.len() < 64, "{path} tells more than how it goes: {text}");
    }
}

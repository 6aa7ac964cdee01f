//! Buckets: made, looked at, listed, deleted.

use weir_tests::Server;

#[test]
fn a_bucket_is_made_seen_and_deleted() {
    let server = Server::shared();
    let client = server.client();
    client.head("/made").expect(404);
    let made = client.put("/made", "").expect(200);
    assert_eq!(made.must("location"), "/made");
    client.head("/made").expect(200);
    let listed = client.get("/").expect(200).xml();
    assert_eq!(listed.name, "ListAllMyBucketsResult");
    assert!(listed.find("Owner/ID").is_some());
    let buckets = listed.child("Buckets").unwrap();
    let found = buckets.all("Bucket").find(|bucket| bucket.get("Name") == "made").unwrap();
    let created = found.get("CreationDate");
    assert!(created.len() == 24 && created.ends_with('Z'), "{created}");
    assert_eq!(client.delete("/made").expect(204).body, b"");
    client.head("/made").expect(404);
    assert!(!client.get("/").expect(200).text().contains("<Name>made</Name>"));
}

#[test]
fn a_bucket_made_again_keeps_its_objects() {
    let server = Server::shared();
    let client = server.client();
    client.bucket("made-twice");
    client.put("/made-twice/k", "kept").expect(200);
    // us-east-1 says 200 to its owner, each other region 409.
    let again = client.put("/made-twice", "");
    assert!(
        again.status == 200 || (again.status, again.code().as_str()) == (409, "BucketAlreadyOwnedByYou"),
        "{again}"
    );
    assert_eq!(client.get("/made-twice/k").expect(200).body, b"kept");
}

#[test]
fn a_bucket_may_be_made_with_a_location() {
    let server = Server::shared();
    let client = server.client();
    let body = "<CreateBucketConfiguration xmlns=\"http://s3.amazonaws.com/doc/2006-03-01/\">\
                <LocationConstraint>us-east-1</LocationConstraint></CreateBucketConfiguration>";
    let made = client.put("/located", body);
    assert!(made.status == 200 || made.code() == "InvalidLocationConstraint", "{made}");
    client.bucket("located-default");
    let location = client.get("/located-default?location").expect(200).xml();
    assert_eq!((location.name.as_str(), location.text.as_str()), ("LocationConstraint", ""));
    client.get("/not-there?location").expect_error(404, "NoSuchBucket");
    client.put("/broken-location", "<CreateBucketConfiguration>").expect_error(400, "MalformedXML");
    client.head("/broken-location").expect(404);
}

#[test]
fn a_bucket_with_objects_is_not_deleted() {
    let server = Server::shared();
    let client = server.client();
    client.bucket("not-empty");
    client.put("/not-empty/k", "x").expect(200);
    client.delete("/not-empty").expect_error(409, "BucketNotEmpty");
    // It was turned back: writes go on.
    client.put("/not-empty/k2", "x").expect(200);
    client.delete("/not-empty/k").expect(204);
    client.delete("/not-empty/k2").expect(204);
    client.delete("/not-empty").expect(204);
    client.delete("/not-empty").expect_error(404, "NoSuchBucket");
    client.put("/not-empty/k", "x").expect_error(404, "NoSuchBucket");
}

#[test]
fn a_bucket_with_an_open_upload_alone_is_deleted() {
    let server = Server::shared();
    let client = server.client();
    client.bucket("open-upload");
    let id = client.post("/open-upload/k?uploads", "").expect(200).xml().get("UploadId").to_owned();
    client.put(&format!("/open-upload/k?partNumber=1&uploadId={id}"), "x").expect(200);
    client.delete("/open-upload").expect(204);
    // A bucket of the same name is another one.
    client.bucket("open-upload");
    client.get(&format!("/open-upload/k?uploadId={id}")).expect_error(404, "NoSuchUpload");
    assert_eq!(client.get("/open-upload?uploads").expect(200).xml().all("Upload").count(), 0);
}

#[test]
fn a_bucket_that_is_not_there_is_told_so_everywhere() {
    let server = Server::shared();
    let client = server.client();
    let gone = [
        ("GET", "/nowhere"),
        ("GET", "/nowhere?list-type=2"),
        ("GET", "/nowhere?uploads"),
        ("GET", "/nowhere/k"),
        ("PUT", "/nowhere/k"),
        ("DELETE", "/nowhere/k"),
        ("DELETE", "/nowhere"),
        ("POST", "/nowhere/k?uploads"),
        ("GET", "/nowhere?versioning"),
        ("GET", "/nowhere?acl"),
    ];
    for (method, path) in gone {
        client.request(method, path).send().expect_error(404, "NoSuchBucket");
    }
    assert_eq!(client.head("/nowhere").expect(404).body, b"");
    assert_eq!(client.head("/nowhere/k").expect(404).body, b"");
}

#[test]
fn racing_makers_and_deleters_leave_a_bucket_whole_or_gone() {
    let server = Server::shared();
    let client = server.client();
    std::thread::scope(|scope| {
        for number in 0..4 {
            let client = &client;
            scope.spawn(move || {
                for round in 0..25 {
                    let made = client.put("/raced", "").status;
                    assert!(matches!(made, 200 | 409 | 503), "{made}");
                    let key = format!("/raced/{number}-{round}");
                    let put = client.put(&key, "x").status;
                    assert!(matches!(put, 200 | 404 | 409 | 503), "{put}");
                    if put == 200 {
                        // While the object is there the bucket can't be gone.
                        assert_eq!(client.get(&key).status, 200);
                        client.delete(&key).expect(204);
                    }
                    let deleted = client.delete("/raced").status;
                    assert!(matches!(deleted, 204 | 404 | 409 | 503), "{deleted}");
                }
            });
        }
    });
    server.assert_alive();
}

#[test]
fn the_admin_port_tells_health_and_metrics() {
    let server = Server::shared();
    assert_eq!(server.admin("/healthz").status, 200);
    assert_eq!(server.admin("/readyz").status, 200);
    let metrics = server.admin("/metrics");
    assert_eq!(metrics.status, 200);
    for role in ["weir_gateway_", "weir_metaserver_", "weir_worker_"] {
        assert!(metrics.text().contains(role), "no metric of {role}");
    }
    // The S3 port tells none of it: these are buckets without a valid name, or not there.
    for path in ["/metrics", "/healthz", "/debug/pprof"] {
        server.client().get(path).expect_refusal();
    }
}

//! What a bucket or object does not have, and what this server does not do: each told by its name, and nothing made.

use weir_tests::{Server, xml::Element};

#[test]
fn settings_that_a_bucket_does_not_have_are_answered_as_s3_does() {
    let server = Server::shared();
    let client = server.client();
    let bucket = client.bucket("settings");
    let none = [
        ("lifecycle", "NoSuchLifecycleConfiguration"),
        ("cors", "NoSuchCORSConfiguration"),
        ("policy", "NoSuchBucketPolicy"),
        ("tagging", "NoSuchTagSet"),
        ("website", "NoSuchWebsiteConfiguration"),
        ("replication", "ReplicationConfigurationNotFoundError"),
        ("object-lock", "ObjectLockConfigurationNotFoundError"),
        ("encryption", "ServerSideEncryptionConfigurationNotFoundError"),
        ("publicAccessBlock", "NoSuchPublicAccessBlockConfiguration"),
    ];
    for (name, code) in none {
        let answer = client.get(&format!("{bucket}?{name}"));
        // Since 2023 S3 has a default encryption on each bucket: either answer is one of S3's.
        if answer.status != 200 || name != "encryption" {
            answer.expect_error(404, code);
        }
    }
    let empty = [
        ("versioning", "VersioningConfiguration"),
        ("notification", "NotificationConfiguration"),
        ("logging", "BucketLoggingStatus"),
        ("accelerate", "AccelerateConfiguration"),
        ("requestPayment", "RequestPaymentConfiguration"),
        ("location", "LocationConstraint"),
    ];
    for (name, root) in empty {
        let document = client.get(&format!("{bucket}?{name}")).expect(200).xml();
        assert_eq!(document.name, root);
        if name != "requestPayment" {
            assert!(document.children.is_empty(), "{name}: {document:?}");
        }
    }
    assert_full_control(&client.get(&format!("{bucket}?acl")).expect(200).xml());
}

fn assert_full_control(acl: &Element) {
    assert_eq!(acl.name, "AccessControlPolicy");
    let grants: Vec<&Element> = acl.child("AccessControlList").unwrap().all("Grant").collect();
    assert_eq!(grants.len(), 1);
    assert_eq!(grants[0].get("Permission"), "FULL_CONTROL");
    assert_eq!(grants[0].get("Grantee/ID"), acl.get("Owner/ID"));
}

#[test]
fn settings_of_an_object_are_answered_as_s3_does() {
    let server = Server::shared();
    let client = server.client();
    let bucket = client.bucket("object-settings");
    client.put(&format!("{bucket}/k"), "x").expect(200);
    assert_full_control(&client.get(&format!("{bucket}/k?acl")).expect(200).xml());
    client.get(&format!("{bucket}/missing?acl")).expect_error(404, "NoSuchKey");
    for name in ["retention", "legal-hold", "torrent"] {
        client.get(&format!("{bucket}/k?{name}")).expect_refusal();
    }
}

#[test]
fn operations_that_are_not_there_answer_with_their_name_and_make_nothing() {
    let server = Server::shared();
    let client = server.client();
    let bucket = client.bucket("not-there");
    client.put(&format!("{bucket}/k"), "old").expect(200);
    let bucket_puts = [
        ("accelerate", "PutBucketAccelerateConfiguration"),
        ("analytics&id=1", "PutBucketAnalyticsConfiguration"),
        ("cors", "PutBucketCors"),
        ("encryption", "PutBucketEncryption"),
        ("intelligent-tiering&id=1", "PutBucketIntelligentTieringConfiguration"),
        ("inventory&id=1", "PutBucketInventoryConfiguration"),
        ("lifecycle", "PutBucketLifecycleConfiguration"),
        ("logging", "PutBucketLogging"),
        ("metrics&id=1", "PutBucketMetricsConfiguration"),
        ("notification", "PutBucketNotificationConfiguration"),
        ("object-lock", "PutObjectLockConfiguration"),
        ("replication", "PutBucketReplication"),
        ("requestPayment", "PutBucketRequestPayment"),
        ("tagging", "PutBucketTagging"),
        ("versioning", "PutBucketVersioning"),
        ("website", "PutBucketWebsite"),
    ];
    for (query, operation) in bucket_puts {
        for path in [format!("{bucket}?{query}"), format!("/never-made?{query}")] {
            let answer = client.put(&path, "<X/>").expect_error(501, "NotImplemented");
            assert!(answer.xml().get("Message").contains(operation), "{answer}");
        }
        let name = query.split('&').next().unwrap();
        if !["accelerate", "logging", "notification", "object-lock", "requestPayment", "versioning"].contains(&name) {
            let answer = client.delete(&format!("{bucket}?{query}"));
            assert!(answer.status == 501 || answer.status == 204, "{answer}");
        }
    }
    client.head("/never-made").expect(404);
    client.head(&bucket).expect(200);

    let objects = [
        ("PUT", "retention", "PutObjectRetention"),
        ("PUT", "legal-hold", "PutObjectLegalHold"),
        ("POST", "restore", "RestoreObject"),
        ("POST", "select&select-type=2", "SelectObjectContent"),
        ("GET", "torrent", "GetObjectTorrent"),
    ];
    for (method, query, operation) in objects {
        for key in ["k", "new"] {
            let request = client.request(method, &format!("{bucket}/{key}?{query}"));
            let answer =
                request.body(if method == "GET" { "" } else { "<X/>" }).send().expect_error(501, "NotImplemented");
            assert!(answer.xml().get("Message").contains(operation), "{answer}");
        }
    }
    client.head(&format!("{bucket}/new")).expect(404);
    assert_eq!(client.get(&format!("{bucket}/k")).expect(200).body, b"old");
}

#[test]
fn an_unknown_subresource_makes_nothing() {
    let server = Server::shared();
    let client = server.client();
    let bucket = client.bucket("unknown-sub");
    client.put(&format!("{bucket}/k"), "old").expect(200);
    for query in ["nonsense", "publicAccesBlock", "metadataTable", "session", "Policy", "rename"] {
        client.put(&format!("/unknown-made?{query}"), "").expect_error(501, "NotImplemented");
        client.put(&format!("{bucket}/new?{query}"), "x").expect_error(501, "NotImplemented");
        client.put(&format!("{bucket}/k?{query}"), "x").expect_error(501, "NotImplemented");
        client.post(&format!("{bucket}/k?{query}"), "x").expect_error(501, "NotImplemented");
        client.delete(&format!("{bucket}/k?{query}")).expect_error(501, "NotImplemented");
        client.delete(&format!("{bucket}?{query}")).expect_error(501, "NotImplemented");
    }
    client.head("/unknown-made").expect(404);
    client.head(&format!("{bucket}/new")).expect(404);
    assert_eq!(client.get(&format!("{bucket}/k")).expect(200).body, b"old");
}

#[test]
fn what_clients_add_to_a_query_of_their_own_does_no_harm() {
    let server = Server::shared();
    let client = server.client();
    let bucket = client.bucket("own-queries");
    // SDKs name the operation; a presigned address carries its signature.
    client.put(&format!("{bucket}/k?x-id=PutObject"), "x").expect(200);
    assert_eq!(client.get(&format!("{bucket}/k?x-id=GetObject")).expect(200).body, b"x");
    let presigned = "X-Amz-Algorithm=AWS4-HMAC-SHA256&X-Amz-Credential=nobody%2F20260101%2Fus-east-1%2Fs3%2Faws4_request\
                     &X-Amz-Date=20260101T000000Z&X-Amz-Expires=900&X-Amz-SignedHeaders=host&X-Amz-Signature=00";
    assert_eq!(client.get(&format!("{bucket}/k?{presigned}")).expect(200).body, b"x");
    let second = "AWSAccessKeyId=nobody&Expires=4102444800&Signature=AAAA";
    assert_eq!(client.get(&format!("{bucket}/k?{second}")).expect(200).body, b"x");
    client.request("GET", &format!("{bucket}/k")).header("authorization", "AWS :").send().expect(200);
    client.request("GET", &format!("{bucket}/k")).signed_by_nobody().send().expect(200);
}

#[test]
fn methods_that_s3_does_not_know_are_refused() {
    let server = Server::shared();
    let client = server.client();
    let bucket = client.bucket("methods");
    client.put(&format!("{bucket}/k"), "old").expect(200);
    for method in ["PATCH", "TRACE", "PROPFIND", "get", "put", "FOO"] {
        for path in ["/".to_owned(), bucket.clone(), format!("{bucket}/k")] {
            let answer = client.request(method, &path).send();
            assert!(matches!(answer.status, 400 | 405 | 501), "{answer}");
        }
    }
    // POST of a form to the bucket is an operation of its own, and not there yet.
    let form = client.request("POST", &bucket).header("content-type", "multipart/form-data; boundary=x").body("--x--");
    form.send().expect_refusal();
    assert_eq!(client.get(&format!("{bucket}/k")).expect(200).body, b"old");
    server.assert_alive();
}

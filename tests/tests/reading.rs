//! What a caller may read, copy and delete shows with the object, and what is not there is no one's business who may
//! not list.

use crate::access::{Session, code, root};
use jiff::Timestamp;
use weir_tests::Answer;
use weir_tests::sign::{Draft, Keys, v2, v4};

const EVERYTHING_BUT_LISTING: &str = r#"{"Effect":"Allow","NotAction":"s3:List*","Resource":"arn:aws:s3:::photos/*"}"#;

fn with_photos() -> Session {
    let session = Session::start();
    session.s3(Some(&root()), "PUT", "/photos", "").expect(200);
    session.s3(Some(&root()), "PUT", "/photos/cat", "meow").expect(200);
    session
}

fn put_tagged(session: &Session, target: &str, tags: &str) {
    session.s3_with(Some(&root()), "PUT", target, &[("x-amz-tagging", tags)], "body").expect(200);
}

#[test]
fn who_may_not_list_does_not_learn_what_is_missing() {
    let session = with_photos();
    let alice = session.user("alice");
    session.allow("alice", "all", EVERYTHING_BUT_LISTING);
    let told = |method: &str, target: &str, headers: &[(&str, &str)]| {
        let answer = session.s3_with(Some(&alice), method, target, headers, "");
        (answer.status, if answer.body.is_empty() { String::new() } else { code(&answer) })
    };
    let missing = [
        ("GET", "/photos/dog", &[][..]),
        ("GET", "/photos/dog?tagging", &[]),
        ("GET", "/photos/dog?acl", &[]),
        ("GET", "/photos/dog?retention", &[]),
        ("GET", "/photos/dog?partNumber=1", &[]),
        ("GET", "/photos/dog", &[("range", "bytes=0-1")]),
        ("GET", "/photos/dog", &[("if-none-match", "*")]),
        ("PUT", "/photos/dog", &[("if-match", "\"e\"")]),
        ("PUT", "/photos/copy", &[("x-amz-copy-source", "/photos/dog")]),
    ];
    for (method, target, headers) in missing {
        assert_eq!(told(method, target, headers), (403, "AccessDenied".into()), "{method} {target} {headers:?}");
    }
    assert_eq!(told("HEAD", "/photos/dog", &[]), (403, String::new()));
    assert_eq!(told("GET", "/photos/cat", &[]).0, 200);
    session.allow("alice", "list", r#"{"Effect":"Allow","Action":"s3:ListBucket","Resource":"arn:aws:s3:::photos"}"#);
    for (method, target, headers) in missing {
        assert_eq!(told(method, target, headers), (404, "NoSuchKey".into()), "{method} {target} {headers:?}");
    }
    assert_eq!(told("HEAD", "/photos/dog", &[]).0, 404);
}

#[test]
fn each_key_of_a_deletion_is_asked_for() {
    let session = with_photos();
    let alice = session.user("alice");
    let delete = |keys: Option<&Keys>| {
        let document = "<Delete><Object><Key>cat</Key></Object><Object><Key>own/dog</Key></Object>\
                        <Object><Key>own/bird</Key><VersionId>v1</VersionId></Object></Delete>";
        session.s3(keys, "POST", "/photos?delete", document).expect(200).text()
    };
    session.s3(Some(&root()), "PUT", "/photos/own/dog", "woof").expect(200);
    let error = |key: &str, version: &str, code: &str| format!("<Key>{key}</Key>{version}<Code>{code}</Code>");
    for keys in [None, Some(&alice)] {
        let text = delete(keys);
        assert_eq!(text.matches("<Code>AccessDenied</Code>").count(), 3, "{text}");
        assert!(!text.contains("<Deleted>"), "{text}");
    }
    session.allow(
        "alice",
        "own",
        r#"{"Effect":"Allow","Action":"s3:DeleteObject","Resource":"arn:aws:s3:::photos/own/*"}"#,
    );
    let text = delete(Some(&alice));
    assert!(text.contains("<Deleted><Key>own/dog</Key></Deleted>"), "{text}");
    assert!(text.contains(&error("cat", "", "AccessDenied")), "{text}");
    assert!(text.contains(&error("own/bird", "<VersionId>v1</VersionId>", "AccessDenied")), "{text}");
    session.s3(Some(&root()), "GET", "/photos/cat", "").expect(200);
    session.s3(Some(&root()), "GET", "/photos/own/dog", "").expect(404);
}

#[test]
fn a_copy_reads_its_source() {
    let session = with_photos();
    let alice = session.user("alice");
    session.s3(Some(&root()), "PUT", "/own", "").expect(200);
    session.allow(
        "alice",
        "own",
        r#"{"Effect":"Allow","Action":["s3:PutObject","s3:GetObject"],"Resource":"arn:aws:s3:::own/*"}"#,
    );
    let copy = |target: &str, source: &str, more: &[(&str, &str)]| {
        let headers: Vec<_> = more.iter().copied().chain([("x-amz-copy-source", source)]).collect();
        code(&session.s3_with(Some(&alice), "PUT", target, &headers, ""))
    };
    let started = session.s3(Some(&alice), "POST", "/own/parts?uploads", "").expect(200).text();
    let part = format!("/own/parts?partNumber=1&uploadId={}", crate::access::between(&started, "UploadId"));
    for target in ["/own/copy", &part] {
        assert_eq!(copy(target, "/photos/cat", &[]), "AccessDenied", "{target}");
        assert_eq!(copy(target, "/photos/missing", &[]), "AccessDenied", "{target}");
        assert_eq!(copy(target, "/nowhere/cat", &[]), "AccessDenied", "{target}");
    }
    let by_sum = [("x-amz-checksum-algorithm", "SHA256")];
    assert_eq!(copy("/own/copy", "/photos/cat", &by_sum), "AccessDenied");
    session.s3(Some(&root()), "GET", "/own/copy", "").expect(404);
    session.allow("alice", "read", r#"{"Effect":"Allow","Action":"s3:GetObject","Resource":"arn:aws:s3:::photos/*"}"#);
    assert_eq!(copy("/own/copy", "/photos/cat", &[]), "200");
    assert_eq!(copy(&part, "/photos/cat", &[]), "200");
    // Tags go along for those alone who may read them there and write them here.
    put_tagged(&session, "/photos/tagged", "a=b");
    let replacing = [("x-amz-tagging-directive", "REPLACE")];
    assert_eq!(copy("/own/tagged", "/photos/tagged", &[]), "AccessDenied");
    assert_eq!(copy("/own/tagged", "/photos/tagged", &by_sum), "AccessDenied");
    assert_eq!(copy("/own/tagged", "/photos/tagged", &replacing), "200");
    session.allow(
        "alice",
        "tags",
        r#"{"Effect":"Allow","Action":"s3:GetObjectTagging","Resource":"arn:aws:s3:::photos/*"}"#,
    );
    assert_eq!(copy("/own/tagged", "/photos/tagged", &[]), "AccessDenied");
    session.allow(
        "alice",
        "tag",
        r#"{"Effect":"Allow","Action":"s3:PutObjectTagging","Resource":"arn:aws:s3:::own/*"}"#,
    );
    assert_eq!(copy("/own/tagged", "/photos/tagged", &by_sum), "200");
    assert!(session.s3(Some(&root()), "GET", "/own/tagged?tagging", "").text().contains("<Key>a</Key>"));
}

#[test]
fn an_objects_tags_decide_who_reads_it() {
    let session = with_photos();
    put_tagged(&session, "/photos/open", "class=public");
    put_tagged(&session, "/photos/shut", "class=secret");
    let alice = session.user("alice");
    let read = |target: &str| code(&session.s3(Some(&alice), "GET", target, ""));
    let copy = |source: &str| {
        code(&session.s3_with(Some(&alice), "PUT", "/photos/copy", &[("x-amz-copy-source", source)], ""))
    };
    session.allow(
        "alice",
        "public",
        r#"[{"Effect":"Allow","Action":["s3:GetObject","s3:GetObjectTagging"],"Resource":"arn:aws:s3:::photos/*",
            "Condition":{"StringEquals":{"s3:ExistingObjectTag/class":"public"}}},
            {"Effect":"Allow","Action":["s3:PutObject","s3:PutObjectTagging"],"Resource":"arn:aws:s3:::photos/copy"}]"#,
    );
    for (target, expected) in [
        ("/photos/open", "200"),
        ("/photos/open?tagging", "200"),
        ("/photos/open?acl", "AccessDenied"),
        ("/photos/shut", "AccessDenied"),
        ("/photos/shut?tagging", "AccessDenied"),
        ("/photos/cat", "AccessDenied"),
        ("/photos/missing", "AccessDenied"),
    ] {
        assert_eq!(read(target), expected, "{target}");
    }
    assert_eq!(
        (copy("/photos/open"), copy("/photos/shut"), copy("/photos/missing")),
        ("200".into(), "AccessDenied".into(), "AccessDenied".into())
    );
    assert_eq!(session.s3(Some(&root()), "GET", "/photos/copy", "").text(), "body");
    // A bucket's policy keeps everyone out by a tag, the root too.
    let deny = r#"{"Version":"2012-10-17","Statement":{"Effect":"Deny","Principal":"*","Action":"s3:GetObject",
        "Resource":"arn:aws:s3:::photos/*","Condition":{"StringEquals":{"s3:ExistingObjectTag/class":"secret"}}}}"#;
    assert_eq!(code(&session.s3(Some(&root()), "PUT", "/photos?policy", deny)), "204");
    assert_eq!(session.s3(Some(&root()), "HEAD", "/photos/shut", "").status, 403);
    assert_eq!(session.s3(Some(&root()), "HEAD", "/photos/open", "").status, 200);
    assert_eq!(session.s3(Some(&root()), "HEAD", "/photos/cat", "").status, 200);
}

#[test]
fn a_bucket_may_want_conditions_of_its_writes() {
    let session = with_photos();
    let policy = r#"{"Version":"2012-10-17","Statement":{"Effect":"Deny","Principal":"*","Action":"s3:PutObject",
        "Resource":"arn:aws:s3:::photos/*","Condition":{"Null":{"s3:if-none-match":"true"},
        "Bool":{"s3:ObjectCreationOperation":"true"}}}}"#;
    assert_eq!(code(&session.s3(Some(&root()), "PUT", "/photos?policy", policy)), "204");
    let put = |headers: &[(&str, &str)]| code(&session.s3_with(Some(&root()), "PUT", "/photos/new", headers, "x"));
    assert_eq!(put(&[]), "AccessDenied");
    assert_eq!(put(&[("if-none-match", "*")]), "200");
    assert_eq!(put(&[("if-none-match", "*")]), "PreconditionFailed");
    assert_eq!(put(&[("x-amz-copy-source", "/photos/cat")]), "AccessDenied");
    session.s3(Some(&root()), "POST", "/photos/parts?uploads", "").expect(200);
}

#[test]
fn what_a_presigned_url_carries_counts() {
    let session = with_photos();
    let signed = |method: &str, target: &str, version: u32| -> Answer {
        let mut draft = Draft::new(method, &session.server.address().to_string(), target);
        match version {
            4 => {
                let signer = v4::Signer::new(&root(), Timestamp::now(), "us-east-1");
                signer.sign_query(&mut draft, "600", "UNSIGNED-PAYLOAD");
            }
            _ => {
                let expires = (Timestamp::now().as_second() + 600).to_string();
                v2::Signer::new(&root(), Timestamp::now()).sign_query(&mut draft, &expires);
            }
        }
        draft.request(&session.server.client()).send()
    };
    for version in [4, 2] {
        for (method, parameters, expected) in [
            ("GET", "", "200"),
            ("GET", "x-amz-expected-bucket-owner=000000000000", "200"),
            ("GET", "x-amz-expected-bucket-owner=111122223333", "AccessDenied"),
            ("PUT", "x-amz-server-side-encryption=AES256", "NotImplemented"),
            ("PUT", "x-amz-object-lock-mode=GOVERNANCE", "NotImplemented"),
            ("PUT", "x-amz-meta-a=%0A", "InvalidArgument"),
        ] {
            let target = format!("/photos/{}?{parameters}", if method == "GET" { "cat" } else { "new" });
            assert_eq!(code(&signed(method, &target, version)), expected, "{method} {parameters} {version}");
        }
        session.s3(Some(&root()), "GET", "/photos/new", "").expect(404);
        let copied = signed("PUT", "/photos/copy?x-amz-copy-source=%2Fphotos%2Fcat", version).expect(200);
        assert!(copied.text().contains("CopyObjectResult"), "{}", copied.text());
        assert_eq!(session.s3(Some(&root()), "GET", "/photos/copy", "").text(), "meow");
    }
}

#[test]
fn a_policy_that_everyone_passes_is_public() {
    let session = with_photos();
    let block = "<PublicAccessBlockConfiguration><BlockPublicPolicy>true</BlockPublicPolicy>\
                 </PublicAccessBlockConfiguration>";
    assert_eq!(code(&session.s3(Some(&root()), "PUT", "/photos?publicAccessBlock", block)), "200");
    let policy = |condition: &str| {
        format!(
            r#"{{"Version":"2012-10-17","Statement":{{"Effect":"Allow","Principal":"*","Action":"s3:GetObject",
            "Resource":"arn:aws:s3:::photos/*","Condition":{condition}}}}}"#
        )
    };
    let passes_without = policy(r#"{"ForAllValues:StringEquals":{"aws:PrincipalAccount":"000000000000"}}"#);
    assert_eq!(code(&session.s3(Some(&root()), "PUT", "/photos?policy", &passes_without)), "AccessDenied");
    let narrow = policy(r#"{"StringEquals":{"aws:PrincipalAccount":"000000000000"}}"#);
    assert_eq!(code(&session.s3(Some(&root()), "PUT", "/photos?policy", &narrow)), "204");
    let misspelt = policy(r#"{"StringEquals":{"s3:prefixes":"a"}}"#);
    assert_eq!(code(&session.s3(Some(&root()), "PUT", "/photos?policy", &misspelt)), "MalformedPolicy");
}

#[test]
fn a_bucket_may_want_a_version_of_tls() {
    let session = Session::start_over_tls();
    session.s3(Some(&root()), "PUT", "/photos", "").expect(200);
    session.s3(Some(&root()), "PUT", "/photos/cat", "meow").expect(200);
    for (least, expected) in [("1.2", "200"), ("1.3", "200"), ("1.4", "AccessDenied")] {
        let policy = format!(
            r#"{{"Version":"2012-10-17","Statement":{{"Effect":"Deny","Principal":"*","Action":"s3:GetObject",
            "Resource":"arn:aws:s3:::photos/*","Condition":{{"NumericLessThan":{{"s3:TlsVersion":{least}}}}}}}}}"#
        );
        assert_eq!(code(&session.s3(Some(&root()), "PUT", "/photos?policy", &policy)), "204");
        assert_eq!(code(&session.s3(Some(&root()), "GET", "/photos/cat", "")), expected, "{least}");
    }
}

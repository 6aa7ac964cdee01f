//! Access control lists and the ownership of objects, with a server that checks keys.

use crate::access::{Session, between, code, encoded, root};
use weir_tests::form::content_type;
use weir_tests::sign::Keys;
use weir_tests::xml::Element;
use weir_tests::{Answer, Form};

const ACCOUNT: &str = "3e7b9c1f5a2d4860b8e6f09d7c3a51e24f8d6b0a9c7e1352d4f6a8b0c2e4f618";
const ANONYMOUS: &str = "65a011a29cdf8ec533ec3d1ccaae921c";
const ALL_USERS: &str = "http://acs.amazonaws.com/groups/global/AllUsers";
const AUTHENTICATED: &str = "http://acs.amazonaws.com/groups/global/AuthenticatedUsers";

impl Session {
    /// As the root keys.
    fn do_it(&self, method: &str, target: &str, headers: &[(&str, &str)], body: &str) -> Answer {
        self.s3_with(Some(&root()), method, target, headers, body)
    }

    fn code_of(&self, method: &str, target: &str, headers: &[(&str, &str)], body: &str) -> String {
        code(&self.do_it(method, target, headers, body))
    }

    /// A bucket in which ACLs count.
    fn bucket_with_acls(&self, name: &str, acl: &str) {
        let headers = [("x-amz-object-ownership", "ObjectWriter"), ("x-amz-acl", acl)];
        self.do_it("PUT", &format!("/{name}"), &headers, "").expect(200);
    }

    fn stranger(&self, method: &str, target: &str) -> String {
        code(&self.s3(None, method, target, ""))
    }

    /// Grants as `grantee PERMISSION`.
    fn grants(&self, target: &str) -> Vec<String> {
        grants(&self.do_it("GET", &format!("{target}?acl"), &[], "").expect(200).xml())
    }
}

fn grants(document: &Element) -> Vec<String> {
    let shown = |grant: &Element| {
        let grantee = grant.find("Grantee/ID").or_else(|| grant.find("Grantee/URI")).unwrap();
        format!("{grantee} {}", grant.get("Permission"))
    };
    document.child("AccessControlList").unwrap().all("Grant").map(shown).collect()
}

fn owners() -> String {
    format!("{ACCOUNT} FULL_CONTROL")
}

fn document(owner: &str, grants: &[(&str, &str, &str)]) -> String {
    let grants = grants.iter().map(|(kind, grantee, permission)| {
        let grantee = if *kind == "Group" { format!("<URI>{grantee}</URI>") } else { format!("<ID>{grantee}</ID>") };
        format!(
            "<Grant><Grantee xmlns:xsi=\"http://www.w3.org/2001/XMLSchema-instance\" xsi:type=\"{kind}\">{grantee}\
             </Grantee><Permission>{permission}</Permission></Grant>"
        )
    });
    let grants: String = grants.collect();
    format!(
        "<AccessControlPolicy><Owner><ID>{owner}</ID></Owner><AccessControlList>{grants}</AccessControlList>\
         </AccessControlPolicy>"
    )
}

fn ownership(name: &str) -> String {
    format!("<OwnershipControls><Rule><ObjectOwnership>{name}</ObjectOwnership></Rule></OwnershipControls>")
}

fn block(setting: &str) -> String {
    format!("<PublicAccessBlockConfiguration><{setting}>true</{setting}></PublicAccessBlockConfiguration>")
}

#[test]
fn a_public_object_is_read_by_strangers_until_public_acls_are_ignored() {
    let mut session = Session::start();
    session.bucket_with_acls("photos", "private");
    session.do_it("PUT", "/photos/cat", &[("x-amz-acl", "public-read")], "meow").expect(200);
    session.do_it("PUT", "/photos/dog", &[], "woof").expect(200);
    assert_eq!(session.s3(None, "GET", "/photos/cat", "").expect(200).text(), "meow");
    assert_eq!(session.s3(None, "HEAD", "/photos/cat", "").status, 200);
    for (method, target) in [
        ("GET", "/photos/dog"),
        ("GET", "/photos/cat?acl"),
        ("PUT", "/photos/cat"),
        ("DELETE", "/photos/cat"),
        ("GET", "/photos"),
        ("GET", "/photos?acl"),
        ("GET", "/photos/absent"),
    ] {
        assert_eq!(session.stranger(method, target), "AccessDenied", "{method} {target}");
    }
    session.server.kill9();
    session.server.restart();
    assert_eq!(session.stranger("GET", "/photos/cat"), "200");
    assert_eq!(session.grants("/photos/cat"), [owners(), format!("{ALL_USERS} READ")]);
    session.do_it("PUT", "/photos?publicAccessBlock", &[], &block("IgnorePublicAcls")).expect(200);
    assert_eq!(session.stranger("GET", "/photos/cat"), "AccessDenied");
    assert_eq!(session.code_of("GET", "/photos/cat", &[], ""), "200");
    session.do_it("DELETE", "/photos?publicAccessBlock", &[], "").expect(204);
    assert_eq!(session.stranger("GET", "/photos/cat"), "200");
    // Another object by that name has an ACL of its own.
    session.do_it("PUT", "/photos/cat", &[], "purr").expect(200);
    assert_eq!(session.stranger("GET", "/photos/cat"), "AccessDenied");
    session.do_it("PUT", "/photos/cat?acl", &[("x-amz-acl", "public-read")], "").expect(200);
    assert_eq!(session.s3(None, "GET", "/photos/cat", "").expect(200).text(), "purr");
    session.do_it("PUT", "/photos?ownershipControls", &[], &ownership("BucketOwnerEnforced")).expect(200);
    assert_eq!(session.stranger("GET", "/photos/cat"), "AccessDenied");
    assert_eq!(session.grants("/photos/cat"), [owners()]);
}

#[test]
fn where_the_owner_is_enforced_acls_are_refused_and_not_shown() {
    let session = Session::start();
    session.do_it("PUT", "/photos", &[], "").expect(200);
    session.do_it("PUT", "/photos/cat", &[("x-amz-acl", "bucket-owner-full-control")], "meow").expect(200);
    let public = [("x-amz-acl", "public-read")];
    let uri = format!("uri={ALL_USERS}");
    for (method, target) in
        [("PUT", "/photos?acl"), ("PUT", "/photos/cat?acl"), ("PUT", "/photos/dog"), ("POST", "/photos/dog?uploads")]
    {
        for headers in [&public[..], &[("x-amz-grant-read", uri.as_str())]] {
            assert_eq!(session.code_of(method, target, headers, ""), "AccessControlListNotSupported", "{target}");
        }
        let own = format!("id=\"{ACCOUNT}\"");
        for headers in [[("x-amz-acl", "private")], [("x-amz-grant-full-control", own.as_str())]] {
            assert_eq!(session.code_of(method, target, &headers, ""), "200", "{method} {target}");
        }
    }
    let copy = [("x-amz-copy-source", "/photos/cat"), public[0]];
    assert_eq!(session.code_of("PUT", "/photos/copy", &copy, ""), "AccessControlListNotSupported");
    assert_eq!(session.code_of("GET", "/photos/copy", &[], ""), "NoSuchKey");
    let everyone = document(ACCOUNT, &[("Group", ALL_USERS, "READ")]);
    assert_eq!(session.code_of("PUT", "/photos?acl", &[], &everyone), "AccessControlListNotSupported");
    let own = document(ACCOUNT, &[("CanonicalUser", ACCOUNT, "FULL_CONTROL")]);
    assert_eq!(session.code_of("PUT", "/photos?acl", &[], &own), "200");
    assert_eq!(session.grants("/photos"), [owners()]);
    assert_eq!(session.grants("/photos/cat"), [owners()]);
    assert_eq!(session.code_of("PUT", "/films", &public, ""), "InvalidBucketAclWithObjectOwnership");
    assert_eq!(session.do_it("HEAD", "/films", &[], "").status, 404);
}

#[test]
fn ownership_is_set_shown_and_taken_away() {
    let session = Session::start();
    session.do_it("PUT", "/photos", &[], "").expect(200);
    let shown = |expected: &str| {
        let document = session.do_it("GET", "/photos?ownershipControls", &[], "").expect(200).xml();
        assert_eq!(document.get("Rule/ObjectOwnership"), expected);
    };
    shown("BucketOwnerEnforced");
    let set = |body: &str| session.code_of("PUT", "/photos?ownershipControls", &[], body);
    assert_eq!(set(&ownership("BucketOwnerPreferred")), "200");
    shown("BucketOwnerPreferred");
    for wrong in ["", "<OwnershipControls/>", &ownership("Nobody"), &ownership("")] {
        assert_eq!(set(wrong), "MalformedXML", "{wrong}");
    }
    session.do_it("PUT", "/photos?acl", &[("x-amz-acl", "public-read")], "").expect(200);
    assert_eq!(session.stranger("GET", "/photos"), "200");
    assert_eq!(set(&ownership("BucketOwnerEnforced")), "InvalidBucketAclWithObjectOwnership");
    shown("BucketOwnerPreferred");
    session.do_it("PUT", "/photos?acl", &[("x-amz-acl", "private")], "").expect(200);
    assert_eq!(set(&ownership("BucketOwnerEnforced")), "200");
    session.do_it("DELETE", "/photos?ownershipControls", &[], "").expect(204);
    assert_eq!(session.code_of("GET", "/photos?ownershipControls", &[], ""), "OwnershipControlsNotFoundError");
    assert_eq!(session.code_of("PUT", "/photos?acl", &[("x-amz-acl", "public-read")], ""), "200");
    assert_eq!(session.code_of("PUT", "/absent?ownershipControls", &[], &ownership("ObjectWriter")), "NoSuchBucket");
    assert_eq!(session.code_of("GET", "/absent?ownershipControls", &[], ""), "NoSuchBucket");
    let made = [("x-amz-object-ownership", "Nobody")];
    assert_eq!(session.code_of("PUT", "/films", &made, ""), "InvalidArgument");
}

#[test]
fn documents_and_headers_say_who_may_do_what() {
    let session = Session::start();
    session.bucket_with_acls("photos", "public-read-write");
    let [read, write] = ["READ", "WRITE"].map(|permission| format!("{ALL_USERS} {permission}"));
    assert_eq!(session.grants("/photos"), [owners(), read.clone(), write]);
    session.do_it("PUT", "/photos/cat", &[], "meow").expect(200);
    let more = [
        ("CanonicalUser", ACCOUNT, "FULL_CONTROL"),
        ("CanonicalUser", ANONYMOUS, "READ_ACP"),
        ("Group", AUTHENTICATED, "WRITE_ACP"),
    ];
    session.do_it("PUT", "/photos/cat?acl", &[], &document(ACCOUNT, &more)).expect(200);
    let expected = [owners(), format!("{ANONYMOUS} READ_ACP"), format!("{AUTHENTICATED} WRITE_ACP")];
    let got = session.do_it("GET", "/photos/cat?acl", &[], "").expect(200);
    assert_eq!(grants(&got.xml()), expected);
    assert_eq!(got.xml().get("Owner/DisplayName"), "weir");
    // What is got can be put.
    session.do_it("PUT", "/photos/cat?acl", &[], &got.text()).expect(200);
    assert_eq!(session.grants("/photos/cat"), expected);
    assert_eq!(grants(&session.s3(None, "GET", "/photos/cat?acl", "").expect(200).xml()), expected);
    let uri = format!("uri=\"{ALL_USERS}\"");
    let headers = [("x-amz-grant-read", uri.as_str()), ("x-amz-grant-full-control", &format!("id={ACCOUNT}"))];
    session.do_it("PUT", "/photos/cat?acl", &headers, "").expect(200);
    assert_eq!(session.grants("/photos/cat"), [owners(), read]);
    session.do_it("PUT", "/photos/cat?acl", &[], &document(ACCOUNT, &[])).expect(200);
    assert_eq!(session.grants("/photos/cat"), [""; 0]);
    for (target, headers, body, expected) in [
        ("/photos/cat?acl", &[][..], "", "MissingSecurityHeader"),
        ("/photos/cat?acl", &[], "<x/>", "MalformedACLError"),
        ("/photos/cat?acl", &[], &document(ANONYMOUS, &[]), "AccessDenied"),
        ("/photos/cat?acl", &[], &document(ACCOUNT, &[("CanonicalUser", "ab", "READ")]), "InvalidArgument"),
        ("/photos/cat?acl", &[], &document(ACCOUNT, &vec![more[0]; 101]), "MalformedACLError"),
        ("/photos/cat?acl", &[("x-amz-acl", "private")], &document(ACCOUNT, &[]), "UnexpectedContent"),
        ("/photos/cat?acl", &[("x-amz-acl", "private"), headers[0]], "", "InvalidRequest"),
        ("/photos/cat?acl", &[("x-amz-acl", "log-delivery-write")], "", "InvalidArgument"),
        ("/photos/cat?acl", &[("x-amz-acl", "aws-exec-read")], "", "NotImplemented"),
        ("/photos/cat?acl", &[("x-amz-grant-read", "emailAddress=a@b.c")], "", "UnresolvableGrantByEmailAddress"),
        ("/photos/absent?acl", &[("x-amz-acl", "private")], "", "NoSuchKey"),
        ("/absent?acl", &[("x-amz-acl", "private")], "", "NoSuchBucket"),
        ("/photos?acl", &[], &document(ANONYMOUS, &[]), "AccessDenied"),
    ] {
        assert_eq!(session.code_of("PUT", target, headers, body), expected, "{target} {headers:?} {body}");
    }
    assert_eq!(session.grants("/photos/cat"), [""; 0], "what was refused changed nothing");
    let most = document(ACCOUNT, &vec![more[0]; 100]);
    assert_eq!(session.code_of("PUT", "/photos/cat?acl", &[], &most), "200");
    session.do_it("PUT", "/photos?acl", &[("x-amz-acl", "log-delivery-write")], "").expect(200);
    assert_eq!(session.grants("/photos").len(), 3);
}

#[test]
fn an_upload_keeps_its_acl_and_a_copy_does_not_take_the_sources() {
    let mut session = Session::start();
    session.bucket_with_acls("photos", "private");
    let public = ("x-amz-acl", "public-read");
    let begun = session.do_it("POST", "/photos/film?uploads", &[public], "").expect(200).text();
    let upload = between(&begun, "UploadId");
    let part = session.do_it("PUT", &format!("/photos/film?partNumber=1&uploadId={upload}"), &[], "reel").expect(200);
    session.server.kill9();
    session.server.restart();
    let complete = format!(
        "<CompleteMultipartUpload><Part><PartNumber>1</PartNumber><ETag>{}</ETag></Part></CompleteMultipartUpload>",
        part.must("etag")
    );
    session.do_it("POST", &format!("/photos/film?uploadId={upload}"), &[], &complete).expect(200);
    assert_eq!(session.s3(None, "GET", "/photos/film", "").expect(200).text(), "reel");
    let source = ("x-amz-copy-source", "/photos/film");
    session.do_it("PUT", "/photos/copy", &[source], "").expect(200);
    assert_eq!(session.grants("/photos/copy"), [owners()]);
    assert_eq!(session.stranger("GET", "/photos/copy"), "AccessDenied");
    session.do_it("PUT", "/photos/copy", &[source, public], "").expect(200);
    assert_eq!(session.stranger("GET", "/photos/copy"), "200");
    let form = Form::new().fields(&[("key", "form"), ("acl", "public-read")]).file("f", "filled in").body();
    let post = session.server.client();
    session.do_it("PUT", "/photos?acl", &[("x-amz-acl", "public-read-write")], "").expect(200);
    let answer = post.request("POST", "/photos").header("content-type", &content_type()).body(form).send();
    assert_eq!(code(&answer), "204");
    assert_eq!(session.s3(None, "GET", "/photos/form", "").expect(200).text(), "filled in");
    assert_eq!(session.grants("/photos/form"), [format!("{ANONYMOUS} FULL_CONTROL"), format!("{ALL_USERS} READ")]);
}

#[test]
fn public_acls_are_refused_where_they_are_blocked() {
    let session = Session::start();
    session.bucket_with_acls("photos", "private");
    session.do_it("PUT", "/photos/cat", &[], "meow").expect(200);
    session.do_it("PUT", "/photos?publicAccessBlock", &[], &block("BlockPublicAcls")).expect(200);
    let source = ("x-amz-copy-source", "/photos/cat");
    for acl in ["public-read", "public-read-write", "authenticated-read"] {
        for (method, target, more) in [
            ("PUT", "/photos?acl", None),
            ("PUT", "/photos/cat?acl", None),
            ("PUT", "/photos/dog", None),
            ("PUT", "/photos/dog", Some(source)),
            ("POST", "/photos/dog?uploads", None),
        ] {
            let headers: Vec<_> = [("x-amz-acl", acl)].into_iter().chain(more).collect();
            assert_eq!(session.code_of(method, target, &headers, ""), "AccessDenied", "{method} {target} {acl}");
        }
    }
    let everyone = document(ACCOUNT, &[("Group", ALL_USERS, "WRITE_ACP")]);
    assert_eq!(session.code_of("PUT", "/photos/cat?acl", &[], &everyone), "AccessDenied");
    assert_eq!(session.code_of("PUT", "/photos/cat?acl", &[("x-amz-acl", "private")], ""), "200");
    assert_eq!(session.code_of("GET", "/photos/dog", &[], ""), "NoSuchKey");
}

#[test]
fn whom_a_group_lets_in_and_what_denies_all_the_same() {
    let session = Session::start();
    session.bucket_with_acls("photos", "private");
    session.do_it("PUT", "/photos/all", &[("x-amz-acl", "public-read")], "all").expect(200);
    session.do_it("PUT", "/photos/keys", &[("x-amz-acl", "authenticated-read")], "keys").expect(200);
    session.do_it("PUT", "/photos/own", &[("x-amz-acl", "bucket-owner-full-control")], "own").expect(200);
    let may = |keys: Option<&Keys>| {
        ["all", "keys", "own"].map(|key| session.s3(keys, "GET", &format!("/photos/{key}"), "").status == 200)
    };
    let alice = session.user("alice");
    assert_eq!(may(None), [true, false, false]);
    assert_eq!(may(Some(&alice)), [true, true, false], "the account's grants are not her own");
    let denial = r#"{"Statement":{"Effect":"Deny","Action":"s3:GetObject","Resource":"arn:aws:s3:::photos/*"}}"#;
    session.iam(&format!("Action=PutUserPolicy&UserName=alice&PolicyName=deny&PolicyDocument={}", encoded(denial)));
    assert_eq!(may(Some(&alice)), [false; 3]);
    session.iam("Action=DeleteUserPolicy&UserName=alice&PolicyName=deny");
    // A boundary that does not say so keeps her from what is for everyone with a key.
    session.iam(
        "Action=PutUserPermissionsBoundary&UserName=alice\
         &PermissionsBoundary=arn:aws:iam::aws:policy/IAMFullAccess",
    );
    assert_eq!(may(Some(&alice)), [true, false, false]);
    let shut =
        r#"{"Statement":{"Effect":"Deny","Principal":"*","Action":"s3:GetObject","Resource":"arn:aws:s3:::photos/*"}}"#;
    session.do_it("PUT", "/photos?policy", &[], shut).expect(204);
    assert_eq!(may(None), [false; 3]);
    assert_eq!(may(Some(&root())), [false; 3]);
}

#[test]
fn strangers_whom_write_lets_in_replace_and_delete_what_is_their_own() {
    let session = Session::start();
    session.bucket_with_acls("photos", "public-read-write");
    session.do_it("PUT", "/photos/cat", &[], "meow").expect(200);
    let stranger = |method: &str, target: &str, body: &str| code(&session.s3(None, method, target, body));
    assert_eq!(stranger("PUT", "/photos/cat", "woof"), "AccessDenied");
    assert_eq!(stranger("DELETE", "/photos/cat", ""), "AccessDenied");
    assert_eq!(session.do_it("GET", "/photos/cat", &[], "").text(), "meow");
    let begun = session.do_it("POST", "/photos/film?uploads", &[], "").expect(200).text();
    let upload = format!("/photos/film?uploadId={}", between(&begun, "UploadId"));
    for (method, target) in [
        ("POST", "/photos/mine?uploads"),
        ("PUT", &format!("{upload}&partNumber=1")),
        ("POST", &upload),
        ("DELETE", &upload),
        ("GET", &upload),
    ] {
        assert_eq!(stranger(method, target, "x"), "AccessDenied", "{method} {target}");
    }
    assert_eq!(stranger("DELETE", "/photos/absent", ""), "204");
    assert_eq!(stranger("PUT", "/photos/dog", "woof"), "200");
    assert_eq!(stranger("PUT", "/photos/dog", "wuff"), "200");
    assert_eq!(session.s3(None, "GET", "/photos/dog", "").expect(200).text(), "wuff");
    assert_eq!(session.s3(None, "GET", "/photos", "").expect(200).xml().texts("Contents", "Key"), ["cat", "dog"]);
    let listed = session.do_it("GET", "/photos?list-type=2&fetch-owner=true", &[], "").expect(200).text();
    assert!(listed.contains(ANONYMOUS), "{listed}");
    let given = [("x-amz-acl", "bucket-owner-full-control")];
    assert_eq!(code(&session.s3_with(None, "PUT", "/photos/dog", &given, "yap")), "200");
    assert_eq!(session.grants("/photos/dog"), [format!("{ANONYMOUS} FULL_CONTROL"), format!("{ACCOUNT} FULL_CONTROL")]);
    session.do_it("PUT", "/photos?ownershipControls", &[], &ownership("BucketOwnerPreferred")).expect(200);
    assert_eq!(code(&session.s3_with(None, "PUT", "/photos/fox", &given, "yip")), "200");
    assert_eq!(session.grants("/photos/fox"), [owners()]);
    assert_eq!(stranger("PUT", "/photos/fox", "mine?"), "AccessDenied");
    assert_eq!(stranger("DELETE", "/photos/dog", ""), "204");
    let policy = [("Group", ALL_USERS, "FULL_CONTROL")];
    session.do_it("PUT", "/photos?acl", &[], &document(ACCOUNT, &policy)).expect(200);
    assert_eq!(stranger("GET", "/photos?acl", ""), "200");
    assert_eq!(code(&session.s3_with(None, "PUT", "/photos?acl", &[("x-amz-acl", "private")], "")), "200");
    assert_eq!(stranger("GET", "/photos?acl", ""), "AccessDenied");
    assert_eq!(stranger("GET", "/photos?policy", ""), "AccessDenied");
}

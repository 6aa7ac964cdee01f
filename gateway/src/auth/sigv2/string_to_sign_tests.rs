use super::*;
use crate::auth::testing::Vector;

fn text(block: &str, dated: Dated<'_>) -> Result<String, S3Error> {
    let vector = Vector::all(block).remove(0);
    string_to_sign(&vector.head(), &vector.parsed_query(), dated).map(|text| String::from_utf8(text).unwrap())
}

#[test]
fn headers_are_sorted_joined_and_trimmed() {
    let block = "# put\nPUT /b/k\nX-Amz-Meta-B:  2  3 \nx-amz-meta-a: 1\nx-amz-meta-a: é\nx-amz-acl: private\n\
                 Date: d\nContent-Type: text/plain; name=é\nContent-MD5: m\nHost: h";
    assert_eq!(
        text(block, Dated::ByHeader).unwrap(),
        "PUT\nm\ntext/plain; name=é\nd\nx-amz-acl:private\nx-amz-meta-a:1,é\nx-amz-meta-b:2  3\n"
    );
    assert_eq!(text("# get\nGET /", Dated::ByHeader).unwrap(), "GET\n\n\n\n");
    assert!(text("# put\nPUT /\nContent-Type: a\nContent-Type: b", Dated::ByHeader).is_err());
}

#[test]
fn presigned_headers_are_signed_wherever_they_stand() {
    let block = "# put\nPUT /b/k?x-amz-acl=private&X-Amz-Meta-B=2+3&x-amz-meta-a=query\nDate: d\nx-amz-meta-a: header";
    assert_eq!(
        text(block, Dated::Expires("1175139620")).unwrap(),
        "PUT\n\n\n1175139620\nx-amz-acl:private\nx-amz-meta-a:header\nx-amz-meta-b:2 3\n"
    );
    // A signature in the header is not of a presigned request.
    assert_eq!(text(block, Dated::ByHeader).unwrap(), "PUT\n\n\nd\nx-amz-meta-a:header\n");
}

#[test]
fn nothing_can_be_moved_from_line_to_line() {
    for query in ["x-amz-a=1%0A/b/k", "x-amz-a%0A=1", "x-amz-a:b=1", "x-amz-=%00", "x-amz-%C3%A9=1"] {
        let error = text(&format!("# get\nGET /b/k?{query}"), Dated::Expires("1")).unwrap_err();
        assert_eq!(error.code(), crate::error::ErrorCode::InvalidArgument, "{query}");
    }
    let query = Query::parse("response-content-type=a%0Ab").unwrap();
    assert!(Naming::default().resources("/b/k", &query).is_err());
}

#[test]
fn what_chooses_an_operation_is_part_of_the_resource() {
    for (query, parameters) in [
        ("", ""),
        ("prefix=a&max-keys=2&list-type=2&x-id=x", ""),
        ("acl", "?acl"),
        ("acl=", "?acl"),
        ("uploadId=7&partNumber=2", "?partNumber=2&uploadId=7"),
        ("versions&prefix=a", "?versions"),
        ("publicAccessBlock", "?publicAccessBlock"),
        ("legal-hold&versionId=null", "?legal-hold&versionId=null"),
        ("response-content-disposition=a%3B%20b%2Bc&Signature=x", "?response-content-disposition=a; b+c"),
    ] {
        let resources = Naming::default().resources("/b/k", &Query::parse(query).unwrap()).unwrap();
        assert_eq!(resources, [format!("/b/k{parameters}")], "{query}");
    }
}

#[test]
fn a_resource_names_the_bucket_with_the_base_path_or_without() {
    let resources = |path, host_bucket, base_path| {
        let naming = Naming { host_bucket, base_path };
        naming.resources(path, &Query::parse("acl").unwrap()).unwrap()
    };
    let base_path = "/api/v1/s3";
    for (path, host_bucket, expected) in [
        ("/", None, &["/?acl"][..]),
        ("/b", None, &["/b?acl", "/b/?acl"]),
        ("/b/", None, &["/b/?acl"]),
        ("/b/%c3%a9", None, &["/b/%c3%a9?acl"]),
        ("/k", Some("b.c"), &["/b.c/k?acl"]),
        ("/", Some("b"), &["/b/?acl"]),
        ("/api/v1/s3/k", Some("b"), &["/b/api/v1/s3/k?acl"]),
        ("/api/v1/s3/b/k", None, &["/api/v1/s3/b/k?acl", "/b/k?acl"]),
        ("/api/v1/s3/b", None, &["/api/v1/s3/b?acl", "/api/v1/s3/b/?acl", "/b?acl", "/b/?acl"]),
        ("/api/v1/s3/b/", None, &["/api/v1/s3/b/?acl", "/b/?acl"]),
        ("/api/v1/s3", None, &["/api/v1/s3?acl", "/?acl"]),
        ("/api/v1/s3/", None, &["/api/v1/s3/?acl", "/?acl"]),
    ] {
        let resources = resources(path, host_bucket, if path.starts_with(base_path) { base_path } else { "" });
        assert_eq!(resources, expected, "{path}");
    }
}

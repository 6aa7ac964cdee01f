//! Forms that are broken, outside of their policy, or made to hurt: refused, and nothing is stored.
//! <https://docs.aws.amazon.com/AmazonS3/latest/API/sigv4-HTTPPOSTConstructPolicy.html>

use std::time::Duration;
use weir_tests::form::{BOUNDARY, content_type, policy, policy_until, post};
use weir_tests::{Answer, Client, Form, Server, eventually, noise};

const MIB: usize = 1 << 20;

/// Nothing is in the bucket.
#[track_caller]
pub fn assert_empty(client: &Client, bucket: &str) {
    let keys = client.get(&format!("{bucket}?list-type=2")).expect(200).xml().texts("Contents", "Key");
    assert_eq!(keys, [""; 0], "something was stored");
}

/// Posts what must be refused, and looks whether anything came of it.
#[track_caller]
pub fn refused(client: &Client, bucket: &str, form: &Form, status: u16, code: &str) -> Answer {
    let answer = form.post(client, bucket).expect_error(status, code);
    assert_empty(client, bucket);
    answer
}

/// What a policy for a bucket names whatever else it allows.
pub fn conditions(bucket: &str, more: &str) -> String {
    format!("{{\"bucket\": \"{}\"}}, [\"starts-with\", \"$key\", \"user/eric/\"]{more}", bucket.trim_start_matches('/'))
}

#[test]
fn a_form_outside_of_its_policy_is_denied() {
    let server = Server::shared();
    let client = server.client();
    let bucket = client.bucket("post-denied");
    let with = |fields: &[(&str, &str)], policy: String| {
        Form::new().fields(fields).field("policy", policy).file("f", "some bytes")
    };
    let key = [("key", "user/eric/a")];
    let plain = || policy(&conditions(&bucket, ""));
    let denied = [
        ("a key elsewhere", with(&[("key", "user/mary/a")], plain())),
        ("a key that is not quite there", with(&[("key", "user/eric")], plain())),
        ("a key that gets there by its file's name", {
            let form = Form::new().field("key", "${filename}").field("policy", plain());
            form.file("user/eric/a", "x")
        }),
        ("a field that is not named", with(&[key[0], ("acl", "private")], plain())),
        ("metadata that is not named", with(&[key[0], ("x-amz-meta-a", "b")], plain())),
        ("a redirect that is not named", with(&[key[0], ("success_action_redirect", "http://evil/")], plain())),
        ("a checksum that is not named", with(&[key[0], ("x-amz-checksum-crc32", "AAAAAA==")], plain())),
        ("a token that is not named", with(&[key[0], ("x-amz-security-token", "t")], plain())),
        ("another bucket", with(&[key[0], ("bucket", "post-policy")], plain())),
        ("a policy of another bucket", with(&key, policy(&conditions("elsewhere", "")))),
        ("a policy of no bucket", with(&key, policy("[\"starts-with\", \"$key\", \"\"]"))),
        ("a policy of no key", with(&key, policy("{\"bucket\": \"post-denied\"}"))),
        ("another value", with(&[key[0], ("acl", "private")], policy(&conditions(&bucket, ", {\"acl\": \"x\"}")))),
        ("a value that is absent", with(&key, policy(&conditions(&bucket, ", {\"acl\": \"private\"}")))),
        (
            "one type of a list",
            with(
                &[key[0], ("content-type", "image/jpeg,text/html")],
                policy(&conditions(&bucket, ", [\"starts-with\", \"$content-type\", \"image/\"]")),
            ),
        ),
        ("yesterday's policy", with(&key, policy_until("2020-01-01T00:00:00Z", &conditions(&bucket, "")))),
    ];
    for (what, form) in denied {
        let answer = form.post(&client, &bucket);
        assert_eq!((answer.status, answer.code().as_str()), (403, "AccessDenied"), "{what}: {answer}");
        assert_empty(&client, &bucket);
    }
    // Without a policy, too, a form goes nowhere but where it says.
    let elsewhere = Form::new().fields(&[("key", "k"), ("bucket", "post-policy")]).file("f", "x");
    refused(&client, &bucket, &elsewhere, 403, "AccessDenied");
}

#[test]
fn a_file_outside_of_its_range_is_refused() {
    let server = Server::shared();
    let client = server.client();
    let bucket = client.bucket("post-range");
    let sized = |range: &str, size: usize| {
        let more = format!(", [\"content-length-range\", {range}]");
        let form = Form::new().field("key", "user/eric/a").field("policy", policy(&conditions(&bucket, &more)));
        form.file("f", noise(3, size))
    };
    let large = refused(&client, &bucket, &sized("5, 10", 11), 400, "EntityTooLarge");
    assert_eq!(large.xml().get("MaxSizeAllowed"), "10");
    let small = refused(&client, &bucket, &sized("5, 10", 4), 400, "EntityTooSmall");
    assert_eq!((small.xml().get("MinSizeAllowed"), small.xml().get("ProposedSize")), ("5", "4"));
    refused(&client, &bucket, &sized("1, 10", 0), 400, "EntityTooSmall");
    refused(&client, &bucket, &sized("0, 0", 1), 400, "EntityTooLarge");
    refused(&client, &bucket, &sized("0, 10", 3 * MIB), 400, "EntityTooLarge");
    refused(&client, &bucket, &sized("2097152, 2097152", 2 * MIB + 1), 400, "EntityTooLarge");
    refused(&client, &bucket, &sized("2097152, 2097152", 2 * MIB - 1), 400, "EntityTooSmall");
    refused(&client, &bucket, &sized("10, 5", 7), 400, "EntityTooLarge");
    sized("2097152, 2097152", 2 * MIB).post(&client, &bucket).expect(204);
}

#[test]
fn a_file_that_is_too_large_is_refused_as_soon_as_that_is_known() {
    let server = Server::start_with("[gateway]\nput_max_bytes = 5242880");
    let client = server.client();
    let bucket = client.bucket("post-early");
    let begun = Form::new().field("key", "k").file("f", noise(1, 1000)).unfinished();
    let head = |length: &str| {
        let request = client.request("POST", &bucket).header("content-type", &content_type());
        request.without_length().headers(&[length.split_once(": ").unwrap()]).head_bytes()
    };
    // The declared length tells.
    let mut connection = server.connect();
    connection.send(&[head("content-length: 1073741824"), begun.clone()].concat()).unwrap();
    connection.read_answer("POST").unwrap().expect_error(400, "EntityTooLarge");
    // Nothing tells but what has come.
    let mut connection = server.connect();
    let chunk = |data: &[u8]| [format!("{:x}\r\n", data.len()).as_bytes(), data, b"\r\n"].concat();
    connection.send(&[head("transfer-encoding: chunked"), chunk(&begun)].concat()).unwrap();
    for _ in 0..6 {
        connection.send(&chunk(&noise(2, MIB))).unwrap();
    }
    connection.read_answer("POST").unwrap().expect_error(400, "EntityTooLarge");
    assert_empty(&client, &bucket);
}

#[test]
fn a_policy_that_is_none_is_refused() {
    let server = Server::shared();
    let client = server.client();
    let bucket = client.bucket("post-no-policy");
    let right = conditions(&bucket, "");
    for (what, policy) in [
        ("nothing", String::new()),
        ("no base64", "{}".to_owned()),
        ("base64 of nothing", policy("]").replace('=', "!")),
        ("no date", policy_until("tomorrow", &right)),
        ("an offset", policy_until("2099-12-31T23:59:59+02:00", &right)),
        ("an unknown condition", policy(&format!("{right}, [\"ends-with\", \"$key\", \"a\"]"))),
        ("an empty condition", policy(&format!("{right}, {{}}"))),
        ("half a range", policy(&format!("{right}, [\"content-length-range\", 0]"))),
        ("a negative range", policy(&format!("{right}, [\"content-length-range\", -1, 0]"))),
        ("a trailing comma", policy(&format!("{right},"))),
    ] {
        let form = Form::new().field("key", "user/eric/a").field("policy", policy).file("f", "x");
        let answer = form.post(&client, &bucket);
        assert_eq!((answer.status, answer.code().as_str()), (400, "InvalidPolicyDocument"), "{what}: {answer}");
        assert_empty(&client, &bucket);
    }
}

#[test]
fn a_form_that_is_broken_stores_nothing() {
    let server = Server::shared();
    let client = server.client();
    let bucket = client.bucket("post-broken");
    let form = || Form::new().field("key", "k");
    let malformed = [
        ("a field twice", form().field("KEY", "l").file("f", "x")),
        ("the policy twice", form().field("policy", "a").field("Policy", "b").file("f", "x")),
        ("a file before its policy", form().file("f", "x").field("policy", policy(""))),
        ("a file before its signature", form().file("f", "x").field("X-Amz-Signature", "s")),
        ("a part without a name", form().part(b"Content-Disposition: form-data\r\n", b"v").file("f", "x")),
        ("a part without headers", form().part(b"", b"v").file("f", "x")),
        ("a name that is not UTF-8", {
            form().part(b"Content-Disposition: form-data; name=\"\xFF\xC3\"\r\n", b"v").file("f", "x")
        }),
        ("a file's name that is not UTF-8", {
            form().part(b"Content-Disposition: form-data; name=\"file\"; filename=\"\xFF\"\r\n", b"v")
        }),
        ("a value that is not UTF-8", form().field("x-amz-meta-a", b"\xFF").file("f", "x")),
        ("a line that is no header", form().part(b"no header\r\n", b"v").file("f", "x")),
        ("a null byte in a header", form().part(b"X: \0\r\n", b"v").file("f", "x")),
        ("a bare line feed in a header", form().part(b"X: a\nY: b\r\n", b"v").file("f", "x")),
        ("a folded header", form().part(b"X: a\r\n b\r\n", b"v").file("f", "x")),
        ("an encoded file", {
            let head = b"Content-Disposition: form-data; name=\"file\"\r\nContent-Transfer-Encoding: base64\r\n";
            form().part(head, b"eA==")
        }),
    ];
    for (what, form) in malformed {
        let answer = form.post(&client, &bucket);
        assert_eq!((answer.status, answer.code().as_str()), (400, "MalformedPOSTRequest"), "{what}: {answer}");
        assert_empty(&client, &bucket);
    }
    refused(&client, &bucket, &Form::new().file("f", "x").field("key", "k"), 400, "UserKeyMustBeSpecified");
    let several = "IncorrectNumberOfFilesInPostRequest";
    refused(&client, &bucket, &form(), 400, several);
    refused(&client, &bucket, &form().field("photo", "x"), 400, several);
    refused(&client, &bucket, &form().file("f", "x").file("g", "y"), 400, several);
    refused(&client, &bucket, &form().file("f", noise(1, MIB)).file("g", noise(2, MIB)), 400, several);
    server.assert_alive();
}

#[test]
fn fields_without_end_are_refused_and_hold_no_memory() {
    let server = Server::start();
    let client = server.client();
    let bucket = client.bucket("post-endless");
    let too_long = "MaxPostPreDataLengthExceededError";
    let form = || Form::new().field("key", "k");
    let before = server.peak_rss_bytes();
    for size in [20 << 10, MIB, 32 * MIB] {
        let value = noise(1, size);
        refused(&client, &bucket, &form().field("x-amz-meta-a", &value).file("f", "x"), 400, too_long);
        let head = [b"X-A: ", &vec![b'h'; size][..], b"\r\n"].concat();
        refused(&client, &bucket, &form().part(&head, b"v").file("f", "x"), 400, too_long);
        let preamble = [value, form().file("f", "x").body()].concat();
        post(&client, &bucket, &content_type(), preamble).expect_error(400, too_long);
    }
    let many = (0..2000).fold(form(), |form, number| form.field(&format!("x-ignore-{number}"), ""));
    refused(&client, &bucket, &many.file("f", "x"), 400, "MalformedPOSTRequest");
    let lines = b"A: b\r\n".repeat(100_000);
    refused(&client, &bucket, &form().part(&lines, b"v").file("f", "x"), 400, too_long);
    let names = form().field("x-amz-meta-a", "${filename}".repeat(900)).file(&"n".repeat(9000), "x");
    refused(&client, &bucket, &names, 400, too_long);
    let grown = server.peak_rss_bytes().saturating_sub(before);
    assert!(grown < 24 << 20, "{grown} bytes more than before");
    server.assert_alive();
}

#[test]
fn a_request_that_is_no_form_is_refused() {
    let server = Server::shared();
    let client = server.client();
    let bucket = client.bucket("post-no-form");
    let form = Form::new().field("key", "k").file("f", "x");
    for wrong in ["text/plain", "application/x-www-form-urlencoded", "multipart/mixed; boundary=b", ""] {
        post(&client, &bucket, wrong, form.body()).expect_error(400, "RequestIsNotMultiPartContent");
    }
    client.post(&bucket, form.body()).expect_error(400, "RequestIsNotMultiPartContent");
    let long = format!("multipart/form-data; boundary={}", "b".repeat(71));
    for wrong in ["multipart/form-data", "multipart/form-data; boundary=", "multipart/form-data; boundary=other", &long]
    {
        post(&client, &bucket, wrong, form.body()).expect_error(400, "MalformedPOSTRequest");
    }
    post(&client, &bucket, &content_type(), Vec::new()).expect_error(400, "MalformedPOSTRequest");
    post(&client, &bucket, &content_type(), b"hello".to_vec()).expect_error(400, "MalformedPOSTRequest");
    let query = client.request("POST", &format!("{bucket}?nonsense")).header("content-type", &content_type());
    query.body(form.body()).send().expect_error(501, "NotImplemented");
    assert_empty(&client, &bucket);
}

#[test]
fn a_form_that_was_cut_off_stores_nothing() {
    let server = Server::shared();
    let client = server.client();
    let bucket = client.bucket("post-cut");
    let whole = Form::new().field("key", "k").file("f", noise(5, 2 * MIB)).body();
    let boundary_at = whole.len() - BOUNDARY.len() - 8;
    // The request is whole, the form in it is not.
    for length in [10, 100, MIB, boundary_at, boundary_at + 4, whole.len() - 4, whole.len() - 3] {
        let cut = post(&client, &bucket, &content_type(), whole[..length].to_vec());
        cut.expect_error(400, "MalformedPOSTRequest");
        assert_empty(&client, &bucket);
    }
    // The connection breaks.
    for length in [10, 100, MIB, boundary_at, whole.len() - 4] {
        let request = client.request("POST", &bucket).header("content-type", &content_type()).body(whole.clone());
        let mut connection = server.connect();
        connection.send(&[request.head_bytes(), whole[..length].to_vec()].concat()).unwrap();
    }
    let other = client.bucket("post-cut-after");
    eventually(10, "the server is done with what was cut off", || {
        server.metric("weir_gateway_requests_in_flight") < 2.0
    });
    Form::new().field("key", "k").file("f", "x").post(&client, &other).expect(204);
    std::thread::sleep(Duration::from_millis(100));
    assert_empty(&client, &bucket);
    server.assert_alive();
}

#[test]
fn fields_that_can_not_be_obeyed_are_refused() {
    let server = Server::shared();
    let client = server.client();
    let bucket = client.bucket("post-unserved");
    let form = |name: &str, value: &str| Form::new().field("key", "k").field(name, value).file("f", "x");
    refused(&client, &bucket, &form("x-amz-server-side-encryption", "AES256"), 501, "NotImplemented");
    refused(&client, &bucket, &form("x-amz-website-redirect-location", "/x"), 501, "NotImplemented");
    refused(&client, &bucket, &form("x-amz-storage-class", "FakeClass"), 400, "InvalidStorageClass");
    refused(&client, &bucket, &form("acl", "nonsense"), 400, "InvalidArgument");
    refused(&client, &bucket, &form("tagging", "not-xml"), 400, "MalformedXML");
    refused(&client, &bucket, &form("x-amz-meta-a", &"v".repeat(2049)), 400, "MetadataTooLarge");
    refused(&client, &bucket, &form("x-amz-meta-a", "line\nline"), 400, "InvalidArgument");
    let tag = "<Tag><Key>a</Key><Value>1</Value></Tag>";
    let twice = format!("<Tagging><TagSet>{tag}{tag}</TagSet></Tagging>");
    refused(&client, &bucket, &form("tagging", &twice), 400, "InvalidTag");
}

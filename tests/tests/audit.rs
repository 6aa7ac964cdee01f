//! The audit log: a line for each request, whatever became of it, and no secrets.

use serde_json::Value;
use std::fs;
use std::os::unix::fs::PermissionsExt as _;
use std::path::PathBuf;
use weir_tests::form::policy;
use weir_tests::{Form, Server, eventually, noise};

const MIB: usize = 1 << 20;

fn server() -> Server {
    Server::start_with("[gateway]\naudit_log = \"audit.log\"\nbody_idle_timeout_ms = 2000\n")
}

pub fn path_of_log(server: &Server) -> PathBuf {
    server.data().with_file_name("audit.log")
}

/// The lines of requests about this bucket, once there are `count` of them.
fn lines_about(server: &Server, bucket: &str, count: usize) -> Vec<Value> {
    lines_that(server, count, |line| line["bucket"] == bucket)
}

/// The lines that are asked for, once there are `count` of them.
pub fn lines_that(server: &Server, count: usize, is_asked_for: impl Fn(&Value) -> bool) -> Vec<Value> {
    let mut lines = Vec::new();
    eventually(10, "each request has its line", || {
        let text = fs::read_to_string(path_of_log(server)).unwrap();
        let parsed = text.lines().map(|line| serde_json::from_str::<Value>(line).expect(line));
        lines = parsed.filter(&is_asked_for).collect();
        assert!(lines.len() <= count, "{lines:?}");
        lines.len() == count
    });
    lines
}

#[test]
fn each_request_has_a_line_with_what_came_of_it() {
    let server = server();
    let client = server.client();
    client.bucket("photos");
    let put = client.request("PUT", "/photos/a%20b%0A").header("user-agent", "curl/8 \"x\"").body("hello").send();
    client.get("/photos/a%20b%0A?versionId=null").expect(200);
    client.request("GET", "/photos/a%20b%0A").header("range", "bytes=1-2").send().expect(206);
    client.get("/photos/none").expect(404);
    client.get("/photos?list-type=2").expect(200);
    Form::new().field("key", "by-form").file("f", "content").post(&client, "/photos").expect(204);
    client.request("PUT", "/photos/a").header("x-amz-storage-class", "FROZEN").body("x").send().expect(400);
    let lines = lines_about(&server, "photos", 8);

    let first = &lines[1];
    assert_eq!(first["request_id"], put.must("x-amz-request-id"));
    assert_eq!(first["key"], "a b\\x0A");
    assert_eq!(first["user_agent"], "curl/8 \"x\"");
    assert_eq!(first["host"], server.address().to_string());
    assert!(first["peer"].as_str().unwrap().starts_with("127.0.0.1:"), "{first}");
    assert_eq!(first["secure"], false);
    assert!(first["time"].as_str().unwrap().ends_with('Z'));
    assert!(first["duration_us"].as_u64() >= first["first_byte_us"].as_u64());
    let told = |index: usize, member: &str| lines[index][member].to_string();
    for (index, operation, status, error, received, sent) in [
        (0, "CreateBucket", 200, Value::Null, 0, 0),
        (1, "PutObject", 200, Value::Null, 5, 0),
        (2, "GetObject", 200, Value::Null, 0, 5),
        (3, "GetObject", 206, Value::Null, 0, 2),
    ] {
        let line = &lines[index];
        assert_eq!((&line["operation"], &line["status"], &line["error"]), (&operation.into(), &status.into(), &error));
        assert_eq!((&line["received_bytes"], &line["sent_bytes"]), (&received.into(), &sent.into()), "{line}");
        assert_eq!(line["complete"], true, "{line}");
        assert_eq!(line["identity"], "arn:aws:iam::000000000000:root");
    }
    assert_eq!((told(2, "version_id"), told(3, "version_id")), ("\"null\"".into(), "null".into()));
    assert_eq!((told(4, "status"), told(4, "error")), ("404".into(), "\"NoSuchKey\"".into()));
    assert_eq!((told(5, "operation"), told(5, "key")), ("\"ListObjectsV2\"".into(), "null".into()));
    assert_eq!((told(6, "operation"), told(6, "key")), ("\"PostObject\"".into(), "\"by-form\"".into()));
    assert_eq!(told(6, "action"), "\"s3:PutObject\"");
    assert_eq!((told(7, "status"), told(7, "error")), ("400".into(), "\"InvalidStorageClass\"".into()));
    let mode = fs::metadata(path_of_log(&server)).unwrap().permissions().mode();
    assert_eq!(mode & 0o777, 0o600);
}

#[test]
fn a_request_that_is_not_understood_has_a_line_too() {
    let mut server = server();
    let client = server.client();
    client.get("/%zz").expect(400);
    client.request("GET", "/").header("host", "second").send().expect(400);
    client.get("/Not_A_Bucket/k").expect(400);
    server.stop();
    // Nothing that was answered is missing after an orderly end.
    let text = fs::read_to_string(path_of_log(&server)).unwrap();
    let lines: Vec<Value> = text.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    let refused: Vec<_> = lines.iter().filter(|line| line["status"] == 400).map(|line| &line["error"]).collect();
    assert_eq!(refused, ["InvalidURI", "InvalidRequest", "InvalidBucketName"]);
    assert!(lines.iter().filter(|line| line["status"] == 400).all(|line| line["operation"].is_null()));
}

#[test]
fn what_was_broken_off_is_told() {
    let server = server();
    let client = server.client();
    client.bucket("broken");
    client.put("/broken/large", noise(1, 32 * MIB)).expect(200);
    // An upload that stops in its middle.
    let request = client.request("PUT", "/broken/cut").body(noise(2, 2 * MIB));
    let mut connection = server.connect();
    connection.send(&[request.head_bytes(), noise(2, MIB)].concat()).unwrap();
    drop(connection);
    let lines = lines_about(&server, "broken", 3);
    assert_eq!((&lines[2]["key"], &lines[2]["error"]), (&"cut".into(), &"IncompleteBody".into()), "{}", lines[2]);
    assert_eq!(lines[2]["received_bytes"], MIB);
    // An answer of which only the beginning is read.
    let mut connection = server.connect();
    connection.send(&client.request("GET", "/broken/large").head_bytes()).unwrap();
    assert_eq!(connection.read_head().unwrap().status, 200);
    drop(connection);
    let lines = lines_about(&server, "broken", 4);
    assert_eq!((&lines[3]["status"], &lines[3]["complete"]), (&200.into(), &false.into()), "{}", lines[3]);
    assert!(lines[3]["sent_bytes"].as_u64().unwrap() < 32 << 20, "{}", lines[3]);
}

#[test]
fn a_copy_has_its_source_and_a_deletion_its_keys() {
    let server = server();
    let client = server.client();
    client.bucket("many");
    client.put("/many/a%20b", "x").expect(200);
    let copied = |path: &str, source: &str| client.request("PUT", path).header("x-amz-copy-source", source).send();
    copied("/many/copy", "/many/a%20b").expect(200);
    copied("/many/copy", "/other/none").expect(404);
    copied("/many/copy?partNumber=1&uploadId=7", "many/a%20b").expect(404);
    let objects = "<Object><Key>copy</Key></Object><Object><Key>a&#10;b</Key></Object>\
                   <Object><Key>c</Key><VersionId>old</VersionId></Object>";
    client.post("/many?delete", format!("<Delete>{objects}</Delete>")).expect(200);
    let long: String = (0..1000).map(|number| format!("<Object><Key>{number:0>1000}</Key></Object>")).collect();
    client.post("/many?delete", format!("<Delete>{long}</Delete>")).expect(200);
    let lines = lines_about(&server, "many", 7);
    let source = |index: usize| (&lines[index]["source_bucket"], &lines[index]["source_key"]);
    assert_eq!(source(1), (&Value::Null, &Value::Null));
    assert_eq!(source(2), (&"many".into(), &"a b".into()));
    assert_eq!((source(3), &lines[3]["error"]), ((&"other".into(), &"none".into()), &"NoSuchBucket".into()));
    assert_eq!((source(4), &lines[4]["action"]), ((&"many".into(), &"a b".into()), &"s3:PutObject".into()));
    let deletion = &lines[5];
    assert_eq!((&deletion["action"], &deletion["key_count"]), (&"s3:DeleteObject".into(), &3.into()), "{deletion}");
    assert_eq!(
        deletion["keys"],
        serde_json::json!([
            {"key": "copy", "version_id": null, "error": null},
            {"key": "a\\x0Ab", "version_id": null, "error": null},
            {"key": "c", "version_id": "old", "error": "NoSuchVersion"},
        ])
    );
    assert_eq!((&lines[6]["key_count"], lines[6]["keys"].as_array().unwrap().len()), (&1000.into(), 65));
}

/// All of these are made up, and none may be found in the log.
const SECRETS: [&str; 8] = [
    "SECRETSIGNATURE",
    "SECRETTOKEN",
    "SECRETPOLICY",
    "SECRETKEYOFACUSTOMER",
    "SECRETCOOKIE",
    "SECRETBEARER",
    "SECRETPASSWORD",
    "SECRETMETADATA",
];

#[test]
fn secrets_never_appear() {
    let server = server();
    let client = server.client();
    client.bucket("secrets");
    let v4_query = "X-Amz-Algorithm=AWS4-HMAC-SHA256&X-Amz-Credential=CLAIMEDKEY%2F20260101%2Fus-east-1%2Fs3%2F\
                    aws4_request&X-Amz-Date=20260101T000000Z&X-Amz-Expires=60&X-Amz-SignedHeaders=host&\
                    X-Amz-Security-Token=SECRETTOKEN&X-Amz-Signature=SECRETSIGNATURE";
    let v2_query = "AWSAccessKeyId=CLAIMEDKEY&Expires=2000000000&Signature=SECRETSIGNATURE";
    let authorizations = [
        "AWS4-HMAC-SHA256 Credential=CLAIMEDKEY/20260101/us-east-1/s3/aws4_request, SignedHeaders=host, \
         Signature=SECRETSIGNATURE",
        "AWS CLAIMEDKEY:SECRETSIGNATURE",
        "Bearer SECRETBEARER",
        "Basic SECRETPASSWORD",
    ];
    let mut count = 1;
    for path in ["/secrets/k", "/secrets/none", "/secrets"] {
        for query in [v4_query, v2_query, "x=%zz&X-Amz-Signature=SECRETSIGNATURE"] {
            client.get(&format!("{path}?{query}"));
            // A query that can't be read leads to no bucket.
            count += usize::from(!query.contains("%zz"));
        }
        for authorization in authorizations {
            let headers = [
                ("authorization", authorization),
                ("x-amz-security-token", "SECRETTOKEN"),
                ("x-amz-server-side-encryption-customer-key", "SECRETKEYOFACUSTOMER"),
                ("x-amz-copy-source-server-side-encryption-customer-key", "SECRETKEYOFACUSTOMER"),
                ("cookie", "session=SECRETCOOKIE"),
                ("x-amz-meta-password", "SECRETMETADATA"),
            ];
            client.request("PUT", path).headers(&headers).body("x").send();
            client.request("GET", path).headers(&headers).send();
            count += 2;
        }
    }
    let form = Form::new()
        .fields(&[("key", "form"), ("x-amz-credential", "CLAIMEDKEY"), ("x-amz-signature", "SECRETSIGNATURE")])
        .fields(&[("x-amz-security-token", "SECRETTOKEN"), ("x-amz-meta-a", "SECRETMETADATA")])
        .field("policy", policy("{\"bucket\": \"SECRETPOLICY\"}"));
    form.file("f", "x").post(&client, "/secrets");
    client.request("GET", "http://user:SECRETPASSWORD@localhost/secrets/k").send();
    lines_about(&server, "secrets", count + 1);
    let text = fs::read_to_string(path_of_log(&server)).unwrap();
    for secret in SECRETS {
        assert!(!text.contains(secret), "{secret} in {text}");
    }
    for secret in SECRETS {
        assert!(!server.log().contains(secret), "{secret} in {}", server.log());
    }
}

#[test]
fn lines_may_go_to_standard_output() {
    let server = Server::start_with("[gateway]\naudit_log = \"-\"\n");
    let answer = server.client().get("/").expect(200);
    let id = format!("\"request_id\":\"{}\"", answer.must("x-amz-request-id"));
    let line = |log: &str| log.lines().find(|line| line.contains(&id)).map(str::to_owned);
    eventually(10, "the line is printed", || line(&server.log()).is_some());
    let line: Value = serde_json::from_str(&line(&server.log()).unwrap()).unwrap();
    assert_eq!(line["operation"], "ListBuckets");
}

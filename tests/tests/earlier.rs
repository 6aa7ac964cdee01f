//! Data folders that earlier versions left, opened by this one. `tests/earlier/make` made them.

use serde_json::Value;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;
use weir_tests::digest::sha256_hex;
use weir_tests::{Server, binary};

/// The archives, the oldest first.
fn archives() -> Vec<PathBuf> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("earlier");
    let mut found: Vec<PathBuf> = fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path()).collect();
    found.retain(|path| path.extension().is_some_and(|extension| extension == "gz"));
    found.sort();
    found
}

/// A server over what the archive has, and what must be in it.
fn unpack(archive: &Path) -> (Server, Value) {
    let folder = tempfile::Builder::new().prefix("weir-earlier-").tempdir().unwrap();
    let done = Command::new("tar").arg("xzf").arg(archive).arg("-C").arg(folder.path()).status().unwrap();
    assert!(done.success(), "{}", archive.display());
    let expected = fs::read(folder.path().join("expected.json")).unwrap();
    (Server::start_over(folder), serde_json::from_slice(&expected).unwrap())
}

fn text<'a>(value: &'a Value, name: &str) -> &'a str {
    value[name].as_str().unwrap_or_else(|| panic!("{value} has no {name}"))
}

fn names(value: &Value) -> Vec<&str> {
    value.as_array().unwrap().iter().map(|name| name.as_str().unwrap()).collect()
}

#[test]
fn what_an_earlier_version_wrote_is_read_and_goes_on() {
    let archives = archives();
    assert!(!archives.is_empty());
    for archive in archives {
        let (mut server, expected) = unpack(&archive);
        check(&server, &expected);
        finish(&server, &expected["upload"]);
        server.client().put("/old/new", "written by this version").expect(200);
        server.kill9();
        server.restart();
        check(&server, &expected);
        assert_eq!(server.client().get("/old/new").expect(200).text(), "written by this version");
        server.client().delete("/empty").expect(204);
        server.assert_well();
    }
}

fn check(server: &Server, expected: &Value) {
    let client = server.client();
    for object in expected["objects"].as_array().unwrap() {
        let path = text(object, "path");
        let answer = client.get(path).expect(200);
        assert_eq!(sha256_hex(&answer.body), text(object, "sha256"), "{path}");
        for (name, value) in object["headers"].as_object().unwrap() {
            assert_eq!(answer.must(name), value.as_str().unwrap(), "{path}");
        }
    }
    for path in names(&expected["gone"]) {
        client.get(path).expect_error(404, "NoSuchKey");
    }
    for (kind, expected) in [("user", &expected["users"]), ("group", &expected["groups"])] {
        let mut command = Command::new(binary::weir());
        let listed = command.args(["fsadmin", kind, "--data"]).arg(server.data()).arg("ls").output().unwrap();
        let listed = String::from_utf8(listed.stdout).unwrap();
        assert!(names(expected).iter().all(|name| listed.contains(name)), "{listed}");
    }
}

/// Completes the upload that the earlier version began.
fn finish(server: &Server, upload: &Value) {
    let client = server.client();
    let (path, etag) = (text(upload, "path"), text(upload, "etag"));
    let part = format!("<Part><PartNumber>1</PartNumber><ETag>{etag}</ETag></Part>");
    let document = format!("<CompleteMultipartUpload>{part}</CompleteMultipartUpload>");
    client.post(&format!("{path}?uploadId={}", text(upload, "id")), document).expect(200);
    assert_eq!(sha256_hex(&client.get(path).expect(200).body), text(upload, "sha256"));
}

//! S3 over TLS, and certificates that change.

use std::process::Command;
use std::time::Duration;
use weir_tests::certificates::Authority;
use weir_tests::tls::trust;
use weir_tests::{Client, Connection, Server, eventually, noise};

#[test]
fn objects_of_all_sizes_go_in_and_out() {
    let server = Server::shared_over_tls();
    let client = server.client();
    let bucket = client.bucket("over-tls");
    for (seed, length) in [0, 1, 5_000, 100_000, 3 << 20].into_iter().enumerate() {
        let (path, body) = (format!("{bucket}/{length}"), noise(seed as u64, length));
        client.put(&path, body.clone()).expect(200);
        assert!(client.get(&path).expect(200).body == body, "{length} bytes");
        let framed = weir_tests::framing::unsigned(&body, 64 << 10, &[]);
        let request = client.request("PUT", &path);
        request.chunked_as(weir_tests::framing::UNSIGNED_TRAILER, length, framed).send().expect(200);
        assert!(client.get(&path).expect(200).body == body, "{length} bytes");
    }
    let asked = client.request("PUT", &format!("{bucket}/asked")).header("expect", "100-continue").body("x").send();
    assert!(asked.expect(200).continued);
    server.assert_alive();
}

#[test]
fn curl_trusts_the_authority_and_chooses_its_protocol() {
    let server = Server::shared_over_tls();
    let folder = tempfile::tempdir().unwrap();
    let authority = server.authority().unwrap().write(folder.path());
    let url = format!("https://{}/", server.address());
    let curl = |arguments: &[&str]| {
        let output =
            Command::new("curl").args(["--silent", "--show-error"]).args(arguments).arg(&url).output().unwrap();
        (output.status.success(), String::from_utf8_lossy(&output.stdout).into_owned())
    };
    let authority = authority.to_str().unwrap();
    let (fine, listing) = curl(&["--cacert", authority, "--http1.1"]);
    assert!(fine && listing.contains("ListAllMyBucketsResult"), "{listing}");
    let (fine, version) =
        curl(&["--cacert", authority, "--http2", "--output", "/dev/null", "--write-out", "%{http_version}"]);
    assert!(fine && version == "2", "{version}");
    assert!(!curl(&[]).0, "an authority that nobody knows");
}

#[test]
fn a_client_that_does_not_speak_tls_is_let_go() {
    let server = Server::shared_over_tls();
    let mut connection = Connection::open(server.address()).unwrap();
    connection.send(b"GET / HTTP/1.1\r\nHost: localhost\r\n\r\n").unwrap();
    assert!(connection.read_answer("GET").is_err());
    server.assert_alive();
}

#[test]
fn the_admin_port_has_its_own_certificate() {
    let server = Server::shared_over_tls();
    assert_eq!(server.admin("/healthz").text(), "ok\n");
    assert!(server.admin("/metrics").text().contains("weir_build_info"));
}

#[test]
fn a_new_certificate_is_taken_while_the_old_connections_go_on() {
    let server = Server::start_over_tls_with("");
    let mut kept = server.connect();
    let mut ask_kept = || {
        kept.send(b"GET / HTTP/1.1\r\nHost: localhost\r\n\r\n").unwrap();
        kept.read_answer("GET").unwrap().expect(200)
    };
    ask_kept();
    let next = Authority::new("next");
    let renewed = Client::new(server.address(), "").with_trust(Some(trust(&next, &[])));
    assert!(renewed.request("GET", "/").try_send().is_err());
    server.change_certificate(&next);
    eventually(10, "the new certificate is shown", || renewed.request("GET", "/").try_send().is_ok());
    assert!(server.client().open().is_err(), "the old one is not shown any more");
    ask_kept();
    std::thread::sleep(Duration::from_millis(50));
    assert!(server.log().contains("certificates were read anew"), "{}", server.log());
}

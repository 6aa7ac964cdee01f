//! The audit log of what never became a request: heads that are none, and connections without a place.

use crate::audit::lines_that;
use serde_json::Value;
use weir_tests::{Server, eventually};

fn server(settings: &str) -> Server {
    Server::start_with(&format!("[gateway]\naudit_log = \"audit.log\"\n{settings}"))
}

fn refused(server: &Server, count: usize) -> Vec<Value> {
    lines_that(server, count, |line| line["method"].is_null())
}

#[test]
fn a_head_that_is_no_request_has_a_line() {
    let server = server("header_timeout_ms = 1000\nheader_max_bytes = 16384\n");
    let large = format!("GET / HTTP/1.1\r\nhost: a\r\nx: {}\r\n\r\n", "x".repeat(20_000));
    let cases: [(&[u8], u16, &str); 6] = [
        (b"GET / HTTP/1.1\r\nno colon\r\n\r\n", 400, "MalformedHead"),
        (b"\x16\x03\x01\x00\x00SECRETBYTES", 400, "MalformedHead"),
        (
            b"POST / HTTP/1.1\r\nhost: a\r\ncontent-length: 5\r\ntransfer-encoding: chunked\r\n\r\n0\r\n\r\n",
            400,
            "AmbiguousHead",
        ),
        (b"GET / HTTP/1.1\nhost: a\n\n", 400, "AmbiguousHead"),
        (large.as_bytes(), 431, "HeadTooLarge"),
        (b"GET / HTTP/1.1\r\nhost: SECRETHEAD", 0, "HeadTimeout"),
    ];
    for (index, (sent, status, error)) in cases.into_iter().enumerate() {
        let mut connection = server.connect();
        let own = connection.stream().local_addr().unwrap().to_string();
        connection.send(sent).unwrap();
        match status {
            0 => assert!(connection.is_closed()),
            status => assert_eq!(connection.read_head().unwrap().status, status, "{error}"),
        }
        drop(connection);
        let lines = refused(&server, index + 1);
        let line = &lines[index];
        assert_eq!(line["error"], error, "{line}");
        assert_eq!(line["status"], if status == 0 { Value::Null } else { status.into() }, "{line}");
        assert_eq!((&line["peer"], &line["operation"]), (&own.into(), &Value::Null), "{line}");
        assert!(!line["request_id"].as_str().unwrap().is_empty());
        assert!(!line.to_string().contains("SECRET"), "{line}");
    }
    assert_eq!(server.metric("weir_gateway_refused_before_request_total"), 6.0);
    server.assert_alive();
}

#[test]
fn connections_over_the_cap_are_counted_and_told_seldom() {
    let server = server("connection_max_count = 4\n");
    let mut held = Vec::new();
    eventually(10, "four connections have a place, and answers", || {
        let mut connection = server.connect();
        let _ = connection.send(b"GET / HTTP/1.1\r\nhost: localhost\r\n\r\n");
        if connection.read_answer("GET").is_ok_and(|answer| answer.status == 200) {
            held.push(connection);
        }
        held.len() == 4
    });
    let mut told_busy = 0;
    for _ in 0..200 {
        told_busy += u32::from(server.connect().read_head().is_ok_and(|answer| answer.status == 503));
    }
    assert!(told_busy > 100, "{told_busy}");
    eventually(10, "each is counted", || server.metric("weir_gateway_refused_before_request_total") >= 200.0);
    let count = std::fs::read_to_string(crate::audit::path_of_log(&server)).unwrap().matches("NoPlace").count();
    assert!((1..20).contains(&count), "{count} lines");
    let lines = refused(&server, count);
    assert!(lines.iter().all(|line| line["status"] == 503 && line["error"] == "NoPlace"), "{lines:?}");
    assert!(server.log().matches("connections are refused").count() == count);
    drop(held);
}

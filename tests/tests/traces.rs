//! Traces: from the client's request to the disk, for those who may ask for them, without secrets.

use crate::access::{Session, root};
use serde_json::Value;
use weir_tests::cluster::{Cluster, Options};
use weir_tests::collector::{Collector, Kept};
use weir_tests::{eventually, noise};

/// Spans are sent every five seconds.
const SENT_SECONDS: u64 = 20;
const CLIENT_SPAN: &str = "b7ad6b7169203331";

fn trace_id(number: u8) -> String {
    format!("4bf92f3577b34da6a3ce929d0e0e47{number:02x}")
}

fn traceparent(number: u8) -> String {
    format!("00-{}-{CLIENT_SPAN}-01", trace_id(number))
}

fn tracing(collector: &Collector, ratio: &str) -> Session {
    Session::start_under(&format!("otlp_endpoint = \"{}\"\ntrace_sample_ratio = {ratio}", collector.endpoint()))
}

/// The spans of a trace, once each of these paths of names leads down from the client's span.
fn whole(collector: &Collector, number: u8, paths: &[&[&str]]) -> Vec<Kept> {
    let mut spans = Vec::new();
    eventually(SENT_SECONDS, "the whole trace has come", || {
        spans = collector.trace(&trace_id(number));
        paths.iter().all(|path| below(&spans, path).is_some())
    });
    spans
}

/// The last span of a path of names from the client's span down.
fn below<'s>(spans: &'s [Kept], path: &[&str]) -> Option<&'s Kept> {
    path.iter().fold(None, |above: Option<Option<&Kept>>, name| {
        let found = spans.iter().find(|kept| {
            kept.name() == *name
                && match above {
                    Some(above) => above.is_some_and(|above| kept.is_child_of(above)),
                    None => hex::encode(&kept.span.parent_span_id) == CLIENT_SPAN,
                }
        });
        Some(found)
    })?
}

#[test]
fn a_put_is_one_trace_from_its_clients_context_to_the_disk() {
    let collector = Collector::start();
    let session = tracing(&collector, "0");
    session.s3(Some(&root()), "PUT", "/traced", "").expect(200);
    let body = "x".repeat(100_000);
    // The first block of a session has to wait for a grant of ids.
    session.s3(Some(&root()), "PUT", "/traced/first", &body).expect(200);
    let parent = traceparent(1);
    let put = session.s3_with(Some(&root()), "PUT", "/traced/cat", &[("traceparent", &parent)], &body);
    let put = put.expect(200);

    let (commit, write) = ("weir.v1.Namespace/CommitObject", "weir.v1.Blocks/WriteBlock");
    let paths = [
        &["PutObject"][..],
        &["PutObject", commit, "commit", "commit queue"],
        &["PutObject", commit, "commit", "commit group"],
        &["PutObject", commit, "commit", "fdatasync"],
        &["PutObject", write, "append", "append queue"],
        &["PutObject", write, "append", "append batch"],
        &["PutObject", write, "append", "fdatasync"],
    ];
    let spans = whole(&collector, 1, &paths);
    let request = below(&spans, paths[0]).unwrap();
    assert_eq!(spans.iter().filter(|kept| kept.name() == "fdatasync").count(), 2, "{spans:?}");
    for kept in &spans {
        let (began, ended) = (kept.span.start_time_unix_nano, kept.span.end_time_unix_nano);
        assert!(began <= ended && began + 1_000_000 >= request.span.start_time_unix_nano, "{kept:?}");
    }
    let attributes = request.attributes();
    let id = put.must("x-amz-request-id");
    for (name, value) in [
        ("request_id", id),
        ("operation", "PutObject"),
        ("bucket", "traced"),
        ("key", "cat"),
        ("status", "200"),
        ("received_bytes", "100000"),
        ("access_key_id", "ROOTKEY"),
        ("complete", "true"),
    ] {
        assert_eq!(attributes.get(name).map(String::as_str), Some(value), "{name} in {attributes:?}");
    }
    let all = format!("{:?}", spans.iter().map(Kept::attributes).collect::<Vec<_>>());
    assert!(!all.contains("root secret") && !all.contains("Signature"), "{all}");
    assert_eq!(collector.all().len(), spans.len(), "nothing else is traced");
}

#[test]
fn only_who_has_proved_a_key_decides_what_is_traced() {
    let collector = Collector::start();
    let session = tracing(&collector, "0");
    session.s3(Some(&root()), "PUT", "/traced", "").expect(200);
    let guess = weir_tests::sign::Keys::new("ROOTKEY", "a wrong secret");
    let (stranger, guesser, broken) = (traceparent(1), traceparent(2), traceparent(3).to_uppercase());
    session.s3_with(None, "GET", "/traced/none", &[("traceparent", &stranger)], "").expect(403);
    session.s3_with(Some(&guess), "GET", "/traced/none", &[("traceparent", &guesser)], "").expect(403);
    session.s3_with(Some(&root()), "GET", "/traced/none", &[("traceparent", &broken)], "").expect(404);
    let unsampled = traceparent(4).replace("-01", "-00");
    session.s3_with(Some(&root()), "GET", "/traced/none", &[("traceparent", &unsampled)], "").expect(404);
    session.s3_with(Some(&root()), "GET", "/traced/none", &[("traceparent", &traceparent(5))], "").expect(404);
    let path = ["GetObject", "weir.v1.Namespace/GetObject"];
    let spans = whole(&collector, 5, &[&path]);
    assert_eq!(collector.all().len(), spans.len(), "{:?}", collector.all());
    let called = below(&spans, &path).unwrap();
    assert_eq!(called.span.status.as_ref().map(|status| status.code), Some(2), "the refusal shows in the trace");
}

#[test]
fn the_operators_share_is_traced_whoever_asks_and_strangers_join_no_trace() {
    let collector = Collector::start();
    let session = tracing(&collector, "1");
    session.s3(Some(&root()), "PUT", "/traced", "").expect(200);
    session.s3_with(None, "GET", "/traced/none", &[("traceparent", &traceparent(1))], "").expect(403);
    eventually(SENT_SECONDS, "both requests are traced", || {
        ["CreateBucket", "GetObject"].iter().all(|name| collector.all().iter().any(|kept| kept.name() == *name))
    });
    assert_eq!(collector.trace(&trace_id(1)), []);
    let refused = collector.all().into_iter().find(|kept| kept.name() == "GetObject").unwrap();
    assert!(refused.span.parent_span_id.is_empty() && refused.span.links.is_empty());
    assert_eq!(refused.attributes()["error"], "AccessDenied");
}

#[test]
fn a_trace_goes_through_all_roles_and_their_logs_name_the_request() {
    let collector = Collector::start();
    let settings = format!(
        "otlp_endpoint = \"{}\"\ntrace_sample_ratio = 0\nlog_format = \"json\"\n\
         log = \"warn,weir_gateway=debug,weir_worker=debug\"\n[gateway]\nlocal_reads = false\n",
        collector.endpoint()
    );
    let cluster = Cluster::start_with(Options { workers: 1, gateways: 1, settings, ..Default::default() });
    let client = cluster.client(1);
    client.bucket("traced");
    let body = noise(1, 3 << 20);
    let put = client.request("PUT", "/traced/dog").header("traceparent", &traceparent(1)).body(body.clone()).send();
    put.expect(200);
    // A call is a span at both its ends.
    let (write, commit) = ("weir.v1.Blocks/WriteBlock", "weir.v1.Namespace/CommitObject");
    let paths = [
        (&["PutObject"][..], "weir-gateway"),
        (&["PutObject", write], "weir-gateway"),
        (&["PutObject", write, write, "fdatasync"], "weir-worker"),
        (&["PutObject", commit], "weir-gateway"),
        (&["PutObject", commit, commit, "commit", "fdatasync"], "weir-metaserver"),
    ];
    let spans = whole(&collector, 1, &paths.map(|(path, _)| path));
    for (path, service) in paths {
        assert_eq!(below(&spans, path).unwrap().service, service, "{path:?}");
    }

    let get = client.request("GET", "/traced/dog").header("traceparent", &traceparent(2)).send();
    assert!(get.expect(200).body == body);
    let read = "weir.v1.Blocks/ReadBlock";
    whole(&collector, 2, &[&["GetObject", read, read]]);

    // The worker's complaint names the client's request, though the client spoke to the gateway.
    client.put("/traced/lost", body).expect(200);
    for file in weir_tests::server::files_under(&cluster.process("worker-1").data.unwrap().join("files")) {
        std::fs::remove_file(file).unwrap();
    }
    let lost = client.request("GET", "/traced/lost").header("traceparent", &traceparent(3)).send();
    let id = lost.must("x-amz-request-id").to_owned();
    for (role, span) in [("gateway-1", "request"), ("worker-1", "call")] {
        let named = cluster.log(role).lines().any(|line| {
            let line: Value = serde_json::from_str(line).unwrap();
            let spans = line["spans"].as_array().cloned().unwrap_or_default();
            spans.iter().any(|found| {
                found["name"] == span && found["request_id"] == id.as_str() && found["trace_id"] == trace_id(3).as_str()
            })
        });
        assert!(named, "the {role} does not name {id}:\n{}", cluster.log(role));
    }
}

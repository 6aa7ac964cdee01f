use super::*;
use proptest::prelude::*;
use std::collections::BTreeSet;

const MEMBERS: [&str; 29] = [
    "time",
    "request_id",
    "peer",
    "secure",
    "host",
    "method",
    "operation",
    "action",
    "bucket",
    "key",
    "version_id",
    "key_count",
    "keys",
    "source_bucket",
    "source_key",
    "resource",
    "parameters",
    "identity",
    "access_key_id",
    "issued_access_key_id",
    "issued_identity",
    "status",
    "error",
    "received_bytes",
    "sent_bytes",
    "first_byte_us",
    "duration_us",
    "complete",
    "user_agent",
];

fn full() -> AuditRecord {
    let mut keys = ConcernedKeys::default();
    keys.push("k", None, None);
    AuditRecord {
        time_ms: 1_255_369_830_007,
        request_id: "4442587FB7D0A2F9".into(),
        peer: Some("127.0.0.1:5000".parse().unwrap()),
        secure: true,
        host: Some("photos.s3.test:39999".into()),
        method: "GET".into(),
        operation: Some("GetObject"),
        action: Some("s3:GetObjectVersion"),
        bucket: Some("photos".into()),
        key: Some(Bytes::from_static(b"a\"b\n\xFF")),
        version_id: Some("v1".into()),
        keys: Some(keys),
        source_bucket: Some("films".into()),
        source_key: Some(Bytes::from_static(b"b")),
        resource: Some("*".into()),
        parameters: vec![("UserName", "bob\n".into()), ("PolicyName", "p".into())],
        identity: Some("arn:aws:iam::000000000000:user/alice".into()),
        access_key_id: Some("AKIDEXAMPLE".into()),
        issued_access_key_id: Some("AKIDOTHER".into()),
        issued_identity: Some("arn:aws:iam::000000000000:user/bob".into()),
        status: Some(206),
        error: None,
        received_bytes: 1,
        sent_bytes: 2,
        first_byte_us: Some(3),
        duration_us: 4,
        complete: true,
        user_agent: Some(Bytes::from_static(b"curl/8")),
    }
}

fn text(record: &AuditRecord) -> String {
    let mut out = Vec::new();
    record.write_line(&mut out);
    String::from_utf8(out).unwrap()
}

#[test]
fn a_line_has_its_members_in_their_order() {
    assert_eq!(
        text(&full()),
        "{\"time\":\"2009-10-12T17:50:30.007Z\",\"request_id\":\"4442587FB7D0A2F9\",\"peer\":\"127.0.0.1:5000\",\
         \"secure\":true,\"host\":\"photos.s3.test:39999\",\"method\":\"GET\",\"operation\":\"GetObject\",\
         \"action\":\"s3:GetObjectVersion\",\"bucket\":\"photos\",\"key\":\"a\\\"b\\\\x0A\\\\xFF\",\
         \"version_id\":\"v1\",\"key_count\":1,\"keys\":[{\"key\":\"k\",\"version_id\":null,\"error\":null}],\
         \"source_bucket\":\"films\",\"source_key\":\"b\",\"resource\":\"*\",\
         \"parameters\":{\"PolicyName\":\"p\",\"UserName\":\"bob\\\\x0A\"},\
         \"identity\":\"arn:aws:iam::000000000000:user/alice\",\"access_key_id\":\"AKIDEXAMPLE\",\
         \"issued_access_key_id\":\"AKIDOTHER\",\"issued_identity\":\"arn:aws:iam::000000000000:user/bob\",\
         \"status\":206,\"error\":null,\"received_bytes\":1,\"sent_bytes\":2,\
         \"first_byte_us\":3,\"duration_us\":4,\"complete\":true,\"user_agent\":\"curl/8\"}\n"
    );
}

#[test]
fn a_request_of_which_little_is_known_has_all_members_too() {
    let line: Value = serde_json::from_str(&text(&AuditRecord::default())).unwrap();
    let members: BTreeSet<_> = line.as_object().unwrap().keys().map(String::as_str).collect();
    assert_eq!(members, BTreeSet::from(MEMBERS));
    assert_eq!(line["operation"], Value::Null);
}

#[test]
fn long_values_are_cut() {
    let long = |count: usize| Bytes::from(vec![b'x'; count]);
    let access_key_id = Some("x".repeat(1 << 20));
    let record = AuditRecord { key: Some(long(1 << 20)), user_agent: Some(long(1 << 20)), access_key_id, ..full() };
    assert!(text(&record).len() < 2500);
}

proptest! {
    #[test]
    fn whatever_a_client_sends_is_one_line_with_its_members(
        key in proptest::option::of(any::<Vec<u8>>()),
        user_agent in any::<Vec<u8>>(),
        method in any::<String>(),
        version_id in any::<String>(),
        host in any::<String>(),
    ) {
        let record = AuditRecord {
            key: key.map(Bytes::from),
            user_agent: Some(user_agent.into()),
            method,
            version_id: Some(version_id.clone()),
            host: Some(host),
            bucket: Some(version_id.clone()),
            identity: Some(version_id.clone()),
            access_key_id: Some(version_id),
            ..full()
        };
        let text = text(&record);
        prop_assert!(text.ends_with('\n'));
        prop_assert!(!text[..text.len() - 1].chars().any(char::is_control));
        let line: Value = serde_json::from_str(&text).unwrap();
        let members: BTreeSet<_> = line.as_object().unwrap().keys().map(String::as_str).collect();
        prop_assert_eq!(members, BTreeSet::from(MEMBERS));
        prop_assert_eq!(&line["status"], &Value::from(206));
    }
}

#[test]
fn attributes_of_a_trace_are_plain_values() {
    let line = serde_json::to_value(full().line()).unwrap();
    let of = |name: &str| attribute(line[name].clone());
    assert_eq!(of("status"), Some(206.into()));
    assert_eq!(of("complete"), Some(true.into()));
    assert_eq!(of("key"), Some("a\"b\\x0A\\xFF".into()));
    assert_eq!(of("parameters"), Some("{\"PolicyName\":\"p\",\"UserName\":\"bob\\\\x0A\"}".into()));
    assert_eq!(of("error"), None);
}

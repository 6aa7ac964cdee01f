use super::*;

const DAY: &str = "2015-12-30T12:00:00.000Z";
const NOON_MS: i64 = 1_451_476_800_000;

fn parsed(json: &str) -> Result<Policy, PolicyError> {
    Policy::parse(&BASE64.encode(json))
}

fn with(conditions: &str) -> Policy {
    parsed(&format!("{{\"expiration\": \"{DAY}\", \"conditions\": [{conditions}]}}")).unwrap()
}

fn check(conditions: &str, fields: &[(&str, &str)]) -> Result<(), PolicyError> {
    let bucket = BucketName::new("photos").unwrap();
    with(conditions).check(&bucket, &fields.iter().copied().collect(), NOON_MS - 1)
}

/// <https://docs.aws.amazon.com/AmazonS3/latest/API/sigv4-post-example.html>
const EXAMPLE: &str = "{ \"expiration\": \"2015-12-30T12:00:00.000Z\",\r\n  \"conditions\": [\r\n    \
    {\"bucket\": \"sigv4examplebucket\"},\r\n    [\"starts-with\", \"$key\", \"user/user1/\"],\r\n    \
    {\"acl\": \"public-read\"},\r\n    \
    {\"success_action_redirect\": \"http://sigv4examplebucket.s3.amazonaws.com/successful_upload.html\"},\r\n    \
    [\"starts-with\", \"$Content-Type\", \"image/\"],\r\n    {\"x-amz-meta-uuid\": \"14365123651274\"},\r\n    \
    {\"x-amz-server-side-encryption\": \"AES256\"},\r\n    [\"starts-with\", \"$x-amz-meta-tag\", \"\"],\r\n\r\n    \
    {\"x-amz-credential\": \"AKIAIOSFODNN7EXAMPLE/20151229/us-east-1/s3/aws4_request\"},\r\n    \
    {\"x-amz-algorithm\": \"AWS4-HMAC-SHA256\"},\r\n    {\"x-amz-date\": \"20151229T000000Z\" }\r\n  ]\r\n}";

#[test]
fn the_documented_form_holds_against_the_documented_policy() {
    let policy = parsed(EXAMPLE).unwrap();
    let bucket = BucketName::new("sigv4examplebucket").unwrap();
    let form = [
        ("key", "user/user1/file.jpg"),
        ("acl", "public-read"),
        ("success_action_redirect", "http://sigv4examplebucket.s3.amazonaws.com/successful_upload.html"),
        ("Content-Type", "image/jpeg"),
        ("x-amz-meta-uuid", "14365123651274"),
        ("x-amz-server-side-encryption", "AES256"),
        ("X-Amz-Credential", "AKIAIOSFODNN7EXAMPLE/20151229/us-east-1/s3/aws4_request"),
        ("X-Amz-Algorithm", "AWS4-HMAC-SHA256"),
        ("X-Amz-Date", "20151229T000000Z"),
        ("x-amz-meta-tag", ""),
        ("Policy", "…"),
        ("X-Amz-Signature", "…"),
    ];
    assert_eq!(policy.check(&bucket, &form.into_iter().collect(), NOON_MS), Ok(()));
    assert_eq!(policy.check(&bucket, &form.into_iter().collect(), NOON_MS + 1), Err(PolicyError::Expired));
    for (at, (name, value)) in form.iter().enumerate().filter(|(_, (_, value))| !value.is_empty() && *value != "…") {
        let mut changed = form.map(|(name, value)| (name, value.to_owned()));
        changed[at].1 = format!("x{value}");
        let fields = changed.iter().map(|(name, value)| (*name, value.as_str())).collect();
        assert!(matches!(policy.check(&bucket, &fields, 0), Err(PolicyError::ConditionFailed { .. })), "{name}");
        let without = form.iter().filter(|(other, _)| other != name).copied().collect();
        assert!(matches!(policy.check(&bucket, &without, 0), Err(PolicyError::ConditionFailed { .. })), "{name}");
    }
    let other = BucketName::new("otherbucket").unwrap();
    let failed = policy.check(&other, &form.into_iter().collect(), 0).unwrap_err();
    assert!(failed.to_string().ends_with("failed: [\"eq\", \"$bucket\", \"sigv4examplebucket\"]"), "{failed}");
}

#[test]
fn a_value_is_the_same_or_begins_so() {
    let bucket = "{\"bucket\": \"photos\"}";
    let key = |condition: &str, key: &str| check(&format!("{bucket}, {condition}"), &[("key", key)]).is_ok();
    for (condition, value, holds) in [
        ("{\"key\": \"a\"}", "a", true),
        ("{\"KEY\": \"a\"}", "a", true),
        ("{\"key\": \"a\"}", "A", false),
        ("{\"key\": \"a\"}", "ab", false),
        ("[\"eq\", \"$key\", \"a\"]", "a", true),
        ("[\"EQ\", \"$Key\", \"a\"]", "a", true),
        ("[\"eq\", \"$key\", \"\"]", "a", false),
        ("[\"starts-with\", \"$key\", \"user/\"]", "user/x", true),
        ("[\"StArTs-WiTh\", \"$kEy\", \"user/\"]", "user/x", true),
        ("[\"starts-with\", \"$key\", \"user/\"]", "user", false),
        ("[\"starts-with\", \"$key\", \"user/\"]", "User/x", false),
        ("[\"starts-with\", \"$key\", \"user/\"]", "x/user/", false),
        ("[\"starts-with\", \"$key\", \"\"]", "anything", true),
        ("[\"starts-with\", \"$key\", \"a,\"]", "a,b", true),
        ("[\"starts-with\", \"$key\", \"\\\\$foo\"]", "\\$foo.txt", true),
        ("{\"key\": \"a\\u00e9\"}", "aé", true),
        ("[\"starts-with\", \"$key\", \"a\"], [\"starts-with\", \"$key\", \"ab\"]", "abc", true),
        ("[\"starts-with\", \"$key\", \"a\"], [\"starts-with\", \"$key\", \"b\"]", "abc", false),
    ] {
        assert_eq!(key(condition, value), holds, "{condition} {value}");
    }
}

#[test]
fn each_type_of_a_list_begins_so() {
    let conditions = "{\"bucket\": \"photos\"}, [\"starts-with\", \"$Content-Type\", \"image/\"]";
    for (value, holds) in [
        ("image/jpeg", true),
        ("image/jpg,image/png,image/gif", true),
        ("image/jpg, image/png", true),
        ("image/jpg,text/plain", false),
        ("image/jpg,", false),
        ("text/plain,image/jpg", false),
    ] {
        assert_eq!(check(conditions, &[("content-type", value)]).is_ok(), holds, "{value}");
    }
}

#[test]
fn every_field_must_be_named_but_for_the_exempt() {
    let conditions = "{\"bucket\": \"photos\"}, {\"key\": \"k\"}";
    for name in ["x-amz-signature", "Signature", "AWSAccessKeyId", "Policy", "x-ignore-me", "X-Ignore-Me"] {
        assert_eq!(check(conditions, &[("key", "k"), (name, "v")]), Ok(()), "{name}");
    }
    for name in [
        "acl",
        "x-amz-meta-a",
        "content-type",
        "x-amz-credential",
        "x-amz-security-token",
        "submit",
        "x-ignore",
        "xkey",
    ] {
        let refused = Err(PolicyError::ExtraField { name: name.to_owned() });
        assert_eq!(check(conditions, &[("key", "k"), (name, "v")]), refused, "{name}");
    }
    // A range names no field.
    let named = format!("{conditions}, [\"content-length-range\", 0, 9]");
    assert!(check(&named, &[("key", "k"), ("content-length-range", "0")]).is_err());
}

#[test]
fn the_bucket_must_be_named() {
    assert_eq!(check("{\"key\": \"k\"}", &[("key", "k")]), Err(PolicyError::ExtraField { name: "bucket".to_owned() }));
    assert!(check("{\"bucket\": \"other\"}", &[]).is_err());
    // The field is not what is asked: where the object would go is.
    assert!(check("{\"bucket\": \"other\"}", &[("bucket", "other")]).is_err());
}

#[test]
fn a_condition_on_an_absent_field_does_not_hold() {
    for condition in ["[\"starts-with\", \"$acl\", \"\"]", "[\"eq\", \"$acl\", \"\"]", "{\"acl\": \"\"}"] {
        let conditions = format!("{{\"bucket\": \"photos\"}}, {condition}");
        assert!(matches!(check(&conditions, &[]), Err(PolicyError::ConditionFailed { .. })), "{condition}");
        assert_eq!(check(&conditions, &[("acl", "")]), Ok(()), "{condition}");
    }
}

#[test]
fn the_narrowest_range_counts() {
    let range = |conditions: &str| with(conditions).content_length();
    assert_eq!(range(""), 0..=u64::MAX);
    assert_eq!(range("[\"content-length-range\", 1, 10]"), 1..=10);
    assert_eq!(range("[\"content-length-range\", \"1\", \"10\"]"), 1..=10);
    assert_eq!(range("[\"content-length-range\", 1, 10], [\"Content-Length-Range\", 5, 20]"), 5..=10);
    assert!(range("[\"content-length-range\", 1, 2], [\"content-length-range\", 3, 4]").is_empty());
}

#[test]
fn an_expiration_is_a_time_of_utc() {
    let expires = |text: &str| expiration_ms(text);
    assert_eq!(expires(DAY), Some(NOON_MS));
    assert_eq!(expires("2015-12-30T12:00:00Z"), Some(NOON_MS));
    assert_eq!(expires("2015-12-30T12:00:00.5Z"), Some(NOON_MS + 500));
    for text in [
        "",
        "Z",
        "2015-12-30T12:00:00",
        "2015-12-30T12:00:00+00:00",
        "2015-12-30T12:00:00+02:00Z",
        "2015-12-30 12:00:00Z",
        "2015-12-30T12:00Z",
        "2015-12-30T12:00:00.Z",
        "2015-12-30T12:00:00,5Z",
        "2015-12-30T12:00:00z",
        "2015-12-30t12:00:00Z",
        "2015-13-30T12:00:00Z",
        "2015-02-30T12:00:00Z",
        "2015-12-30T25:00:00Z",
        "20151230T120000Z",
        "+02015-12-30T12:00Z",
        "１015-12-30T12:00:00Z",
        "never",
    ] {
        assert_eq!(expires(text), None, "{text}");
    }
}

#[test]
fn what_is_no_policy_is_malformed() {
    assert_eq!(Policy::parse("not base64!"), Err(PolicyError::NotBase64));
    assert_eq!(Policy::parse("e30"), Err(PolicyError::NotBase64));
    let conditions = |conditions: &str| format!("{{\"expiration\": \"{DAY}\", \"conditions\": {conditions}}}");
    let condition = |condition: &str| conditions(&format!("[{condition}]"));
    for json in [
        String::new(),
        "null".into(),
        "{}".into(),
        "[]".into(),
        format!("[\"{DAY}\", []]"),
        "{\"conditions\": []}".into(),
        format!("{{\"expiration\": \"{DAY}\"}}"),
        format!("{{\"EXPIRATION\": \"{DAY}\", \"conditions\": []}}"),
        format!("{{\"expiration\": \"{DAY}\", \"CONDITIONS\": []}}"),
        format!("{{\"expiration\": \"{DAY}\", \"expiration\": \"{DAY}\", \"conditions\": []}}"),
        format!("{{\"expiration\": \"{DAY}\", \"conditions\": [], \"Statement\": []}}"),
        format!("{{\"expiration\": \"{DAY}\", \"conditions\": []}} x"),
        "{\"expiration\": 1, \"conditions\": []}".into(),
        "{\"expiration\": \"tomorrow\", \"conditions\": []}".into(),
        "{'expiration': 'x', 'conditions': []}".into(),
        conditions("{}"),
        conditions("null"),
        conditions("[{\"bucket\": \"b\"},]"),
        condition("{}"),
        condition("[]"),
        condition("\"eq\""),
        condition("1"),
        condition("{\"acl\": \"a\", \"bucket\": \"b\"}"),
        condition("{\"acl\": \"a\", \"acl\": \"a\"}"),
        condition("{\"acl\": 1}"),
        condition("{\"acl\": null}"),
        condition("{\"acl\": [\"a\"]}"),
        condition("[\"eq\"]"),
        condition("[\"eq\", \"$acl\"]"),
        condition("[\"eq\", \"$acl\", \"a\", \"b\"]"),
        condition("[\"eq\", \"acl\", \"a\"]"),
        condition("[\"eq\", \"$acl\", 1]"),
        condition("[\"ends-with\", \"$key\", \"a\"]"),
        condition("[\"in\", \"$key\", [\"a\"]]"),
        condition("[1, \"$key\", \"a\"]"),
        condition("[\"content-length-range\"]"),
        condition("[\"content-length-range\", 0]"),
        condition("[\"content-length-range\", 0, 1, 2]"),
        condition("[\"content-length-range\", -1, 0]"),
        condition("[\"content-length-range\", 0, 512.0]"),
        condition("[\"content-length-range\", \"test\", 10]"),
        condition("[\"content-length-range\", \"+1\", 10]"),
        condition("[\"content-length-range\", \"\", 10]"),
        condition("[\"content-length-range\", 0, 99999999999999999999]"),
        condition(&"[".repeat(5000)),
    ] {
        let error = parsed(&json).unwrap_err();
        assert!(matches!(error, PolicyError::Malformed { .. }), "{json}: {error}");
        assert!(error.to_string().starts_with("Invalid Policy: "), "{error}");
    }
    let not_utf8 = BASE64.encode(b"{\"expiration\": \"\xFF\"}");
    assert!(matches!(Policy::parse(&not_utf8), Err(PolicyError::Malformed { .. })));
}

proptest::proptest! {
    #[test]
    fn no_text_is_more_than_refused(text in proptest::prelude::any::<String>()) {
        let _ = Policy::parse(&text);
        let _ = parsed(&text);
    }

    /// Whatever the field holds, what was asked for is what it must be.
    #[test]
    fn equality_is_of_all_bytes(wanted in "[ -~é]{0,8}", sent in "[ -~é]{0,8}") {
        let quoted = serde_json::to_string(&wanted).unwrap();
        let held = check(&format!("{{\"bucket\": \"photos\"}}, {{\"acl\": {quoted}}}"), &[("acl", &sent)]);
        proptest::prop_assert_eq!(held.is_ok(), wanted == sent);
    }
}

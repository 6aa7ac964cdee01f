//! Documents of every kind, and patterns held against a matcher that tries everything.

use super::{Ask, DocumentKind, Facts, Pattern, PolicyDocument, Sources, Verdict, decide};
use crate::auth::Identity;
use std::sync::Arc;
use weir_proto::v1::Tag;
use weir_service::fuzzing::Input;

/// The matcher that tries everything gets no longer texts, in characters.
const PATTERN_MAX: usize = 64;
const TEXT_MAX: usize = 256;

fn facts() -> Facts {
    let mut facts = Facts::default();
    for (key, value) in [
        ("aws:username", "alice"),
        ("aws:userid", "AIDAEXAMPLE"),
        ("aws:SourceIp", "192.0.2.7"),
        ("aws:CurrentTime", "2026-01-01T00:00:00Z"),
        ("aws:SecureTransport", "true"),
        ("s3:prefix", "home/alice/*"),
        ("s3:max-keys", "10"),
        ("aws:PrincipalArn", "arn:aws:iam::000000000000:user/alice"),
        ("aws:TagKeys", "team"),
        ("aws:TagKeys", "cost"),
    ] {
        facts.add(key, value);
    }
    facts
}

fn identities() -> [Identity; 4] {
    let user = Identity::User { name: "alice".into(), path: "/".into(), id: "AIDAEXAMPLE".into() };
    let (role, role_id) = ("reader".to_owned(), "AROAEXAMPLE".to_owned());
    let role = Identity::AssumedRole { role, path: "/".into(), role_id, session: "s".into() };
    [Identity::Anonymous, Identity::Root, user, role]
}

/// The first byte chooses the kind. What is understood is understood the same without its white space and with its
/// names in another order; what it denies is denied wherever it stands; and what does not turn on an object's tags says
/// the same whatever they are.
pub fn policy_document(bytes: &[u8]) {
    let mut input = Input::new(bytes);
    let kind = match input.byte() % 4 {
        0 => DocumentKind::Identity,
        1 => DocumentKind::Session,
        2 => DocumentKind::Trust,
        _ => DocumentKind::Bucket { bucket: "photos".into() },
    };
    let Ok(text) = std::str::from_utf8(input.rest()) else { return };
    let Ok(document) = PolicyDocument::parse(&kind, text) else { return };
    let json: serde_json::Value = serde_json::from_str(text).expect("a document that was understood is JSON");
    let same = PolicyDocument::parse(&kind, &json.to_string()).expect("it is the same document");
    assert_eq!(document.is_public(), same.is_public(), "{text}");
    assert_eq!(document.principal_arns(), same.principal_arns(), "{text}");
    let facts = facts();
    let mut facts_of_tagged = facts.clone();
    let tag = |key: &str| Tag { key: key.into(), value: "alice".into() };
    facts_of_tagged.add_existing(&["team", "a", ""].map(tag));
    for identity in &identities() {
        for (action, resource) in [
            ("s3:GetObject", "arn:aws:s3:::photos/home/alice/a"),
            ("s3:ListBucket", "arn:aws:s3:::photos"),
            ("sts:AssumeRole", "*"),
        ] {
            let ask = Ask { identity, action, resource, facts: &facts };
            let verdict = document.judge(&ask);
            assert_eq!(verdict, same.judge(&ask), "{text}");
            let of_tagged = document.judge(&Ask { facts: &facts_of_tagged, ..ask });
            assert!(document.turns_on_object || of_tagged == verdict, "the object's tags count in {text}");
            check_decisions(&ask, &document, verdict);
        }
    }
}

fn check_decisions(ask: &Ask<'_>, document: &PolicyDocument, verdict: Verdict) {
    let documents = [Arc::new(document.clone())];
    let everywhere = [
        Sources { identity: &documents, ..Sources::default() },
        Sources { boundary: Some(document), identity: &documents, ..Sources::default() },
        Sources { session: Some(&documents), identity: &documents, ..Sources::default() },
        Sources { bucket: Some(document), identity: &documents, ..Sources::default() },
    ];
    let is_listed = matches!(ask.identity, Identity::User { .. } | Identity::AssumedRole { .. });
    for sources in everywhere {
        let decision = decide(ask, &sources);
        let _ = format!("{decision:?}");
        if is_listed && matches!(verdict, Verdict::Deny | Verdict::Silent) {
            assert!(!decision.is_allowed(), "{document:?} says {verdict:?} of {ask:?}");
        }
    }
}

/// A pattern, and a text on the next line.
pub fn policy_pattern(bytes: &[u8]) {
    let mut input = Input::new(bytes);
    let pattern = input.text_line();
    let text = String::from_utf8_lossy(input.rest()).into_owned();
    let facts = facts();
    if let Ok(variable) = Pattern::new(&pattern, true) {
        let matches = variable.matches(&text, &facts);
        assert!(!matches || variable.has_values(&facts), "{pattern:?} matches {text:?} without values");
        assert!(!variable.is_literal() || variable.literal(&facts).is_some_and(|literal| (literal == text) == matches));
        assert!(matches || !variable.is_everything());
    }
    let fixed = Pattern::new(&pattern, false).expect("without variables every text is a pattern");
    if pattern.chars().count() <= PATTERN_MAX && text.chars().count() <= TEXT_MAX {
        let [pattern, text] = [&pattern, &text].map(|text| text.chars().collect::<Vec<_>>());
        let expected = matches_somehow(&pattern, &text);
        assert_eq!(fixed.matches(&text.iter().collect::<String>(), &facts), expected, "{pattern:?} and {text:?}");
    }
}

/// By the definition: a row for each beginning of the pattern says which beginnings of the text it matches.
fn matches_somehow(pattern: &[char], text: &[char]) -> bool {
    let mut row = vec![false; text.len() + 1];
    row[0] = true;
    for item in pattern {
        let before = std::mem::replace(&mut row, vec![false; text.len() + 1]);
        row[0] = *item == '*' && before[0];
        for at in 0..text.len() {
            row[at + 1] = match item {
                '*' => before[at + 1] || row[at],
                '?' => before[at],
                other => before[at] && *other == text[at],
            };
        }
    }
    row[text.len()]
}

use super::super::testing::{Account, NOW_MS, alice, clerk, element};
use crate::auth::Identity;
use crate::auth::token::SessionPolicies;
use crate::query_api::QueryErrorCode;
use percent_encoding::{NON_ALPHANUMERIC, utf8_percent_encode};
use weir_proto::v1::access_entry::Entry;
use weir_proto::v1::{self, Tag};

const ROLE: &str = "arn:aws:iam::000000000000:role/reader";
const FORM: &str =
    "Action=AssumeRole&RoleArn=arn:aws:iam::000000000000:role/reader&RoleSessionName=monday-1&Version=2011-06-15";
const HOUR_MS: i64 = 3_600_000;
const ALLOW_ALL: &str = r#"{"Version":"2012-10-17","Statement":[{"Effect":"Allow","Action":"*","Resource":"*"}]}"#;

/// A trust policy of one statement.
fn trust(effect: &str, principal: &str, more: &str) -> String {
    trust_for("sts:AssumeRole", effect, principal, more)
}

fn trust_for(action: &str, effect: &str, principal: &str, more: &str) -> String {
    format!(
        r#"{{"Version":"2012-10-17","Statement":[{{"Effect":"{effect}","Principal":{{"AWS":"{principal}"}},"Action":"{action}"{more}}}]}}"#
    )
}

const ALICE: &str = "arn:aws:iam::000000000000:user/alice";
const ACCOUNT: &str = "arn:aws:iam::000000000000:root";

fn trusting_alice() -> Account {
    Account::new().with_role(&trust("Allow", ALICE, ""))
}

fn with(parameter: &str, value: &str) -> String {
    format!("{FORM}&{parameter}={}", utf8_percent_encode(value, NON_ALPHANUMERIC))
}

#[tokio::test]
async fn whom_the_role_trusts_gets_its_credentials_for_an_hour() {
    let account = trusting_alice();
    let document = account.ask(&alice(), FORM).await.unwrap();
    let session = account.session_of(&document);
    let identity = Identity::AssumedRole {
        role: "reader".into(),
        path: "/".into(),
        role_id: "AROA1".into(),
        session: "monday-1".into(),
    };
    assert_eq!(session.identity, identity);
    assert_eq!((session.issued_ms, session.expires_ms), (NOW_MS, NOW_MS - 250 + HOUR_MS));
    assert_eq!((session.policies, session.tags.len()), (SessionPolicies::default(), 0));
    let (before, credentials) = document.split_once("<AccessKeyId>").unwrap();
    let (_, after) = credentials.split_once("</SessionToken>").unwrap();
    assert_eq!(
        format!("{before}…{after}"),
        "<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n\
         <AssumeRoleResponse xmlns=\"https://sts.amazonaws.com/doc/2011-06-15/\"><AssumeRoleResult>\
         <Credentials>…<Expiration>2026-01-01T01:00:00Z</Expiration></Credentials><AssumedRoleUser>\
         <AssumedRoleId>AROA1:monday-1</AssumedRoleId>\
         <Arn>arn:aws:sts::000000000000:assumed-role/reader/monday-1</Arn></AssumedRoleUser></AssumeRoleResult>\
         <ResponseMetadata><RequestId>ID</RequestId></ResponseMetadata></AssumeRoleResponse>"
    );
}

#[tokio::test]
async fn a_role_that_trusts_the_account_leaves_it_to_the_policies_of_whoever_asks() {
    let account = || Account::new().with_role(&trust("Allow", ACCOUNT, ""));
    assert_eq!(account().refused(&alice(), FORM).await, QueryErrorCode::AccessDenied);
    let allow = format!(
        r#"{{"Version":"2012-10-17","Statement":[{{"Effect":"Allow","Action":"sts:AssumeRole","Resource":"{ROLE}"}}]}}"#
    );
    assert!(account().with_identity_policy(&allow).ask(&alice(), FORM).await.is_ok());
    let other = allow.replace("role/reader", "role/writer");
    assert_eq!(account().with_identity_policy(&other).refused(&alice(), FORM).await, QueryErrorCode::AccessDenied);
}

#[tokio::test]
async fn who_is_not_trusted_is_refused_whatever_their_own_policies_allow() {
    for trust_document in [
        trust("Allow", "arn:aws:iam::000000000000:user/bob", ""),
        trust("Allow", ROLE, ""),
        trust("Deny", ALICE, ""),
        trust_for("sts:AssumeRoleWithWebIdentity", "Allow", ALICE, ""),
        trust("Allow", ALICE, r#","Condition":{"Bool":{"aws:MultiFactorAuthPresent":"true"}}"#),
        String::new(),
        "{}".to_owned(),
        ALLOW_ALL.to_owned(),
    ] {
        let account = Account::new().with_role(&trust_document).with_identity_policy(ALLOW_ALL);
        let error = account.ask(&alice(), FORM).await.expect_err(&trust_document);
        assert_eq!(error.code(), QueryErrorCode::AccessDenied);
        assert_eq!(
            error.message(),
            "User: arn:aws:iam::000000000000:user/alice is not authorized to perform: sts:AssumeRole on resource: \
             arn:aws:iam::000000000000:role/reader"
        );
    }
}

#[tokio::test]
async fn a_role_trusts_whom_it_was_saved_for_whatever_they_are_called() {
    let account = trusting_alice().with_identity_policy(ALLOW_ALL);
    let user = |name: &str, id: &str| Identity::User { name: name.into(), path: "/".into(), id: id.into() };
    assert!(account.ask(&user("alicia", "AIDA1"), FORM).await.is_ok());
    assert_eq!(account.refused(&user("alice", "AIDA9"), FORM).await, QueryErrorCode::AccessDenied);
    let sessions = Account::new().with_role(&trust("Allow", "arn:aws:sts::000000000000:assumed-role/clerk/monday", ""));
    assert!(sessions.ask(&clerk(), FORM).await.is_ok());
    let other = |role_id: &str, session: &str| Identity::AssumedRole {
        role: "clerk".into(),
        path: "/".into(),
        role_id: role_id.into(),
        session: session.into(),
    };
    for stranger in [other("AROA9", "monday"), other("AROA2", "tuesday")] {
        assert_eq!(sessions.refused(&stranger, FORM).await, QueryErrorCode::AccessDenied);
    }
    let mut unbound = trusting_alice();
    let mut role = v1::Role::clone(&unbound.directory.roles["reader"]);
    role.trust_principals.clear();
    unbound = unbound.with(Entry::Role(role));
    assert_eq!(unbound.refused(&alice(), FORM).await, QueryErrorCode::AccessDenied);
}

#[tokio::test]
async fn a_role_that_does_not_exist_is_refused_in_the_same_words() {
    let account = trusting_alice().with_identity_policy(ALLOW_ALL);
    for arn in ["role/writer", "role/x/reader", "user/reader"] {
        let error = account.ask(&alice(), &FORM.replace("role/reader", arn)).await.expect_err(arn);
        assert_eq!(error.code(), QueryErrorCode::AccessDenied);
        assert!(error.message().ends_with(&format!("sts:AssumeRole on resource: arn:aws:iam::000000000000:{arn}")));
    }
}

#[tokio::test]
async fn an_explicit_deny_of_ones_own_wins() {
    let deny = r#"{"Version":"2012-10-17","Statement":[{"Effect":"Deny","Action":"sts:*","Resource":"*"}]}"#;
    let account = trusting_alice().with_identity_policy(deny);
    assert_eq!(account.refused(&alice(), FORM).await, QueryErrorCode::AccessDenied);
}

#[tokio::test]
async fn neither_the_root_nor_nobody_takes_a_role() {
    let everyone = Account::new().with_role(&trust("Allow", "*", ""));
    assert!(everyone.ask(&alice(), FORM).await.is_ok());
    let error = everyone.ask(&Identity::Root, FORM).await.unwrap_err();
    assert_eq!(error.code(), QueryErrorCode::AccessDenied);
    assert_eq!(error.message(), "Roles may not be assumed by root accounts.");
    assert_eq!(everyone.refused(&Identity::Anonymous, FORM).await, QueryErrorCode::MissingAuthenticationToken);
}

#[tokio::test]
async fn the_external_id_and_the_name_of_the_session_are_conditions() {
    let condition =
        r#","Condition":{"StringEquals":{"sts:ExternalId":"a:7/b"},"StringLike":{"sts:RoleSessionName":"monday-*"}}"#;
    let account = Account::new().with_role(&trust("Allow", ALICE, condition));
    assert!(account.ask(&alice(), &with("ExternalId", "a:7/b")).await.is_ok());
    assert_eq!(account.refused(&alice(), FORM).await, QueryErrorCode::AccessDenied);
    assert_eq!(account.refused(&alice(), &with("ExternalId", "a:7/c")).await, QueryErrorCode::AccessDenied);
    let tuesday = with("ExternalId", "a:7/b").replace("monday-1", "tuesday-1");
    assert_eq!(account.refused(&alice(), &tuesday).await, QueryErrorCode::AccessDenied);
}

#[tokio::test]
async fn a_session_lasts_as_long_as_the_role_allows() {
    let account = trusting_alice();
    for seconds in [900, 7200] {
        let document = account.ask(&alice(), &with("DurationSeconds", &seconds.to_string())).await.unwrap();
        assert_eq!(account.session_of(&document).expires_ms, NOW_MS - 250 + seconds * 1000);
    }
    for seconds in ["899", "7201", "43201", "0", "-1", "x", ""] {
        let code = account.refused(&alice(), &with("DurationSeconds", seconds)).await;
        assert_eq!(code, QueryErrorCode::ValidationError, "{seconds}");
    }
}

#[tokio::test]
async fn a_role_taken_from_a_role_lasts_an_hour() {
    let account = Account::new().with_role(&trust("Allow", "arn:aws:iam::000000000000:role/clerk", ""));
    assert!(account.ask(&clerk(), &with("DurationSeconds", "3600")).await.is_ok());
    assert_eq!(account.refused(&clerk(), &with("DurationSeconds", "3601")).await, QueryErrorCode::ValidationError);
}

#[tokio::test]
async fn session_policies_go_with_the_session() {
    let (name, path) = ("ReadOnly".into(), "/team/".into());
    let managed = v1::ManagedPolicy { name, path, id: "ANPA1".into(), ..Default::default() };
    let account = trusting_alice().with(Entry::Policy(managed));
    let arn = "arn:aws:iam::000000000000:policy/team/ReadOnly";
    let form = format!("{}&PolicyArns.member.1.arn={arn}", with("Policy", ALLOW_ALL));
    let document = account.ask(&alice(), &form).await.unwrap();
    let expected = SessionPolicies { inline: Some(ALLOW_ALL.into()), managed_ids: vec!["ANPA1".into()] };
    assert_eq!(account.session_of(&document).policies, expected);
    // 91 of 4,096 bytes and a few for the frame.
    assert_eq!(element(&document, "PackedPolicySize"), "3");

    for (form, code) in [
        (with("Policy", "{}"), QueryErrorCode::MalformedPolicyDocument),
        (with("Policy", "[]"), QueryErrorCode::MalformedPolicyDocument),
        (with("Policy", &trust("Allow", ALICE, "")), QueryErrorCode::MalformedPolicyDocument),
        (with("Policy", ""), QueryErrorCode::ValidationError),
        (with("Policy", &" ".repeat(2049)), QueryErrorCode::ValidationError),
        (with("Policy", "{\"日\":1}"), QueryErrorCode::ValidationError),
        (with("PolicyArns.member.1.arn", &arn.replace("team", "other")), QueryErrorCode::ValidationError),
        (with("PolicyArns.member.1.arn", "x"), QueryErrorCode::ValidationError),
        (with("PolicyArns.member.1", arn), QueryErrorCode::MalformedQueryString),
    ] {
        assert_eq!(account.refused(&alice(), &form).await, code, "{form}");
    }
    let eleven: String = (1..=11).map(|index| format!("&PolicyArns.member.{index}.arn={arn}")).collect();
    assert_eq!(account.refused(&alice(), &format!("{FORM}{eleven}")).await, QueryErrorCode::ValidationError);
}

/// A form with this many tags of this length.
fn tagged(count: usize, length: usize) -> String {
    let value = "v".repeat(length);
    let tags = (1..=count).map(|index| format!("&Tags.member.{index}.Key=k{index}&Tags.member.{index}.Value={value}"));
    format!("{FORM}{}", tags.collect::<String>())
}

#[tokio::test]
async fn tags_need_a_permission_of_their_own_and_go_with_the_session() {
    assert_eq!(trusting_alice().refused(&alice(), &tagged(1, 1)).await, QueryErrorCode::AccessDenied);
    let both = trust("Allow", ALICE, r#","Condition":{"StringEqualsIfExists":{"aws:RequestTag/k1":"v"}}"#)
        .replace(r#""sts:AssumeRole""#, r#"["sts:AssumeRole","sts:TagSession"]"#);
    let account = Account::new().with_role(&both);
    let document = account.ask(&alice(), &tagged(2, 1)).await.unwrap();
    let tag = |key: &str| Tag { key: key.into(), value: "v".into() };
    assert_eq!(account.session_of(&document).tags, [tag("k1"), tag("k2")]);
    assert_eq!(account.refused(&alice(), &tagged(1, 2)).await, QueryErrorCode::AccessDenied);
}

#[tokio::test]
async fn policies_and_tags_that_are_too_large_together_are_refused() {
    let both = trust("Allow", ALICE, "").replace(r#""sts:AssumeRole""#, r#"["sts:AssumeRole","sts:TagSession"]"#);
    let account = Account::new().with_role(&both);
    assert!(account.ask(&alice(), &tagged(15, 256)).await.is_ok());
    assert_eq!(account.refused(&alice(), &tagged(16, 256)).await, QueryErrorCode::PackedPolicyTooLarge);
    assert_eq!(account.refused(&alice(), &tagged(51, 1)).await, QueryErrorCode::ValidationError);
}

#[tokio::test]
async fn what_is_not_served_and_what_is_no_name_is_refused() {
    let account = trusting_alice();
    for parameter in ["TransitiveTagKeys.member.1", "SerialNumber", "TokenCode", "SourceIdentity", "Unknown"] {
        let code = account.refused(&alice(), &with(parameter, "123456")).await;
        assert_eq!(code, QueryErrorCode::InvalidQueryParameter, "{parameter}");
    }
    for form in [
        FORM.replace("monday-1", "m"),
        FORM.replace("monday-1", "mon%20day"),
        FORM.replace("monday-1", "mon/day"),
        FORM.replace("monday-1", &"m".repeat(65)),
        FORM.replace("&RoleSessionName=monday-1", ""),
        FORM.replace("&RoleArn=arn:aws:iam::000000000000:role/reader", ""),
        FORM.replace("arn:aws:iam::000000000000:role/reader", "reader"),
        with("ExternalId", "x"),
        with("ExternalId", "a b"),
    ] {
        assert_eq!(account.refused(&alice(), &form).await, QueryErrorCode::ValidationError, "{form}");
    }
}

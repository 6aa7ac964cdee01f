//! A session with every action in it, step by step: `session.txt` says what is asked and what is answered.

use super::testing::Iam;
use super::{IamAction, Permission, permissions};
use crate::auth::Identity;
use crate::query_api::Parameters;
use proptest::prelude::*;
use std::collections::BTreeSet;
use std::fmt::Write as _;

const SESSION: &str = include_str!("session.txt");
/// Of an answer, as the session is written.
const LINE_MAX_BYTES: usize = 110;

/// One step: `> ACTION NAME=VALUE…`, as in a form but for the spaces between; then `< ` with the result, or `! ` with
/// status and code.
struct Step {
    request: &'static str,
    expected: String,
}

fn steps() -> Vec<Step> {
    let mut steps: Vec<Step> = Vec::new();
    for line in SESSION.lines() {
        match line.strip_prefix("> ") {
            Some(request) => steps.push(Step { request, expected: String::new() }),
            None if line.is_empty() || line.starts_with('#') => {}
            None => writeln!(steps.last_mut().unwrap().expected, "{line}").unwrap(),
        }
    }
    steps
}

/// A result as the session has it: in lines that end between two elements.
fn written(result: &str) -> String {
    let mut lines = String::new();
    let mut line = String::new();
    for piece in result.split_inclusive('>') {
        if !line.is_empty() && line.len() + piece.len() > LINE_MAX_BYTES && piece.starts_with('<') {
            writeln!(lines, "< {line}").unwrap();
            line.clear();
        }
        line.push_str(piece);
    }
    if !line.is_empty() || lines.is_empty() {
        writeln!(lines, "<{}{line}", if line.is_empty() { "" } else { " " }).unwrap();
    }
    lines
}

#[tokio::test]
async fn a_session_is_answered_as_it_is_written() {
    let iam = Iam::new();
    let mut performed = BTreeSet::new();
    for step in steps() {
        let form = step.request.replace(' ', "&");
        let answered = if step.expected.starts_with('!') {
            format!("! {}\n", iam.refusal(&form).await)
        } else {
            performed.insert(form.split('&').next().unwrap().to_owned());
            written(&iam.result(&form).await)
        };
        assert_eq!(answered, step.expected, "{}", step.request);
    }
    let all: BTreeSet<_> = IamAction::ALL.iter().map(|action| action.name().to_owned()).collect();
    assert_eq!(performed, all, "the session has every action");
}

/// Whoever may perform an action was asked for it under the name that policies have for it.
#[tokio::test]
async fn each_step_of_the_session_asks_for_its_permission() {
    let directory = Iam::new().directory().await;
    for step in steps().into_iter().filter(|step| step.expected.starts_with('<')) {
        let parameters =
            Parameters::parse("", format!("Action={}", step.request.replace(' ', "&")).as_bytes()).unwrap();
        let action = IamAction::parse(parameters.action().unwrap()).unwrap();
        let Permission { action: name, resource, .. } =
            permissions(&directory, &Identity::Root, action, &parameters).unwrap().remove(0);
        assert_eq!(name, format!("iam:{}", action.name()));
        assert!(resource == "*" || resource.starts_with("arn:aws:iam::"), "{resource}");
    }
}

#[tokio::test]
async fn a_user_who_names_none_is_meant_itself() {
    let mut iam = Iam::new();
    iam.result("CreateUser&UserName=alice").await;
    iam.result("CreateUser&UserName=bob").await;
    assert!(iam.result("GetUser").await.contains("<Arn>arn:aws:iam::000000000000:root</Arn>"));
    assert_eq!(iam.refusal("CreateAccessKey").await, "400 ValidationError");
    iam.identity = Identity::User { name: "alice".into(), path: "/".into(), id: "AIDA1".into() };
    assert!(iam.result("GetUser").await.contains("<UserName>alice</UserName>"));
    let made = iam.result("CreateAccessKey").await;
    assert!(made.contains("<UserName>alice</UserName>"));
    let id = made.split("AccessKeyId>").nth(1).unwrap().trim_end_matches("</");
    assert!(iam.result("ListAccessKeys").await.contains(id));
    assert!(!iam.result("ListAccessKeys&UserName=bob").await.contains(id));
    // Another's key is not hers to name.
    assert_eq!(iam.refusal(&format!("DeleteAccessKey&AccessKeyId={id}&UserName=bob")).await, "404 NoSuchEntity");
    iam.result(&format!("DeleteAccessKey&AccessKeyId={id}")).await;
    assert!(!iam.result("ListAccessKeys").await.contains(id));
}

#[tokio::test]
async fn lists_come_in_pages() {
    let iam = Iam::new();
    for index in 0..5 {
        iam.result(&format!("CreateUser&UserName=u{index}&Path=/p{}/", index % 2)).await;
        iam.result(&format!(
            "AttachUserPolicy&UserName=u{index}&PolicyArn=arn:aws:iam::aws:policy/AdministratorAccess"
        ))
        .await;
    }
    for (list, element, expected) in [
        ("ListUsers", "UserName", "u0 u1|u2 u3|u4"),
        ("ListUsers&PathPrefix=/p0", "UserName", "u0 u2|u4"),
        ("ListEntitiesForPolicy&PolicyArn=arn:aws:iam::aws:policy/AdministratorAccess", "UserName", "u0 u1|u2 u3|u4"),
        ("GetAccountAuthorizationDetails&Filter.member.1=User", "UserName", "u0 u1|u2 u3|u4"),
    ] {
        let mut pages = Vec::new();
        let mut marker = String::new();
        loop {
            let page = iam.result(&format!("{list}&MaxItems=2{marker}")).await;
            let texts = |name: &str| {
                page.split(&format!("<{name}>"))
                    .skip(1)
                    .map(|rest| rest.split('<').next().unwrap().to_owned())
                    .collect()
            };
            let names: Vec<String> = texts(element);
            pages.push(names.join(" "));
            let next: Vec<String> = texts("Marker");
            assert_eq!(page.contains("<IsTruncated>true</IsTruncated>"), !next.is_empty());
            match next.first() {
                Some(next) => marker = format!("&Marker={next}"),
                None => break,
            }
        }
        assert_eq!(pages.join("|"), expected, "{list}");
    }
}

#[tokio::test]
async fn what_is_malformed_is_refused_and_changes_nothing() {
    let iam = Iam::new();
    iam.result("CreateUser&UserName=alice").await;
    let version = iam.directory().await.version;
    let long = |length: usize| "x".repeat(length);
    let many_tags: String = (1..=51).map(|i| format!("&Tags.member.{i}.Key=k{i}&Tags.member.{i}.Value=v")).collect();
    let refused = [
        ("CreateUser".to_owned(), "400 ValidationError"),
        ("CreateUser&UserName=".to_owned(), "400 ValidationError"),
        ("CreateUser&UserName=a/b".to_owned(), "400 ValidationError"),
        ("CreateUser&UserName=..%2F..".to_owned(), "400 ValidationError"),
        ("CreateUser&UserName=a%00b".to_owned(), "400 MalformedQueryString"),
        ("CreateUser&UserName=%FF".to_owned(), "400 MalformedQueryString"),
        ("CreateUser&UserName=a&UserName=b".to_owned(), "400 MalformedQueryString"),
        ("CreateUser&UserName=a&Action=DeleteUser".to_owned(), "400 MalformedQueryString"),
        (format!("CreateUser&UserName={}", long(65)), "400 ValidationError"),
        (format!("CreateUser&UserName=bob&Path=/{}/", long(511)), "400 ValidationError"),
        ("CreateUser&UserName=bob&Path=noslash".to_owned(), "400 ValidationError"),
        ("CreateUser&UserName=bob&Surprise=1".to_owned(), "400 InvalidQueryParameter"),
        (format!("CreateUser&UserName=bob{many_tags}"), "400 ValidationError"),
        ("CreateUser&UserName=bob&Tags.member.2.Key=k&Tags.member.2.Value=v".to_owned(), "400 MalformedQueryString"),
        ("CreateUser&UserName=bob&PermissionsBoundary=arn:aws:iam::aws:policy/None".to_owned(), "404 NoSuchEntity"),
        ("CreateUser&UserName=bob&PermissionsBoundary=short".to_owned(), "400 ValidationError"),
        ("AttachUserPolicy&UserName=alice&PolicyArn=AdministratorAccess".to_owned(), "400 ValidationError"),
        (
            "AttachUserPolicy&UserName=alice&PolicyArn=arn:aws:iam::aws:policy/x/AdministratorAccess".to_owned(),
            "404 NoSuchEntity",
        ),
        ("PutUserPolicy&UserName=alice&PolicyName=p&PolicyDocument=[]".to_owned(), "400 MalformedPolicyDocument"),
        ("PutUserPolicy&UserName=alice&PolicyName=p&PolicyDocument={".to_owned(), "400 MalformedPolicyDocument"),
        (
            format!("PutUserPolicy&UserName=alice&PolicyName=p&PolicyDocument={{\"{}\":1}}", long(2048)),
            "409 LimitExceeded",
        ),
        (format!("PutUserPolicy&UserName=alice&PolicyName=p&PolicyDocument={}", long(33_000)), "400 ValidationError"),
        (
            format!("PutUserPolicy&UserName=alice&PolicyName=p&PolicyDocument={}", long(140_000)),
            "413 RequestEntityTooLarge",
        ),
        ("CreateRole&RoleName=r".to_owned(), "400 ValidationError"),
        ("CreateRole&RoleName=r&AssumeRolePolicyDocument={\"Statement\":{\"Effect\":\"Allow\",\"Principal\":\"*\",\"Action\":\"sts:AssumeRole\"}}&MaxSessionDuration=3599".to_owned(), "400 ValidationError"),
        (
            "CreateRole&RoleName=r&AssumeRolePolicyDocument={\"Statement\":{\"Effect\":\"Allow\",\"Principal\":\"*\",\"Action\":\"sts:AssumeRole\"}}&MaxSessionDuration=43201".to_owned(),
            "400 ValidationError",
        ),
        (
            "CreatePolicy&PolicyName=p&PolicyDocument={\"Statement\":{\"Effect\":\"Allow\",\"Action\":\"*\",\"Resource\":\"*\"}}&Tags.member.1.Key=a&Tags.member.1.Value=b".to_owned(),
            "400 InvalidQueryParameter",
        ),
        ("CreateOpenIDConnectProvider&Url=http://issuer.example".to_owned(), "400 ValidationError"),
        ("CreateOpenIDConnectProvider&Url=https://a.b&ThumbprintList.member.1=xyz".to_owned(), "400 ValidationError"),
        (
            "UpdateAccessKey&UserName=alice&AccessKeyId=AKIA0000000000000001&Status=Expired".to_owned(),
            "400 ValidationError",
        ),
        (
            "CreatePolicyVersion&PolicyArn=arn:aws:iam::aws:policy/AdministratorAccess&PolicyDocument={\"Statement\":{\"Effect\":\"Allow\",\"Action\":\"*\",\"Resource\":\"*\"}}".to_owned(),
            "403 AccessDenied",
        ),
        ("DeletePolicy&PolicyArn=arn:aws:iam::aws:policy/AdministratorAccess".to_owned(), "403 AccessDenied"),
        (
            "SetDefaultPolicyVersion&PolicyArn=arn:aws:iam::aws:policy/AdministratorAccess&VersionId=v99999999999"
                .to_owned(),
            "403 AccessDenied",
        ),
        ("ListUsers&MaxItems=0".to_owned(), "400 ValidationError"),
        ("ListUsers&Marker=%3D%3D".to_owned(), "400 ValidationError"),
        ("CreateUsers&UserName=bob".to_owned(), "400 InvalidAction"),
    ];
    for (form, expected) in refused {
        assert_eq!(iam.refusal(&form).await, expected, "{}", &form[..form.len().min(200)]);
        assert_eq!(iam.directory().await.version, version, "{}", &form[..form.len().min(200)]);
    }
}

/// Values that some parameter takes, and some that none does.
fn value() -> impl Strategy<Value = String> {
    prop_oneof![
        Just("alice".to_owned()),
        Just("/".to_owned()),
        Just("{}".to_owned()),
        Just("true".to_owned()),
        Just("3600".to_owned()),
        Just("v1".to_owned()),
        Just("AKIA0000000000000001".to_owned()),
        Just("https://issuer.example".to_owned()),
        Just("arn:aws:iam::aws:policy/AdministratorAccess".to_owned()),
        Just("arn:aws:iam::000000000000:oidc-provider/issuer.example".to_owned()),
        "[ -~]{0,40}".prop_map(|text| text.replace(['&', '%', '+'], "*")),
    ]
}

proptest! {
    #[test]
    fn any_values_are_answered_or_refused_as_the_clients_fault(
        at in any::<prop::sample::Index>(),
        values in proptest::collection::vec(value(), 8),
        as_list in any::<bool>(),
    ) {
        let action = at.get(IamAction::ALL);
        let suffix = if as_list { ".member.1" } else { "" };
        let parameters = action.parameters().iter().zip(&values);
        let form: String = parameters.map(|(name, value)| format!("&{name}{suffix}={value}")).collect();
        let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
        let outcome = runtime.block_on(async {
            let iam = Iam::new();
            iam.result("CreateUser&UserName=alice").await;
            iam.call(&format!("{}{form}", action.name())).await
        });
        if let Err(error) = outcome {
            prop_assert!(error.status().is_client_error(), "{form}: {error}");
        }
    }
}

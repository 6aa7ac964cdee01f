//! Runs the rows of `matrix.txt`, whose head tells how they are written.

use super::*;
use crate::auth::Identity;
use std::collections::{HashMap, HashSet};
use std::sync::Arc;
use weir_proto::v1::PrincipalId;

const S3_ARN_PREFIX: &str = "arn:aws:s3:::";

const MATRIX: &str = include_str!("matrix.txt");

struct Row<'a> {
    name: &'a str,
    policies: &'a str,
    requester: &'a str,
    action: &'a str,
    resource: String,
    context: &'a str,
    decision: &'a str,
}

fn rows() -> (HashMap<&'static str, String>, Vec<Row<'static>>) {
    let mut policies = HashMap::new();
    let mut rows = Vec::new();
    let mut lines = MATRIX.lines();
    while let Some(line) = lines.next() {
        if let Some(name) = line.strip_prefix("policy ") {
            let document = lines.by_ref().take_while(|line| !line.is_empty()).collect();
            assert_eq!(policies.insert(name, document), None, "{name}");
        } else if let Some(columns) = line.strip_prefix("| ") {
            rows.push(row(columns));
        } else {
            assert!(line.is_empty() || line.starts_with('#'), "{line}");
        }
    }
    (policies, rows)
}

fn row(columns: &'static str) -> Row<'static> {
    let columns: Vec<&str> = columns.split('|').map(str::trim).collect();
    let [name, policies, requester, action, resource, context, decision] = columns[..] else {
        panic!("{columns:?}");
    };
    let is_whole = resource == "*" || resource.starts_with("arn:");
    let resource = if is_whole { resource.to_owned() } else { format!("{S3_ARN_PREFIX}{resource}") };
    Row { name, policies, requester, action, resource, context, decision }
}

fn identity(name: &str) -> Identity {
    match name {
        "anonymous" => Identity::Anonymous,
        "root" => Identity::Root,
        name => match name.split_once('/') {
            Some((role, session)) => Identity::AssumedRole {
                role: role.into(),
                path: "/".into(),
                role_id: format!("AROA{role}"),
                session: session.into(),
            },
            None => Identity::User { name: name.into(), path: "/".into(), id: format!("AIDA{name}") },
        },
    }
}

/// Whom an ARN stands for: the [`identity`] of its name.
fn principal(arn: String) -> PrincipalId {
    let (_, resource) = arn.rsplit_once(':').unwrap();
    let (kind, name) = resource.split_once('/').unwrap();
    let id = match kind {
        "user" => format!("AIDA{name}"),
        _ => format!("AROA{}", name.split('/').next().unwrap()),
    };
    PrincipalId { arn, id }
}

/// The documents of a row, by what they are there as.
#[derive(Default)]
struct Documents {
    identity: Vec<Arc<PolicyDocument>>,
    boundary: Option<PolicyDocument>,
    session: Vec<Arc<PolicyDocument>>,
    bucket: Option<PolicyDocument>,
}

impl Documents {
    fn of(row: &Row<'_>, policies: &HashMap<&str, String>) -> Self {
        let mut documents = Self::default();
        let bucket = row.resource.trim_start_matches(S3_ARN_PREFIX).split('/').next().unwrap_or_default();
        let parse = |kind, json: &str| match PolicyDocument::parse(&kind, json) {
            Ok(document) => document,
            Err(error) => panic!("{}: {error}: {json}", row.name),
        };
        if let Some((effect, condition)) = row.policies.split_once("-if ") {
            documents.identity.push(parse(DocumentKind::Identity, &conditional(effect, condition)).into());
            return documents;
        }
        for (place, names) in row.policies.split_whitespace().filter_map(|source| source.split_once('=')) {
            for name in names.split(',') {
                let json = policies.get(name).unwrap_or_else(|| panic!("{}: no policy {name}", row.name));
                match place {
                    "identity" => documents.identity.push(parse(DocumentKind::Identity, json).into()),
                    "boundary" => documents.boundary = Some(parse(DocumentKind::Identity, json)),
                    "session" => documents.session.push(parse(DocumentKind::Session, json).into()),
                    "bucket" => {
                        let kind = DocumentKind::Bucket { bucket: bucket.to_owned() };
                        let document = parse(kind, json);
                        let principals: Vec<_> = document.principal_arns().into_iter().map(principal).collect();
                        documents.bucket = Some(document.bound_to(&principals).unwrap());
                    }
                    other => panic!("{}: {other}", row.name),
                }
            }
        }
        documents
    }
}

/// Allows everything if the condition holds, or denies everything if it holds and allows the rest.
fn conditional(effect: &str, condition: &str) -> String {
    let effect = match effect {
        "allow" => "Allow",
        "deny" => "Deny",
        other => panic!("{other}"),
    };
    let rest = if effect == "Deny" { r#"{"Effect": "Allow", "Action": "*", "Resource": "*"},"# } else { "" };
    format!(
        r#"{{"Version": "2012-10-17", "Statement": [{rest}
            {{"Effect": "{effect}", "Action": "*", "Resource": "*", "Condition": {condition}}}]}}"#
    )
}

fn told(decision: Decision) -> String {
    let source = |reason| match reason {
        Reason::Account => "root",
        Reason::IdentityPolicy => "identity",
        Reason::Boundary => "boundary",
        Reason::SessionPolicy => "session",
        Reason::BucketPolicy => "bucket",
        Reason::Acl => "acl",
    };
    match decision {
        Decision::Allowed(by) => format!("allow {}", source(by)),
        Decision::Denied(by) => format!("explicit {}", source(by)),
        Decision::NotAllowed(by) => format!("implicit {}", source(by)),
    }
}

fn facts_of(row: &Row<'_>, identity: &Identity) -> Facts {
    let mut facts = Facts::default();
    facts.add("aws:userid", identity.user_id());
    if let Some(arn) = identity.role_arn().or_else(|| identity.arn()) {
        facts.add("aws:PrincipalArn", arn);
        facts.add("aws:PrincipalAccount", weir_proto::account::ACCOUNT_ID);
    }
    let kind = match identity {
        Identity::Anonymous => "Anonymous",
        Identity::Root => "Account",
        Identity::User { name, .. } => {
            facts.add("aws:username", name.as_str());
            "User"
        }
        Identity::AssumedRole { .. } => "AssumedRole",
    };
    facts.add("aws:PrincipalType", kind);
    for (key, value) in row.context.split("; ").filter_map(|entry| entry.split_once('=')) {
        facts.add(key, value);
    }
    facts
}

fn run(row: &Row<'_>, policies: &HashMap<&str, String>) -> String {
    let documents = Documents::of(row, policies);
    let identity = identity(row.requester);
    let facts = facts_of(row, &identity);
    let ask = Ask { identity: &identity, action: row.action, resource: &row.resource, facts: &facts };
    let sources = Sources {
        identity: &documents.identity,
        boundary: documents.boundary.as_ref(),
        session: (!documents.session.is_empty()).then_some(&documents.session),
        bucket: documents.bucket.as_ref(),
    };
    told(decide(&ask, &sources))
}

#[test]
fn every_row_of_the_matrix_is_decided_as_documented() {
    let (policies, rows) = rows();
    assert!(rows.len() >= 200, "{}", rows.len());
    let names: HashSet<&str> = rows.iter().map(|row| row.name).collect();
    assert_eq!(names.len(), rows.len(), "two rows have the same name");
    let wrong: Vec<String> = rows
        .iter()
        .map(|row| (row, run(row, &policies)))
        .filter(|(row, decision)| decision != row.decision)
        .map(|(row, decision)| format!("{}: {decision}, not {}", row.name, row.decision))
        .collect();
    assert!(wrong.is_empty(), "{wrong:#?}");
}

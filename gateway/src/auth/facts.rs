//! The condition keys of a request.
//! <https://docs.aws.amazon.com/IAM/latest/UserGuide/reference_policies_condition-keys.html>,
//! <https://docs.aws.amazon.com/AmazonS3/latest/userguide/amazon-s3-policy-keys.html>

use super::caller::{Caller, Proof};
use super::policy::{Facts, HEADER_KEYS};
use super::rules::Rules;
use super::{Identity, time};
use crate::route::Query;
use http::HeaderMap;
use http::header::{IF_MATCH, IF_NONE_MATCH, REFERER, USER_AGENT};
use weir_proto::account::ACCOUNT_ID;
use weir_proto::v1::Tag;
use weir_service::accept::Peer;

/// A request as policies may ask about it.
#[derive(Clone, Copy, Debug)]
pub struct Described<'a> {
    pub headers: &'a HeaderMap,
    pub query: &'a Query,
    /// Whoever sent it, if that is known.
    pub peer: Option<Peer>,
    /// Does it make an object, or only parts of one? None: neither.
    pub creates_object: Option<bool>,
    /// The one that buckets are in.
    pub region: &'a str,
    pub now_ms: i64,
}

pub fn facts_of(described: &Described<'_>, caller: &Caller, rules: &Rules) -> Facts {
    let mut facts = Facts::default();
    of_caller(&mut facts, caller, rules);
    of_connection(&mut facts, described);
    of_s3(&mut facts, described, caller);
    facts
}

fn of_caller(facts: &mut Facts, caller: &Caller, rules: &Rules) {
    let identity = caller.identity();
    facts.add("aws:PrincipalType", principal_type(identity));
    facts.add("aws:userid", identity.user_id());
    facts.add("aws:ResourceAccount", ACCOUNT_ID);
    facts.add("s3:ResourceAccount", ACCOUNT_ID);
    // A role's sessions are known by the role.
    if let Some(arn) = identity.role_arn().or_else(|| identity.arn()) {
        facts.add("aws:PrincipalArn", arn);
        facts.add("aws:PrincipalAccount", ACCOUNT_ID);
    }
    let tags: &[Tag] = match identity {
        Identity::User { name, .. } => {
            facts.add("aws:username", name.as_str());
            rules.directory.users.get(name).map_or(&[], |user| &user.tags)
        }
        Identity::AssumedRole { role, .. } => rules.directory.roles.get(role).map_or(&[], |role| &role.tags),
        Identity::Anonymous | Identity::Root => &[],
    };
    let session = caller.session.as_ref();
    let own =
        |key: &str| session.is_some_and(|session| session.tags.iter().any(|tag| tag.key.eq_ignore_ascii_case(key)));
    for tag in tags.iter().filter(|tag| !own(&tag.key)) {
        facts.add(&format!("aws:PrincipalTag/{}", tag.key), tag.value.as_str());
    }
    for (key, value) in session.map(|session| session.condition_keys()).unwrap_or_default() {
        facts.add(&key, value);
    }
}

fn principal_type(identity: &Identity) -> &'static str {
    match identity {
        Identity::Anonymous => "Anonymous",
        Identity::Root => "Account",
        Identity::User { .. } => "User",
        Identity::AssumedRole { .. } => "AssumedRole",
    }
}

fn of_connection(facts: &mut Facts, described: &Described<'_>) {
    let now = described.now_ms.div_euclid(1000);
    facts.add("aws:CurrentTime", time::iso8601(now * 1000));
    facts.add("aws:EpochTime", now.to_string());
    facts.add("aws:SecureTransport", described.peer.is_some_and(|peer| peer.secure).to_string());
    facts.add("aws:RequestedRegion", described.region);
    // Nobody asks on behalf of somebody else.
    for key in ["aws:PrincipalIsAWSService", "aws:ViaAWSService"] {
        facts.add(key, "false");
    }
    if let Some(version) = described.peer.and_then(|peer| peer.tls_version) {
        facts.add("s3:TlsVersion", version.number());
    }
    if let Some(peer) = described.peer {
        facts.add("aws:SourceIp", peer.address.ip().to_canonical().to_string());
    }
    for (key, header) in [("aws:UserAgent", USER_AGENT), ("aws:Referer", REFERER)] {
        if let Some(value) = described.headers.get(header) {
            facts.add(key, String::from_utf8_lossy(value.as_bytes()));
        }
    }
}

fn of_s3(facts: &mut Facts, described: &Described<'_>, caller: &Caller) {
    for (key, parameter) in [("s3:prefix", "prefix"), ("s3:delimiter", "delimiter"), ("s3:max-keys", "max-keys")] {
        if let Some(value) = described.query.get(parameter) {
            facts.add(key, value);
        }
    }
    if let Some(version) = described.query.get("versionId") {
        facts.add("s3:VersionId", version);
    }
    for &name in HEADER_KEYS {
        if let Some(value) = described.headers.get(name) {
            facts.add(&format!("s3:{name}"), String::from_utf8_lossy(value.as_bytes()));
        }
    }
    for (key, header) in [("s3:if-match", IF_MATCH), ("s3:if-none-match", IF_NONE_MATCH)] {
        if let Some(value) = described.headers.get(header) {
            facts.add(key, String::from_utf8_lossy(value.as_bytes()));
        }
    }
    if let Some(creates_object) = described.creates_object {
        facts.add("s3:ObjectCreationOperation", creates_object.to_string());
    }
    of_tags(facts, described.headers);
    let (kind, version, signed_ms) = match &caller.proof {
        Proof::Everyone | Proof::None => return,
        Proof::V4Header(signed) => ("REST-HEADER", "AWS4-HMAC-SHA256", Some(signed.time_ms())),
        Proof::V4Query(signed) => ("REST-QUERY-STRING", "AWS4-HMAC-SHA256", Some(signed.time_ms())),
        Proof::V2 if described.query.has("Signature") => ("REST-QUERY-STRING", "AWS", None),
        Proof::V2 => ("REST-HEADER", "AWS", None),
        Proof::V4Form => ("POST", "AWS4-HMAC-SHA256", None),
        Proof::V2Form => ("POST", "AWS", None),
    };
    // A signature whose time nobody knows is as old as can be.
    let age_ms = signed_ms.map_or(i64::MAX, |signed_ms| described.now_ms.saturating_sub(signed_ms).max(0));
    facts.add("s3:signatureAge", age_ms.to_string());
    facts.add("s3:authType", kind);
    facts.add("s3:signatureversion", version);
}

/// The tags that a new object is to have.
fn of_tags(facts: &mut Facts, headers: &HeaderMap) {
    let Some(tags) = headers.get("x-amz-tagging").and_then(|value| value.to_str().ok()) else { return };
    let Ok(tags) = Query::parse(tags) else { return };
    for (key, value) in tags.pairs() {
        facts.add(&format!("s3:RequestObjectTag/{key}"), value);
        facts.add("s3:RequestObjectTagKeys", key);
    }
}

//! What is inside a session token: a protobuf message, sealed. Numbers of fields are never used twice.

use super::session::{Session, SessionPolicies, WebIdentity};
use super::{RootMark, TokenError};
use crate::auth::Identity;
use prost::Message as _;
use weir_proto::v1::Tag;

/// Tokens of another format are refused.
const FORMAT: u32 = 2;

#[derive(Clone, PartialEq, prost::Message)]
struct Payload {
    #[prost(uint32, tag = "1")]
    format: u32,
    #[prost(int64, tag = "2")]
    issued_ms: i64,
    #[prost(int64, tag = "3")]
    expires_ms: i64,
    // 4 was the root, without its keys.
    #[prost(oneof = "Holder", tags = "5, 6, 9")]
    holder: Option<Holder>,
    #[prost(message, optional, tag = "7")]
    bounds: Option<Bounds>,
    #[prost(message, optional, tag = "8")]
    web_identity: Option<WebIdentityRecord>,
}

#[derive(Clone, PartialEq, prost::Oneof)]
enum Holder {
    #[prost(message, tag = "9")]
    Root(RootRecord),
    #[prost(message, tag = "5")]
    User(UserRecord),
    #[prost(message, tag = "6")]
    AssumedRole(AssumedRoleRecord),
}

/// The root with the keys that it had.
#[derive(Clone, PartialEq, prost::Message)]
struct RootRecord {
    #[prost(bytes = "vec", tag = "1")]
    mark: Vec<u8>,
}

#[derive(Clone, PartialEq, prost::Message)]
struct UserRecord {
    #[prost(string, tag = "1")]
    name: String,
    #[prost(string, tag = "2")]
    path: String,
    #[prost(string, tag = "3")]
    id: String,
}

#[derive(Clone, PartialEq, prost::Message)]
struct AssumedRoleRecord {
    #[prost(string, tag = "1")]
    role: String,
    #[prost(string, tag = "2")]
    path: String,
    #[prost(string, tag = "3")]
    role_id: String,
    #[prost(string, tag = "4")]
    session: String,
}

/// What the packed size counts.
#[derive(Clone, PartialEq, prost::Message)]
struct Bounds {
    #[prost(string, optional, tag = "1")]
    inline_policy: Option<String>,
    // 2 were the names of managed policies.
    #[prost(message, repeated, tag = "3")]
    tags: Vec<Tag>,
    #[prost(string, repeated, tag = "4")]
    managed_policy_ids: Vec<String>,
}

#[derive(Clone, PartialEq, prost::Message)]
struct WebIdentityRecord {
    #[prost(string, tag = "1")]
    provider: String,
    #[prost(string, tag = "2")]
    audience: String,
    #[prost(string, tag = "3")]
    subject: String,
}

/// A session's message. None for nobody, who has no sessions. `root` marks the keys that the root has now.
pub(super) fn encode(session: &Session, root: &RootMark) -> Option<Vec<u8>> {
    let holder = match session.identity.clone() {
        Identity::Anonymous => return None,
        Identity::Root => Holder::Root(RootRecord { mark: root.to_vec() }),
        Identity::User { name, path, id } => Holder::User(UserRecord { name, path, id }),
        Identity::AssumedRole { role, path, role_id, session } => {
            Holder::AssumedRole(AssumedRoleRecord { role, path, role_id, session })
        }
    };
    let web_identity = session.web_identity.clone();
    let payload = Payload {
        format: FORMAT,
        issued_ms: session.issued_ms,
        expires_ms: session.expires_ms,
        holder: Some(holder),
        bounds: Some(bounds(session)),
        web_identity: web_identity.map(|WebIdentity { provider, audience, subject }| WebIdentityRecord {
            provider,
            audience,
            subject,
        }),
    };
    Some(payload.encode_to_vec())
}

/// The session of a message.
///
/// # Errors
/// [`TokenError::Invalid`] when it is no such message or of another format, [`TokenError::HolderGone`] when the root had
/// other keys.
pub(super) fn decode(bytes: &[u8], root: &RootMark) -> Result<Session, TokenError> {
    let payload = Payload::decode(bytes).ok().filter(|payload| payload.format == FORMAT).ok_or(TokenError::Invalid)?;
    let identity = match payload.holder.ok_or(TokenError::Invalid)? {
        Holder::Root(RootRecord { mark }) if mark == root => Identity::Root,
        Holder::Root(_) => return Err(TokenError::HolderGone),
        Holder::User(UserRecord { name, path, id }) => Identity::User { name, path, id },
        Holder::AssumedRole(AssumedRoleRecord { role, path, role_id, session }) => {
            Identity::AssumedRole { role, path, role_id, session }
        }
    };
    let Bounds { inline_policy, tags, managed_policy_ids } = payload.bounds.ok_or(TokenError::Invalid)?;
    let web_identity = payload.web_identity;
    Ok(Session {
        identity,
        issued_ms: payload.issued_ms,
        expires_ms: payload.expires_ms,
        policies: SessionPolicies { inline: inline_policy, managed_ids: managed_policy_ids },
        tags,
        web_identity: web_identity.map(|WebIdentityRecord { provider, audience, subject }| WebIdentity {
            provider,
            audience,
            subject,
        }),
    })
}

/// How many bytes a session's policies and tags take in its token.
pub(super) fn packed_bytes(session: &Session) -> usize {
    bounds(session).encoded_len()
}

fn bounds(session: &Session) -> Bounds {
    let SessionPolicies { inline, managed_ids } = session.policies.clone();
    Bounds { inline_policy: inline, tags: session.tags.clone(), managed_policy_ids: managed_ids }
}

#[cfg(test)]
mod tests {
    use super::*;

    const MARK: RootMark = [7; 32];

    #[test]
    fn messages_of_another_format_or_without_a_holder_are_no_sessions() {
        let whole = Payload {
            format: FORMAT,
            issued_ms: 1,
            expires_ms: 2,
            holder: Some(Holder::Root(RootRecord { mark: MARK.to_vec() })),
            bounds: Some(Bounds::default()),
            web_identity: None,
        };
        let read = |payload: &Payload| decode(&payload.encode_to_vec(), &MARK);
        assert_eq!(read(&whole).unwrap().identity, Identity::Root);
        assert_eq!(read(&Payload { format: FORMAT + 1, ..whole.clone() }), Err(TokenError::Invalid));
        assert_eq!(read(&Payload { format: 0, ..whole.clone() }), Err(TokenError::Invalid));
        assert_eq!(read(&Payload { holder: None, ..whole.clone() }), Err(TokenError::Invalid));
        for mark in [vec![8; 32], MARK[..31].to_vec(), Vec::new()] {
            let holder = Some(Holder::Root(RootRecord { mark }));
            assert_eq!(read(&Payload { holder, ..whole.clone() }), Err(TokenError::HolderGone));
        }
        // Without what bounds it a session could do more than it should.
        assert_eq!(read(&Payload { bounds: None, ..whole }), Err(TokenError::Invalid));
        assert_eq!(decode(b"\xff\xff\xff", &MARK), Err(TokenError::Invalid));
        assert_eq!(decode(b"", &MARK), Err(TokenError::Invalid));
    }
}

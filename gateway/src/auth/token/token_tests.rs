use super::*;
use crate::auth::Identity;
use crate::error::{ErrorCode, S3Error};
use weir_proto::v1::Tag;
use weir_service::clock::ManualClock;
use weir_service::peer_auth::ClusterSecret;

const NOW_MS: i64 = 1_767_225_600_000;
const HOUR_MS: i64 = 3_600_000;

fn tokens_of(secret: &str) -> SessionTokens {
    tokens_of_root(secret, "root-key", "root-secret")
}

fn tokens_of_root(secret: &str, root_access_key_id: &str, root_secret: &str) -> SessionTokens {
    let sealer = Sealer::new(&ClusterSecret::new(secret).unwrap());
    SessionTokens::new(Arc::new(sealer), Arc::new(ManualClock::at(NOW_MS)), root_access_key_id, root_secret)
}

fn tokens() -> SessionTokens {
    tokens_of("a secret of 32 characters or more")
}

fn user() -> Identity {
    Identity::User { name: "alice".into(), path: "/staff/".into(), id: "AIDA1".into() }
}

fn session(identity: Identity) -> Session {
    Session {
        identity,
        issued_ms: NOW_MS,
        expires_ms: NOW_MS + HOUR_MS,
        policies: SessionPolicies::default(),
        tags: Vec::new(),
        web_identity: None,
    }
}

/// The largest names that there are, and as much of policies and tags as is taken.
fn largest_session() -> Session {
    let identity = Identity::AssumedRole {
        role: "r".repeat(64),
        path: format!("/{}/", "p".repeat(510)),
        role_id: format!("AROA{}", "1".repeat(16)),
        session: "s".repeat(64),
    };
    let web_identity = WebIdentity { provider: "h".repeat(255), audience: "a".repeat(255), subject: "s".repeat(255) };
    let policies = SessionPolicies { inline: Some("i".repeat(2048)), managed_ids: vec!["m".repeat(128); 10] };
    let mut session = Session { policies, web_identity: Some(web_identity), ..session(identity) };
    session.tags = vec![Tag { key: "k".repeat(128), value: "v".repeat(256) }];
    let rest = PACKED_MAX_BYTES - payload::packed_bytes(&session);
    // Nine bytes of the next tag are its frame and its value.
    session.tags.push(Tag { key: "k".repeat(rest - 9), value: "v".into() });
    session
}

#[test]
fn a_session_comes_back_out_of_its_token() {
    let tokens = tokens();
    let identities = [
        Identity::Root,
        user(),
        Identity::AssumedRole {
            role: "reader".into(),
            path: "/".into(),
            role_id: "AROA1".into(),
            session: "s1".into(),
        },
    ];
    for identity in identities {
        let issued = session(identity);
        let credentials = tokens.issue(&issued).unwrap();
        assert_eq!(credentials.expires_ms, issued.expires_ms);
        assert_eq!(tokens.open(&credentials.access_key_id, &credentials.session_token, NOW_MS), Ok(issued));
    }
    let largest = largest_session();
    assert_eq!(packed_percent(&largest), 100);
    let credentials = tokens.issue(&largest).unwrap();
    assert!(credentials.session_token.len() <= TOKEN_MAX_BYTES, "{}", credentials.session_token.len());
    assert_eq!(tokens.open(&credentials.access_key_id, &credentials.session_token, NOW_MS), Ok(largest));
}

#[test]
fn policies_and_tags_beyond_the_limit_are_refused() {
    let mut session = largest_session();
    session.tags[1].value.push('v');
    assert_eq!(tokens().issue(&session), Err(IssueError::PackedTooLarge { packed_bytes: PACKED_MAX_BYTES + 1 }));
    assert_eq!(packed_percent(&session), 101);
}

#[test]
fn names_beyond_all_limits_make_no_token() {
    let identity = Identity::User { name: "n".repeat(TOKEN_MAX_BYTES), path: "/".into(), id: "AIDA1".into() };
    assert_eq!(tokens().issue(&session(identity)), Err(IssueError::TokenTooLarge));
}

#[test]
fn nobody_gets_no_credentials() {
    assert_eq!(tokens().issue(&session(Identity::Anonymous)), Err(IssueError::Anonymous));
}

#[test]
fn access_keys_and_secrets_have_the_form_of_those_of_aws() {
    let credentials = tokens().issue(&session(user())).unwrap();
    assert!(is_temporary(&credentials.access_key_id), "{}", credentials.access_key_id);
    assert_eq!(credentials.secret_access_key.len(), 40);
    assert_eq!(credentials.secret_access_key, tokens().secret(&credentials.access_key_id));
    assert_ne!(
        credentials.secret_access_key,
        tokens_of("another secret of 32 characters or more").secret(&credentials.access_key_id)
    );
    for other in
        ["AKIAABCDEFGHIJKLMNOP", "ASIA", "ASIAABCDEFGHIJKLMNO", "ASIAABCDEFGHIJKLMNOPQ", "ASIAabcdefghijklmnop"]
    {
        assert!(!is_temporary(other), "{other}");
    }
}

#[test]
fn neither_secret_nor_token_is_shown() {
    let credentials = tokens().issue(&session(user())).unwrap();
    let shown = format!("{credentials:?}");
    assert!(!shown.contains(&credentials.secret_access_key) && !shown.contains(&credentials.session_token), "{shown}");
}

#[test]
fn a_token_holds_to_the_millisecond() {
    let tokens = tokens();
    let credentials = tokens.issue(&session(user())).unwrap();
    let open = |now_ms| tokens.open(&credentials.access_key_id, &credentials.session_token, now_ms);
    assert!(open(credentials.expires_ms - 1).is_ok());
    assert_eq!(open(credentials.expires_ms), Err(TokenError::Expired));
    assert_eq!(open(i64::MAX), Err(TokenError::Expired));
}

#[test]
fn altered_foreign_and_oversized_tokens_are_refused() {
    let tokens = tokens();
    let credentials = tokens.issue(&session(user())).unwrap();
    let (key, token) = (credentials.access_key_id, credentials.session_token);
    for at in 0..token.len() {
        let mut altered = token.clone().into_bytes();
        altered[at] = if altered[at] == b'A' { b'B' } else { b'A' };
        let altered = String::from_utf8(altered).unwrap();
        assert_eq!(tokens.open(&key, &altered, NOW_MS), Err(TokenError::Invalid), "character {at}");
        assert_eq!(tokens.open(&key, &token[..at], NOW_MS), Err(TokenError::Invalid), "{at} characters");
    }
    let other_key = tokens.issue(&session(user())).unwrap().access_key_id;
    assert_eq!(tokens.open(&other_key, &token, NOW_MS), Err(TokenError::Invalid));
    assert_eq!(
        tokens_of("another secret of 32 characters or more").open(&key, &token, NOW_MS),
        Err(TokenError::Invalid)
    );
    for text in [format!("{token}=="), format!(" {token}"), "A".repeat(TOKEN_MAX_BYTES + 4), "é".into()] {
        assert_eq!(tokens.open(&key, &text, NOW_MS), Err(TokenError::Invalid), "{text}");
    }
}

#[test]
fn sessions_of_the_root_end_with_its_keys_and_no_others_do() {
    let secret = "a secret of 32 characters or more";
    let (of_root, of_user) =
        (tokens().issue(&session(Identity::Root)).unwrap(), tokens().issue(&session(user())).unwrap());
    let open = |tokens: &SessionTokens, credentials: &TemporaryCredentials| {
        tokens.open(&credentials.access_key_id, &credentials.session_token, NOW_MS).map(drop)
    };
    assert_eq!(open(&tokens_of_root(secret, "root-key", "root-secret"), &of_root), Ok(()));
    for (root_access_key_id, root_secret) in [("root-key", "other-secret"), ("other-key", "root-secret"), ("", "")] {
        let changed = tokens_of_root(secret, root_access_key_id, root_secret);
        assert_eq!(open(&changed, &of_root), Err(TokenError::HolderGone), "{root_access_key_id} {root_secret}");
        assert_eq!(open(&changed, &of_user), Ok(()));
    }
}

#[test]
fn what_was_sealed_for_another_purpose_is_no_token() {
    let tokens = tokens();
    let key = tokens.issue(&session(user())).unwrap().access_key_id;
    let payload = payload::encode(&session(Identity::Root), &tokens.root).unwrap();
    let sealed = tokens.sealer.seal(&*tokens.clock, "access key", &key, &payload).unwrap();
    assert_eq!(tokens.open(&key, &BASE64_URL.encode(sealed), NOW_MS), Err(TokenError::Invalid));
}

#[test]
fn a_temporary_key_comes_with_its_token_and_no_other_key_with_one() {
    let tokens = tokens();
    let issued = session(user());
    let credentials = tokens.issue(&issued).unwrap();
    let (key, token) = (credentials.access_key_id.as_str(), credentials.session_token.as_str());
    assert_eq!(tokens.session(key, Some(token), NOW_MS), Ok(Some(issued)));
    assert_eq!(tokens.session(key, None, NOW_MS), Err(TokenError::Missing));
    assert_eq!(tokens.session(key, Some(""), NOW_MS), Err(TokenError::Invalid));
    assert_eq!(tokens.session("AKIAABCDEFGHIJKLMNOP", Some(token), NOW_MS), Err(TokenError::NotTemporary));
    assert_eq!(tokens.session("AKIAABCDEFGHIJKLMNOP", None, NOW_MS), Ok(None));
}

#[test]
fn s3_answers_bad_tokens_with_its_own_codes() {
    for (error, code) in [
        (TokenError::Missing, ErrorCode::InvalidAccessKeyId),
        (TokenError::HolderGone, ErrorCode::InvalidAccessKeyId),
        (TokenError::NotTemporary, ErrorCode::InvalidToken),
        (TokenError::Invalid, ErrorCode::InvalidToken),
        (TokenError::Expired, ErrorCode::ExpiredToken),
    ] {
        assert_eq!(S3Error::from(error).code(), code, "{error}");
    }
}

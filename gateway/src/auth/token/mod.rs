//! Temporary credentials. They are stored nowhere: the session token is the session, sealed under the cluster's secret
//! for its access key id, and the secret access key is derived from that id. So every gateway knows them, and no
//! metaserver is asked.
//! <https://docs.aws.amazon.com/IAM/latest/UserGuide/id_credentials_temp.html>

#[cfg(any(test, feature = "fuzzing"))]
pub(crate) mod fuzzing;
mod payload;
mod session;
mod standing;

pub use session::{Session, SessionPolicies, WebIdentity};

use base64::Engine as _;
use base64::engine::general_purpose::{STANDARD as BASE64, URL_SAFE_NO_PAD as BASE64_URL};
use std::fmt;
use std::sync::Arc;
use weir_service::clock::Clock;
use weir_service::sealing::{SealError, Sealer};

/// The longest token, in characters: together with a signature it fits into the head of a request.
pub const TOKEN_MAX_BYTES: usize = 8 << 10;
/// What policies and tags of a session may take together. AWS has such a limit and does not tell it; this one leaves
/// room in a token for the longest names.
/// <https://docs.aws.amazon.com/IAM/latest/UserGuide/reference_iam-quotas.html#reference_iam-quotas-entity-length>
pub const PACKED_MAX_BYTES: usize = 4 << 10;

const TOKEN_PURPOSE: &str = "session token";
const ROOT_PURPOSE: &str = "root keys";
const SECRET_PURPOSE: &str = "temporary secret access key";
/// How AWS's begin.
const ACCESS_KEY_PREFIX: &str = "ASIA";
const ACCESS_KEY_RANDOM_CHARS: usize = 16;
const ACCESS_KEY_ALPHABET: &[u8; 32] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZ234567";
/// Of a secret, so that it has 40 characters.
const SECRET_BYTES: usize = 30;

/// Marks the keys of the root: other keys, other mark.
type RootMark = [u8; 32];

/// Why temporary credentials are not taken.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum TokenError {
    #[error("a temporary access key was sent without its session token")]
    Missing,
    #[error("a session token was sent with an access key that is not temporary")]
    NotTemporary,
    #[error("the session token was not issued here, or not with this access key")]
    Invalid,
    #[error("the session token has expired")]
    Expired,
    #[error("whom the session token was issued to is gone")]
    HolderGone,
}

/// Why temporary credentials can't be issued.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum IssueError {
    #[error(
        "packed, the session's policies and tags take {packed_bytes} bytes; at most {PACKED_MAX_BYTES} bytes are allowed"
    )]
    PackedTooLarge { packed_bytes: usize },
    #[error("the session token has more than {TOKEN_MAX_BYTES} characters")]
    TokenTooLarge,
    #[error("there are no sessions for anonymous callers")]
    Anonymous,
    #[error("the session token can't be sealed: {0}")]
    Seal(#[from] SealError),
}

/// What signs requests of a session.
#[derive(Clone, PartialEq, Eq)]
pub struct TemporaryCredentials {
    /// `ASIA` and 16 characters.
    pub access_key_id: String,
    /// 40 characters.
    pub secret_access_key: String,
    /// At most [`TOKEN_MAX_BYTES`] characters of URL-safe base64.
    pub session_token: String,
    pub expires_ms: i64,
}

/// Neither the secret nor the token.
impl fmt::Debug for TemporaryCredentials {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("TemporaryCredentials").field("access_key_id", &self.access_key_id).finish_non_exhaustive()
    }
}

/// Issues temporary credentials, and knows them again. Cheap to clone.
#[derive(Clone)]
pub struct SessionTokens {
    sealer: Arc<Sealer>,
    clock: Arc<dyn Clock>,
    root: RootMark,
}

impl SessionTokens {
    /// Sessions of the root end when its keys change.
    pub fn new(sealer: Arc<Sealer>, clock: Arc<dyn Clock>, root_access_key_id: &str, root_secret: &str) -> Self {
        let root = sealer.derive_secret(ROOT_PURPOSE, &format!("{root_access_key_id}\n{root_secret}"));
        Self { sealer, clock, root }
    }

    /// # Errors
    /// [`IssueError`] for a session that is too large, or nobody's.
    pub fn issue(&self, session: &Session) -> Result<TemporaryCredentials, IssueError> {
        let packed_bytes = payload::packed_bytes(session);
        if packed_bytes > PACKED_MAX_BYTES {
            return Err(IssueError::PackedTooLarge { packed_bytes });
        }
        let payload = payload::encode(session, &self.root).ok_or(IssueError::Anonymous)?;
        let access_key_id = self.new_access_key_id();
        let sealed = self.sealer.seal(&*self.clock, TOKEN_PURPOSE, &access_key_id, &payload)?;
        let session_token = BASE64_URL.encode(sealed);
        if session_token.len() > TOKEN_MAX_BYTES {
            return Err(IssueError::TokenTooLarge);
        }
        let secret_access_key = self.secret(&access_key_id);
        Ok(TemporaryCredentials { access_key_id, secret_access_key, session_token, expires_ms: session.expires_ms })
    }

    /// The session of a token that was issued with this access key and has not expired.
    ///
    /// # Errors
    /// [`TokenError::Invalid`], [`TokenError::Expired`], [`TokenError::HolderGone`] when the root has other keys by now.
    pub fn open(&self, access_key_id: &str, token: &str, now_ms: i64) -> Result<Session, TokenError> {
        if token.len() > TOKEN_MAX_BYTES {
            return Err(TokenError::Invalid);
        }
        let sealed = BASE64_URL.decode(token).map_err(|_| TokenError::Invalid)?;
        let payload = self.sealer.open(TOKEN_PURPOSE, access_key_id, &sealed).map_err(|_| TokenError::Invalid)?;
        let session = payload::decode(&payload, &self.root)?;
        if now_ms < session.expires_ms { Ok(session) } else { Err(TokenError::Expired) }
    }

    /// The session that a request is of, by its access key and the token that it carries; none when the key is not
    /// temporary.
    ///
    /// # Errors
    /// [`TokenError`]: a temporary key comes with its token, and no other key comes with one.
    pub fn session(
        &self,
        access_key_id: &str,
        token: Option<&str>,
        now_ms: i64,
    ) -> Result<Option<Session>, TokenError> {
        match (is_temporary(access_key_id), token) {
            (true, Some(token)) => self.open(access_key_id, token, now_ms).map(Some),
            (true, None) => Err(TokenError::Missing),
            (false, Some(_)) => Err(TokenError::NotTemporary),
            (false, None) => Ok(None),
        }
    }

    /// The secret access key of a temporary access key. It means nothing without a token that opens.
    pub fn secret(&self, access_key_id: &str) -> String {
        BASE64.encode(&self.sealer.derive_secret(SECRET_PURPOSE, access_key_id)[..SECRET_BYTES])
    }

    fn new_access_key_id(&self) -> String {
        let mut random = [0; ACCESS_KEY_RANDOM_CHARS];
        self.clock.random(&mut random);
        let letters = random.iter().map(|byte| char::from(ACCESS_KEY_ALPHABET[usize::from(byte % 32)]));
        ACCESS_KEY_PREFIX.chars().chain(letters).collect()
    }
}

/// Is this the id of temporary credentials, by its form?
pub fn is_temporary(access_key_id: &str) -> bool {
    access_key_id.strip_prefix(ACCESS_KEY_PREFIX).is_some_and(|rest| {
        rest.len() == ACCESS_KEY_RANDOM_CHARS && rest.bytes().all(|byte| ACCESS_KEY_ALPHABET.contains(&byte))
    })
}

/// How much of what is allowed a session's policies and tags take, in percent, rounded up: `PackedPolicySize`.
pub fn packed_percent(session: &Session) -> usize {
    (payload::packed_bytes(session) * 100).div_ceil(PACKED_MAX_BYTES)
}

#[cfg(test)]
#[path = "token_tests.rs"]
mod tests;

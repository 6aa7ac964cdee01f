//! Access keys: the root's from the settings, users' from the rules, temporary ones from the tokens that come with them.

use super::Identity;
use super::rules::Rules;
use super::token::{Session, SessionTokens, is_temporary};
use crate::error::{ErrorCode, S3Error};
use std::sync::Arc;

/// Every key that may sign a request.
#[derive(Clone)]
pub struct Keyring {
    root: Arc<RootKey>,
    tokens: SessionTokens,
}

struct RootKey {
    access_key_id: String,
    secret: String,
}

/// A key that was found: whose it is, and what it has to sign with.
pub struct Found {
    pub identity: Identity,
    pub secret: String,
    /// Of temporary credentials.
    pub session: Option<Arc<Session>>,
}

impl Keyring {
    pub fn new(root_access_key_id: &str, root_secret: &str, tokens: SessionTokens) -> Self {
        let root = RootKey { access_key_id: root_access_key_id.to_owned(), secret: root_secret.to_owned() };
        Self { root: Arc::new(root), tokens }
    }

    /// # Errors
    /// `InvalidAccessKeyId` for a key that is not known or not active; `InvalidToken` and `ExpiredToken`.
    pub fn find(&self, rules: &Rules, access_key_id: &str, token: Option<&str>, now_ms: i64) -> Result<Found, S3Error> {
        let unknown = || S3Error::new(ErrorCode::InvalidAccessKeyId).element("AWSAccessKeyId", access_key_id);
        if is_temporary(access_key_id) {
            let session = self.tokens.session(access_key_id, token, now_ms)?.ok_or_else(unknown)?;
            // Who was removed since may not come in any more.
            let session = session.standing(&rules.directory)?;
            let (identity, secret) = (session.identity.clone(), self.tokens.secret(access_key_id));
            return Ok(Found { identity, secret, session: Some(Arc::new(session)) });
        }
        let (identity, secret) = if access_key_id == self.root.access_key_id {
            (Identity::Root, self.root.secret.clone())
        } else {
            let (user, secret) = rules.key(access_key_id).ok_or_else(unknown)?;
            let (name, path, id) = (user.name.clone(), user.path.clone(), user.id.clone());
            (Identity::User { name, path, id }, secret.to_owned())
        };
        match token {
            None => Ok(Found { identity, secret, session: None }),
            // Only temporary credentials come with one.
            Some(_) => Err(ErrorCode::InvalidToken.into()),
        }
    }
}

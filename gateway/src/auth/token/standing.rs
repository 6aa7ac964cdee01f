//! Whether whom a session was begun for is still there. A token can't be taken back, but users and roles can.
//! <https://docs.aws.amazon.com/IAM/latest/UserGuide/id_roles_use_revoke-sessions.html>

use super::{Session, TokenError};
use crate::auth::{Directory, Identity};

impl Session {
    /// The session as of now: a user may have another name and path since it was begun, and is the same by id.
    ///
    /// # Errors
    /// [`TokenError::HolderGone`] when the user or the role is gone, or another has its name.
    pub fn standing(mut self, directory: &Directory) -> Result<Self, TokenError> {
        self.identity = match self.identity {
            // Nobody has sessions.
            Identity::Anonymous => return Err(TokenError::Invalid),
            Identity::Root => Identity::Root,
            Identity::User { name, id, .. } => {
                let of_name = directory.users.get(&name).filter(|user| user.id == id);
                let user = of_name.or_else(|| directory.users.values().find(|user| user.id == id));
                let user = user.ok_or(TokenError::HolderGone)?;
                Identity::User { name: user.name.clone(), path: user.path.clone(), id }
            }
            Identity::AssumedRole { role, path, role_id, session } => {
                directory.roles.get(&role).filter(|known| known.id == role_id).ok_or(TokenError::HolderGone)?;
                Identity::AssumedRole { role, path, role_id, session }
            }
        };
        Ok(self)
    }

    /// May it ask for actions of IAM? Sessions of roles may; what users and the root get for themselves is not for that,
    /// without a second factor.
    /// <https://docs.aws.amazon.com/STS/latest/APIReference/API_GetSessionToken.html>
    pub fn may_call_iam(&self) -> bool {
        match self.identity {
            Identity::AssumedRole { .. } => true,
            Identity::Anonymous | Identity::Root | Identity::User { .. } => false,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::auth::token::SessionPolicies;
    use weir_proto::v1::access_entry::Entry;
    use weir_proto::v1::{AccessEntry, Role, User};

    fn session(identity: Identity) -> Session {
        let policies = SessionPolicies::default();
        Session { identity, issued_ms: 0, expires_ms: 1, policies, tags: Vec::new(), web_identity: None }
    }

    fn user(name: &str, id: &str) -> Identity {
        Identity::User { name: name.into(), path: "/".into(), id: id.into() }
    }

    fn role(name: &str, id: &str) -> Identity {
        Identity::AssumedRole { role: name.into(), path: "/".into(), role_id: id.into(), session: "s1".into() }
    }

    fn directory() -> Directory {
        let user = |name: &str, id: &str| {
            Entry::User(User { name: name.into(), path: "/".into(), id: id.into(), ..User::default() })
        };
        let role = Role { name: "reader".into(), id: "AROA1".into(), ..Role::default() };
        let entries = [user("alice", "AIDA1"), user("bob", "AIDA2"), Entry::Role(role)];
        let mut directory = Directory::default();
        directory.apply(entries.into_iter().map(|entry| AccessEntry { entry: Some(entry) }));
        directory
    }

    #[test]
    fn a_session_goes_with_its_user_or_role() {
        for standing in [Identity::Root, user("alice", "AIDA1"), role("reader", "AROA1")] {
            assert_eq!(session(standing.clone()).standing(&directory()), Ok(session(standing)));
        }
        for gone in [user("alice", "AIDA9"), user("carol", "AIDA3"), role("reader", "AROA9"), role("writer", "AROA1")] {
            assert_eq!(session(gone).standing(&directory()), Err(TokenError::HolderGone));
        }
        assert_eq!(session(Identity::Anonymous).standing(&directory()), Err(TokenError::Invalid));
    }

    #[test]
    fn a_user_who_was_renamed_is_the_same() {
        assert_eq!(session(user("robert", "AIDA2")).standing(&directory()), Ok(session(user("bob", "AIDA2"))));
        assert_eq!(session(user("alice", "AIDA2")).standing(&directory()), Ok(session(user("bob", "AIDA2"))));
    }

    #[test]
    fn only_sessions_of_roles_call_iam() {
        assert!(session(role("reader", "AROA1")).may_call_iam());
        assert!(!session(user("alice", "AIDA1")).may_call_iam());
        assert!(!session(Identity::Root).may_call_iam());
    }
}

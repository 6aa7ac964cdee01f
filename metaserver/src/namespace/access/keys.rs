//! Access keys of users. The secret is told once, and kept sealed.
//! <https://docs.aws.amazon.com/IAM/latest/APIReference/API_CreateAccessKey.html>

use super::limits::MAX_ACCESS_KEYS_PER_USER;
use super::outcome::{Context, Outcome, room};
use super::random::{IdKind, id, secret};
use super::validate;
use crate::error::Error;
use weir_proto::v1::access_entry::Entry;
use weir_proto::v1::{AccessKey, AccessKind, CreateAccessKey, DeleteAccessKey, UpdateAccessKey};
use weir_service::sealing::{ACCESS_KEY_PURPOSE, Sealer};

pub(super) fn create(context: &Context<'_>, request: &CreateAccessKey) -> Result<Outcome, Error> {
    validate::name("user_name", &request.user_name)?;
    let given = validate::given_key(&request.access_key_id, &request.secret_access_key)?;
    let directory = context.directory;
    let user = directory.user(&request.user_name)?;
    room("access keys a user", directory.keys_of(&user.name).count(), MAX_ACCESS_KEYS_PER_USER)?;
    let (access_key_id, secret) = match given {
        Some((access_key_id, secret)) => (access_key_id.to_owned(), secret.to_owned()),
        None => (id(context.clock, IdKind::AccessKey), secret(context.clock)),
    };
    if directory.keys.contains_key(&access_key_id) {
        return Err(Error::EntityExists { kind: "access key", name: access_key_id });
    }
    let sealed = context.sealer.seal(context.clock, ACCESS_KEY_PURPOSE, &access_key_id, secret.as_bytes())?;
    let key = AccessKey {
        access_key_id,
        user_name: user.name.clone(),
        sealed_secret: sealed.into(),
        active: true,
        created_ms: context.clock.now_ms(),
    };
    Ok(Outcome { secret: Some(secret), ..Outcome::put(Entry::AccessKey(key)) })
}

/// The secret of a key that was made before.
///
/// # Errors
/// [`Error::Sealed`].
pub(super) fn reveal(sealer: &Sealer, key: &AccessKey) -> Result<String, Error> {
    let secret = sealer.open(ACCESS_KEY_PURPOSE, &key.access_key_id, &key.sealed_secret)?;
    String::from_utf8(secret).map_err(|_| Error::Sealed(weir_service::sealing::SealError))
}

/// A key that is not the named user's is as good as none.
fn find<'a>(context: &Context<'a>, access_key_id: &str, user_name: &str) -> Result<&'a AccessKey, Error> {
    validate::access_key_id(access_key_id)?;
    if !user_name.is_empty() {
        validate::name("user_name", user_name)?;
        context.directory.user(user_name)?;
    }
    let key = context.directory.key(access_key_id)?;
    if !user_name.is_empty() && key.user_name != user_name {
        return Err(Error::NoSuchEntity { kind: "access key of this user", name: access_key_id.to_owned() });
    }
    Ok(key)
}

pub(super) fn update(context: &Context<'_>, request: &UpdateAccessKey) -> Result<Outcome, Error> {
    let key = find(context, &request.access_key_id, &request.user_name)?;
    if key.active == request.active {
        return Ok(Outcome::unchanged(AccessKind::AccessKey, &key.access_key_id));
    }
    Ok(Outcome::put(Entry::AccessKey(AccessKey { active: request.active, ..key.clone() })))
}

pub(super) fn delete(context: &Context<'_>, request: &DeleteAccessKey) -> Result<Outcome, Error> {
    let key = find(context, &request.access_key_id, &request.user_name)?;
    Ok(Outcome::removed(AccessKind::AccessKey, &key.access_key_id))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::namespace::access::testing::{create_key, create_user};
    use crate::records::key::Kind;
    use crate::testing::{Fixture, sealer};
    use weir_proto::v1::change_access_request::Change;
    use weir_proto::v1::{ChangeAccessRequest, ChangeAccessResponse, RequestId};

    fn key_of(answer: &ChangeAccessResponse) -> &AccessKey {
        match answer.entry.as_ref().and_then(|entry| entry.entry.as_ref()) {
            Some(Entry::AccessKey(key)) => key,
            other => panic!("{other:?} is no access key"),
        }
    }

    fn given(user: &str, id: &str, secret: &str) -> Change {
        Change::CreateAccessKey(CreateAccessKey {
            user_name: user.into(),
            access_key_id: id.into(),
            secret_access_key: secret.into(),
        })
    }

    fn delete(access_key_id: &str, user_name: &str) -> Change {
        Change::DeleteAccessKey(DeleteAccessKey { access_key_id: access_key_id.into(), user_name: user_name.into() })
    }

    fn set_active(access_key_id: &str, user_name: &str, active: bool) -> Change {
        let (access_key_id, user_name) = (access_key_id.into(), user_name.into());
        Change::UpdateAccessKey(UpdateAccessKey { access_key_id, user_name, active })
    }

    #[tokio::test]
    async fn a_secret_is_told_again_to_a_repeated_request_and_lies_nowhere_in_clear() {
        let fixture = Fixture::new().await;
        fixture.changed(create_user("alice")).await;
        let request = ChangeAccessRequest {
            request_id: Some(RequestId { session_id: fixture.session_id, sequence: 7 }),
            change: Some(create_key("alice")),
        };
        let first = fixture.namespace.change_access(&request).await.unwrap();
        let (secret, key) = (first.secret_access_key.clone(), key_of(&first).clone());
        assert!(secret.len() == 40 && key.access_key_id.starts_with("AKIA") && key.active);
        assert_eq!(reveal(&sealer(), &key).unwrap(), secret);
        assert_eq!(fixture.namespace.change_access(&request).await.unwrap(), first);
        fixture.changed(delete(&key.access_key_id, "alice")).await;
        assert_eq!(fixture.namespace.change_access(&request).await.unwrap(), first, "also when it is gone since");
        fixture.changed(create_key("alice")).await;
        for kind in [Kind::AccessKey, Kind::RequestResult] {
            let rows = fixture.rows(kind).await;
            assert!(!rows.is_empty());
            for (_, value) in rows {
                assert!(!value.windows(secret.len()).any(|window| window == secret.as_bytes()), "{kind}");
            }
        }
        fixture.check_access().await;
    }

    #[tokio::test]
    async fn a_user_has_two_keys_at_most() {
        let fixture = Fixture::new().await;
        fixture.changed(create_user("alice")).await;
        for _ in 0..MAX_ACCESS_KEYS_PER_USER {
            fixture.changed(create_key("alice")).await;
        }
        assert!(matches!(fixture.refusal(create_key("alice")).await, Error::LimitExceeded { .. }));
        assert!(matches!(fixture.refusal(create_key("bob")).await, Error::NoSuchEntity { kind: "user", .. }));
    }

    #[tokio::test]
    async fn an_operator_gives_a_key_that_nobody_has() {
        let fixture = Fixture::new().await;
        fixture.changed(create_user("alice")).await;
        fixture.changed(create_user("bob")).await;
        let answer = fixture.change(given("alice", "operators-own", "hush-hush!")).await.unwrap();
        assert_eq!(answer.secret_access_key, "hush-hush!");
        assert_eq!(reveal(&sealer(), key_of(&answer)).unwrap(), "hush-hush!");
        let taken = fixture.refusal(given("bob", "operators-own", "another-secret")).await;
        assert!(matches!(taken, Error::EntityExists { kind: "access key", .. }));
    }

    #[tokio::test]
    async fn a_key_is_switched_off_and_on_and_removed_by_its_user_alone() {
        let fixture = Fixture::new().await;
        fixture.changed(create_user("alice")).await;
        fixture.changed(create_user("bob")).await;
        let id = key_of(&fixture.change(create_key("alice")).await.unwrap()).access_key_id.clone();
        for (active, user) in [(false, "alice"), (false, ""), (true, "")] {
            let answer = fixture.change(set_active(&id, user, active)).await.unwrap();
            assert_eq!(key_of(&answer).active, active);
        }
        assert!(matches!(fixture.refusal(set_active(&id, "bob", false)).await, Error::NoSuchEntity { .. }));
        assert!(matches!(fixture.refusal(delete(&id, "bob")).await, Error::NoSuchEntity { .. }));
        assert!(matches!(fixture.refusal(delete(&id, "nobody")).await, Error::NoSuchEntity { kind: "user", .. }));
        assert_eq!(fixture.changed(delete(&id, "alice")).await, None);
        assert!(matches!(fixture.refusal(delete(&id, "")).await, Error::NoSuchEntity { .. }));
        fixture.check_access().await;
    }
}

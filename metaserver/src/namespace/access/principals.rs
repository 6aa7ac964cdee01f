//! Whom the principals of a bucket's or a role's document are: the ids that their ARNs stand for as the document is
//! saved. Whoever gets such a name later is not meant.
//! <https://docs.aws.amazon.com/IAM/latest/UserGuide/reference_policies_elements_principal.html>

use super::directory::Directory;
use super::limits::MAX_PRINCIPALS;
use crate::error::Error;
use weir_proto::account::ACCOUNT_ID;
use weir_proto::v1::PrincipalId;

/// The ids of those whom a document names, by ARN, ascending.
///
/// # Errors
/// [`Error::NoSuchPrincipal`]; [`Error::LimitExceeded`].
pub(super) fn resolve(directory: &Directory, arns: &[String]) -> Result<Vec<PrincipalId>, Error> {
    if arns.len() > MAX_PRINCIPALS {
        return Err(Error::limit("principals of a document", MAX_PRINCIPALS));
    }
    let id = |arn: &String| match id_of(directory, arn) {
        Some(id) => Ok(PrincipalId { arn: arn.clone(), id: id.to_owned() }),
        None => Err(Error::NoSuchPrincipal { arn: arn.clone() }),
    };
    let mut principals = arns.iter().map(id).collect::<Result<Vec<_>, _>>()?;
    principals.sort_unstable_by(|one, other| one.arn.cmp(&other.arn));
    principals.dedup();
    Ok(principals)
}

/// What comes without a document names nobody.
///
/// # Errors
/// [`Error::Invalid`].
pub(super) fn of_no_document(what: &'static str, arns: &[String]) -> Result<(), Error> {
    if arns.is_empty() { Ok(()) } else { Err(Error::invalid(what, "there is no document that names them")) }
}

/// The id of the user, the role, or the role of the session that has exactly this ARN.
fn id_of<'a>(directory: &'a Directory, arn: &str) -> Option<&'a str> {
    let of_account = |service: &str| arn.strip_prefix("arn:aws:")?.strip_prefix(service)?.strip_prefix(ACCOUNT_ID);
    if let Some(session) = of_account("sts::").and_then(|rest| rest.strip_prefix(":assumed-role/")) {
        // Without the role's path.
        let (role, session) = session.split_once('/')?;
        return directory.roles.get(role).filter(|_| !session.is_empty()).map(|role| role.id.as_str());
    }
    let (kind, path_and_name) = of_account("iam::")?.strip_prefix(':')?.split_at_checked(4)?;
    let (path, name) = path_and_name.split_at(path_and_name.rfind('/')? + 1);
    match kind {
        "user" => directory.users.get(name).filter(|user| user.path == path).map(|user| user.id.as_str()),
        "role" => directory.roles.get(name).filter(|role| role.path == path).map(|role| role.id.as_str()),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::namespace::access::testing::{create_role, create_user, delete_user, rename_user};
    use crate::testing::Fixture;
    use weir_proto::v1::access_entry::Entry;
    use weir_proto::v1::change_access_request::Change;
    use weir_proto::v1::{CreateRole, Role, SetBucketAccess, UpdateRole, User};

    const BOB: &str = "arn:aws:iam::000000000000:user/bob";

    fn trust(names: &[&str]) -> Change {
        let trust_principals = names.iter().map(|&arn| arn.to_owned()).collect();
        let trust_document = Some("{}".into());
        Change::UpdateRole(UpdateRole { name: "reader".into(), trust_document, trust_principals, ..Default::default() })
    }

    fn bucket_policy(document: &str, names: &[&str]) -> Change {
        let policy_principals = names.iter().map(|&arn| arn.to_owned()).collect();
        let (bucket, policy_document) = ("photos".into(), Some(document.into()));
        Change::SetBucketAccess(SetBucketAccess { bucket, policy_document, policy_principals, ..Default::default() })
    }

    #[test]
    fn an_arn_is_a_users_or_a_roles_as_a_whole_or_nobodys() {
        let mut directory = Directory::new();
        let (name, path) = ("alice".to_owned(), "/staff/".to_owned());
        directory.apply(Entry::User(User { name, path, id: "AIDA1".into(), ..Default::default() }));
        let (name, path) = ("reader".to_owned(), "/r/".to_owned());
        directory.apply(Entry::Role(Role { name, path, id: "AROA1".into(), ..Default::default() }));
        for (arn, id) in [
            ("arn:aws:iam::000000000000:user/staff/alice", Some("AIDA1")),
            ("arn:aws:iam::000000000000:role/r/reader", Some("AROA1")),
            ("arn:aws:sts::000000000000:assumed-role/reader/monday", Some("AROA1")),
            ("arn:aws:iam::000000000000:user/alice", None),
            ("arn:aws:iam::000000000000:user/staff/Alice", None),
            ("arn:aws:iam::000000000000:role/staff/alice", None),
            ("arn:aws:iam::000000000000:user/r/reader", None),
            ("arn:aws:iam::000000000000:role/reader", None),
            ("arn:aws:iam::000000000000:group/staff/alice", None),
            ("arn:aws:iam::111122223333:user/staff/alice", None),
            ("arn:aws:sts::000000000000:assumed-role/r/reader/monday", None),
            ("arn:aws:sts::000000000000:assumed-role/reader", None),
            ("arn:aws:sts::000000000000:assumed-role/reader/", None),
            ("arn:aws:iam::000000000000:usér/alice", None),
            ("arn:aws:iam::000000000000:user", None),
            ("AIDA1", None),
            ("*", None),
            ("", None),
        ] {
            assert_eq!(id_of(&directory, arn), id, "{arn}");
        }
        let twice = ["arn:aws:iam::000000000000:user/staff/alice"; 2].map(str::to_owned);
        assert_eq!(resolve(&directory, &twice).unwrap().len(), 1);
        let many = vec![twice[0].clone(); MAX_PRINCIPALS + 1];
        assert!(matches!(resolve(&directory, &many), Err(Error::LimitExceeded { .. })));
    }

    #[tokio::test]
    async fn a_document_keeps_whom_it_was_saved_for() {
        let fixture = Fixture::new().await;
        fixture.bucket("photos").await;
        fixture.changed(create_user("bob")).await;
        fixture.changed(create_role("reader")).await;
        let bob = fixture.user("bob").unwrap().id;
        let Some(Entry::Role(role)) = fixture.changed(trust(&[BOB])).await else { panic!() };
        let named = vec![PrincipalId { arn: BOB.into(), id: bob }];
        assert_eq!(role.trust_principals, named);
        let Some(Entry::Bucket(bucket)) = fixture.changed(bucket_policy("{}", &[BOB])).await else { panic!() };
        assert_eq!(bucket.policy_principals, named);

        fixture.changed(rename_user("bob", "robert")).await;
        fixture.changed(create_user("bob")).await;
        let fixture = fixture.restart().await;
        fixture.check_access().await;
        let description = Some("another".into());
        let update = UpdateRole { name: "reader".into(), description, ..Default::default() };
        let Some(Entry::Role(role)) = fixture.changed(Change::UpdateRole(update)).await else { panic!() };
        assert_eq!(role.trust_principals, named, "another bob is not meant");

        let Some(Entry::Role(role)) = fixture.changed(trust(&[BOB])).await else { panic!() };
        assert_eq!(role.trust_principals[0].id, fixture.user("bob").unwrap().id, "saved again, this one is meant");
        assert_eq!(fixture.changed(bucket_policy("", &[])).await, None);
        fixture.check_access().await;
        fixture.restart().await.check_access().await;
    }

    #[tokio::test]
    async fn whom_a_document_names_has_to_exist() {
        let fixture = Fixture::new().await;
        fixture.bucket("photos").await;
        fixture.changed(create_role("reader")).await;
        fixture.changed(create_user("bob")).await;
        fixture.changed(delete_user("bob")).await;
        let create = CreateRole {
            name: "writer".into(),
            trust_document: "{}".into(),
            trust_principals: vec![BOB.into()],
            ..Default::default()
        };
        let version = fixture.namespace.access.version();
        for change in [trust(&[BOB]), Change::CreateRole(create), bucket_policy("{}", &[BOB])] {
            let refused = fixture.refusal(change).await;
            assert!(matches!(&refused, Error::NoSuchPrincipal { arn } if arn == BOB), "{refused}");
        }
        for change in [
            bucket_policy("", &[BOB]),
            Change::UpdateRole(UpdateRole {
                name: "reader".into(),
                trust_principals: vec![BOB.into()],
                ..Default::default()
            }),
        ] {
            let refused = fixture.refusal(change).await;
            assert!(matches!(refused, Error::Invalid { .. }), "without a document: {refused}");
        }
        assert_eq!(fixture.namespace.access.version(), version, "nothing was changed");
    }
}

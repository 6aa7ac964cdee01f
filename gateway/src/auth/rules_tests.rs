use super::*;
use crate::auth::policy::{Ask, Facts, Verdict};
use crate::auth::token::SessionPolicies;
use weir_proto::v1::access_entry::Entry;
use weir_service::clock::SystemClock;
use weir_service::peer_auth::ClusterSecret;

const ALLOW: &str = r#"{"Statement":{"Effect":"Allow","Action":"s3:GetObject","Resource":"*"}}"#;

fn sealer() -> Sealer {
    Sealer::new(&ClusterSecret::new("a secret of 32 characters or more").unwrap())
}

fn rules(entries: Vec<Entry>) -> Rules {
    let mut directory = Directory::default();
    directory.apply(entries.into_iter().map(|entry| v1::AccessEntry { entry: Some(entry) }));
    Rules::new(directory, &Rules::default(), &sealer())
}

fn permissions(attached: &[&str], inline: &[&str], boundary: &str) -> Option<v1::Permissions> {
    Some(v1::Permissions {
        attached_policies: attached.iter().map(|&name| name.to_owned()).collect(),
        inline_policies: inline
            .iter()
            .map(|&document| v1::NamedDocument { name: "inline".into(), document: document.to_owned() })
            .collect(),
        boundary_policy: boundary.to_owned(),
    })
}

fn user(permissions: Option<v1::Permissions>, groups: &[&str]) -> Entry {
    let groups = groups.iter().map(|&name| name.to_owned()).collect();
    Entry::User(v1::User {
        name: "alice".into(),
        path: "/".into(),
        id: "AIDA1".into(),
        permissions,
        groups,
        ..Default::default()
    })
}

fn policy(name: &str, documents: &[&str], default_version: u32) -> Entry {
    let versions = (1..).zip(documents).map(|(number, &document)| v1::PolicyVersion {
        number,
        document: document.to_owned(),
        created_ms: 0,
    });
    Entry::Policy(v1::ManagedPolicy {
        name: name.into(),
        id: format!("ANPA-{name}"),
        versions: versions.collect(),
        default_version,
        ..Default::default()
    })
}

fn alice() -> Identity {
    Identity::User { name: "alice".into(), path: "/".into(), id: "AIDA1".into() }
}

/// What each document says of a GetObject.
fn verdicts(documents: &[Arc<PolicyDocument>]) -> Vec<Verdict> {
    let (identity, facts) = (alice(), Facts::default());
    let ask = Ask { identity: &identity, action: "s3:GetObject", resource: "arn:aws:s3:::b/k", facts: &facts };
    documents.iter().map(|document| document.judge(&ask)).collect()
}

#[test]
fn a_user_has_its_own_policies_and_those_of_its_groups() {
    let group =
        v1::Group { name: "staff".into(), permissions: permissions(&["read"], &[ALLOW], ""), ..Default::default() };
    let rules = rules(vec![
        user(permissions(&["read"], &[ALLOW], "bound"), &["staff", "gone"]),
        Entry::Group(group),
        policy("read", &["{}", ALLOW], 2),
        policy("bound", &[ALLOW], 1),
    ]);
    let grants = rules.grants_of(&alice());
    assert_eq!(verdicts(&grants.documents), [Verdict::Allow; 4]);
    assert_eq!(verdicts(&[grants.boundary.unwrap()]), [Verdict::Allow]);
    let bob = Identity::User { name: "bob".into(), path: "/".into(), id: "AIDA2".into() };
    assert_eq!(verdicts(&rules.grants_of(&bob).documents), [Verdict::Deny], "he is gone");
    let another = Identity::User { name: "alice".into(), path: "/".into(), id: "AIDA2".into() };
    assert_eq!(verdicts(&rules.grants_of(&another).documents), [Verdict::Deny]);
}

#[test]
fn what_can_t_be_read_or_is_missing_refuses() {
    let rules =
        rules(vec![user(permissions(&["absent", "broken"], &["{"], "absent"), &[]), policy("broken", &["{}"], 1)]);
    let grants = rules.grants_of(&alice());
    assert_eq!(verdicts(&grants.documents), [Verdict::Deny; 3]);
    assert_eq!(verdicts(&[grants.boundary.unwrap()]), [Verdict::Deny]);
}

#[test]
fn a_key_speaks_for_its_user_while_it_is_active_and_its_secret_opens() {
    let key = |id: &str, active: bool, sealer: &Sealer| {
        let sealed_secret = sealer.seal(&SystemClock, ACCESS_KEY_PURPOSE, id, b"hush").unwrap().into();
        let (access_key_id, user_name) = (id.to_owned(), "alice".to_owned());
        Entry::AccessKey(v1::AccessKey { access_key_id, user_name, sealed_secret, active, created_ms: 0 })
    };
    let other = Sealer::new(&ClusterSecret::new("another secret of 32 characters or more").unwrap());
    let rules = rules(vec![
        user(None, &[]),
        key("AKIAACTIVE", true, &sealer()),
        key("AKIAINACTIVE", false, &sealer()),
        key("AKIAOTHER", true, &other),
    ]);
    assert_eq!(rules.key("AKIAACTIVE").map(|(user, secret)| (user.id.as_str(), secret)), Some(("AIDA1", "hush")));
    for id in ["AKIAINACTIVE", "AKIAOTHER", "AKIAABSENT"] {
        assert!(rules.key(id).is_none(), "{id}");
    }
}

#[test]
fn documents_of_entries_that_did_not_change_are_not_read_again() {
    let earlier = rules(vec![policy("read", &[ALLOW], 1)]);
    let later = Rules::new(earlier.directory.clone(), &earlier, &sealer());
    assert!(Arc::ptr_eq(&earlier.managed("read"), &later.managed("read")));
}

#[test]
fn a_session_is_bounded_by_the_policy_that_it_was_begun_with_and_no_other_of_its_name() {
    let session = |id: &str| Session {
        identity: alice(),
        issued_ms: 0,
        expires_ms: 1,
        policies: SessionPolicies { inline: None, managed_ids: vec![id.to_owned()] },
        tags: Vec::new(),
        web_identity: None,
    };
    let rules = rules(vec![policy("read", &[ALLOW], 1)]);
    assert_eq!(verdicts(&rules.session_documents(&session("ANPA-read")).unwrap()), [Verdict::Allow]);
    for gone in ["ANPA-earlier", "read", ""] {
        assert_eq!(verdicts(&rules.session_documents(&session(gone)).unwrap()), [Verdict::Deny], "{gone}");
    }
}

#[test]
fn a_bucket_s_policy_speaks_of_whom_it_was_saved_for() {
    let arn = "arn:aws:iam::000000000000:user/alice";
    let bucket = |principals: Vec<v1::PrincipalId>| {
        let statement = format!(
            r#""Effect":"Allow","Principal":{{"AWS":"{arn}"}},"Action":"s3:GetObject","Resource":"arn:aws:s3:::b/*""#
        );
        let rules = rules(vec![Entry::Bucket(v1::BucketAccess {
            bucket: "b".into(),
            policy_document: format!(r#"{{"Statement":{{{statement}}}}}"#),
            policy_principals: principals,
            ..Default::default()
        })]);
        verdicts(&[rules.bucket_policy("b").unwrap().clone().into()])
    };
    let named = |id: &str| vec![v1::PrincipalId { arn: arn.into(), id: id.into() }];
    assert_eq!(bucket(named("AIDA1")), [Verdict::AllowHolder]);
    assert_eq!(bucket(named("AIDA9")), [Verdict::Silent], "an earlier alice");
    assert_eq!(bucket(Vec::new()), [Verdict::Deny], "nobody knows whom it was saved for");
}

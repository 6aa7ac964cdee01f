//! The ARNs of what the directory holds.
//! <https://docs.aws.amazon.com/IAM/latest/UserGuide/reference_identifiers.html>

use super::{Directory, provider_name};
use std::sync::Arc;
use weir_proto::account::ACCOUNT_ID;
use weir_proto::v1;

/// What the ids of users begin with.
const USER_ID_PREFIX: &str = "AIDA";

/// `path` begins and ends with a slash, here and below.
pub fn user_arn(path: &str, name: &str) -> String {
    format!("arn:aws:iam::{ACCOUNT_ID}:user{path}{name}")
}

pub fn group_arn(path: &str, name: &str) -> String {
    format!("arn:aws:iam::{ACCOUNT_ID}:group{path}{name}")
}

/// Of a policy of the account; see [`policy_arn`].
pub fn local_policy_arn(path: &str, name: &str) -> String {
    format!("arn:aws:iam::{ACCOUNT_ID}:policy{path}{name}")
}

/// Of a managed policy. Those that are part of the system belong to the account `aws`, as AWS's own do.
pub fn policy_arn(policy: &v1::ManagedPolicy) -> String {
    if policy.built_in {
        format!("arn:aws:iam::aws:policy{}{}", policy.path, policy.name)
    } else {
        local_policy_arn(&policy.path, &policy.name)
    }
}

/// Of an issuer, by its URL with or without the scheme.
pub fn provider_arn(url: &str) -> String {
    format!("arn:aws:iam::{ACCOUNT_ID}:oidc-provider/{}", provider_name(url))
}

impl Directory {
    /// The managed policy that has exactly this ARN.
    pub fn policy_by_arn(&self, arn: &str) -> Option<&Arc<v1::ManagedPolicy>> {
        let (_, name) = arn.rsplit_once('/')?;
        self.policies.get(name).filter(|policy| policy_arn(policy) == arn)
    }

    /// The ARN of the policy with this name. One that is not known yet is shown as if it had no path.
    pub fn policy_arn_of(&self, name: &str) -> String {
        self.policies.get(name).map_or_else(|| local_policy_arn("/", name), |policy| policy_arn(policy))
    }

    /// The ARN of whom a saved document names, as it is now; none: they are gone.
    pub fn principal_arn(&self, principal: &v1::PrincipalId) -> Option<String> {
        let v1::PrincipalId { arn, id } = principal;
        if id.starts_with(USER_ID_PREFIX) {
            let named = arn.rsplit_once('/').and_then(|(_, name)| self.users.get(name)).filter(|user| user.id == *id);
            let user = named.or_else(|| self.users.values().find(|user| user.id == *id))?;
            return Some(user_arn(&user.path, &user.name));
        }
        // Roles keep their names and paths.
        self.roles.values().any(|role| role.id == *id).then(|| arn.clone())
    }

    /// The issuer that has exactly this ARN.
    pub fn provider_by_arn(&self, arn: &str) -> Option<&Arc<v1::OidcProvider>> {
        let name = arn.strip_prefix(&provider_arn(""))?;
        self.providers.get(name)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use weir_proto::v1::access_entry::Entry;

    fn directory() -> Directory {
        let policy = |name: &str, path: &str, built_in| {
            Entry::Policy(v1::ManagedPolicy { name: name.into(), path: path.into(), built_in, ..Default::default() })
        };
        let provider = v1::OidcProvider { url: "https://issuer.example/a".into(), ..Default::default() };
        let entries = [policy("Mine", "/team/", false), policy("Theirs", "/", true), Entry::OidcProvider(provider)];
        let mut directory = Directory::default();
        directory.apply(entries.into_iter().map(|entry| v1::AccessEntry { entry: Some(entry) }));
        directory
    }

    #[test]
    fn arns_are_those_of_aws() {
        assert_eq!(user_arn("/staff/", "alice"), "arn:aws:iam::000000000000:user/staff/alice");
        assert_eq!(group_arn("/", "staff"), "arn:aws:iam::000000000000:group/staff");
        assert_eq!(provider_arn("https://a.b/c"), "arn:aws:iam::000000000000:oidc-provider/a.b/c");
        let directory = directory();
        assert_eq!(directory.policy_arn_of("Mine"), "arn:aws:iam::000000000000:policy/team/Mine");
        assert_eq!(directory.policy_arn_of("Theirs"), "arn:aws:iam::aws:policy/Theirs");
    }

    #[test]
    fn a_policy_is_found_by_its_whole_arn_alone() {
        let directory = directory();
        for arn in ["arn:aws:iam::000000000000:policy/team/Mine", "arn:aws:iam::aws:policy/Theirs"] {
            assert!(directory.policy_by_arn(arn).is_some(), "{arn}");
        }
        for arn in [
            "Mine",
            "/Mine",
            "arn:aws:iam::000000000000:policy/Mine",
            "arn:aws:iam::aws:policy/team/Mine",
            "arn:aws:iam::000000000000:policy/Theirs",
            "arn:aws:iam::111122223333:policy/team/Mine",
            "arn:aws:iam::000000000000:policy/team/mine",
        ] {
            assert!(directory.policy_by_arn(arn).is_none(), "{arn}");
        }
    }

    #[test]
    fn a_principal_has_the_arn_of_now() {
        let mut directory = Directory::default();
        let user = |name: &str, path: &str, id: &str| {
            Entry::User(v1::User { name: name.into(), path: path.into(), id: id.into(), ..Default::default() })
        };
        let role =
            Entry::Role(v1::Role { name: "r".into(), path: "/".into(), id: "AROA1".into(), ..Default::default() });
        let entries = [user("bob", "/", "AIDA2"), user("robert", "/staff/", "AIDA1"), role];
        directory.apply(entries.map(|entry| v1::AccessEntry { entry: Some(entry) }));
        let now = |arn: &str, id: &str| directory.principal_arn(&v1::PrincipalId { arn: arn.into(), id: id.into() });
        let bob = "arn:aws:iam::000000000000:user/bob";
        assert_eq!(now(bob, "AIDA2").as_deref(), Some(bob));
        assert_eq!(now(bob, "AIDA1").as_deref(), Some("arn:aws:iam::000000000000:user/staff/robert"));
        assert_eq!(now(bob, "AIDA3"), None);
        for arn in ["arn:aws:iam::000000000000:role/r", "arn:aws:sts::000000000000:assumed-role/r/s"] {
            assert_eq!(now(arn, "AROA1").as_deref(), Some(arn));
            assert_eq!(now(arn, "AROA2"), None);
        }
    }

    #[test]
    fn an_issuer_is_found_by_its_whole_arn_alone() {
        let directory = directory();
        assert!(directory.provider_by_arn("arn:aws:iam::000000000000:oidc-provider/issuer.example/a").is_some());
        for arn in ["issuer.example/a", "arn:aws:iam::000000000000:oidc-provider/issuer.example"] {
            assert!(directory.provider_by_arn(arn).is_none(), "{arn}");
        }
    }
}

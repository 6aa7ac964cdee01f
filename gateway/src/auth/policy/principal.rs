//! Whom a statement is about.
//! <https://docs.aws.amazon.com/IAM/latest/UserGuide/reference_policies_elements_principal.html>

use super::facts::Facts;
use super::json::Json;
use crate::auth::Identity;
use weir_proto::account::{ACCOUNT_CANONICAL_ID, ACCOUNT_ID};
use weir_proto::v1::PrincipalId;

/// One principal of a statement.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Principal {
    /// Also those without credentials.
    Everyone,
    /// The account: whoever of it is allowed by its own policies.
    Account,
    /// A user, a role or a session of a role, by its ARN: nobody, until it is bound to an id.
    Arn(String),
    /// A user, by its id.
    User(String),
    /// A role, by its id.
    Role(String),
    RoleSession {
        role_id: String,
        session: String,
    },
    /// An issuer of web identities, by its ARN.
    Federated(String),
    /// A service of AWS, of which there is none here.
    Service(String),
    /// Another account, or an identity of one: nobody here.
    Stranger(String),
}

/// How a statement's principal speaks of an identity.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Named {
    No,
    /// By its account: what it may is its own policies' matter.
    ByAccount,
    /// By the user, or the role that was taken: a session of theirs may be bounded.
    ByHolder,
    /// As everyone, by the name of its session, or as the account that it is.
    ByName,
}

impl Principal {
    /// # Errors
    /// What is wrong with the element, as S3 says it.
    pub fn parse(element: &Json) -> Result<Vec<Self>, String> {
        const INVALID: &str = "Invalid principal in policy";
        match element {
            Json::Text(text) if text == "*" => Ok(vec![Self::Everyone]),
            Json::Object(members) if !members.is_empty() => {
                let mut principals = Vec::new();
                for (kind, values) in members {
                    for value in texts(values).ok_or(INVALID)? {
                        principals.push(Self::of(kind, value).ok_or(INVALID)?);
                    }
                }
                if principals.is_empty() { Err(INVALID.to_owned()) } else { Ok(principals) }
            }
            _ => Err(INVALID.to_owned()),
        }
    }

    fn of(kind: &str, value: &str) -> Option<Self> {
        Some(match kind {
            "AWS" if value == "*" => Self::Everyone,
            "AWS" if value == ACCOUNT_ID || value == format!("arn:aws:iam::{ACCOUNT_ID}:root") => Self::Account,
            "AWS" if is_of_another_account(value) => Self::Stranger(value.to_owned()),
            "AWS" if is_arn_of_identity(value) => Self::Arn(value.to_owned()),
            "CanonicalUser" if value == ACCOUNT_CANONICAL_ID => Self::Account,
            "Federated" if !value.is_empty() => Self::Federated(value.to_owned()),
            "Service" if !value.is_empty() => Self::Service(value.to_owned()),
            _ => return None,
        })
    }

    /// Does it speak of this identity? Of one that an issuer vouches for, `aws:FederatedProvider` names the issuer.
    pub fn names(&self, identity: &Identity, facts: &Facts) -> Named {
        match self {
            Self::Everyone => Named::ByName,
            Self::Account => match identity {
                Identity::Anonymous => Named::No,
                // The account is the root keys' own name.
                Identity::Root => Named::ByName,
                Identity::User { .. } | Identity::AssumedRole { .. } => Named::ByAccount,
            },
            Self::User(named) => match identity {
                Identity::User { id, .. } if id == named => Named::ByHolder,
                _ => Named::No,
            },
            Self::Role(named) => match identity {
                Identity::AssumedRole { role_id, .. } if role_id == named => Named::ByHolder,
                _ => Named::No,
            },
            Self::RoleSession { role_id: named, session: named_session } => match identity {
                Identity::AssumedRole { role_id, session, .. } if role_id == named && session == named_session => {
                    Named::ByName
                }
                _ => Named::No,
            },
            Self::Federated(issuer) => match facts.one("aws:federatedprovider") {
                Some(provider) if provider == issuer => Named::ByName,
                Some(_) | None => Named::No,
            },
            Self::Arn(_) | Self::Service(_) | Self::Stranger(_) => Named::No,
        }
    }

    /// The ARN of a user or role that has to exist.
    pub fn arn(&self) -> Option<&str> {
        if let Self::Arn(arn) = self { Some(arn) } else { None }
    }

    /// From now on an ARN means whom it stood for when the document was saved, and nobody who has it later.
    ///
    /// # Errors
    /// An ARN of which that is not known.
    pub fn bind(&mut self, principals: &[PrincipalId]) -> Result<(), String> {
        let Self::Arn(arn) = self else { return Ok(()) };
        let found = principals.binary_search_by(|principal| principal.arn.as_str().cmp(arn));
        let Some(PrincipalId { id, .. }) = found.ok().and_then(|at| principals.get(at)) else {
            return Err(std::mem::take(arn));
        };
        let id = id.clone();
        *self = match kind_and_name(arn) {
            Some(("user", _)) => Self::User(id),
            Some(("role", _)) => Self::Role(id),
            Some((_, name)) => {
                let (_, session) = name.split_once('/').unwrap_or_default();
                Self::RoleSession { role_id: id, session: session.to_owned() }
            }
            None => return Err(std::mem::take(arn)),
        };
        Ok(())
    }
}

/// Is an identity one of those that `NotPrincipal` leaves out? Its account and its role have to be named beside it.
/// <https://docs.aws.amazon.com/IAM/latest/UserGuide/reference_policies_elements_notprincipal.html>
pub fn leave_out(principals: &[Principal], identity: &Identity, facts: &Facts) -> bool {
    let is_named = |how: Named| principals.iter().any(|principal| principal.names(identity, facts) == how);
    let has_account = principals.contains(&Principal::Account);
    match identity {
        _ if principals.contains(&Principal::Everyone) => true,
        Identity::Anonymous | Identity::Root => is_named(Named::ByName),
        Identity::User { .. } => has_account && is_named(Named::ByHolder),
        Identity::AssumedRole { .. } => has_account && is_named(Named::ByName) && is_named(Named::ByHolder),
    }
}

/// A text, or several in an array.
pub fn texts(element: &Json) -> Option<Vec<&str>> {
    match element {
        Json::Text(text) => Some(vec![text]),
        Json::Array(items) => {
            items.iter().map(|item| if let Json::Text(text) = item { Some(text.as_str()) } else { None }).collect()
        }
        _ => None,
    }
}

fn is_of_another_account(text: &str) -> bool {
    let is_account = |id: &str| id.len() == 12 && id.bytes().all(|b| b.is_ascii_digit()) && id != ACCOUNT_ID;
    match text.split(':').collect::<Vec<_>>()[..] {
        [id] => is_account(id),
        ["arn", "aws", "iam" | "sts", "", id, name] => is_account(id) && !name.is_empty() && !name.contains(['*', '?']),
        _ => false,
    }
}

fn is_arn_of_identity(text: &str) -> bool {
    kind_and_name(text).is_some_and(|(_, name)| !name.is_empty() && !name.contains(['*', '?']))
}

/// What the ARN of a user, a role or an assumed role of the account names, and its name with its path.
fn kind_and_name(arn: &str) -> Option<(&str, &str)> {
    let mut parts = arn.splitn(6, ':');
    let mut next = || parts.next().unwrap_or_default();
    let (prefix, service) = ([next(), next()], next());
    let (region, account, resource) = (next(), next(), next());
    let (kind, name) = resource.split_once('/')?;
    let is_ours = prefix == ["arn", "aws"] && region.is_empty() && account == ACCOUNT_ID;
    match (service, kind) {
        ("iam", "user" | "role") | ("sts", "assumed-role") if is_ours => Some((kind, name)),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parse(text: &str) -> Result<Vec<Principal>, String> {
        Principal::parse(&Json::parse(text).unwrap())
    }

    #[test]
    fn principals_are_those_of_the_account_or_everyone() {
        assert_eq!(parse(r#""*""#), Ok(vec![Principal::Everyone]));
        assert_eq!(parse(r#"{"AWS": ["*", "000000000000"]}"#), Ok(vec![Principal::Everyone, Principal::Account]));
        assert_eq!(parse(r#"{"AWS": "arn:aws:iam::000000000000:root"}"#), Ok(vec![Principal::Account]));
        assert!(parse(r#"{"AWS": "arn:aws:iam::000000000000:user/a", "Federated": "id.example.com"}"#).is_ok());
        for text in [
            r#""alice""#,
            "[]",
            "{}",
            r#"{"AWS": []}"#,
            r#"{"AWS": 1}"#,
            r#"{"AWS": "arn:aws:iam::1111:user/a"}"#,
            r#"{"AWS": "arn:aws:iam::000000000000:user/*"}"#,
            r#"{"AWS": "arn:aws:iam::000000000000:group/a"}"#,
            r#"{"CanonicalUser": "abc"}"#,
            r#"{"Everyone": "*"}"#,
        ] {
            assert!(parse(text).is_err(), "{text}");
        }
    }

    #[test]
    fn an_identity_is_named_by_its_id_its_role_or_its_account() {
        let user = Identity::User { name: "a".into(), path: "/".into(), id: "AIDA".into() };
        let role =
            Identity::AssumedRole { role: "r".into(), path: "/p/".into(), role_id: "AROA".into(), session: "s".into() };
        let named = |principal: Principal, identity: &Identity| principal.names(identity, &Facts::default());
        let bound = |text: &str, id: &str| {
            let mut principal = Principal::Arn(format!("arn:aws:{text}"));
            let principals = [PrincipalId { arn: format!("arn:aws:{text}"), id: id.into() }];
            assert_eq!(principal.names(&user, &Facts::default()), Named::No, "it is not bound");
            principal.bind(&principals).map(|()| principal)
        };
        assert_eq!(named(Principal::Everyone, &Identity::Anonymous), Named::ByName);
        assert_eq!(named(Principal::Account, &Identity::Anonymous), Named::No);
        assert_eq!(named(Principal::Account, &user), Named::ByAccount);
        assert_eq!(named(Principal::Account, &Identity::Root), Named::ByName);
        for (arn, id, identity, how) in [
            ("iam::000000000000:user/a", "AIDA", &user, Named::ByHolder),
            ("iam::000000000000:user/as/it/was", "AIDA", &user, Named::ByHolder),
            ("iam::000000000000:user/a", "AIDA2", &user, Named::No),
            ("iam::000000000000:user/x:role/a", "AIDA", &user, Named::ByHolder),
            ("iam::000000000000:role/p/r", "AROA", &role, Named::ByHolder),
            ("iam::000000000000:role/p:user/:assumed-role/r", "AROA", &role, Named::ByHolder),
            ("iam::000000000000:role/p/r", "AROA2", &role, Named::No),
            ("iam::000000000000:role/p/r", "AIDA", &user, Named::No),
            ("sts::000000000000:assumed-role/r/s", "AROA", &role, Named::ByName),
            ("sts::000000000000:assumed-role/r/s", "AROA2", &role, Named::No),
            ("sts::000000000000:assumed-role/r/t", "AROA", &role, Named::No),
        ] {
            assert_eq!(named(bound(arn, id).unwrap(), identity), how, "{arn} {id}");
        }
        let mut unknown = Principal::Arn("arn:aws:iam::000000000000:user/a".into());
        assert_eq!(unknown.bind(&[]), Err("arn:aws:iam::000000000000:user/a".into()));
    }
}

//! The reference: maps, and AWS's rules in their plainest form. Each method says why a change is refused, or makes it.

use super::principals::Principals;
use super::steps::Holder;
use crate::error::Error;
use std::collections::{BTreeMap, BTreeSet};
use weir_proto::v1::AccessKind;

type Refused = Result<(), &'static str>;

const EXISTS: Refused = Err("exists");
const NONE: Refused = Err("none");
const CONFLICT: Refused = Err("conflict");
const LIMIT: Refused = Err("limit");
const INVALID: Refused = Err("invalid");

pub fn kind(error: &Error) -> &'static str {
    match error {
        Error::EntityExists { .. } => "exists",
        Error::NoSuchEntity { .. } => "none",
        Error::DeleteConflict { .. } => "conflict",
        Error::LimitExceeded { .. } => "limit",
        Error::Invalid { .. } => "invalid",
        Error::NoSuchPrincipal { .. } => "no principal",
        Error::NoSuchBucket { .. } => "no bucket",
        Error::BucketExists { .. } => "bucket exists",
        other => panic!("{other:?}"),
    }
}

#[derive(Clone, Debug, Default, PartialEq)]
pub struct Held {
    pub attached: BTreeSet<String>,
    /// Characters by name.
    pub inline: BTreeMap<String, usize>,
    pub boundary: String,
    pub groups: BTreeSet<String>,
}

#[derive(Clone, Debug, PartialEq)]
pub struct Policy {
    pub versions: BTreeSet<u32>,
    pub default: u32,
    pub last: u32,
}

#[derive(Debug, Default)]
pub struct Reference {
    pub users: BTreeMap<String, Held>,
    pub groups: BTreeMap<String, Held>,
    pub roles: BTreeMap<String, Held>,
    pub policies: BTreeMap<String, Policy>,
    /// Users by access key.
    pub keys: BTreeMap<String, String>,
    /// Ownership and bytes of the policy, of the buckets that there are.
    pub buckets: BTreeMap<String, (i32, usize)>,
    pub principals: Principals,
}

fn has<V>(map: &BTreeMap<String, V>, name: &str, but: &str) -> bool {
    map.keys().any(|taken| taken != but && taken.eq_ignore_ascii_case(name))
}

fn create(map: &mut BTreeMap<String, Held>, name: &str) -> Refused {
    if has(map, name, "") {
        return EXISTS;
    }
    map.insert(name.into(), Held::default());
    Ok(())
}

fn rename(map: &mut BTreeMap<String, Held>, from: &str, to: &str) -> Refused {
    if !map.contains_key(from) {
        return NONE;
    }
    if has(map, to, from) {
        return EXISTS;
    }
    let held = map.remove(from).unwrap();
    map.insert(to.into(), held);
    Ok(())
}

impl Reference {
    pub fn create_user(&mut self, name: &str) -> Refused {
        create(&mut self.users, name)?;
        self.principals.born(name);
        Ok(())
    }

    pub fn create_group(&mut self, name: &str) -> Refused {
        create(&mut self.groups, name)
    }

    pub fn create_role(&mut self, name: &str) -> Refused {
        create(&mut self.roles, name)
    }

    pub fn rename_user(&mut self, from: &str, to: &str) -> Refused {
        rename(&mut self.users, from, to)?;
        self.principals.renamed(from, to);
        self.keys.values_mut().filter(|user| *user == from).for_each(|user| *user = to.into());
        Ok(())
    }

    pub fn rename_group(&mut self, from: &str, to: &str) -> Refused {
        rename(&mut self.groups, from, to)?;
        for held in self.users.values_mut() {
            if held.groups.remove(from) {
                held.groups.insert(to.into());
            }
        }
        Ok(())
    }

    pub fn delete(&mut self, kind: AccessKind, name: &str) -> Refused {
        let hangs = match kind {
            AccessKind::User => self.keys.values().any(|user| user == name),
            _ => kind == AccessKind::Group && self.users.values().any(|held| held.groups.contains(name)),
        };
        let map = self.of_kind(kind);
        let Some(held) = map.get(name) else { return NONE };
        if hangs || !held.groups.is_empty() || !held.inline.is_empty() || !held.attached.is_empty() {
            return CONFLICT;
        }
        map.remove(name);
        match kind {
            AccessKind::User => self.principals.died(name),
            _ => self.principals.forget(&format!("role {name}")),
        }
        Ok(())
    }

    /// The key itself is the server's to make.
    pub fn create_key(&self, user: &str) -> Refused {
        if !self.users.contains_key(user) {
            return NONE;
        }
        if self.keys.values().filter(|owner| *owner == user).count() == 2 { LIMIT } else { Ok(()) }
    }

    pub fn membership(&mut self, group: &str, user: &str, member: bool) -> Refused {
        let is_there = self.groups.contains_key(group);
        let Some(held) = self.users.get_mut(user).filter(|_| is_there) else { return NONE };
        match member {
            true => held.groups.insert(group.into()),
            false if !held.groups.remove(group) => return NONE,
            false => true,
        };
        Ok(())
    }

    pub fn create_policy(&mut self, name: &str) -> Refused {
        if has(&self.policies, name, "") || name == "IAMFullAccess" {
            return EXISTS;
        }
        self.policies.insert(name.into(), Policy { versions: [1].into(), default: 1, last: 1 });
        Ok(())
    }

    fn changeable(&mut self, name: &str) -> Result<&mut Policy, &'static str> {
        if name == "IAMFullAccess" {
            return Err("invalid");
        }
        self.policies.get_mut(name).ok_or("none")
    }

    pub fn create_version(&mut self, name: &str, set_as_default: bool) -> Refused {
        let policy = self.changeable(name)?;
        if policy.versions.len() == 5 {
            return LIMIT;
        }
        policy.last += 1;
        policy.versions.insert(policy.last);
        if set_as_default {
            policy.default = policy.last;
        }
        Ok(())
    }

    pub fn set_default(&mut self, name: &str, number: u32) -> Refused {
        let policy = self.changeable(name)?;
        if !policy.versions.contains(&number) {
            return NONE;
        }
        policy.default = number;
        Ok(())
    }

    pub fn delete_version(&mut self, name: &str, number: u32) -> Refused {
        let policy = self.changeable(name)?;
        if !policy.versions.contains(&number) {
            return NONE;
        }
        if policy.default == number {
            return CONFLICT;
        }
        policy.versions.remove(&number);
        Ok(())
    }

    pub fn delete_policy(&mut self, name: &str) -> Refused {
        let versions = self.changeable(name)?.versions.len();
        let mut held = self.users.values().chain(self.groups.values()).chain(self.roles.values());
        if versions > 1 || held.any(|held| held.attached.contains(name) || held.boundary == name) {
            return CONFLICT;
        }
        self.policies.remove(name);
        Ok(())
    }

    fn of_kind(&mut self, kind: AccessKind) -> &mut BTreeMap<String, Held> {
        match kind {
            AccessKind::Group => &mut self.groups,
            AccessKind::Role => &mut self.roles,
            _ => &mut self.users,
        }
    }

    fn held(&mut self, holder: Holder) -> Result<&mut Held, &'static str> {
        self.of_kind(holder.kind).get_mut(holder.name()).ok_or("none")
    }

    fn has_policy(&self, name: &str) -> bool {
        name == "IAMFullAccess" || self.policies.contains_key(name)
    }

    pub fn put_inline(&mut self, holder: Holder, name: &str, characters: usize) -> Refused {
        let allowed = match holder.kind {
            AccessKind::Group => 5_120,
            AccessKind::Role => 10_240,
            _ => 2_048,
        };
        let held = self.held(holder)?;
        let others: usize = held.inline.iter().filter(|(other, _)| *other != name).map(|(_, count)| count).sum();
        if others + characters > allowed {
            return LIMIT;
        }
        held.inline.insert(name.into(), characters);
        Ok(())
    }

    pub fn delete_inline(&mut self, holder: Holder, name: &str) -> Refused {
        if self.held(holder)?.inline.remove(name).is_none() { NONE } else { Ok(()) }
    }

    pub fn attach(&mut self, holder: Holder, policy: &str) -> Refused {
        let is_there = self.has_policy(policy);
        let held = self.held(holder)?;
        if !is_there {
            return NONE;
        }
        held.attached.insert(policy.into());
        Ok(())
    }

    pub fn detach(&mut self, holder: Holder, policy: &str) -> Refused {
        if self.held(holder)?.attached.remove(policy) { Ok(()) } else { NONE }
    }

    pub fn set_boundary(&mut self, holder: Holder, policy: &str) -> Refused {
        let is_there = policy.is_empty() || self.has_policy(policy);
        let held = self.held(holder)?;
        if holder.kind == AccessKind::Group {
            return INVALID;
        }
        if !is_there {
            return NONE;
        }
        held.boundary = policy.into();
        Ok(())
    }

    pub fn create_bucket(&mut self, name: &str, ownership: i32) -> Refused {
        if self.buckets.contains_key(name) {
            return Err("bucket exists");
        }
        self.buckets.insert(name.into(), (ownership, 0));
        Ok(())
    }

    pub fn delete_bucket(&mut self, name: &str) -> Refused {
        self.principals.forget(&format!("bucket {name}"));
        self.buckets.remove(name).map(drop).ok_or("no bucket")
    }

    pub fn trust(&mut self, role: &str, user: &str) -> Refused {
        if !self.roles.contains_key(role) {
            return NONE;
        }
        self.principals.name(&format!("role {role}"), user)
    }

    pub fn set_bucket_policy(&mut self, name: &str, bytes: usize, user: Option<&str>) -> Refused {
        let bucket = self.buckets.get_mut(name).ok_or("no bucket")?;
        let holder = format!("bucket {name}");
        match user {
            Some(user) => self.principals.name(&holder, user)?,
            None => self.principals.forget(&holder),
        }
        bucket.1 = bytes;
        Ok(())
    }
}

//! What managed policies are used for: whom they are attached to, and whom they bound.
//! <https://docs.aws.amazon.com/IAM/latest/APIReference/API_ListEntitiesForPolicy.html>

use super::Call;
use super::holder::{Holder, HolderKind};
use super::named_policy::policy_of;
use super::paging::{Paging, write_members};
use super::rules::PATH;
use crate::auth::Directory;
use crate::query_api::{QueryAnswer, QueryError};
use crate::xml::Writer;
use std::collections::HashMap;

/// How often a policy is used.
#[derive(Clone, Copy, Debug, Default)]
pub struct Usage {
    pub attachments: u64,
    pub boundaries: u64,
}

/// Which use is asked for.
#[derive(Clone, Copy, PartialEq, Eq)]
pub enum UsageFilter {
    All,
    Permissions,
    Boundary,
}

/// In the order of a listing.
const KINDS: [HolderKind; 3] = [HolderKind::Group, HolderKind::User, HolderKind::Role];

impl Usage {
    pub fn of(directory: &Directory, policy_name: &str) -> Self {
        Self::of_all(directory).get(policy_name).copied().unwrap_or_default()
    }

    /// Of every policy that is used at all.
    pub fn of_all(directory: &Directory) -> HashMap<&str, Self> {
        let mut usage: HashMap<&str, Self> = HashMap::new();
        for holder in KINDS.into_iter().flat_map(|kind| Holder::all(directory, kind)) {
            for name in &holder.permissions.attached_policies {
                usage.entry(name).or_default().attachments += 1;
            }
            if !holder.permissions.boundary_policy.is_empty() {
                usage.entry(&holder.permissions.boundary_policy).or_default().boundaries += 1;
            }
        }
        usage
    }
}

/// `PolicyUsageFilter`.
///
/// # Errors
/// `ValidationError`.
pub fn usage_filter(call: &Call<'_>) -> Result<UsageFilter, QueryError> {
    let choices = [("PermissionsPolicy", UsageFilter::Permissions), ("PermissionsBoundary", UsageFilter::Boundary)];
    Ok(call.parameters.choice("PolicyUsageFilter", &choices)?.unwrap_or(UsageFilter::All))
}

pub fn list_entities_for_policy(call: &Call<'_>) -> Result<QueryAnswer, QueryError> {
    let policy = policy_of(call, "PolicyArn")?;
    let (filter, usage) = (entity_filter(call)?, usage_filter(call)?);
    let prefix = call.parameters.text("PathPrefix", &PATH)?.unwrap_or("/");
    let is_wanted = |holder: &Holder<'_>| {
        let attached = holder.permissions.attached_policies.contains(&policy.name);
        let bounded = holder.permissions.boundary_policy == policy.name;
        let used = match usage {
            UsageFilter::All => attached || bounded,
            UsageFilter::Permissions => attached,
            UsageFilter::Boundary => bounded,
        };
        used && holder.path.starts_with(prefix)
    };
    let kinds = KINDS.into_iter().enumerate().filter(|(_, kind)| filter.as_ref().is_none_or(|wanted| wanted == kind));
    let holders = kinds.flat_map(|(place, kind)| {
        let holders = Holder::all(call.directory, kind).into_iter().filter(&is_wanted);
        holders.map(move |holder| (format!("{place}/{}", holder.name), holder))
    });
    let page = Paging::of(call.parameters)?.take(holders);
    Ok(QueryAnswer::with(|xml| {
        for (kind, list, id) in [
            (HolderKind::Group, "PolicyGroups", "GroupId"),
            (HolderKind::User, "PolicyUsers", "UserId"),
            (HolderKind::Role, "PolicyRoles", "RoleId"),
        ] {
            let holders = page.items.iter().filter(|holder| holder.kind == kind);
            write_members(xml, list, holders, |xml: &mut Writer, holder| {
                xml.text(kind.parameter(), holder.name).text(id, holder.id);
            });
        }
        page.write_end(xml);
    }))
}

/// `EntityFilter`: None for all kinds. Of policies nothing is attached to a policy.
fn entity_filter(call: &Call<'_>) -> Result<Option<HolderKind>, QueryError> {
    let choices = [("User", HolderKind::User), ("Group", HolderKind::Group), ("Role", HolderKind::Role)];
    call.parameters.choice("EntityFilter", &choices)
}

//! Whom a policy is for.

use clap::Args;
use std::fmt;
use weir_proto::v1::{AccessKind, AccessName};

#[derive(Clone, Debug, Args)]
#[group(required = true, multiple = false)]
pub struct HolderArgs {
    #[arg(long, value_name = "name")]
    user: Option<String>,
    #[arg(long, value_name = "name")]
    group: Option<String>,
    #[arg(long, value_name = "name")]
    role: Option<String>,
}

impl HolderArgs {
    fn chosen(&self) -> (AccessKind, &'static str, &str) {
        match (&self.user, &self.group, &self.role) {
            (Some(name), _, _) => (AccessKind::User, "user", name),
            (None, Some(name), _) => (AccessKind::Group, "group", name),
            (None, None, Some(name)) => (AccessKind::Role, "role", name),
            // One of them is required; the metaserver refuses this.
            (None, None, None) => (AccessKind::Unspecified, "nobody", ""),
        }
    }

    pub fn name(&self) -> AccessName {
        let (kind, _, name) = self.chosen();
        AccessName { kind: kind.into(), name: name.to_owned() }
    }
}

impl fmt::Display for HolderArgs {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (_, kind, name) = self.chosen();
        write!(f, "{kind} {name}")
    }
}

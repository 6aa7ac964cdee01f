//! `weir fsadmin policy version`

use crate::shell::Shell;
use crate::shell::error::ShellError;
use crate::shell::format::{printable, utc_time};
use crate::shell::output::Output;
use clap::Subcommand;
use weir_proto::v1::change_access_request::Change;
use weir_proto::v1::{DeletePolicyVersion, SetDefaultPolicyVersion};

#[derive(Debug, Subcommand)]
pub enum Action {
    Ls {
        name: String,
    },
    Default {
        name: String,
        #[arg(value_parser = number)]
        version: u32,
    },
    Rm {
        name: String,
        #[arg(value_parser = number)]
        version: u32,
    },
}

pub async fn run(action: &Action, shell: &Shell, out: &mut Output) -> Result<(), ShellError> {
    match action {
        Action::Ls { name } => list(name, shell, out).await,
        Action::Default { name, version } => {
            let change = SetDefaultPolicyVersion { policy_name: name.clone(), number: *version };
            shell.change_access(Change::SetDefaultPolicyVersion(change)).await?;
            out.say(format_args!("Version v{version} of policy {name} holds from now on"))
        }
        Action::Rm { name, version } => {
            let change = DeletePolicyVersion { policy_name: name.clone(), number: *version };
            shell.change_access(Change::DeletePolicyVersion(change)).await?;
            out.say(format_args!("Removed version v{version} of policy {name}"))
        }
    }
}

/// A line a version, newest first.
async fn list(name: &str, shell: &Shell, out: &mut Output) -> Result<(), ShellError> {
    let directory = shell.directory().await?;
    let Some(policy) = directory.policies.iter().find(|policy| policy.name == name) else {
        return Err(ShellError::said(format!("There is no policy {}.", printable(name.as_bytes()))));
    };
    policy.versions.iter().try_for_each(|version| {
        let default = if version.number == policy.default_version { "  holds" } else { "" };
        out.say(format_args!("v{:<8} {}{default}", version.number, utc_time(version.created_ms)))
    })
}

/// `v3`, or `3`.
fn number(text: &str) -> Result<u32, String> {
    let digits = text.strip_prefix('v').unwrap_or(text);
    let is_number = !digits.is_empty() && digits.bytes().all(|byte| byte.is_ascii_digit());
    let number = digits.parse().ok().filter(|_| is_number);
    number.ok_or_else(|| "a version is v1, v2 and so on".to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_version_is_a_number_with_or_without_its_letter() {
        assert_eq!((number("v3"), number("12")), (Ok(3), Ok(12)));
        for text in ["", "v", "vv1", "+1", "-1", "1.0", "V1", "99999999999"] {
            assert!(number(text).is_err(), "{text}");
        }
    }
}

//! `weir fsadmin restore`

use crate::commands::process::metadata_folder;
use crate::commands::{cluster_secret, told};
use crate::shell::Exit;
use crate::shell::connect::PlaceArgs;
use crate::shell::error::ShellError;
use crate::shell::output::Output;
use crate::shell::usage::Help;
use clap::Args;
use std::ffi::OsString;
use std::path::{Path, PathBuf};
use weir_service::config::{ServiceSettings, Sources};
use weir_service::disk::SystemDisk;
use weir_service::sealing::{ACCESS_KEY_PURPOSE, Sealer};

pub const HELP: Help = Help {
    name: "restore",
    usage: "restore [--to <folder>] <backup>",
    about: "Makes a metaserver's data from a backup, in a folder that is empty or not there: \"meta\" in the data folder \
            of a standalone, the metaserver's configured one, or that of --to. The metaserver must not run. Nothing is \
            deleted from workers before \"fsadmin confirmRestore\". The secrets of access keys open only with the secret \
            of the Weir that was backed up: cluster_secret, or the file cluster-secret in a standalone's data folder.",
};

#[derive(Debug, Args)]
#[command(about = HELP.about)]
pub struct RestoreArgs {
    /// The metaserver's data folder to make.
    #[arg(long, value_name = "folder")]
    to: Option<PathBuf>,
    #[arg(value_name = "backup")]
    backup: Vec<OsString>,
}

pub fn run(args: &RestoreArgs, place: &PlaceArgs, sources: Sources, out: &mut Output) -> Result<Exit, ShellError> {
    let [backup] = HELP.exactly::<1>(&args.backup)?;
    let config = place.load(sources)?;
    let folder = args.to.clone().unwrap_or_else(|| metadata_folder(&config));
    let report = weir_metaserver::restore(Path::new(backup), &folder, &SystemDisk)
        .map_err(|error| ShellError::said(format!("{} is not restored: {}", folder.display(), told(&error))))?;
    out.say(format_args!("Restored Folder      : {}", folder.display()))?;
    out.say(format_args!("Restored Entry Count : {}", report.entry_count))?;
    out.say(format_args!("Restored Sequence    : {}", report.sequence))?;
    out.say(format_args!("Restored Access Keys : {}", report.sealed_secrets.len()))?;
    if let Some((id, sealed)) = report.sealed_secrets.first_key_value() {
        let is_of_standalone = folder == metadata_folder(&config);
        out.say(about_secret(&config.service, is_of_standalone, |sealer| {
            sealer.open(ACCESS_KEY_PURPOSE, id, sealed).is_ok()
        }))?;
    }
    out.say("Start the metaserver, look whether everything is there, then run \"weir fsadmin confirmRestore\"")?;
    Ok(Exit::DONE)
}

/// What to say of the secret that the restored keys are sealed under. `opens`: it is that one.
fn about_secret(settings: &ServiceSettings, is_of_standalone: bool, opens: impl Fn(&Sealer) -> bool) -> String {
    let file = settings.data.join(cluster_secret::NAME);
    let place = match settings.cluster_secret.is_empty() {
        true => file.display().to_string(),
        false => "cluster_secret".to_owned(),
    };
    let is_known_place = is_of_standalone || !settings.cluster_secret.is_empty();
    let known = if is_known_place { cluster_secret::known_secret(settings, &SystemDisk) } else { Ok(None) };
    match known {
        Ok(Some(secret)) if opens(&Sealer::new(&secret)) => format!("The secrets of the access keys open with {place}"),
        Ok(Some(_)) => format!(
            "The secrets of the access keys do not open with {place}: put back the one of the Weir that was backed up \
             before the metaserver starts, or no access key can be used"
        ),
        Ok(None) => format!(
            "The secrets of the access keys are sealed under the secret of the Weir that was backed up: set \
             cluster_secret to it, or put the file {} back into the data folder of the standalone, before the metaserver \
             starts, or no access key can be used",
            cluster_secret::NAME
        ),
        Err(error) => format!("The secret of the access keys can't be checked: {}", told(&error)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_said_of_the_secret_depends_on_the_one_that_is_there() {
        let folder = tempfile::tempdir().unwrap();
        let settings = |cluster_secret: &str| ServiceSettings {
            data: folder.path().to_owned(),
            cluster_secret: cluster_secret.to_owned(),
            ..Default::default()
        };
        let secret = "a secret of 32 characters or more";
        let said =
            |settings: &ServiceSettings, is_of_standalone, opens| about_secret(settings, is_of_standalone, |_| opens);
        assert!(said(&settings(""), true, true).contains("put the file cluster-secret back"));
        assert!(said(&settings(secret), false, true).ends_with("open with cluster_secret"));
        std::fs::write(folder.path().join("cluster-secret"), secret).unwrap();
        assert!(said(&settings(""), true, true).ends_with("/cluster-secret"));
        assert!(said(&settings(""), true, false).contains("do not open with"));
        assert!(said(&settings(""), false, true).contains("put the file cluster-secret back"), "of another folder");
        std::fs::write(folder.path().join("cluster-secret"), "cut").unwrap();
        assert!(said(&settings(""), true, true).contains("can't be checked"));
    }
}

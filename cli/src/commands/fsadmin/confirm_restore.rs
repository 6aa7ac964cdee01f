//! `weir fsadmin confirmRestore`

use crate::shell::error::ShellError;
use crate::shell::output::Output;
use crate::shell::usage::Help;
use crate::shell::{Exit, Shell};
use clap::Args;
use weir_proto::v1;

pub const HELP: Help = Help {
    name: "confirmRestore",
    usage: "confirmRestore",
    about: "Says that a metaserver which was restored from a backup has what it should: from then on the blocks that the \
            backup does not know are deleted.",
};

#[derive(Debug, Args)]
#[command(about = HELP.about)]
pub struct ConfirmRestoreArgs {}

pub async fn run(_args: &ConfirmRestoreArgs, shell: &Shell, out: &mut Output) -> Result<Exit, ShellError> {
    shell.admin().confirm_restore(v1::ConfirmRestoreRequest {}).await?;
    out.say("The restore is confirmed: space is reclaimed again").map(|()| Exit::DONE)
}

//! `weir fsadmin rebalance`

use crate::shell::error::ShellError;
use crate::shell::output::Output;
use crate::shell::usage::Help;
use crate::shell::{Exit, Shell};
use clap::Args;
use weir_proto::v1;

pub const HELP: Help = Help {
    name: "rebalance",
    usage: "rebalance",
    about: "Begins to move blocks from fuller workers to emptier ones, until each has its share, however little they \
            differ. It goes on in the background; report shows how much is left.",
};

#[derive(Debug, Args)]
#[command(about = HELP.about)]
pub struct RebalanceArgs {}

pub async fn run(_args: &RebalanceArgs, shell: &Shell, out: &mut Output) -> Result<Exit, ShellError> {
    shell.admin().rebalance(v1::RebalanceRequest {}).await?;
    out.say("The workers are being evened out").map(|()| Exit::DONE)
}

//! `weir fsadmin enableWorker`

use crate::shell::error::ShellError;
use crate::shell::output::Output;
use crate::shell::usage::Help;
use crate::shell::{Exit, Shell};
use clap::Args;
use weir_proto::v1;

pub const HELP: Help = Help {
    name: "enableWorker",
    usage: "enableWorker --addresses <workerHosts>",
    about: "Lets workers, HOST:PORT[,HOST:PORT...] or ids, serve again that decommissionWorker has emptied or begun to.",
};

#[derive(Debug, Args)]
#[command(about = HELP.about)]
pub struct EnableWorkerArgs {
    /// The workers.
    #[arg(short = 'a', long, value_name = "workerHosts", value_delimiter = ',', required = true)]
    addresses: Vec<String>,
}

pub async fn run(args: &EnableWorkerArgs, shell: &Shell, out: &mut Output) -> Result<Exit, ShellError> {
    shell.admin().enable_workers(v1::EnableWorkersRequest { workers: args.addresses.clone() }).await?;
    out.say(format_args!("Enabled: {}", args.addresses.join(", "))).map(|()| Exit::DONE)
}

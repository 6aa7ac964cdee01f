//! `weir fsadmin promote`

use crate::shell::Exit;
use crate::shell::connect::PlaceArgs;
use crate::shell::error::ShellError;
use crate::shell::output::Output;
use crate::shell::usage::Help;
use clap::Args;
use std::ffi::OsString;
use std::time::Duration;
use weir_proto::Failure;
use weir_proto::v1;
use weir_proto::v1::standby_client::StandbyClient;
use weir_service::channel;
use weir_service::config::Sources;
use weir_service::peer_auth::ClusterCredentials;

pub const HELP: Help = Help {
    name: "promote",
    usage: "promote [--force] <standby host:port>",
    about: "Makes a standby the metaserver, under a new epoch. A metaserver that can be reached gives its place up first. \
            One that can't be reached must be gone for good: it is refused by all who have heard of the new epoch. Unless \
            it is certain that the standby has everything that was answered, --force is needed, which loses what is \
            missing.",
};

/// A metaserver has come up over the standby's store by then.
const TIMEOUT: Duration = Duration::from_secs(120);

#[derive(Debug, Args)]
#[command(about = HELP.about)]
pub struct PromoteArgs {
    /// Although commits that were answered may be lost.
    #[arg(long)]
    force: bool,
    #[arg(value_name = "standby")]
    standby: Vec<OsString>,
}

pub async fn run(
    args: &PromoteArgs,
    place: &PlaceArgs,
    sources: Sources,
    out: &mut Output,
) -> Result<Exit, ShellError> {
    let [standby] = HELP.exactly::<1>(&args.standby)?;
    let Some(address) = standby.to_str() else { return Err(HELP.wrong("The standby is HOST:PORT")) };
    let config = place.load(sources)?;
    let credentials = ClusterCredentials::from_settings(&config.service);
    let credentials = credentials.map_err(|error| ShellError::said(error.to_string()))?;
    let mut client = StandbyClient::new(channel::connect(address, &credentials));
    let answer = tokio::time::timeout(TIMEOUT, client.promote(v1::PromoteRequest { force: args.force })).await;
    let promoted = match answer {
        Ok(Ok(answer)) => answer.into_inner(),
        Ok(Err(status)) => {
            let failure = Failure::from_status(&status);
            return Err(ShellError::said(format!("{address} is not promoted: {failure}")));
        }
        Err(_) => return Err(ShellError::said(format!("{address} does not say within two minutes whether it serves"))),
    };
    out.say(format_args!("Promoted : {address}"))?;
    out.say(format_args!("Epoch    : {}", promoted.epoch))?;
    out.say(format_args!("Sequence : {}", promoted.sequence))?;
    out.say(promoted.message)?;
    Ok(Exit::DONE)
}

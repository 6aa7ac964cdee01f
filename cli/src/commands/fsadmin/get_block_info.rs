//! `weir fsadmin getBlockInfo`

use crate::shell::blocks::Block;
use crate::shell::error::ShellError;
use crate::shell::output::Output;
use crate::shell::path::ShellPath;
use crate::shell::usage::Help;
use crate::shell::{Exit, Shell};
use clap::Args;
use std::ffi::OsString;
use weir_proto::v1;
use weir_proto::v1::Reason;

pub const HELP: Help = Help {
    name: "getBlockInfo",
    usage: "getBlockInfo [blockId]",
    about: "Shows where a block lies and which objects hold it.",
};

#[derive(Debug, Args)]
#[command(about = HELP.about)]
pub struct GetBlockInfoArgs {
    #[arg(value_name = "blockId")]
    block_id: Vec<OsString>,
}

pub async fn run(args: &GetBlockInfoArgs, shell: &Shell, out: &mut Output) -> Result<Exit, ShellError> {
    let [text] = HELP.exactly::<1>(&args.block_id)?;
    let text = text.to_string_lossy();
    let Ok(block_id) = text.parse() else { return Err(HELP.wrong(&format!("{text} is not a valid block id."))) };
    let info = match shell.admin().get_block_info(v1::GetBlockInfoRequest { block_id }).await {
        Ok(answer) => answer.into_inner(),
        Err(status) => {
            let error = ShellError::from(status);
            return Err(match error.reason() {
                Some(Reason::NoSuchBlock) => ShellError::said(format!("Block {block_id} does not exist.")),
                _ => error,
            });
        }
    };
    // Shards are told in the order of the workers.
    let holders = info.coded.unwrap_or_default().holders;
    let shard_of = |worker: &v1::Worker| holders.iter().find(|holder| holder.worker_id == worker.worker_id);
    let (held, others): (Vec<v1::Worker>, Vec<v1::Worker>) =
        info.workers.into_iter().partition(|w| shard_of(w).is_some());
    let shards = held.iter().filter_map(shard_of).map(|holder| holder.shard).collect();
    let workers = held.into_iter().chain(others).collect();
    out.say(Block { block_id, length_bytes: info.length_bytes, workers, shards })?;
    out.say(format_args!("CRC32C: {:08x}", info.crc32c))?;
    if info.condemned {
        out.say("Nothing refers to this block: the workers are ordered to delete it")?;
    }
    info.holders.iter().try_for_each(|holder| out.say(belongs(holder)))?;
    Ok(Exit::DONE)
}

fn belongs(holder: &v1::BlockHolder) -> String {
    let path = ShellPath::Key(holder.bucket.clone(), holder.key.clone());
    match holder.upload_id {
        0 => format!("This block belongs to file {{path={path}}}"),
        upload_id => format!("This block belongs to a part of upload {upload_id} {{path={path}}}"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_holder_is_an_object_or_a_part() {
        let mut holder = v1::BlockHolder { bucket: "b".into(), key: "k".into(), upload_id: 0 };
        assert_eq!(belongs(&holder), "This block belongs to file {path=/b/k}");
        holder.upload_id = 7;
        assert_eq!(belongs(&holder), "This block belongs to a part of upload 7 {path=/b/k}");
    }
}

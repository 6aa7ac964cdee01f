//! `weir fs stat`

use crate::shell::blocks::{self, Located};
use crate::shell::directory::Directory;
use crate::shell::error::ShellError;
use crate::shell::format::{self, printable};
use crate::shell::output::Output;
use crate::shell::path::ShellPath;
use crate::shell::usage::Help;
use crate::shell::{Exit, Outcomes, Shell};
use clap::Args;
use futures::stream::StreamExt as _;
use std::ffi::OsString;

pub const HELP: Help = Help {
    name: "stat",
    usage: "stat [-f <format>] <path>",
    about: "Shows what is known of an object or directory. With -f the format alone: %N name, %z size in bytes, %u owner, \
            %g group, %y time of the last change in UTC, %Y the same in milliseconds since 1970, %b number of blocks, \
            %i id, %% a percent sign.",
};

#[derive(Debug, Args)]
#[command(about = HELP.about)]
pub struct StatArgs {
    /// What to show of it.
    #[arg(short = 'f', value_name = "format")]
    format: Option<String>,
    #[arg(value_name = "path")]
    paths: Vec<OsString>,
}

pub async fn run(args: &StatArgs, shell: &Shell, out: &mut Output) -> Result<Exit, ShellError> {
    HELP.at_least(1, &args.paths)?;
    let mut paths = shell.paths(&args.paths);
    let mut outcomes = Outcomes::default();
    while let Some(path) = paths.next().await {
        let shown = match path {
            Ok(path) => show(&path, args, shell, out).await,
            Err(error) => Err(error),
        };
        outcomes.note(shown, out)?;
    }
    outcomes.finish()
}

async fn show(path: &ShellPath, args: &StatArgs, shell: &Shell, out: &mut Output) -> Result<(), ShellError> {
    let found = shell.tree.find(path).await?;
    if let (None, Some(directory)) = (&found.file, found.directory) {
        let directory = shell.tree.open(directory).await?;
        let fields = Fields::of_directory(&directory);
        return match &args.format {
            Some(format) => out.say(fields.format(format)),
            None => {
                out.say(format_args!("{path} is a directory path."))?;
                out.say(directory_info(&directory))
            }
        };
    }
    let located = blocks::locate(path, shell).await?;
    if let Some(format) = &args.format {
        return out.say(Fields::of_object(path, &located).format(format));
    }
    out.say(format_args!("{path} is a file path."))?;
    out.say(object_info(path, &located))?;
    out.say("Containing the following blocks: ")?;
    located.blocks.iter().try_for_each(|block| out.say(block))
}

/// What `-f` chooses from.
struct Fields {
    name: String,
    size: u64,
    owner: String,
    modified_ms: i64,
    block_count: usize,
    id: u64,
}

impl Fields {
    fn of_object(path: &ShellPath, located: &Located) -> Self {
        Self {
            name: printable(&path.name()).into_owned(),
            size: located.object.size_bytes,
            owner: format::owner(&located.object.owner).into_owned(),
            modified_ms: located.object.modified_ms,
            block_count: located.blocks.len(),
            id: located.object.object_id,
        }
    }

    fn of_directory(directory: &Directory) -> Self {
        Self {
            name: printable(&directory.path.name()).into_owned(),
            size: directory.child_count,
            owner: format::owner(&directory.owner).into_owned(),
            modified_ms: directory.modified_ms,
            block_count: 0,
            id: directory.id,
        }
    }

    /// The format with its `%` letters replaced; what is none stays as it is.
    fn format(&self, format: &str) -> String {
        let mut text = String::new();
        let mut letters = format.chars();
        while let Some(letter) = letters.next() {
            if letter != '%' {
                text.push(letter);
                continue;
            }
            match letters.next() {
                Some('N') => text.push_str(&self.name),
                Some('z') => text.push_str(&self.size.to_string()),
                Some('u' | 'g') => text.push_str(&self.owner),
                Some('y') => text.push_str(&format::utc_time(self.modified_ms)),
                Some('Y') => text.push_str(&self.modified_ms.to_string()),
                Some('b') => text.push_str(&self.block_count.to_string()),
                Some('i') => text.push_str(&self.id.to_string()),
                Some('%') | None => text.push('%'),
                Some(other) => text.extend(['%', other]),
            }
        }
        text
    }
}

fn object_info(path: &ShellPath, located: &Located) -> String {
    let object = &located.object;
    let attributes = object.attributes.clone().unwrap_or_default();
    let pairs = |headers: &[weir_proto::v1::Header]| {
        let pairs: Vec<String> = headers.iter().map(|header| format!("{}={}", header.name, header.value)).collect();
        printable(pairs.join(", ").as_bytes()).into_owned()
    };
    let owner = format::owner(&object.owner);
    format!(
        "FileInfo{{fileId={}, name={}, path={path}, length={}, etag={}, partCount={}, lastModificationTimeMs={}, \
         folder=false, persistenceState=PERSISTED, owner={owner}, group={owner}, mode={}, headers={{{}}}, \
         metadata={{{}}}, inline={}, blockCount={}}}",
        object.object_id,
        printable(&path.name()),
        object.size_bytes,
        object.etag,
        object.part_count,
        object.modified_ms,
        format::FILE_MODE,
        pairs(&attributes.headers),
        pairs(&attributes.metadata),
        located.is_inline,
        located.blocks.len(),
    )
}

fn directory_info(directory: &Directory) -> String {
    let owner = format::owner(&directory.owner);
    format!(
        "FileInfo{{fileId={}, name={}, path={}, length={}, lastModificationTimeMs={}, folder=true, \
         persistenceState=PERSISTED, owner={owner}, group={owner}, mode={}}}",
        directory.id,
        printable(&directory.path.name()),
        directory.path,
        directory.child_count,
        directory.modified_ms,
        format::directory_mode(directory.is_made),
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_format_is_filled_in_letter_by_letter() {
        let fields = Fields {
            name: "ten".into(),
            size: 10_485_760,
            owner: "root".into(),
            modified_ms: 1_795_319_839_562,
            block_count: 1,
            id: 2_164_260_863,
        };
        assert_eq!(
            fields.format("%N %z %u %g %y %Y %b %i"),
            "ten 10485760 root root 2026-11-22 03:57:19 1795319839562 1 2164260863"
        );
        assert_eq!(fields.format("100%% %q é%"), "100% %q é%");
    }
}

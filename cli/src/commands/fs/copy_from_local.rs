//! `weir fs copyFromLocal`

use crate::shell::content::{self, Existing, Written, local_stream};
use crate::shell::error::ShellError;
use crate::shell::output::Output;
use crate::shell::path::ShellPath;
use crate::shell::progress::Progress;
use crate::shell::usage::Help;
use crate::shell::{Exit, Outcomes, Shell};
use clap::Args;
use futures::stream::{self, StreamExt as _};
use std::ffi::OsString;
use std::fs;
use std::os::unix::ffi::OsStrExt as _;
use std::path::{Path, PathBuf};

pub const HELP: Help = Help {
    name: "copyFromLocal",
    usage: "copyFromLocal [--overwrite] [--thread <num>] <src> <remoteDst>",
    about: "Copies a local file, or what a local folder holds, to Weir: a file into <remoteDst> when that is a directory, \
            what a folder holds under <remoteDst>. --overwrite replaces objects that are there, --thread says how many \
            files are copied at a time.",
};

const DEFAULT_THREADS: u16 = 4;

#[derive(Debug, Args)]
#[command(about = HELP.about)]
pub struct CopyFromLocalArgs {
    /// Replace objects that are there.
    #[arg(short = 'f', long)]
    overwrite: bool,
    /// Files copied at a time.
    #[arg(long, value_name = "num", default_value_t = DEFAULT_THREADS, value_parser = clap::value_parser!(u16).range(1..=256))]
    thread: u16,
    #[arg(value_names = ["src", "remoteDst"], num_args = 0..)]
    paths: Vec<OsString>,
}

/// How files are copied.
pub struct Options {
    existing: Existing,
    at_a_time: usize,
}

impl Default for Options {
    fn default() -> Self {
        Self { existing: Existing::Keep, at_a_time: usize::from(DEFAULT_THREADS) }
    }
}

pub async fn run(args: &CopyFromLocalArgs, shell: &Shell, out: &mut Output) -> Result<Exit, ShellError> {
    let [from, to] = HELP.exactly::<2>(&args.paths)?;
    let existing = if args.overwrite { Existing::Replace } else { Existing::Keep };
    let options = Options { existing, at_a_time: usize::from(args.thread) };
    copy(Path::new(from), &ShellPath::parse(to)?, &options, shell, out).await
}

pub async fn copy(
    from: &Path,
    to: &ShellPath,
    options: &Options,
    shell: &Shell,
    out: &mut Output,
) -> Result<Exit, ShellError> {
    let metadata = match fs::metadata(from) {
        Ok(metadata) => metadata,
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => {
            return Err(ShellError::said(format!("Local path {} does not exist.", from.display())));
        }
        Err(error) => return Err(ShellError::local(from)(error)),
    };
    let there = shell.tree.look(to).await?;
    let is_into = there.file.is_none() && there.directory.is_some();
    if metadata.is_dir() {
        if there.file.is_some() && !to.names_directory() {
            return Err(ShellError::said(format!("Destination {to} must be a directory.")));
        }
        return copy_folder(from, to, options, shell, out).await;
    }
    let name = from.file_name().unwrap_or_default().as_bytes();
    let to = if is_into || to.names_directory() { to.join(name) } else { to.clone() };
    let progress = Progress::new();
    let found = Found { from: from.to_owned(), to, is_folder: false };
    let copied = copy_one(&found, options, &progress, shell).await;
    progress.finish();
    out.say(copied?).map(|()| Exit::DONE)
}

async fn copy_folder(
    from: &Path,
    to: &ShellPath,
    options: &Options,
    shell: &Shell,
    out: &mut Output,
) -> Result<Exit, ShellError> {
    if *to == ShellPath::Root {
        return Err(ShellError::said("A folder is copied into a bucket: /bucket or /bucket/directory"));
    }
    let progress = Progress::new();
    let mut outcomes = Outcomes::default();
    let mut copies = stream::iter(LocalWalk::new(from, to))
        .map(|found| {
            let progress = &progress;
            async move { copy_one(&found?, options, progress, shell).await }
        })
        .buffered(options.at_a_time);
    while let Some(copied) = copies.next().await {
        progress.beside(|| {
            let said = copied.and_then(|line| if line.is_empty() { Ok(()) } else { out.say(line) });
            outcomes.note(said, out)
        })?;
    }
    progress.finish();
    outcomes.finish()
}

/// Copies a file, or makes the marker of an empty folder. Gives what to say.
async fn copy_one(found: &Found, options: &Options, progress: &Progress, shell: &Shell) -> Result<String, ShellError> {
    let Found { from, to, is_folder } = found;
    if *is_folder {
        content::put_empty(shell, to, Existing::Keep).await?;
        return Ok(String::new());
    }
    let file = tokio::fs::File::open(from).await.map_err(ShellError::local(from))?;
    let metadata = file.metadata().await.map_err(ShellError::local(from))?;
    if metadata.is_dir() {
        return Err(ShellError::said(format!("{} is a folder", from.display())));
    }
    // Of a pipe or a device no one knows.
    let length = metadata.is_file().then_some(metadata.len());
    progress.expect(length.unwrap_or(0));
    let seen = progress.counter();
    match content::put_stream(shell, to, length, local_stream(file, seen), options.existing).await? {
        Written::Done => Ok(format!("Copied file://{} to {to}", from.display())),
        Written::AlreadyThere => Err(ShellError::said(format!(
            "{to} already exists. If you want to overwrite the file, you need to specify the overwrite option."
        ))),
    }
}

/// Something to copy.
#[derive(Debug, PartialEq)]
struct Found {
    from: PathBuf,
    to: ShellPath,
    /// A folder with nothing in it, which only a marker keeps.
    is_folder: bool,
}

/// What lies under a folder, by name, folder by folder. Links to files are followed; links to folders are refused, since
/// they may lead round in a circle.
struct LocalWalk {
    /// What is still to be looked at, the next last.
    ahead: Vec<(PathBuf, ShellPath)>,
}

impl LocalWalk {
    fn new(from: &Path, to: &ShellPath) -> Self {
        let mut walk = Self { ahead: Vec::new() };
        // The folder that was named may be a link.
        let from = if from.is_symlink() { from.join("") } else { from.to_owned() };
        walk.ahead.push((from, to.clone()));
        walk
    }

    fn look(&mut self, from: PathBuf, to: ShellPath) -> Result<Option<Found>, ShellError> {
        let kind = fs::symlink_metadata(&from).map_err(ShellError::local(&from))?.file_type();
        if kind.is_symlink() && fs::metadata(&from).is_ok_and(|target| target.is_dir()) {
            return Err(ShellError::said(format!("{} is a link to a folder: it is not followed", from.display())));
        }
        if !kind.is_dir() {
            return Ok(Some(Found { from, to, is_folder: false }));
        }
        let entries = fs::read_dir(&from).and_then(|entries| entries.collect::<Result<Vec<_>, _>>());
        let mut names: Vec<OsString> =
            entries.map_err(ShellError::local(&from))?.into_iter().map(|entry| entry.file_name()).collect();
        names.sort_unstable_by(|a, b| b.cmp(a));
        if names.is_empty() && matches!(to, ShellPath::Key(..)) {
            let bucket = to.bucket().unwrap_or_default();
            return Ok(Some(Found { from, to: ShellPath::directory(bucket, to.prefix()), is_folder: true }));
        }
        self.ahead.extend(names.iter().map(|name| (from.join(name), to.join(name.as_bytes()))));
        Ok(None)
    }
}

impl Iterator for LocalWalk {
    type Item = Result<Found, ShellError>;

    fn next(&mut self) -> Option<Self::Item> {
        while let Some((from, to)) = self.ahead.pop() {
            if let Some(found) = self.look(from, to).transpose() {
                return Some(found);
            }
        }
        None
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::os::unix::fs::symlink;

    #[test]
    fn a_folder_is_walked_by_name_and_links_to_folders_are_refused() {
        let folder = tempfile::tempdir().unwrap();
        let at = |name: &str| folder.path().join(name);
        fs::create_dir_all(at("b/empty")).unwrap();
        fs::write(at("b/z"), "").unwrap();
        fs::write(at("a"), "").unwrap();
        symlink(at("a"), at("link")).unwrap();
        symlink(at("b"), at("round")).unwrap();
        let to = ShellPath::parse("/bucket/d".as_ref()).unwrap();
        let found: Vec<String> = LocalWalk::new(folder.path(), &to)
            .map(|found| match found {
                Ok(found) => format!("{} {}", found.to, found.is_folder),
                Err(error) => error.to_string().replace(&folder.path().display().to_string(), ""),
            })
            .collect();
        assert_eq!(
            found,
            [
                "/bucket/d/a false",
                "/bucket/d/b/empty true",
                "/bucket/d/b/z false",
                "/bucket/d/link false",
                "/round is a link to a folder: it is not followed",
            ]
        );
    }
}

//! `weir fs copyToLocal`

use crate::shell::content;
use crate::shell::error::ShellError;
use crate::shell::format::printable;
use crate::shell::output::Output;
use crate::shell::path::ShellPath;
use crate::shell::progress::Progress;
use crate::shell::usage::Help;
use crate::shell::{Exit, Outcomes, Shell};
use clap::Args;
use futures::stream::TryStreamExt as _;
use std::ffi::{OsStr, OsString};
use std::os::unix::ffi::OsStrExt as _;
use std::path::{Path, PathBuf};
use tokio::fs;
use tokio::io::AsyncWriteExt as _;

pub const HELP: Help = Help {
    name: "copyToLocal",
    usage: "copyToLocal <src> <localDst>",
    about: "Copies an object, or what a directory holds, to the local file system: an object into <localDst> when that is \
            a folder, what a directory holds under <localDst>. Local files that are there are replaced, each when its \
            copy is whole.",
};

#[derive(Debug, Args)]
#[command(about = HELP.about)]
pub struct CopyToLocalArgs {
    #[arg(value_names = ["src", "localDst"], num_args = 0..)]
    paths: Vec<OsString>,
}

pub async fn run(args: &CopyToLocalArgs, shell: &Shell, out: &mut Output) -> Result<Exit, ShellError> {
    let [from, to] = HELP.exactly::<2>(&args.paths)?;
    copy(&ShellPath::parse(from)?, Path::new(to), shell, out).await
}

pub async fn copy(from: &ShellPath, to: &Path, shell: &Shell, out: &mut Output) -> Result<Exit, ShellError> {
    let found = shell.tree.find(from).await?;
    let progress = Progress::new();
    if found.file.is_some() {
        let to = if to.is_dir() { to.join(local_name(&from.name(), from)?) } else { to.to_owned() };
        let copied = copy_object(from, &to, &progress, shell).await;
        progress.finish();
        copied?;
        return out.say(format_args!("Copied {from} to file://{}", to.display())).map(|()| Exit::DONE);
    }
    let copied = copy_directory(from, to, &progress, shell, out).await;
    progress.finish();
    copied
}

async fn copy_directory(
    from: &ShellPath,
    to: &Path,
    progress: &Progress,
    shell: &Shell,
    out: &mut Output,
) -> Result<Exit, ShellError> {
    let Some(bucket) = from.bucket() else {
        return Err(ShellError::said("Name a bucket: the root directory can't be copied."));
    };
    fs::create_dir_all(to).await.map_err(ShellError::local(to))?;
    let prefix = from.prefix();
    let mut keys = shell.tree.keys(bucket, prefix.clone());
    let mut outcomes = Outcomes::default();
    while let Some(object) = keys.try_next().await? {
        let path = ShellPath::Key(bucket.to_owned(), object.key.clone());
        let copied = copy_key(&object.key[prefix.len()..], &path, to, progress, shell).await;
        progress.beside(|| {
            let said = copied.and_then(|to| match to {
                Some(to) => out.say(format_args!("Copied {path} to file://{}", to.display())),
                None => Ok(()),
            });
            outcomes.note(said, out)
        })?;
    }
    outcomes.finish()
}

/// Copies one object of a directory to its place under `folder`; of a marker, makes the folder. Gives the file.
async fn copy_key(
    under: &[u8],
    path: &ShellPath,
    folder: &Path,
    progress: &Progress,
    shell: &Shell,
) -> Result<Option<PathBuf>, ShellError> {
    let to = local_place(under, path, folder)?;
    if under.is_empty() || under.ends_with(b"/") {
        fs::create_dir_all(&to).await.map_err(ShellError::local(&to))?;
        return Ok(None);
    }
    if let Some(parent) = to.parent() {
        fs::create_dir_all(parent).await.map_err(ShellError::local(parent))?;
    }
    copy_object(path, &to, progress, shell).await?;
    Ok(Some(to))
}

/// Where a key lies under a folder. A key is bytes that anyone chose: one that would lead out of the folder, or that no
/// file can be called, has no place.
fn local_place(under: &[u8], path: &ShellPath, folder: &Path) -> Result<PathBuf, ShellError> {
    let mut place = folder.to_owned();
    if !under.is_empty() {
        // The slash at the end of a marker begins no further segment.
        for segment in under.strip_suffix(b"/").unwrap_or(under).split(|&b| b == b'/') {
            place.push(local_name(segment, path)?);
        }
    }
    Ok(place)
}

fn local_name<'a>(segment: &'a [u8], path: &ShellPath) -> Result<&'a OsStr, ShellError> {
    if matches!(segment, b"" | b"." | b"..") || segment.contains(&0) {
        let name = printable(segment);
        return Err(ShellError::said(format!("{path} is not copied: no local file can be called {name:?}")));
    }
    Ok(OsStr::from_bytes(segment))
}

/// Writes beside the place and renames, so that a copy that fails leaves what was there.
async fn copy_object(from: &ShellPath, to: &Path, progress: &Progress, shell: &Shell) -> Result<(), ShellError> {
    if to.is_dir() {
        return Err(ShellError::said(format!("{from} is not copied: {} is a folder", to.display())));
    }
    let mut beside = to.file_name().unwrap_or_default().to_owned();
    beside.push(format!(".weir-{}", std::process::id()));
    let beside = to.with_file_name(beside);
    let written = write(from, &beside, progress, shell).await;
    let moved = match written {
        Ok(()) => fs::rename(&beside, to).await.map_err(ShellError::local(to)),
        Err(error) => Err(error),
    };
    if moved.is_err() {
        // What is said is why the copy failed; a leftover that can't be removed is in the same folder.
        let _ = fs::remove_file(&beside).await;
    }
    moved
}

async fn write(from: &ShellPath, to: &Path, progress: &Progress, shell: &Shell) -> Result<(), ShellError> {
    let opened = content::open(shell, from, None).await?;
    progress.expect(opened.length_bytes);
    let seen = progress.counter();
    let mut file = fs::File::create(to).await.map_err(ShellError::local(to))?;
    let mut content = opened.content;
    while let Some(piece) = content.try_next().await.map_err(ShellError::Refused)? {
        file.write_all(&piece).await.map_err(ShellError::local(to))?;
        seen(piece.len() as u64);
    }
    file.flush().await.map_err(ShellError::local(to))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn no_key_leads_out_of_the_folder() {
        let path = ShellPath::parse("/b/k".as_ref()).unwrap();
        let place = |under: &str| local_place(under.as_bytes(), &path, Path::new("/to")).map_err(|e| e.to_string());
        assert_eq!(place("a/b"), Ok("/to/a/b".into()));
        assert_eq!(place("a/"), Ok("/to/a".into()));
        assert_eq!(place(""), Ok("/to".into()));
        for bad in ["../x", "a/../../x", "/etc/passwd", "a//b", ".", "a/./b", "a\0b", "/"] {
            assert!(place(bad).is_err(), "{bad}");
        }
    }
}

//! `weir fs ls`

use crate::shell::directory::{Directory, Node};
use crate::shell::error::ShellError;
use crate::shell::format::{self, Listed};
use crate::shell::output::Output;
use crate::shell::path::ShellPath;
use crate::shell::tree::{Entries, File};
use crate::shell::usage::Help;
use crate::shell::{Exit, Outcomes, Shell, redundancy};
use clap::{Args, ValueEnum};
use futures::stream::{StreamExt as _, TryStreamExt as _};
use jiff::tz::TimeZone;
use std::cmp::Ordering;
use std::ffi::OsString;

pub const HELP: Help = Help {
    name: "ls",
    usage: "ls [-d|-f|-R/--recursive|-h|--sort=option|-r] <path> ...",
    about: "Lists the objects and directories right under the paths: mode, owner, group, size (in bytes, or the number \
            of children of a directory), persistence, time of the last change, the share of the copies of \
            its blocks that there should be and are, and the path. Counting the children of a directory reads its listing. \
            --sort takes name, path, size, time.",
};

#[derive(Debug, Args)]
#[command(about = HELP.about, disable_help_flag = true)]
pub struct LsArgs {
    /// Show directories themselves, not what they hold.
    #[arg(short = 'd')]
    directory: bool,
    /// Accepted for scripts: a listing always shows what is stored.
    #[arg(short = 'f')]
    force: bool,
    /// Sizes for people, as 97.66KB.
    #[arg(short = 'h')]
    human: bool,
    /// Directories with all they hold.
    #[arg(short = 'R', long)]
    recursive: bool,
    /// Sort by this; the whole listing is held in memory.
    #[arg(long, value_name = "option")]
    sort: Option<SortField>,
    /// Reverse the order.
    #[arg(short = 'r')]
    reverse: bool,
    #[arg(long, action = clap::ArgAction::Help)]
    help: Option<bool>,
    #[arg(value_name = "path")]
    paths: Vec<OsString>,
}

#[derive(Clone, Copy, Debug, ValueEnum)]
enum SortField {
    Name,
    Path,
    Size,
    /// By the last change: the only time that there is.
    #[value(aliases = ["lastModificationTime", "creationTime", "lastAccessTime"])]
    Time,
}

pub async fn run(args: &LsArgs, shell: &Shell, out: &mut Output) -> Result<Exit, ShellError> {
    HELP.at_least(1, &args.paths)?;
    let mut paths = shell.paths(&args.paths);
    let mut outcomes = Outcomes::default();
    while let Some(path) = paths.next().await {
        let listed = match path {
            Ok(path) => list(&path, args, shell, out).await,
            Err(error) => Err(error),
        };
        outcomes.note(listed, out)?;
    }
    outcomes.finish()
}

async fn list(path: &ShellPath, args: &LsArgs, shell: &Shell, out: &mut Output) -> Result<(), ShellError> {
    let found = shell.tree.find(path).await?;
    let look = Look { zone: TimeZone::system(), human: args.human };
    if let Some(object) = found.file {
        let file = File::of(path.clone(), object);
        let percents = redundancy::percents(&[&file], shell).await?;
        return out.say(look.file(&file, percents[0]));
    }
    let directory = shell.tree.open(found.directory.ok_or_else(|| ShellError::Missing(path.clone()))?).await?;
    if args.directory {
        return out.say(look.directory(&directory));
    }
    let nodes = Walk::new(shell, directory, args.recursive);
    if args.sort.is_none() && !args.reverse {
        stream(nodes, &look, out).await
    } else {
        sorted(nodes, args, &look, out).await
    }
}

async fn stream(mut nodes: Walk<'_>, look: &Look, out: &mut Output) -> Result<(), ShellError> {
    loop {
        let page = nodes.page().await?;
        if page.is_empty() {
            return Ok(());
        }
        page.iter().try_for_each(|(node, percent)| out.say(look.node(node, *percent)))?;
    }
}

async fn sorted(mut nodes: Walk<'_>, args: &LsArgs, look: &Look, out: &mut Output) -> Result<(), ShellError> {
    let field = args.sort.unwrap_or(SortField::Path);
    let mut all = Vec::new();
    loop {
        let page = nodes.page().await?;
        if page.is_empty() {
            break;
        }
        all.extend(page.iter().map(|(node, percent)| Sortable::new(node, *percent, look)));
    }
    all.sort_by(|a, b| {
        let order = a.compare(b, field);
        if args.reverse { order.reverse() } else { order }
    });
    all.iter().try_for_each(|node| out.say(&node.line))
}

/// What of a node a sorted listing needs.
struct Sortable {
    path: ShellPath,
    size: u64,
    modified_ms: i64,
    line: String,
}

impl Sortable {
    fn new(node: &Node, percent: u64, look: &Look) -> Self {
        let (path, size, modified_ms) = match node {
            Node::File(file) => (&file.path, file.size_bytes, file.modified_ms),
            Node::Directory(directory) => (&directory.path, directory.child_count, directory.modified_ms),
        };
        Self { path: path.clone(), size, modified_ms, line: look.node(node, percent) }
    }

    fn compare(&self, other: &Self, field: SortField) -> Ordering {
        match field {
            SortField::Name => self.path.name().cmp(&other.path.name()),
            SortField::Path => self.path.to_string().cmp(&other.path.to_string()),
            SortField::Size => self.size.cmp(&other.size),
            SortField::Time => self.modified_ms.cmp(&other.modified_ms),
        }
    }
}

/// What a directory holds, parents first.
struct Walk<'a> {
    shell: &'a Shell,
    /// One listing for each directory that the walk is in, the innermost last.
    levels: Vec<Entries<Node>>,
    recursive: bool,
}

impl<'a> Walk<'a> {
    fn new(shell: &'a Shell, directory: Directory, recursive: bool) -> Self {
        Self { shell, levels: vec![shell.tree.children(directory)], recursive }
    }

    /// The next nodes, as many as one question about their copies takes; none at the end. Of directories the percentage
    /// means nothing.
    async fn page(&mut self) -> Result<Vec<(Node, u64)>, ShellError> {
        let mut nodes = Vec::new();
        while nodes.len() < redundancy::PAGE_COUNT {
            let Some(node) = self.next().await? else { break };
            nodes.push(node);
        }
        let files: Vec<&File> = nodes
            .iter()
            .filter_map(|node| match node {
                Node::File(file) => Some(file),
                Node::Directory(_) => None,
            })
            .collect();
        let mut percents = redundancy::percents(&files, self.shell).await?.into_iter();
        let percent = |node: Node| match node {
            Node::File(_) => (node, percents.next().unwrap_or_default()),
            Node::Directory(_) => (node, 0),
        };
        Ok(nodes.into_iter().map(percent).collect())
    }

    async fn next(&mut self) -> Result<Option<Node>, ShellError> {
        while let Some(innermost) = self.levels.last_mut() {
            match innermost.try_next().await? {
                None => drop(self.levels.pop()),
                Some(Node::Directory(directory)) if self.recursive => {
                    let shown = directory.head();
                    self.levels.push(self.shell.tree.children(directory));
                    return Ok(Some(Node::Directory(shown)));
                }
                Some(node) => return Ok(Some(node)),
            }
        }
        Ok(None)
    }
}

/// How lines look. Modes are the shell's way to tell what was made from what is implied: access is not decided by them.
struct Look {
    zone: TimeZone,
    human: bool,
}

impl Look {
    fn node(&self, node: &Node, percent: u64) -> String {
        match node {
            Node::File(file) => self.file(file, percent),
            Node::Directory(directory) => self.directory(directory),
        }
    }

    fn file(&self, file: &File, percent: u64) -> String {
        Listed {
            mode: format::FILE_MODE,
            owner: &format::owner(&file.owner),
            size: &format::size(file.size_bytes, self.human),
            time: &format::time(file.modified_ms, &self.zone),
            kind: &format!("{percent}%"),
            path: &file.path.to_string(),
        }
        .line()
    }

    fn directory(&self, directory: &Directory) -> String {
        Listed {
            mode: format::directory_mode(directory.is_made),
            owner: &format::owner(&directory.owner),
            size: &directory.child_count.to_string(),
            time: &format::time(directory.modified_ms, &self.zone),
            kind: "DIR",
            path: &directory.path.to_string(),
        }
        .line()
    }
}

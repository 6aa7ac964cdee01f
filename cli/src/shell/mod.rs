//! What the commands of `weir fs` and `weir fsadmin` share: the way to Weir ([`connect`]), directories as a view of
//! flat keys ([`tree`], [`directory`]), paths ([`path`]), and how things are printed ([`format`], [`usage`], [`output`]).
//!
//! Errors go to standard output, with exit code [`FAILED`]: that is what scripts written for this kind of shell expect.

pub mod access;
pub mod blocks;
pub mod connect;
pub mod content;
pub mod directory;
pub mod directory_steps;
pub mod error;
mod expand;
pub mod format;
pub mod glob;
pub mod output;
pub mod path;
pub mod progress;
pub mod redundancy;
pub mod room;
pub mod tree;
pub mod usage;

use connect::Place;
use error::ShellError;
use futures::stream::{self, StreamExt as _};
use output::Output;
use path::ShellPath;
use std::collections::HashMap;
use std::ffi::OsString;
use std::process::ExitCode;
use std::sync::Arc;
use std::time::Duration;
use tokio::sync::OnceCell;
use tree::{Entries, Tree};
use weir_gateway::auth::ACCOUNT;
use weir_gateway::objects::{Keeping, Objects, ObjectsOptions};
use weir_proto::v1::admin_client::AdminClient;
use weir_proto::{MAX_MESSAGE_BYTES, SHELL_ADDRESS};
use weir_service::channel::Channel;
use weir_service::clock::SystemClock;
use weir_service::config::GatewaySettings;
use weir_service::shutdown::Shutdown;

/// The exit code of a command that failed.
pub const FAILED: u8 = 255;
/// Whom the shell writes for: it acts for whoever may open the socket, or knows the secret.
pub const OWNER: &str = ACCOUNT.id;
/// The metaserver is given so long to answer when a session is opened.
const OPEN_TIMEOUT: Duration = Duration::from_secs(10);
/// Bytes of object data that uploads may hold in memory.
const BUFFER_MAX_BYTES: u64 = 32 << 20;
/// One block's id at a time is enough for small files, and a range is asked for when it is not.
const BLOCK_GRANT_COUNT: u32 = 64;
const CLOSE_TIMEOUT: Duration = Duration::from_secs(5);

/// What a command ended with, when it did not fail.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Exit(pub u8);

impl Exit {
    pub const DONE: Self = Self(0);
}

/// The way to one Weir, for one command.
pub struct Shell {
    pub place: Place,
    pub tree: Tree,
    channel: Channel,
    shutdown: Shutdown,
    objects: OnceCell<Objects>,
    /// What buckets say of copies, by name, as it was when it was first asked for.
    keeping: OnceCell<HashMap<String, Keeping>>,
}

impl Shell {
    pub fn new(place: Place) -> Self {
        let channel = place.metaserver();
        let tree = Tree::new(channel.clone());
        Self { place, tree, channel, shutdown: Shutdown::new(), objects: OnceCell::new(), keeping: OnceCell::new() }
    }

    pub fn admin(&self) -> AdminClient<Channel> {
        AdminClient::new(self.channel.clone()).max_decoding_message_size(MAX_MESSAGE_BYTES)
    }

    /// Objects' bytes. Opens a session at the first call: what only looks needs none.
    ///
    /// # Errors
    /// [`ShellError::Unreachable`], or what the metaserver refuses with.
    pub async fn objects(&self) -> Result<&Objects, ShellError> {
        self.objects
            .get_or_try_init(|| async {
                let options = ObjectsOptions {
                    address: SHELL_ADDRESS.into(),
                    buffer_max_bytes: BUFFER_MAX_BYTES,
                    block_grant_count: BLOCK_GRANT_COUNT,
                    remember_requests: self.place.is_remote(),
                    open_timeout: Some(OPEN_TIMEOUT),
                    ..ObjectsOptions::from(&GatewaySettings::default())
                };
                let workers = self.place.workers(self.channel.clone());
                Objects::open(self.channel.clone(), workers, options, Arc::new(SystemClock), &self.shutdown).await
            })
            .await
            .map_err(ShellError::Refused)
    }

    /// How new blocks of a bucket are to be kept.
    ///
    /// # Errors
    /// What the metaserver refuses with.
    pub async fn keeping_of(&self, bucket: &str) -> Result<Keeping, ShellError> {
        Ok(self.keeping().await?.get(bucket).copied().unwrap_or_default())
    }

    /// What buckets say of copies, by name; those that say nothing may be missing.
    ///
    /// # Errors
    /// What the metaserver refuses with.
    pub async fn keeping(&self) -> Result<&HashMap<String, Keeping>, ShellError> {
        let known = self.keeping.get_or_try_init(|| async {
            let buckets = self.directory().await?.buckets;
            Ok::<_, ShellError>(
                buckets.into_iter().map(|said| (said.bucket.clone(), Keeping::of(Some(&said)))).collect(),
            )
        });
        known.await
    }

    /// The paths that a command's arguments stand for; what is wrong with one does not end the others.
    pub fn paths(&self, arguments: &[OsString]) -> Entries<ShellPath> {
        let tree = self.tree.clone();
        let arguments: Vec<OsString> = arguments.to_vec();
        stream::iter(arguments)
            .then(move |argument| {
                let tree = tree.clone();
                async move {
                    match ShellPath::parse(&argument) {
                        Ok(path) => tree.expand(path).await.unwrap_or_else(|error| stream::iter([Err(error)]).boxed()),
                        Err(error) => stream::iter([Err(error.into())]).boxed(),
                    }
                }
            })
            .flatten()
            .boxed()
    }

    /// Ends the session, if one was opened.
    pub async fn close(&self) {
        if let Some(objects) = self.objects.get() {
            // A session that can't be ended ends with its lease.
            let _ = tokio::time::timeout(CLOSE_TIMEOUT, objects.close()).await;
        }
        self.shutdown.finish(CLOSE_TIMEOUT).await;
    }
}

/// How a command fared on several paths: one that fails is said at once, and the others still get their turn.
#[derive(Debug, Default)]
pub struct Outcomes {
    failed: bool,
}

impl Outcomes {
    /// # Errors
    /// What makes going on useless: nobody reads, or nobody answers.
    pub fn note(&mut self, outcome: Result<(), ShellError>, out: &mut Output) -> Result<(), ShellError> {
        match outcome {
            Ok(()) => Ok(()),
            Err(fatal @ (ShellError::Output(_) | ShellError::Unreachable(_))) => Err(fatal),
            Err(ShellError::Reported) => {
                self.failed = true;
                Ok(())
            }
            Err(error) => {
                self.failed = true;
                out.say(error)
            }
        }
    }

    /// # Errors
    /// [`ShellError::Reported`] when one failed.
    pub fn finish(self) -> Result<Exit, ShellError> {
        if self.failed { Err(ShellError::Reported) } else { Ok(Exit::DONE) }
    }
}

/// Says what went wrong, if something did, and gives the process its exit code.
pub fn conclude(result: Result<Exit, ShellError>, place: Option<&Place>, out: &mut Output) -> ExitCode {
    let said = match (&result, place) {
        (Ok(_) | Err(ShellError::Reported | ShellError::Output(_)), _) => Ok(()),
        (Err(ShellError::Unreachable(reason)), Some(place)) => out.say(place.silence(reason)),
        (Err(error), _) => out.say(error),
    };
    // Output that nobody reads (`| head`) is not worth a word.
    let written = said.and_then(|()| out.flush());
    match (result, written) {
        (Ok(Exit(code)), Ok(())) => ExitCode::from(code),
        _ => ExitCode::from(FAILED),
    }
}

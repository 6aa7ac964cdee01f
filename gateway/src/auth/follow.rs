//! Follows the metaserver's directory of access: what a gateway decides by is never older than a second, or it decides
//! nothing.

use super::rules::Rules;
use parking_lot::RwLock;
use std::sync::Arc;
use std::time::Duration;
use tokio::sync::watch;
use tokio::time::{Instant, sleep, timeout};
use weir_proto::v1::access_client::AccessClient;
use weir_proto::v1::{self, Reason};
use weir_proto::{Failure, MAX_MESSAGE_BYTES};
use weir_service::channel::Channel;
use weir_service::sealing::Sealer;
use weir_service::shutdown::Shutdown;

/// The metaserver says after so long at the latest that nothing has changed.
const PATIENCE: Duration = Duration::from_millis(300);
/// A call that is not answered after so much more is given up.
const CALL_TIMEOUT: Duration = Duration::from_secs(5);
/// What was confirmed longer ago may have changed: a change holds everywhere within a second.
const FRESH_FOR: Duration = Duration::from_secs(1);
/// A request waits so long for a confirmation before it is refused.
const WAIT_FOR: Duration = Duration::from_secs(5);
const PAUSE: Duration = Duration::from_millis(50);
/// How long opening tries to reach the metaserver between two tries.
const OPEN_PAUSE: Duration = Duration::from_millis(200);

/// The rules as they are now. Shared by all requests.
pub struct Follower {
    client: AccessClient<Channel>,
    sealer: Arc<Sealer>,
    rules: RwLock<Arc<Rules>>,
    /// When the metaserver last confirmed them: the moment at which it was asked.
    confirmed: watch::Sender<Instant>,
    /// One fetch at a time: a later one must not be overtaken by an earlier one.
    fetching: tokio::sync::Mutex<()>,
}

impl Follower {
    /// Fetches the directory (retrying while the metaserver can't be reached) and follows it until shutdown.
    ///
    /// # Errors
    /// What the metaserver refuses with; `UNAVAILABLE` when shutdown begins first.
    pub async fn open(metaserver: Channel, sealer: Arc<Sealer>, shutdown: &Shutdown) -> Result<Arc<Self>, Failure> {
        let follower = Arc::new(Self {
            client: AccessClient::new(metaserver).max_decoding_message_size(MAX_MESSAGE_BYTES),
            sealer,
            rules: RwLock::default(),
            confirmed: watch::Sender::new(Instant::now()),
            fetching: tokio::sync::Mutex::default(),
        });
        loop {
            match follower.fetch().await {
                Ok(()) => break,
                Err(failure) if failure.reason != Reason::Unavailable || shutdown.has_begun() => return Err(failure),
                Err(_) => tokio::select! {
                    () = sleep(OPEN_PAUSE) => {}
                    () = shutdown.begun() => {}
                },
            }
        }
        let (following, ends) = (follower.clone(), shutdown.clone());
        shutdown.spawn(async move {
            tokio::select! {
                () = following.follow() => {}
                () = ends.begun() => {}
            }
        });
        Ok(follower)
    }

    /// The rules, confirmed within the last second.
    ///
    /// # Errors
    /// `UNAVAILABLE` when the metaserver does not confirm them in time.
    pub async fn fresh(&self) -> Result<Arc<Rules>, Failure> {
        let is_fresh = |confirmed: &Instant| confirmed.elapsed() < FRESH_FOR;
        if !is_fresh(&self.confirmed.borrow()) {
            let mut confirmed = self.confirmed.subscribe();
            if timeout(WAIT_FOR, confirmed.wait_for(is_fresh)).await.is_err() {
                let message = "the metaserver does not confirm who may do what";
                return Err(Failure::new(Reason::Unavailable, "", message));
            }
        }
        Ok(self.rules.read().clone())
    }

    /// Fetches until this version is known: whoever made a change sees it.
    ///
    /// # Errors
    /// What the metaserver says.
    pub async fn reach(&self, version: u64) -> Result<(), Failure> {
        while self.rules.read().directory.version < version {
            self.fetch().await?;
        }
        Ok(())
    }

    /// Fetches what has changed so far: whoever made a change without learning its version sees it.
    ///
    /// # Errors
    /// What the metaserver says.
    pub async fn catch_up(&self) -> Result<(), Failure> {
        self.fetch().await
    }

    async fn follow(&self) {
        loop {
            if let Err(failure) = self.step().await {
                tracing::debug!("the directory of access can't be followed: {failure}");
                sleep(PAUSE).await;
            }
        }
    }

    /// Waits for a change, or for the news that there is none.
    async fn step(&self) -> Result<(), Failure> {
        let known_version = self.rules.read().directory.version;
        let patience_ms = u64::try_from(PATIENCE.as_millis()).unwrap_or(u64::MAX);
        let request = v1::AwaitAccessRequest { known_version, patience_ms };
        let asked = Instant::now();
        let answer = timeout(PATIENCE + CALL_TIMEOUT, self.client.clone().await_access(request)).await;
        let answer = answer.map_err(|_| silent())?.map_err(|status| Failure::from_status(&status))?;
        if answer.into_inner().version == known_version {
            self.confirm(asked);
            return Ok(());
        }
        self.fetch().await
    }

    async fn fetch(&self) -> Result<(), Failure> {
        let _one = self.fetching.lock().await;
        let asked = Instant::now();
        let known = self.rules.read().clone();
        let request = v1::FetchAccessRequest { since_version: known.directory.version };
        let call = async {
            let mut batches = self.client.clone().fetch_access(request).await?.into_inner();
            let mut directory = known.directory.clone();
            while let Some(batch) = batches.message().await? {
                if batch.complete && directory.version != batch.version {
                    directory = super::Directory::default();
                }
                directory.version = batch.version;
                directory.apply(batch.entries);
            }
            Ok::<_, tonic::Status>(directory)
        };
        let directory = timeout(CALL_TIMEOUT, call).await.map_err(|_| silent())?;
        let directory = directory.map_err(|status| Failure::from_status(&status))?;
        *self.rules.write() = Arc::new(Rules::new(directory, &known, &self.sealer));
        self.confirm(asked);
        Ok(())
    }

    fn confirm(&self, asked: Instant) {
        self.confirmed.send_if_modified(|confirmed| {
            let is_later = asked > *confirmed;
            *confirmed = asked.max(*confirmed);
            is_later
        });
    }
}

fn silent() -> Failure {
    Failure::new(Reason::Unavailable, "", "the metaserver does not answer")
}

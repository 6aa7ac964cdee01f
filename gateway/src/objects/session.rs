//! The gateway's session with the metaserver: opened, kept alive, opened anew when it is over; the workers that it
//! tells of; grants of block ids ahead of need.

use super::leases::{AbandonedBlock, BlockLease};
use super::term::{BlockInFlight, Term};
use super::types::{Keeping, ObjectsOptions};
use super::workers::Workers;
use crate::blocks::Copies;
use parking_lot::{Mutex, RwLock};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::Duration;
use tokio::sync::{Notify, mpsc};
use tokio::time::{Instant, sleep, timeout};
use tonic::{Response, Status};
use weir_proto::v1::sessions_client::SessionsClient;
use weir_proto::v1::{self, Reason};
use weir_proto::{Failure, MAX_MESSAGE_BYTES, protocol};
use weir_service::channel::Channel;
use weir_service::shutdown::Shutdown;

/// Between two tries to open a session, the first and the longest.
const RETRY_MIN: Duration = Duration::from_millis(50);
const RETRY_MAX: Duration = Duration::from_secs(2);
/// A call that opens or renews is given so long.
const CALL_TIMEOUT: Duration = Duration::from_secs(10);
/// Between two looks, at shutdown, whether anything is still in flight.
const IDLE_CHECK: Duration = Duration::from_millis(50);

pub(super) struct Session {
    client: SessionsClient<Channel>,
    options: ObjectsOptions,
    term: RwLock<Arc<Term>>,
    workers: RwLock<Workers>,
    /// Held while a session is opened or block ids are asked for.
    renewing: tokio::sync::Mutex<()>,
    granting: tokio::sync::Mutex<()>,
    is_refilling: AtomicBool,
    /// A heartbeat is wanted now.
    wake: Notify,
    is_closed: AtomicBool,
    /// When the metaserver last answered.
    answered: Mutex<Instant>,
    lease_ms: AtomicU64,
    heartbeat_interval: Duration,
    abandoned: mpsc::UnboundedSender<AbandonedBlock>,
}

impl Session {
    /// Opens a session, trying again while the metaserver can't be reached.
    pub async fn open(
        metaserver: Channel,
        options: ObjectsOptions,
        abandoned: mpsc::UnboundedSender<AbandonedBlock>,
        shutdown: &Shutdown,
    ) -> Result<Self, Failure> {
        let client = client(metaserver);
        let mut opened = open_patiently(&client, &options, shutdown).await?;
        tracing::info!(session_id = opened.session_id, cluster_id = opened.cluster_id, "session opened");
        Ok(Self {
            term: RwLock::new(Arc::new(Term::new(&opened))),
            lease_ms: AtomicU64::new(opened.lease_ms),
            heartbeat_interval: Duration::from_millis(opened.heartbeat_interval_ms.max(1)),
            workers: RwLock::new(Workers::opened(&mut opened)),
            client,
            options,
            renewing: tokio::sync::Mutex::default(),
            granting: tokio::sync::Mutex::default(),
            is_refilling: AtomicBool::new(false),
            wake: Notify::new(),
            is_closed: AtomicBool::new(false),
            answered: Mutex::new(Instant::now()),
            abandoned,
        })
    }

    pub fn client(&self) -> SessionsClient<Channel> {
        self.client.clone()
    }

    pub fn term(&self) -> Arc<Term> {
        self.term.read().clone()
    }

    pub fn workers(&self) -> Workers {
        self.workers.read().clone()
    }

    /// How many copies the blocks of a bucket are to have; those that are too short to be coded survive as many losses
    /// as the others.
    pub fn copies(&self, keeping: Keeping) -> Copies {
        self.workers.read().copies(keeping)
    }

    /// Is there a session, and did the metaserver answer within its lease?
    pub fn is_ready(&self) -> bool {
        let lease = Duration::from_millis(self.lease_ms.load(Ordering::Relaxed));
        !self.is_closed.load(Ordering::Acquire) && !self.term().is_over() && self.answered.lock().elapsed() < lease
    }

    /// Sends heartbeats until shutdown has begun and nothing is in flight any more; then ends the session.
    pub async fn keep_alive(self: Arc<Self>, shutdown: Shutdown) {
        while !shutdown.has_begun() && !self.is_closed.load(Ordering::Acquire) {
            tokio::select! {
                () = sleep(self.heartbeat_interval) => {}
                () = self.wake.notified() => {}
                () = shutdown.begun() => break,
            }
            self.heartbeat().await;
        }
        let mut last = Instant::now();
        while !self.term().is_idle() {
            if last.elapsed() >= self.heartbeat_interval {
                last = Instant::now();
                self.heartbeat().await;
            }
            sleep(IDLE_CHECK).await;
        }
        self.close().await;
    }

    /// Ends the session. Nothing may be in flight that is still wanted.
    pub async fn close(&self) {
        if self.is_closed.swap(true, Ordering::AcqRel) {
            return;
        }
        self.wake.notify_one();
        let term = self.term();
        term.end();
        let request = v1::CloseSessionRequest { session_id: term.session_id };
        if let Ok(Err(status)) = timeout(CALL_TIMEOUT, self.client().close_session(request)).await {
            tracing::debug!("closing the session failed, it ends with its lease: {status}");
        }
    }

    /// Asks the metaserver now which workers there are.
    pub async fn refresh(&self) {
        self.heartbeat().await;
    }

    async fn heartbeat(&self) {
        let term = self.term();
        if term.is_over() {
            let _ = self.renew(&term).await;
            return;
        }
        let workers_version = self.workers.read().version();
        let request = v1::HeartbeatRequest { workers_version, ..term.heartbeat() };
        let answer = timeout(CALL_TIMEOUT, self.client().heartbeat(request)).await;
        let understood = |answer: Result<Response<v1::HeartbeatResponse>, Status>| {
            let response = answer.map_err(|status| Failure::from_status(&status))?.into_inner();
            understands(response.protocol.as_ref(), &response.version).map(|()| response)
        };
        match answer.map(understood) {
            Ok(Ok(response)) => {
                term.heard_mark(response.read_mark);
                self.lease_ms.store(response.lease_ms, Ordering::Relaxed);
                let mut workers = self.workers.write();
                *workers = workers.after(workers_version, response);
                drop(workers);
                *self.answered.lock() = Instant::now();
            }
            Ok(Err(failure)) if failure.reason == Reason::SessionOver => {
                let _ = self.renew(&term).await;
            }
            Ok(Err(failure)) => tracing::warn!("the metaserver does not answer heartbeats: {failure}"),
            Err(_) => tracing::warn!("the metaserver does not answer heartbeats"),
        }
    }

    /// Opens a new session in place of one that is over, unless someone else has done so already.
    ///
    /// # Errors
    /// What the metaserver says; `UNAVAILABLE` after [`Session::close`].
    pub async fn renew(&self, ended: &Arc<Term>) -> Result<Arc<Term>, Failure> {
        ended.end();
        let _one = self.renewing.lock().await;
        let current = self.term();
        if !Arc::ptr_eq(&current, ended) {
            return Ok(current);
        }
        if self.is_closed.load(Ordering::Acquire) {
            return Err(Failure::new(Reason::Unavailable, "", "this gateway is shutting down"));
        }
        let mut opened = open_once(&self.client, &self.options).await.inspect_err(|failure| {
            tracing::warn!("opening a session anew failed: {failure}");
        })?;
        tracing::warn!(ended = ended.session_id, session_id = opened.session_id, "the session was over; a new one");
        let term = Arc::new(Term::new(&opened));
        *self.workers.write() = Workers::opened(&mut opened);
        *self.answered.lock() = Instant::now();
        *self.term.write() = term.clone();
        Ok(term)
    }

    /// A block id of this session, for a block on these workers.
    ///
    /// # Errors
    /// `SESSION_OVER`, and what the metaserver says to a request for more ids.
    pub async fn lease_block(self: &Arc<Self>, term: &Arc<Term>, worker_ids: Vec<u64>) -> Result<BlockLeased, Failure> {
        let block = self.take_block(term).await?;
        let block_id = block.block_id;
        let lease = Arc::new(BlockLease::new(block, worker_ids, self.abandoned.clone()));
        Ok(BlockLeased { block_id, lease })
    }

    async fn take_block(self: &Arc<Self>, term: &Arc<Term>) -> Result<BlockInFlight, Failure> {
        if term.is_over() {
            return Err(Failure::new(Reason::SessionOver, "", "the session is over"));
        }
        if let Some((block, left)) = term.take_block() {
            if left < u64::from(self.options.block_grant_count / 2) {
                self.refill(term);
            }
            return Ok(block);
        }
        let _one = self.granting.lock().await;
        loop {
            if let Some((block, _)) = term.take_block() {
                return Ok(block);
            }
            self.grant(term).await?;
        }
    }

    /// Asks for more block ids in the background, once at a time.
    fn refill(self: &Arc<Self>, term: &Arc<Term>) {
        if self.is_refilling.swap(true, Ordering::AcqRel) {
            return;
        }
        let (session, term) = (self.clone(), term.clone());
        tokio::spawn(async move {
            let _one = session.granting.lock().await;
            if let Err(failure) = session.grant(&term).await {
                tracing::warn!("asking for block ids failed: {failure}");
            }
            session.is_refilling.store(false, Ordering::Release);
        });
    }

    /// Both callers hold `granting`: grants come in rising order.
    async fn grant(&self, term: &Arc<Term>) -> Result<(), Failure> {
        let count = self.options.block_grant_count.max(1);
        let request = v1::GrantBlocksRequest { session_id: term.session_id, count };
        match self.client().grant_blocks(request).await {
            Ok(response) => {
                let granted = response.into_inner();
                if granted.count == 0 {
                    return Err(Failure::new(Reason::Unavailable, "", "the metaserver grants no block ids"));
                }
                term.add_grant(granted.first_block_id, u64::from(granted.count));
                Ok(())
            }
            Err(status) => {
                let failure = Failure::from_status(&status);
                if failure.reason == Reason::SessionOver {
                    term.end();
                    self.wake.notify_one();
                }
                Err(failure)
            }
        }
    }
}

/// A block id, and what decides the block's fate.
pub(super) struct BlockLeased {
    pub block_id: u64,
    pub lease: Arc<BlockLease>,
}

fn client(metaserver: Channel) -> SessionsClient<Channel> {
    SessionsClient::new(metaserver).max_decoding_message_size(MAX_MESSAGE_BYTES)
}

async fn open_once(
    client: &SessionsClient<Channel>,
    options: &ObjectsOptions,
) -> Result<v1::OpenSessionResponse, Failure> {
    let request = v1::OpenSessionRequest {
        address: options.address.clone(),
        version: protocol::VERSION.to_owned(),
        protocol: Some(protocol::own()),
    };
    let opened = match timeout(CALL_TIMEOUT, client.clone().open_session(request)).await {
        Ok(Ok(response)) => response.into_inner(),
        Ok(Err(status)) => return Err(Failure::from_status(&status)),
        Err(_) => return Err(Failure::new(Reason::Unavailable, "", "the metaserver does not answer")),
    };
    understands(opened.protocol.as_ref(), &opened.version)?;
    Ok(opened)
}

/// # Errors
/// `INCOMPATIBLE`: the metaserver's build and this one have no protocol in common.
fn understands(told: Option<&v1::Protocol>, version: &str) -> Result<(), Failure> {
    let checked = protocol::check("gateway", "metaserver", told, version);
    checked.map_err(|mismatch| Failure::new(Reason::Incompatible, "", mismatch.to_string()))
}

async fn open_patiently(
    client: &SessionsClient<Channel>,
    options: &ObjectsOptions,
    shutdown: &Shutdown,
) -> Result<v1::OpenSessionResponse, Failure> {
    let began = Instant::now();
    let mut pause = RETRY_MIN;
    loop {
        let failure = match open_once(client, options).await {
            Ok(opened) => return Ok(opened),
            Err(failure) => failure,
        };
        let is_too_late = options.open_timeout.is_some_and(|timeout| began.elapsed() + pause > timeout);
        // Of two builds that do not understand each other one may be about to be upgraded.
        let may_pass = matches!(failure.reason, Reason::Unavailable | Reason::Incompatible);
        if !may_pass || is_too_late || shutdown.has_begun() {
            return Err(failure);
        }
        if pause == RETRY_MIN {
            tracing::warn!("waiting for the metaserver: {failure}");
        }
        tokio::select! {
            () = sleep(pause) => {}
            () = shutdown.begun() => {}
        }
        pause = (pause * 2).min(RETRY_MAX);
    }
}

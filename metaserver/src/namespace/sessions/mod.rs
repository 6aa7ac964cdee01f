//! Sessions of gateways: who is alive, which block ids each may commit, and how far each has come.
//!
//! A session and its grants are durable, so that a restart of the metaserver ends none; what it reports with its
//! heartbeats lives here in memory, and is asked for anew.

mod cleanup;
mod report;

use super::handshake::GATEWAY;
use super::transaction::Transaction;
use super::{Namespace, validate};
use crate::error::Error;
use crate::records::decode;
use crate::records::grant::{self, GrantRecord};
use crate::records::key::successor;
use crate::records::result;
use crate::records::session::{self, SessionRecord};
use crate::store::{Scan, Store};
use bytes::Bytes;
use parking_lot::Mutex;
use report::Lost;
use std::collections::{BTreeMap, BTreeSet};
use weir_proto::v1;
use weir_service::planted::{Fault, planted};

/// Block ids granted at a time, at most.
pub const MAX_GRANT_COUNT: u32 = 1 << 20;

/// All sessions.
pub struct Sessions(Mutex<State>);

#[derive(Default)]
struct State {
    live: BTreeMap<u64, Session>,
    /// Over; kept while what is left of them is cleaned up and commits of theirs are under way.
    ended: BTreeMap<u64, Session>,
    /// By first block id.
    grants: BTreeMap<u64, GrantRecord>,
    next_ticket: u64,
    /// The highest id of a session that was opened.
    newest: u64,
    lost: Lost,
}

#[derive(Default)]
struct Session {
    record: SessionRecord,
    /// As it was last told; none: not since the metaserver started.
    protocol: Option<v1::Protocol>,
    last_heartbeat_ms: i64,
    /// The newest session when it was last heard of; none: not since the metaserver started.
    heard_beside: Option<u64>,
    /// No lower block id will be committed.
    lowest_block: u64,
    oldest_read_mark: u64,
    /// No request with a lower sequence will be sent again.
    lowest_request: u64,
    /// Results below this one are deleted.
    results_kept_from: u64,
    abandoned: BTreeSet<u64>,
    /// Blocks of the commits under way, by ticket.
    commits: BTreeMap<u64, Vec<u64>>,
    /// Its record is deleted: no start finds it alive. Before, none of its blocks may be condemned.
    is_gone: bool,
}

impl Session {
    /// No lower block id will be committed, nor is being committed.
    fn floor(&self) -> u64 {
        let in_commits = self.commits.values().flatten().copied().min().unwrap_or(u64::MAX);
        self.lowest_block.min(in_commits)
    }
}

/// A commit of new blocks under way: while it is, none of them counts as left behind.
pub(crate) struct CommitTicket<'a> {
    sessions: &'a Sessions,
    session_id: u64,
    ticket: u64,
}

impl Drop for CommitTicket<'_> {
    fn drop(&mut self) {
        let mut state = self.sessions.0.lock();
        let State { live, ended, .. } = &mut *state;
        if let Some(session) = live.get_mut(&self.session_id).or_else(|| ended.get_mut(&self.session_id)) {
            session.commits.remove(&self.ticket);
        }
    }
}

impl State {
    fn live(&mut self, session_id: u64) -> Result<&mut Session, Error> {
        if planted(Fault::DeadSessionRenewed) {
            self.live.extend(self.ended.remove_entry(&session_id));
        }
        self.live.get_mut(&session_id).ok_or(Error::SessionOver { session_id })
    }

    fn session_of(&self, block_id: u64) -> Option<u64> {
        let (first, grant) = self.grants.range(..=block_id).next_back()?;
        (block_id - first < grant.count).then_some(grant.session_id)
    }
}

impl Sessions {
    /// The sessions in the store, each with a whole lease from now on.
    pub async fn load(store: &dyn Store, now_ms: i64) -> Result<Self, Error> {
        let mut state = State::default();
        for (key, value) in everything(store, session::all()).await? {
            let record = decode(&key, value)?;
            let session = Session { record, last_heartbeat_ms: now_ms, ..Session::default() };
            let session_id = session::name(&key)?;
            state.newest = state.newest.max(session_id);
            state.live.insert(session_id, session);
        }
        for (key, value) in everything(store, grant::all()).await? {
            state.grants.insert(grant::name(&key)?, decode(&key, value)?);
        }
        for session_id in with_results(store).await? {
            if !state.live.contains_key(&session_id) {
                // Its end was cut off: what is left of it goes.
                state.ended.insert(session_id, Session { is_gone: true, ..Session::default() });
            }
        }
        Ok(Self(Mutex::new(state)))
    }

    pub(crate) fn live_count(&self) -> i64 {
        i64::try_from(self.0.lock().live.len()).unwrap_or(i64::MAX)
    }

    /// # Errors
    /// [`Error::SessionOver`]: the session is over, or has said that it will not send this request again.
    pub(crate) fn check_request(&self, id: &v1::RequestId) -> Result<(), Error> {
        let mut state = self.0.lock();
        if id.sequence < state.live(id.session_id)?.lowest_request && !planted(Fault::LateRequestTaken) {
            return Err(Error::SessionOver { session_id: id.session_id });
        }
        Ok(())
    }

    /// Begins a commit of new blocks.
    ///
    /// # Errors
    /// [`Error::SessionOver`]: the session is over, or has no right to one of these ids, or not any more.
    pub(crate) fn begin_commit(&self, session_id: u64, block_ids: Vec<u64>) -> Result<CommitTicket<'_>, Error> {
        let mut state = self.0.lock();
        let own = block_ids.iter().all(|&block_id| state.session_of(block_id) == Some(session_id));
        state.next_ticket += 1;
        let ticket = state.next_ticket;
        let session = state.live(session_id)?;
        let late = |block_id: &u64| *block_id < session.lowest_block || session.abandoned.contains(block_id);
        if !own || block_ids.iter().any(late) {
            return Err(Error::SessionOver { session_id });
        }
        session.commits.insert(ticket, block_ids);
        Ok(CommitTicket { sessions: self, session_id, ticket })
    }

    /// Marks blocks of a session as never to be committed. Returns those that are not being committed right now.
    pub(crate) fn abandon(&self, session_id: u64, block_ids: &[u64]) -> Result<Vec<u64>, Error> {
        let mut state = self.0.lock();
        if let Some(&block_id) = block_ids.iter().find(|&&block_id| state.session_of(block_id) != Some(session_id)) {
            return Err(Error::invalid("blocks", format!("block {block_id} is not of session {session_id}")));
        }
        let session = state.live(session_id)?;
        session.abandoned.extend(block_ids);
        let in_commits: BTreeSet<u64> = session.commits.values().flatten().copied().collect();
        Ok(block_ids.iter().copied().filter(|block_id| !in_commits.contains(block_id)).collect())
    }

    /// Whether a block without a record will never get one: its session is over for good or has moved past it.
    pub(crate) fn is_left_behind(&self, block_id: u64) -> bool {
        let state = self.0.lock();
        let Some(session_id) = state.session_of(block_id) else { return true };
        if planted(Fault::ReclaimIgnoresSessions) {
            return true;
        }
        match (state.live.get(&session_id), state.ended.get(&session_id)) {
            (Some(session), _) => block_id < session.floor(),
            (None, Some(session)) => session.is_gone && session.commits.is_empty(),
            (None, None) => true,
        }
    }

    /// The lowest mark of a read that may be in flight; `u64::MAX` when there is no session.
    pub(crate) fn oldest_read_mark(&self) -> u64 {
        self.0.lock().live.values().map(|session| session.oldest_read_mark).min().unwrap_or(u64::MAX)
    }

    fn end(&self, is_over: impl Fn(u64, &mut Session) -> bool) -> Vec<u64> {
        let mut state = self.0.lock();
        let over: Vec<u64> =
            state.live.iter_mut().filter_map(|(id, session)| is_over(*id, session).then_some(*id)).collect();
        for session_id in &over {
            if let Some(session) = state.live.remove(session_id) {
                state.ended.insert(*session_id, session);
            }
        }
        over
    }
}

impl Namespace {
    /// Opens a session. Returns its id and the read mark it starts with.
    ///
    /// # Errors
    /// [`Error::Incompatible`], [`Error::Invalid`], or the store's.
    pub async fn open_session(&self, request: &v1::OpenSessionRequest) -> Result<(u64, u64), Error> {
        validate::name("address", &request.address)?;
        validate::name("version", &request.version)?;
        self.admit(GATEWAY, &request.address, request.protocol.as_ref(), &request.version)?;
        let session_id = self.ids.next(&*self.store).await?;
        let record = SessionRecord {
            address: request.address.clone(),
            version: request.version.clone(),
            started_ms: self.clock.now_ms(),
        };
        let key = session::key(session_id);
        // Without a session nobody could delete anything either.
        let mut transaction = Transaction::urgent();
        transaction.unchanged(key.clone(), None);
        transaction.put(key, &record);
        self.commit(transaction).await?;
        let read_mark = self.marks.current();
        let session = Session {
            record,
            protocol: request.protocol,
            last_heartbeat_ms: self.clock.now_ms(),
            heard_beside: Some(session_id),
            oldest_read_mark: read_mark,
            ..Session::default()
        };
        tracing::info!(session_id, address = %session.record.address, "a gateway opened a session");
        let mut state = self.sessions.0.lock();
        state.newest = state.newest.max(session_id);
        state.lost.is_back(&session.record.address);
        state.live.insert(session_id, session);
        drop(state);
        self.metrics.sessions.set(self.sessions.live_count());
        Ok((session_id, read_mark))
    }

    /// # Errors
    /// [`Error::SessionOver`]; [`Error::Incompatible`]: the session was opened with a metaserver of another build.
    pub fn heartbeat(&self, request: &v1::HeartbeatRequest) -> Result<(), Error> {
        let mut state = self.sessions.0.lock();
        let newest = state.newest;
        let session = state.live(request.session_id)?;
        let SessionRecord { address, version, .. } = &session.record;
        self.admit(GATEWAY, address, request.protocol.as_ref(), version)?;
        session.protocol = request.protocol;
        session.last_heartbeat_ms = self.clock.now_ms();
        session.heard_beside = Some(newest);
        session.lowest_block = session.lowest_block.max(request.lowest_block_in_flight);
        session.oldest_read_mark = session.oldest_read_mark.max(request.oldest_read_mark.min(self.marks.current()));
        session.lowest_request = session.lowest_request.max(request.lowest_request_in_flight);
        session.abandoned = session.abandoned.split_off(&session.lowest_block);
        Ok(())
    }

    /// Grants a range of block ids. Returns the first and their number.
    pub async fn grant_blocks(&self, request: &v1::GrantBlocksRequest) -> Result<(u64, u32), Error> {
        if !(1..=MAX_GRANT_COUNT).contains(&request.count) {
            return Err(Error::invalid("count", format!("it is from 1 to {MAX_GRANT_COUNT}, not {}", request.count)));
        }
        let session_id = request.session_id;
        self.sessions.0.lock().live(session_id)?;
        let count = u64::from(request.count);
        let first = self.ids.take(&*self.store, count).await?.start;
        let record = GrantRecord { session_id, count };
        let mut transaction = Transaction::default();
        // The session's record goes when all else of it is cleaned up.
        transaction.unchanged(grant::key(first), None);
        transaction.put(grant::key(first), &record);
        self.commit(transaction).await?;
        let mut state = self.sessions.0.lock();
        state.grants.insert(first, record);
        state.live(session_id)?;
        Ok((first, request.count))
    }

    /// Ends a session at its own wish.
    pub async fn close_session(&self, session_id: u64) -> Result<(), Error> {
        if self.sessions.end(|id, _| id == session_id).is_empty() {
            return Err(Error::SessionOver { session_id });
        }
        tracing::info!(session_id, "a gateway closed its session");
        self.metrics.sessions.set(self.sessions.live_count());
        Ok(())
    }

    /// Ends every session, for a metaserver whose gateways are known to be gone. Returns how many there were.
    pub fn end_sessions(&self) -> usize {
        let over = self.sessions.end(|_, _| true);
        self.metrics.sessions.set(self.sessions.live_count());
        over.len()
    }

    /// Gives every session a whole lease from now on.
    pub fn renew_leases(&self) {
        let now_ms = self.clock.now_ms();
        self.sessions.0.lock().live.values_mut().for_each(|session| session.last_heartbeat_ms = now_ms);
    }

    /// Ends the sessions whose lease has run out. Returns their ids.
    pub fn expire_sessions(&self) -> Vec<u64> {
        let now_ms = self.clock.now_ms();
        let lease_ms = i64::try_from(self.settings.session_lease_ms).unwrap_or(i64::MAX);
        let over = self.sessions.end(|_, session| {
            // A heartbeat of later than now came before the clock was set back: its lease begins now.
            session.last_heartbeat_ms = session.last_heartbeat_ms.min(now_ms);
            now_ms.saturating_sub(session.last_heartbeat_ms) > lease_ms
        });
        for session_id in &over {
            tracing::warn!(session_id, lease_ms, "a session is over: no heartbeat came within its lease");
        }
        self.metrics.sessions.set(self.sessions.live_count());
        self.sessions.lose(&over);
        over
    }
}

/// The sessions of which results are remembered.
async fn with_results(store: &dyn Store) -> Result<Vec<u64>, Error> {
    let (mut start, end) = (Some(result::all()), successor(&result::all()));
    let mut session_ids = Vec::new();
    while let Some(from) = start.take() {
        let rows = store.scan(Scan { start: from, end: end.clone(), limit: 1, reverse: false }).await?;
        if let Some((key, _)) = rows.first() {
            let session_id = result::session_of(key)?;
            session_ids.push(session_id);
            start = result::end(session_id);
        }
    }
    Ok(session_ids)
}

async fn everything(store: &dyn Store, prefix: Bytes) -> Result<Vec<(Bytes, Bytes)>, Error> {
    let end = successor(&prefix);
    Ok(store.scan(Scan { start: prefix, end, limit: usize::MAX, reverse: false }).await?)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::records::key::Kind;
    use crate::testing::{Fixture, session};

    #[tokio::test]
    async fn grants_never_overlap_and_their_size_has_limits() {
        let fixture = Fixture::new().await;
        let mut granted = Vec::new();
        for count in [1, 5_000, 20_000, 3] {
            granted.push((session(&fixture.namespace, count).await.1, u64::from(count)));
        }
        granted.sort_unstable();
        assert!(granted.windows(2).all(|pair| pair[0].0 + pair[0].1 <= pair[1].0), "{granted:?}");
        for count in [0, MAX_GRANT_COUNT + 1] {
            let request = v1::GrantBlocksRequest { session_id: fixture.session_id, count };
            assert!(matches!(fixture.namespace.grant_blocks(&request).await, Err(Error::Invalid { .. })));
        }
        let request = v1::GrantBlocksRequest { session_id: 99, count: 1 };
        assert!(matches!(fixture.namespace.grant_blocks(&request).await, Err(Error::SessionOver { .. })));
    }

    #[tokio::test]
    async fn a_session_and_its_grants_outlive_a_restart_of_the_metaserver() {
        let fixture = Fixture::new().await;
        fixture.bucket("photos").await;
        let content = fixture.blocks(1, &[5]);
        let session_id = fixture.session_id;
        let restarted = Fixture::over_running(&fixture).await;
        let put = v1::CommitObjectRequest { session_id, ..fixture.put("photos", "cat", content) };
        restarted.namespace.commit_object(put).await.unwrap();
        restarted.check(true).await;
    }

    #[tokio::test]
    async fn gateways_that_are_known_to_be_gone_need_no_lease_to_run_out() {
        let fixture = Fixture::new().await;
        fixture.bucket("photos").await;
        let content = fixture.blocks(1, &[5]);
        let session_id = fixture.session_id;
        assert_eq!(fixture.namespace.end_sessions(), 1);
        assert_eq!(fixture.namespace.end_sessions(), 0);
        let put = v1::CommitObjectRequest { session_id, ..fixture.put("photos", "cat", content) };
        assert!(matches!(fixture.namespace.commit_object(put).await, Err(Error::SessionOver { .. })));
    }

    #[tokio::test]
    async fn a_lease_runs_out_also_after_the_clock_was_set_back() {
        let fixture = Fixture::new().await;
        fixture.clock.advance(-600_000);
        assert_eq!(fixture.namespace.expire_sessions(), [0u64; 0]);
        fixture.clock.advance(30_001);
        assert_eq!(fixture.namespace.expire_sessions(), [fixture.session_id]);
    }

    #[tokio::test]
    async fn a_session_is_over_when_its_lease_is() {
        let fixture = Fixture::new().await;
        fixture.clock.advance(30_000);
        fixture.idle_heartbeat();
        fixture.clock.advance(30_000);
        assert_eq!(fixture.namespace.expire_sessions(), [0u64; 0]);
        fixture.clock.advance(1);
        assert_eq!(fixture.namespace.expire_sessions(), [fixture.session_id]);
        let heartbeat = v1::HeartbeatRequest { session_id: fixture.session_id, ..Default::default() };
        assert!(matches!(fixture.namespace.heartbeat(&heartbeat), Err(Error::SessionOver { .. })));
        let again = fixture.namespace.close_session(fixture.session_id).await;
        assert!(matches!(again, Err(Error::SessionOver { .. })));
        assert_eq!(fixture.namespace.clean_sessions().await.unwrap(), 1);
        for kind in [Kind::Session, Kind::Grant] {
            assert_eq!(fixture.rows(kind).await, [], "{kind}");
        }
    }

    #[tokio::test]
    async fn grants_that_are_used_up_are_forgotten() {
        let fixture = Fixture::new().await;
        let request = v1::GrantBlocksRequest { session_id: fixture.session_id, count: 10 };
        let (first, _) = fixture.namespace.grant_blocks(&request).await.unwrap();
        assert_eq!(fixture.rows(Kind::Grant).await.len(), 2);
        let heartbeat = |lowest_block_in_flight| {
            let session_id = fixture.session_id;
            v1::HeartbeatRequest { session_id, lowest_block_in_flight, ..Default::default() }
        };
        fixture.namespace.heartbeat(&heartbeat(first)).unwrap();
        fixture.namespace.clean_sessions().await.unwrap();
        assert_eq!(fixture.rows(Kind::Grant).await.len(), 1);
        fixture.namespace.heartbeat(&heartbeat(first + 10)).unwrap();
        fixture.namespace.clean_sessions().await.unwrap();
        assert_eq!(fixture.rows(Kind::Grant).await, []);
    }

    #[tokio::test]
    async fn a_session_abandons_only_what_is_its_own() {
        let fixture = Fixture::new().await;
        let (_, foreign) = session(&fixture.namespace, 10).await;
        let abandon = |block_id, worker_ids| v1::AbandonBlocksRequest {
            session_id: fixture.session_id,
            blocks: vec![v1::AbandonedBlock { block_id, worker_ids }],
        };
        let refused = fixture.namespace.abandon_blocks(&abandon(foreign, vec![1])).await;
        assert!(matches!(refused, Err(Error::Invalid { .. })));
        let own = fixture.extents(&[5])[0].extent.unwrap().block_id;
        fixture.namespace.abandon_blocks(&abandon(own, vec![])).await.unwrap();
        assert_eq!(fixture.rows(Kind::Block).await, [], "nobody holds it: there is nothing to delete");
        fixture.namespace.abandon_blocks(&abandon(own, vec![fixture.worker_id])).await.unwrap();
        fixture.namespace.abandon_blocks(&abandon(own, vec![fixture.worker_id])).await.unwrap();
        assert_eq!(fixture.obey().await, [own]);
        fixture.check(true).await;
    }

    #[tokio::test]
    async fn a_gateway_without_a_protocol_in_common_is_refused_also_with_the_session_that_it_has() {
        let fixture = Fixture::new().await;
        let too_new = Some(v1::Protocol { current: 90, oldest: 80 });
        let open = v1::OpenSessionRequest { protocol: too_new, version: "9.0.0".into(), ..Default::default() };
        let error = fixture.namespace.open_session(&open).await.unwrap_err();
        assert!(matches!(error, Error::Incompatible(_)), "{error}");
        assert_eq!(fixture.namespace.sessions.live_count(), 1);
        let beat = |protocol| {
            let session_id = fixture.session_id;
            fixture.namespace.heartbeat(&v1::HeartbeatRequest { session_id, protocol, ..Default::default() })
        };
        let own = Some(weir_proto::protocol::own());
        beat(own).unwrap();
        assert_eq!(fixture.namespace.gateways()[0].protocol, own);
        fixture.clock.advance(30_000);
        assert!(matches!(beat(too_new), Err(Error::Incompatible(_))));
        fixture.clock.advance(30_001);
        assert_eq!(fixture.namespace.expire_sessions(), [fixture.session_id], "what is refused keeps no lease");
    }
}

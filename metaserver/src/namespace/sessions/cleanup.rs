//! Deleting what sessions no longer need: remembered results, used-up grants, and all that is left of a session when it
//! is over.

use super::Session;
use crate::error::Error;
use crate::namespace::Namespace;
use crate::namespace::transaction::Transaction;
use crate::records::grant::{self, GrantRecord};
use crate::records::{result, session};

/// Remembered results deleted in one commit.
const RESULT_BATCH: usize = 1_000;

impl Namespace {
    /// Deletes what is not needed any more: what sessions that are over have left, grants that live ones have used up,
    /// results that they will not ask for again. Returns how many sessions went for good.
    pub async fn clean_sessions(&self) -> Result<usize, Error> {
        self.drop_results().await?;
        self.drop_used_grants().await?;
        let gone: Vec<u64> = {
            let state = self.sessions.0.lock();
            state.ended.iter().filter(|(_, session)| session.commits.is_empty()).map(|(id, _)| *id).collect()
        };
        for &session_id in &gone {
            // First: a start that found the session without some of its results would carry a change out twice.
            let mut transaction = Transaction::urgent();
            transaction.delete(session::key(session_id));
            self.commit(transaction).await?;
            if let Some(session) = self.sessions.0.lock().ended.get_mut(&session_id) {
                session.is_gone = true;
            }
            self.delete_results(session_id, u64::MAX).await?;
            let grants: Vec<u64> = {
                let state = self.sessions.0.lock();
                state
                    .grants
                    .iter()
                    .filter(|(_, grant)| grant.session_id == session_id)
                    .map(|(first, _)| *first)
                    .collect()
            };
            self.delete_grants(&grants).await?;
            self.sessions.0.lock().ended.remove(&session_id);
        }
        Ok(gone.len())
    }

    async fn drop_used_grants(&self) -> Result<(), Error> {
        let used: Vec<u64> = {
            let state = self.sessions.0.lock();
            let is_used = |(first, grant): &(&u64, &GrantRecord)| match state.live.get(&grant.session_id) {
                Some(session) => *first + grant.count <= session.floor(),
                // Of a session that is over: with the session. Of none: it is from before a crash.
                None => !state.ended.contains_key(&grant.session_id),
            };
            state.grants.iter().filter(is_used).map(|(first, _)| *first).collect()
        };
        self.delete_grants(&used).await
    }

    async fn delete_grants(&self, firsts: &[u64]) -> Result<(), Error> {
        if firsts.is_empty() {
            return Ok(());
        }
        let mut transaction = Transaction::urgent();
        for first in firsts {
            transaction.delete(grant::key(*first));
        }
        self.commit(transaction).await?;
        let mut state = self.sessions.0.lock();
        for first in firsts {
            state.grants.remove(first);
        }
        Ok(())
    }

    async fn drop_results(&self) -> Result<(), Error> {
        let passed: Vec<(u64, u64)> = {
            let state = self.sessions.0.lock();
            let has_passed = |(_, session): &(&u64, &Session)| session.lowest_request > session.results_kept_from;
            state.live.iter().filter(has_passed).map(|(id, session)| (*id, session.lowest_request)).collect()
        };
        for (session_id, floor) in passed {
            self.delete_results(session_id, floor).await?;
            if let Ok(session) = self.sessions.0.lock().live(session_id) {
                session.results_kept_from = floor;
            }
        }
        Ok(())
    }

    /// Deletes a session's results below a sequence.
    async fn delete_results(&self, session_id: u64, floor: u64) -> Result<(), Error> {
        let end = if floor == u64::MAX { result::end(session_id) } else { Some(result::key(session_id, floor)) };
        loop {
            let page = self.scan(result::key(session_id, 0), end.clone(), RESULT_BATCH).await?;
            if page.is_empty() {
                return Ok(());
            }
            let mut transaction = Transaction::urgent();
            for (key, _) in page {
                transaction.delete(key);
            }
            self.commit(transaction).await?;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::records::key::Kind;
    use crate::testing::{Fixture, in_blocks, inline};
    use std::pin::pin;
    use weir_proto::v1::{CommitObjectRequest, InventoryBatch, RequestId};

    /// Ends the fixture's session, and breaks off the cleaning after so many polls. Whether it was done before.
    async fn end_broken_off(fixture: &Fixture, polls: usize) -> bool {
        fixture.namespace.sessions.end(|id, _| id == fixture.session_id);
        let mut cleaning = pin!(fixture.namespace.clean_sessions());
        for _ in 0..polls {
            if futures::poll!(cleaning.as_mut()).is_ready() {
                return true;
            }
        }
        false
    }

    #[tokio::test]
    async fn a_start_in_the_middle_of_the_end_of_a_session_carries_no_change_out_twice() {
        let mut broken_off = 0;
        for polls in 0.. {
            let fixture = Fixture::new().await;
            fixture.bucket("photos").await;
            let request_id = Some(RequestId { session_id: fixture.session_id, sequence: 7 });
            let put = CommitObjectRequest { request_id, ..fixture.put("photos", "cat", inline("miau")) };
            let first = fixture.namespace.commit_object(put.clone()).await.unwrap();
            let has_ended = end_broken_off(&fixture, polls).await;
            let again = Fixture::over_running(&fixture).await;
            match again.namespace.commit_object(put).await {
                Ok(answer) => assert_eq!(answer, first, "after {polls} polls"),
                Err(Error::SessionOver { .. }) => {
                    again.namespace.clean_sessions().await.unwrap();
                    assert_eq!(again.rows(Kind::RequestResult).await, [], "after {polls} polls");
                }
                Err(error) => panic!("after {polls} polls: {error}"),
            }
            if has_ended {
                break;
            }
            broken_off += 1;
        }
        assert!(broken_off > 2, "it was broken off {broken_off} times");
    }

    #[tokio::test]
    async fn a_start_in_the_middle_of_the_end_of_a_session_finds_none_of_its_blocks_condemned_before() {
        let mut taken = 0;
        for polls in 0.. {
            let fixture = Fixture::new().await;
            fixture.bucket("photos").await;
            let extents = fixture.extents(&[5]);
            let block_ids = vec![extents[0].extent.unwrap().block_id];
            let put = fixture.put("photos", "cat", in_blocks(1, extents));
            let has_ended = end_broken_off(&fixture, polls).await;
            // A worker has the block already, and tells of it.
            let batch = InventoryBatch { worker_id: fixture.worker_id, block_ids, ..Default::default() };
            fixture.cluster.take_inventory(&batch).await.unwrap();
            let again = Fixture::over_running(&fixture).await;
            match again.namespace.commit_object(put).await {
                Ok(_) => taken += 1,
                Err(Error::SessionOver { .. }) => {}
                Err(error) => panic!("after {polls} polls: {error}"),
            }
            if has_ended {
                break;
            }
        }
        assert!(taken > 0);
    }
}

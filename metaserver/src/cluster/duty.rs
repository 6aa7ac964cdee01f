//! What operators want of workers: to be emptied, and to serve again. It is durable, and outlives restarts of both sides.

use super::Cluster;
use super::rebalance::Held;
use crate::error::Error;
use crate::namespace::SCAN_LIMIT;
use crate::namespace::transaction::Transaction;
use crate::records::condemned;
use crate::records::worker::{self, Duty};
use std::collections::BTreeMap;

impl Cluster {
    /// Begins to empty workers, named by `host:port` or id. With `disable` they may not register any more once they are
    /// empty. Returns their ids.
    ///
    /// # Errors
    /// [`Error::Invalid`] naming the first that is not known; then none is changed.
    pub async fn decommission(&self, names: &[String], disable: bool) -> Result<Vec<u64>, Error> {
        self.set_duties(names, |duty| if duty == Duty::Drained { duty } else { Duty::Draining }, disable).await
    }

    /// Lets workers serve again. Returns their ids.
    ///
    /// # Errors
    /// As [`Cluster::decommission`].
    pub async fn enable(&self, names: &[String]) -> Result<Vec<u64>, Error> {
        self.set_duties(names, |_| Duty::Serving, false).await
    }

    async fn set_duties(
        &self,
        names: &[String],
        duty_after: impl Fn(Duty) -> Duty,
        disabled: bool,
    ) -> Result<Vec<u64>, Error> {
        let known = self.workers.list(&self.namespace);
        let mut ids = Vec::new();
        for name in names {
            let named = known.iter().filter(|worker| worker.address == *name || worker.worker_id.to_string() == *name);
            let before = ids.len();
            ids.extend(named.map(|worker| worker.worker_id));
            if ids.len() == before {
                return Err(Error::invalid("workers", format!("{name} is not a worker's HOST:PORT or id")));
            }
        }
        for &worker_id in &ids {
            let mut duty = Duty::Serving;
            let change = self.namespace.change_worker(worker_id, |record| {
                duty = duty_after(record.duty());
                (record.duty, record.disabled) = (duty.into(), disabled);
            });
            change.await?;
            self.workers.with(worker_id, |state| (state.duty, state.disabled) = (duty, disabled));
            tracing::info!(worker_id, ?duty, "an operator decided about a worker");
        }
        self.sweep.want();
        Ok(ids)
    }

    /// Forgets workers that were silent for very long and that no block in use names: `held` is what the records of
    /// all of them name.
    pub(super) async fn forget_workers(&self, held: &BTreeMap<u64, Held>) -> Result<(), Error> {
        let members = self.workers.members(&self.namespace);
        let silent = members.by_id.keys().copied().filter(|id| members.is_forgotten(*id));
        for worker_id in silent.filter(|id| !held.contains_key(id)) {
            self.settle_all_deletions(worker_id).await?;
            if !self.workers.members(&self.namespace).is_forgotten(worker_id) {
                continue;
            }
            let mut transaction = Transaction::urgent();
            transaction.delete(worker::key(worker_id));
            self.namespace.commit(transaction).await?;
            self.workers.remove(&self.namespace, worker_id);
            tracing::info!(worker_id, "a worker that was silent for long, and that no block needs, is forgotten");
        }
        Ok(())
    }

    /// Nobody is left to carry the orders out. If the worker comes back, its inventory shows what it still has.
    async fn settle_all_deletions(&self, worker_id: u64) -> Result<(), Error> {
        loop {
            let rows = self.namespace.scan(condemned::key(worker_id, 0), condemned::end(worker_id), SCAN_LIMIT).await?;
            if rows.is_empty() {
                return Ok(());
            }
            let ids: Result<Vec<u64>, _> = rows.iter().map(|(key, _)| Ok(condemned::name(key)?.1)).collect();
            self.settle_deletions(worker_id, &ids.map_err(Error::Record)?).await?;
        }
    }
}

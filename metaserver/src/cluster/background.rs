//! The work that goes on by itself until shutdown. A step that fails is logged and tried again at its next turn.

use super::Cluster;
use crate::error::Error;
use crate::metrics::Build;
use crate::namespace::handshake::{GATEWAY, WORKER};
use std::future::Future;
use std::sync::Arc;
use std::time::Duration;
use weir_proto::protocol::Spoken;
use weir_proto::v1::Protocol;
use weir_service::shutdown::Shutdown;

/// Rounds of reclaim in one turn, when there is much to do and nobody to wait for.
const STEPS_PER_TURN: usize = 16;

impl Cluster {
    /// Starts all of it.
    pub fn start(self: &Arc<Self>, shutdown: &Shutdown) {
        let settings = &self.namespace.settings;
        let (heartbeat_ms, reclaim_ms) = (settings.heartbeat_interval_ms, settings.reclaim_interval_ms);
        let upload_sweep_ms = settings.upload_sweep_interval_ms;
        let sweep_ms = super::sweep::TURN_MS;
        repeat(shutdown, "sessions", heartbeat_ms, self, |cluster| async move { cluster.sweep_sessions().await });
        repeat(shutdown, "reclaim", reclaim_ms, self, |cluster| async move { cluster.reclaim_turn().await });
        repeat(shutdown, "repair", heartbeat_ms, self, |cluster| async move { cluster.repair_turn().await });
        repeat(shutdown, "blocks", sweep_ms, self, |cluster| async move { cluster.sweep_turn().await });
        repeat(shutdown, "uploads", upload_sweep_ms, self, |cluster| async move {
            cluster.expire_uploads().await.map(|_| ())
        });
    }

    /// Ends sessions whose lease has run out, and cleans up after all that are over.
    pub async fn sweep_sessions(&self) -> Result<(), Error> {
        self.namespace.expire_sessions();
        if self.namespace.clean_sessions().await? > 0 {
            self.workers.want_inventories();
        }
        self.tell_members();
        Ok(())
    }

    /// Which builds there are.
    fn tell_members(&self) {
        let build = |role, version: String, told: Option<Protocol>| {
            let protocol = Spoken::told(told.as_ref()).current;
            Build { role, version, protocol }
        };
        let workers = self.workers.list(&self.namespace).into_iter().filter(|worker| worker.live);
        let workers = workers.map(|worker| build(WORKER, worker.version, worker.protocol));
        let gateways = self.namespace.tell_gateways().into_iter().filter(|gateway| gateway.live);
        let gateways = gateways.map(|gateway| build(GATEWAY, gateway.version, gateway.protocol));
        self.namespace.metrics.tell_members(workers.chain(gateways));
    }

    async fn reclaim_turn(&self) -> Result<(), Error> {
        for _ in 0..STEPS_PER_TURN {
            if self.reclaim_step().await? == 0 {
                break;
            }
        }
        Ok(())
    }
}

fn repeat<F, Step>(shutdown: &Shutdown, what: &'static str, interval_ms: u64, cluster: &Arc<Cluster>, step: F)
where
    F: Fn(Arc<Cluster>) -> Step + Send + 'static,
    Step: Future<Output = Result<(), Error>> + Send,
{
    let (cluster, token) = (cluster.clone(), shutdown.clone());
    shutdown.spawn(async move {
        let mut interval = tokio::time::interval(Duration::from_millis(interval_ms.max(1)));
        interval.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
        loop {
            tokio::select! {
                () = token.begun() => return,
                _ = interval.tick() => {}
            }
            if let Err(error) = step(cluster.clone()).await {
                tracing::warn!(%error, what, "a background step failed and will be tried again");
            }
        }
    });
}

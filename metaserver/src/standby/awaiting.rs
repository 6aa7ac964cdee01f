//! A metaserver that starts may have in its journal what its standby lacks: what was in flight when it was stopped, and
//! what it commits as it starts. Whoever was told of any of it would have seen what is gone, should its machine be lost
//! and the standby promoted. So it answers nothing but the standby until that has it all, or was let go.

use super::host::{Host, refusal};
use crate::store::embedded::replication::Standing;
use crate::{Metaserver, MetaserverError};
use tonic::Status;
use tonic::service::Routes;
use tower::ServiceExt as _;
use weir_proto::v1::Reason;
use weir_service::epoch::STANDBY_HEADER;
use weir_service::shutdown::Shutdown;

impl Metaserver {
    /// Starts the background tasks, when the standby has everything that they go by and change.
    pub(crate) fn begin(&self, shutdown: &Shutdown) {
        let (namespace, cluster) = (self.service.namespace.clone(), self.service.cluster.clone());
        let store = self.service.host.store.clone();
        let Some(store) = store.filter(|store| store.awaits_standby()) else { return cluster.start(shutdown) };
        let standing = store.standing();
        tracing::warn!(
            address = standing.address,
            sequence = standing.last,
            mode = %standing.mode,
            "nothing is answered before the standby follows and has what is here; metaserver.standby = none does without it"
        );
        let begun = shutdown.clone();
        shutdown.spawn(async move {
            tokio::select! {
                () = begun.begun() => return,
                came = store.await_standby() => if came.is_err() { return },
            }
            // Nobody could tell before that they are there.
            namespace.renew_leases();
            cluster.workers.renew_patience(namespace.clock.now_ms());
            cluster.start(&begun);
            tracing::info!("the standby is waited for no longer");
        });
    }

    /// Whether nothing is answered yet but what has to do with standbys.
    pub fn awaits_standby(&self) -> bool {
        self.service.host.store.as_ref().is_some_and(|store| store.awaits_standby())
    }

    /// Resolves when everything is answered.
    ///
    /// # Errors
    /// [`MetaserverError::Store`]: it never will be, the store stops.
    pub async fn serves(&self) -> Result<(), MetaserverError> {
        match &self.service.host.store {
            Some(store) => Ok(store.await_standby().await?),
            None => Ok(()),
        }
    }
}

impl Host {
    /// Services that are UNAVAILABLE while the standby is awaited.
    pub(crate) fn held_back(&self, routes: Routes) -> Routes {
        let Some(store) = self.store.clone().filter(|store| store.awaits_standby()) else { return routes };
        let served = routes.prepare().into_axum_router();
        let switch = tower::service_fn(move |request| {
            let refused = store.awaits_standby().then(|| refused(&store.standing()));
            let served = served.clone();
            async move {
                match refused {
                    Some(refused) => Ok(refused.into_http()),
                    None => served.oneshot(request).await,
                }
            }
        });
        Routes::from(Routes::default().into_axum_router().reset_fallback().fallback_service(switch))
    }
}

/// What is said while nothing is told. Whoever knows the standby, too, looks whether that was promoted.
fn refused(standing: &Standing) -> Status {
    let Standing { address, mode, .. } = standing;
    let text = format!(
        "this metaserver has started, and waits for its standby, {address}, which may lack its last commits \
         (metaserver.standby is {mode}): try again"
    );
    let mut status = Status::from(refusal(Reason::Unavailable, text));
    status.metadata_mut().insert(STANDBY_HEADER, 1.into());
    status
}

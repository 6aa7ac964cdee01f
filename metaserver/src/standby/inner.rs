//! What a standby's tasks share.

use crate::store::embedded::replication::StandbyStore;
use crate::{Measured, Metaserver};
use parking_lot::{Mutex, RwLock};
use std::sync::Arc;
use std::sync::atomic::AtomicBool;
use tokio::sync::watch;
use tokio::task::JoinHandle;
use tonic::service::Routes;
use weir_service::channel::Channel;
use weir_service::clock::Clock;
use weir_service::config::MetaserverSettings;
use weir_service::epoch::SeenEpoch;
use weir_service::sealing::Sealer;
use weir_service::shutdown::Shutdown;

pub(super) struct Inner {
    pub settings: MetaserverSettings,
    pub standby: StandbyStore,
    pub clock: Arc<dyn Clock>,
    pub sealer: Arc<Sealer>,
    pub measured: Measured,
    pub shutdown: Shutdown,
    /// The one that is followed.
    pub metaserver: Channel,
    pub seen: SeenEpoch,
    pub connected: AtomicBool,
    /// It is not followed any more.
    pub stop: watch::Sender<bool>,
    pub following: Mutex<Option<JoinHandle<()>>>,
    /// One promotion at a time.
    pub promoting: tokio::sync::Mutex<()>,
    pub promoted: RwLock<Option<(Metaserver, Routes)>>,
}

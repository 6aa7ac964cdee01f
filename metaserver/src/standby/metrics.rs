//! What a metaserver and a standby tell Prometheus of each other, read when it asks.

use super::inner::Inner;
use crate::store::embedded::EmbeddedStore;
use crate::store::embedded::replication::Phase;
use prometheus_client::collector::Collector;
use prometheus_client::encoding::{DescriptorEncoder, EncodeMetric as _};
use prometheus_client::metrics::MetricType;
use prometheus_client::metrics::gauge::ConstGauge;
use prometheus_client::registry::Registry;
use std::fmt;
use std::sync::atomic::Ordering;
use std::sync::{Arc, Weak};
use weir_service::config::StandbyMode;

/// Of a metaserver.
#[derive(Debug)]
struct Hosting(Weak<EmbeddedStore>);

/// Of a standby, and of the metaserver that it becomes.
struct Following(Weak<Inner>);

impl fmt::Debug for Following {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Following")
    }
}

impl fmt::Debug for EmbeddedStore {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("EmbeddedStore")
    }
}

pub(crate) fn register(registry: &mut Registry, store: &Arc<EmbeddedStore>) {
    registry.register_collector(Box::new(Hosting(Arc::downgrade(store))));
}

pub(super) fn register_candidate(registry: &mut Registry, inner: &Arc<Inner>) {
    registry.register_collector(Box::new(Following(Arc::downgrade(inner))));
}

impl Collector for Hosting {
    fn encode(&self, mut encoder: DescriptorEncoder<'_>) -> fmt::Result {
        match self.0.upgrade() {
            Some(store) => hosting(&store, &mut encoder),
            None => Ok(()),
        }
    }
}

impl Collector for Following {
    fn encode(&self, mut encoder: DescriptorEncoder<'_>) -> fmt::Result {
        let Some(inner) = self.0.upgrade() else { return Ok(()) };
        let is_promoted = inner.promoted.read().is_some();
        if let (true, Ok(store)) = (is_promoted, inner.standby.store()) {
            return hosting(&store, &mut encoder);
        }
        let belief = inner.standby.belief();
        let connected = inner.connected.load(Ordering::Acquire);
        let encoder = &mut encoder;
        gauge(
            encoder,
            "following",
            "1: this is a standby, and follows its metaserver; 0: it can't",
            i64::from(connected),
        )?;
        gauge(
            encoder,
            "following_in_sync",
            "1: this standby was in sync when it last heard its metaserver",
            i64::from(belief.in_sync),
        )?;
        gauge(encoder, "following_sequence", "The last commit that this standby has", signed(belief.sequence))
    }
}

fn hosting(store: &EmbeddedStore, encoder: &mut DescriptorEncoder<'_>) -> fmt::Result {
    let standing = store.standing();
    let mode = match standing.mode {
        StandbyMode::None => 0,
        StandbyMode::Optional => 1,
        StandbyMode::Required => 2,
    };
    let state = match standing.phase {
        Phase::Away => 0,
        Phase::Seeding => 1,
        Phase::CatchingUp => 2,
        Phase::InSync => 3,
    };
    let behind = standing.last.saturating_sub(standing.acknowledged);
    gauge(encoder, "standby_mode", "metaserver.standby: 0 none, 1 optional, 2 required", mode)?;
    gauge(encoder, "standby_state", "The standby: 0 away, 1 seeding, 2 catching up, 3 in sync", state)?;
    gauge(encoder, "standby_behind_commits", "Commits that the standby has not acknowledged", signed(behind))?;
    let alone = i64::from(standing.alone.is_some());
    gauge(encoder, "standby_let_go", "1: the standby was let go, and commits were answered without it", alone)?;
    let awaited = i64::from(standing.awaited);
    gauge(
        encoder,
        "standby_awaited",
        "1: nothing is answered before the standby has what was here at the start",
        awaited,
    )
}

fn signed(number: u64) -> i64 {
    i64::try_from(number).unwrap_or(i64::MAX)
}

fn gauge(encoder: &mut DescriptorEncoder<'_>, name: &str, help: &str, value: i64) -> fmt::Result {
    let name = format!("weir_metaserver_{name}");
    let metric = encoder.encode_descriptor(&name, help, None, MetricType::Gauge)?;
    ConstGauge::new(value).encode(metric)
}

//! A cluster in which minutes pass in seconds: leases, looks and time-outs are short, blocks, segments and the journal
//! small, so that all that they lead to happens within a run.

use std::path::PathBuf;
use weir_service::config::{GatewaySettings, MetaserverSettings, WorkerSettings};
use weir_tests::load::value::Sizes;

pub const METASERVER: &str = "metaserver";
pub const WORKERS: usize = 4;
pub const GATEWAYS: usize = 2;
pub const CLIENTS: &str = "clients";

pub const METASERVER_PORT: u16 = 19_998;
pub const WORKER_PORT: u16 = 29_999;
pub const GATEWAY_PORT: u16 = 39_999;

pub const REPLICATION: u32 = 3;
pub const SECRET: &str = "a secret of a cluster that is simulated";
pub const ACCESS_KEY: &str = "simulated";
pub const SECRET_KEY: &str = "a secret that is simulated";
pub const REGION: &str = "us-east-1";
pub const BUCKET: &str = "simulated";

pub const INVENTORY_INTERVAL_MS: u64 = 2_000;
pub const SCRUB_INTERVAL_MS: u64 = 2_000;

const KIB: u64 = 1 << 10;
const MIB: u64 = 1 << 20;

/// What lies with the metadata, records of a segment, a file, several blocks.
pub const SIZES: &Sizes = &[(17, 20), (700, 20), (3_000, 25), (9_000, 20), (40_000, 10), (150_000, 4)];

pub fn worker_name(number: usize) -> String {
    format!("worker-{number}")
}

pub fn gateway_name(number: usize) -> String {
    format!("gateway-{number}")
}

pub fn metaserver_address() -> String {
    format!("{METASERVER}:{METASERVER_PORT}")
}

pub fn metaserver() -> MetaserverSettings {
    MetaserverSettings {
        data: PathBuf::from("/meta"),
        replication: REPLICATION,
        session_lease_ms: 3_000,
        heartbeat_interval_ms: 300,
        worker_timeout_ms: 1_500,
        repair_delay_ms: 1_500,
        repair_scan_interval_ms: 1_000,
        inventory_interval_ms: INVENTORY_INTERVAL_MS,
        // Longer than clocks are set forward: no upload may vanish.
        upload_expiry_ms: 3_600_000,
        upload_sweep_interval_ms: 2_000,
        reclaim_interval_ms: 200,
        journal_segment_bytes: 256 * KIB,
        checkpoint_journal_bytes: 256 * KIB,
        reserve_bytes: MIB,
        ..MetaserverSettings::default()
    }
}

pub fn worker(name: &str) -> WorkerSettings {
    WorkerSettings {
        data: vec![PathBuf::from("/blocks")],
        address: format!("{name}:{WORKER_PORT}"),
        segment_block_max_bytes: 8 * KIB,
        segment_bytes: 64 * KIB,
        append_queue_max_bytes: 256 * KIB,
        compaction_interval_ms: 2_000,
        scrub_interval_ms: SCRUB_INTERVAL_MS,
        reserve_bytes: MIB,
        ..WorkerSettings::default()
    }
}

pub fn gateway() -> GatewaySettings {
    GatewaySettings {
        access_key: ACCESS_KEY.into(),
        secret_key: SECRET_KEY.into(),
        region: REGION.into(),
        inline_max_bytes: KIB,
        block_max_bytes: 64 * KIB,
        part_min_bytes: 1,
        base_path_part_min_bytes: 1,
        worker_silence_ms: 2_000,
        read_silence_ms: 1_500,
        read_hedge_ms: 300,
        local_reads: false,
        block_grant_count: 64,
        ..GatewaySettings::default()
    }
}

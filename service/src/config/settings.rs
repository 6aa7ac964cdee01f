//! Every setting with its default. The unit is in the name. `docs/configuration.md` lists the same keys.

use serde::{Deserialize, Serialize};
use std::fmt;
use std::path::PathBuf;
use std::str::FromStr;

const KIB: u64 = 1024;
const MIB: u64 = 1024 * KIB;
const GIB: u64 = 1024 * MIB;

/// The gateway: table `[gateway]`.
#[derive(Clone, Debug, PartialEq, Deserialize, Serialize)]
#[serde(default, deny_unknown_fields)]
pub struct GatewaySettings {
    /// Where S3 is served: address and port.
    pub listen: String,
    /// Path under which S3 is served besides `/`; empty: switched off.
    pub base_path: String,
    /// Domains whose sub-domains are buckets (virtual-host style).
    pub domains: Vec<String>,
    /// Answered by GetBucketLocation.
    pub region: String,
    /// Root keys; empty: anyone may do anything, on loopback only.
    pub access_key: String,
    pub secret_key: String,
    /// Buckets that are made at start where they are not there.
    pub buckets: Vec<String>,
    /// Is Signature Version 2 taken?
    pub signature_v2: bool,
    /// PEM file of the authorities that issuers' certificates are checked against. Empty: those of the machine.
    pub oidc_ca: PathBuf,
    /// Bodies up to this size are stored with the metadata; at most 15,000.
    pub inline_max_bytes: u64,
    /// The longest block.
    pub block_max_bytes: u64,
    /// The smallest part but for the last, checked at CompleteMultipartUpload.
    pub part_min_bytes: u64,
    /// The same, for requests that come by the base path.
    pub base_path_part_min_bytes: u64,
    /// The largest body of one PutObject or UploadPart.
    pub put_max_bytes: u64,
    /// The largest XML document in a request.
    pub xml_max_bytes: u64,
    /// Bytes of object data that all uploads together may hold in memory.
    pub buffer_max_bytes: u64,
    /// Bytes of object data that are read ahead of all clients together; each has 16 KiB besides.
    pub read_buffer_max_bytes: u64,
    /// A worker that takes or answers nothing for so long is replaced, if there is another.
    pub worker_silence_ms: u64,
    /// A worker that sends nothing of a block for so long is left for another replica, if there is one.
    pub read_silence_ms: u64,
    /// A worker that sends no first byte for so long is asked beside another replica.
    pub read_hedge_ms: u64,
    /// Blocks of workers on this machine are read from their files.
    pub local_reads: bool,
    /// Where this gateway runs: replicas of the same host are read first, then those of the same zone.
    pub zone: String,
    pub host: String,
    /// Block ids asked of the metaserver at a time.
    pub block_grant_count: u32,
    /// PEM files of the certificate that clients are shown, and of its key; empty: S3 is served in clear.
    pub tls_certificate: PathBuf,
    pub tls_key: PathBuf,
    /// Open connections, in all.
    pub connection_max_count: usize,
    /// Open connections of one address, or of one IPv6 network of 64 bits.
    pub connection_max_count_per_address: usize,
    /// Open connections that speak HTTP/2, in all.
    pub http2_connection_max_count: usize,
    /// Addresses and networks whose X-Forwarded-For and X-Forwarded-Proto are believed.
    pub trusted_proxies: Vec<String>,
    /// A request's line and headers must have come after so long.
    pub header_timeout_ms: u64,
    /// The largest request line and headers together.
    pub header_max_bytes: usize,
    pub header_max_count: usize,
    /// A body that sends nothing for so long is given up.
    pub body_idle_timeout_ms: u64,
    /// What a client that keeps the gateway waiting longer than that, in all, must have sent on the average.
    pub body_min_bytes_per_second: u64,
    /// A connection without a request for so long is closed.
    pub idle_timeout_ms: u64,
    /// Where the audit log goes: a file, `-` for standard output; empty: nowhere.
    pub audit_log: String,
    /// A file of the audit log grows to this size.
    pub audit_max_bytes: u64,
    /// Full files of the audit log that are kept.
    pub audit_max_count: u32,
    /// Requests of one access key; 0: any number.
    pub key_requests_per_second: u32,
    /// So many of them may come at once.
    pub key_request_burst_count: u32,
}

impl Default for GatewaySettings {
    fn default() -> Self {
        Self {
            listen: "127.0.0.1:39999".into(),
            base_path: "/api/v1/s3".into(),
            domains: Vec::new(),
            region: "us-east-1".into(),
            access_key: String::new(),
            secret_key: String::new(),
            buckets: Vec::new(),
            signature_v2: true,
            oidc_ca: PathBuf::new(),
            inline_max_bytes: 8 * KIB,
            block_max_bytes: 64 * MIB,
            part_min_bytes: 5 * MIB,
            base_path_part_min_bytes: MIB,
            put_max_bytes: 5 * GIB,
            xml_max_bytes: 4 * MIB,
            buffer_max_bytes: 64 * MIB,
            read_buffer_max_bytes: 64 * MIB,
            worker_silence_ms: 8_000,
            read_silence_ms: 5_000,
            read_hedge_ms: 1_000,
            local_reads: true,
            zone: String::new(),
            host: String::new(),
            block_grant_count: 4096,
            tls_certificate: PathBuf::new(),
            tls_key: PathBuf::new(),
            connection_max_count: 20_000,
            connection_max_count_per_address: 10_000,
            http2_connection_max_count: 1_500,
            trusted_proxies: Vec::new(),
            header_timeout_ms: 5_000,
            header_max_bytes: 16 * KIB as usize,
            header_max_count: 100,
            body_idle_timeout_ms: 30_000,
            body_min_bytes_per_second: KIB,
            idle_timeout_ms: 60_000,
            audit_log: String::new(),
            audit_max_bytes: 64 * MIB,
            audit_max_count: 10,
            key_requests_per_second: 0,
            key_request_burst_count: 100,
        }
    }
}

/// The metaserver: table `[metaserver]`.
#[derive(Clone, Debug, PartialEq, Deserialize, Serialize)]
#[serde(default, deny_unknown_fields)]
pub struct MetaserverSettings {
    /// Where gRPC is served: address and port.
    pub listen: String,
    /// Where gateways and workers find it; with a standby, the addresses of both, separated by commas.
    pub address: String,
    /// The metaserver that this one is a standby of; empty: of none.
    pub follow: String,
    /// Whether commits wait for a standby.
    pub standby: StandbyMode,
    /// A standby that does not acknowledge for so long has fallen away.
    pub standby_timeout_ms: u64,
    /// The folder of the journal, the index and the checkpoints. Standalone: `meta` in the data folder.
    pub data: PathBuf,
    /// How many workers a new block is written to where its bucket does not say. Standalone: 1.
    pub replication: u32,
    /// The fewest copies with which a write is acknowledged; 0: a majority of those that are wanted.
    pub replication_min: u32,
    /// A session without a heartbeat for so long is over.
    pub session_lease_ms: u64,
    pub heartbeat_interval_ms: u64,
    /// A gateway without a heartbeat for so long is told of as lost.
    pub gateway_timeout_ms: u64,
    /// And is not told of any more after so long.
    pub gateway_forget_ms: u64,
    /// A worker without a heartbeat for so long is lost: it gets no new blocks.
    pub worker_timeout_ms: u64,
    /// A worker that is lost for so long is done without: its blocks get other copies.
    pub repair_delay_ms: u64,
    /// A worker without a heartbeat for so long is forgotten, once no block needs it.
    pub worker_forget_ms: u64,
    /// Between two looks at all blocks, for those that lack copies.
    pub repair_scan_interval_ms: u64,
    /// What such a look reads at most, a second.
    pub repair_scan_blocks_per_second: u64,
    /// Of inventories, all workers together.
    pub inventory_blocks_per_second: u64,
    /// Workers are evened out when the use of the fullest and the emptiest differ by more; 0: only by command.
    pub rebalance_threshold_percent: u8,
    /// What rebalancing moves at most, a second.
    pub rebalance_bytes_per_second: u64,
    /// Between two whole inventories of a worker.
    pub inventory_interval_ms: u64,
    /// An upload that saw no change for so long is reclaimed.
    pub upload_expiry_ms: u64,
    /// How often abandoned uploads are looked for.
    pub upload_sweep_interval_ms: u64,
    /// How often the reclaim queue is worked on when it is not empty.
    pub reclaim_interval_ms: u64,
    /// A journal segment file.
    pub journal_segment_bytes: u64,
    /// A checkpoint is written when the journal has grown by so much.
    pub checkpoint_journal_bytes: u64,
    /// Memory for the index's cache.
    pub index_cache_bytes: u64,
    /// Commits waiting for the journal.
    pub commit_queue_max_count: usize,
    /// Buckets, in all.
    pub bucket_max_count: u64,
    /// Free space below which only deletes are taken.
    pub reserve_bytes: u64,
}

impl Default for MetaserverSettings {
    fn default() -> Self {
        Self {
            listen: "127.0.0.1:19998".into(),
            address: "127.0.0.1:19998".into(),
            follow: String::new(),
            standby: StandbyMode::None,
            standby_timeout_ms: 5_000,
            data: "./weir-data/meta".into(),
            replication: 3,
            replication_min: 0,
            session_lease_ms: 30_000,
            heartbeat_interval_ms: 1_000,
            gateway_timeout_ms: 10_000,
            gateway_forget_ms: 3_600_000,
            worker_timeout_ms: 10_000,
            repair_delay_ms: 60_000,
            worker_forget_ms: 24 * 3_600_000,
            repair_scan_interval_ms: 600_000,
            repair_scan_blocks_per_second: 50_000,
            inventory_blocks_per_second: 100_000,
            rebalance_threshold_percent: 10,
            rebalance_bytes_per_second: 32 * MIB,
            inventory_interval_ms: 600_000,
            upload_expiry_ms: 7 * 24 * 3_600_000,
            upload_sweep_interval_ms: 3_600_000,
            reclaim_interval_ms: 500,
            journal_segment_bytes: 64 * MIB,
            checkpoint_journal_bytes: 512 * MIB,
            index_cache_bytes: 64 * MIB,
            commit_queue_max_count: 10_000,
            bucket_max_count: 10_000,
            reserve_bytes: 256 * MIB,
        }
    }
}

/// What a metaserver does with its standby.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum StandbyMode {
    /// It takes none.
    #[default]
    None,
    /// Commits wait for it while it is in sync. If it falls away, they go on without it.
    Optional,
    /// No commit without it.
    Required,
}

impl StandbyMode {
    /// As they are written.
    pub const ALL: &[&str] = &["none", "optional", "required"];
}

impl fmt::Display for StandbyMode {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::None => "none",
            Self::Optional => "optional",
            Self::Required => "required",
        })
    }
}

impl FromStr for StandbyMode {
    type Err = ();

    fn from_str(text: &str) -> Result<Self, ()> {
        [Self::None, Self::Optional, Self::Required].into_iter().find(|mode| mode.to_string() == text).ok_or(())
    }
}

/// A worker: table `[worker]`.
#[derive(Clone, Debug, PartialEq, Deserialize, Serialize)]
#[serde(default, deny_unknown_fields)]
pub struct WorkerSettings {
    /// Where gRPC is served: address and port.
    pub listen: String,
    /// Where gateways find it; empty: `listen`.
    pub address: String,
    /// The folders of the blocks, each on a disk of its own. Standalone has one: `blocks` in the data folder.
    pub data: Vec<PathBuf>,
    /// Ids of disks that are gone for good.
    pub forget_disks: Vec<String>,
    /// Labels: copies of a block are spread over zones, then over hosts. An empty host: the one of `address`.
    pub zone: String,
    pub host: String,
    /// Blocks up to this size are appended to segments, larger ones are a file each.
    pub segment_block_max_bytes: u64,
    /// A segment file.
    pub segment_bytes: u64,
    /// A sealed segment with less live data than this share is compacted.
    pub compaction_live_percent: u8,
    pub compaction_interval_ms: u64,
    /// Between two scrubs of the same block; 0: never.
    pub scrub_interval_ms: u64,
    /// What the scrubber reads at most.
    pub scrub_bytes_per_second: u64,
    /// What copies that the metaserver orders read and write at most.
    pub repair_bytes_per_second: u64,
    /// Free space below which no new block is taken.
    pub reserve_bytes: u64,
    /// Small blocks waiting for their segment's fdatasync, in bytes.
    pub append_queue_max_bytes: u64,
    /// Bytes of all blocks being received that wait in memory; beyond it they are written as they come.
    pub receive_buffer_max_bytes: u64,
}

impl Default for WorkerSettings {
    fn default() -> Self {
        Self {
            listen: "127.0.0.1:29999".into(),
            address: String::new(),
            data: vec!["./weir-data/blocks".into()],
            forget_disks: Vec::new(),
            zone: String::new(),
            host: String::new(),
            segment_block_max_bytes: 256 * KIB,
            segment_bytes: 256 * MIB,
            compaction_live_percent: 50,
            compaction_interval_ms: 60_000,
            scrub_interval_ms: 7 * 24 * 3_600_000,
            scrub_bytes_per_second: 32 * MIB,
            repair_bytes_per_second: 64 * MIB,
            reserve_bytes: 256 * MIB,
            append_queue_max_bytes: 32 * MIB,
            receive_buffer_max_bytes: 64 * MIB,
        }
    }
}

/// What all roles share: the top of the file.
#[derive(Clone, Debug, PartialEq, Deserialize, Serialize)]
#[serde(default, deny_unknown_fields)]
pub struct ServiceSettings {
    /// Standalone's data folder.
    pub data: PathBuf,
    /// Known to all roles of a cluster; this or certificates are needed as soon as they talk over a network.
    pub cluster_secret: String,
    /// PEM files of a role's certificate, its key, and the authority of all roles' certificates; empty: the roles talk
    /// to each other in clear.
    pub cluster_certificate: PathBuf,
    pub cluster_key: PathBuf,
    pub cluster_ca: PathBuf,
    /// `/healthz`, `/readyz`, `/metrics`: address and port; empty: switched off.
    pub admin_listen: String,
    /// PEM files for the admin port; empty: it is served in clear.
    pub admin_tls_certificate: PathBuf,
    pub admin_tls_key: PathBuf,
    /// `error`, `warn`, `info`, `debug`, `trace`, or a filter by module.
    pub log: String,
    /// `text` or `json`.
    pub log_format: String,
    /// An OTLP collector (gRPC) for traces; empty: none.
    pub otlp_endpoint: String,
    /// The share of requests that are traced, from 0 to 1.
    pub trace_sample_ratio: f64,
    /// Traces a second that clients with a key may ask for beside that.
    pub trace_requested_max_per_second: u32,
    /// Work in flight is given so long at shutdown.
    pub shutdown_timeout_ms: u64,
}

impl Default for ServiceSettings {
    fn default() -> Self {
        Self {
            data: "./weir-data".into(),
            cluster_secret: String::new(),
            cluster_certificate: PathBuf::new(),
            cluster_key: PathBuf::new(),
            cluster_ca: PathBuf::new(),
            admin_listen: "127.0.0.1:39998".into(),
            admin_tls_certificate: PathBuf::new(),
            admin_tls_key: PathBuf::new(),
            log: "info".into(),
            log_format: "text".into(),
            otlp_endpoint: String::new(),
            trace_sample_ratio: 0.01,
            trace_requested_max_per_second: 100,
            shutdown_timeout_ms: 30_000,
        }
    }
}

//! Every key that can be set: what kind of value it takes, what is allowed, what it is for. Names, types and defaults
//! come from [`super::settings`]; a test keeps the two and `docs/configuration.md` in step.

use super::settings::StandbyMode;
use super::value::Kind::{
    self, Bytes, Choice, Count, Folders, List, Milliseconds, Percent, Ratio, Secret, Switch, Text,
};

const KIB: u64 = 1 << 10;
const MIB: u64 = 1 << 20;
const GIB: u64 = 1 << 30;
const TIB: u64 = 1 << 40;
const SECOND: u64 = 1_000;
const HOUR: u64 = 3_600 * SECOND;
const YEAR: u64 = 366 * 24 * HOUR;
/// S3's limit of one PUT. <https://docs.aws.amazon.com/AmazonS3/latest/userguide/qfacts.html>
const S3_PUT_MAX: u64 = 5 * GIB;
/// The store keeps values under 16 KiB; an inline body leaves room for its frame.
const INLINE_MAX: u64 = 15_000;
/// Data folders of one worker.
pub const FOLDER_MAX_COUNT: usize = 64;
/// Copies of a block.
pub const REPLICATION_MAX: u32 = 16;

/// A key: `name`, or `table.name`.
#[derive(Clone, Copy, Debug)]
pub struct Key {
    pub name: &'static str,
    pub kind: Kind,
    pub about: &'static str,
}

impl Key {
    /// `WEIR_TABLE_KEY`.
    pub fn environment_name(&self) -> String {
        format!("WEIR_{}", self.name.replace('.', "_").to_uppercase())
    }
}

pub fn find(name: &str) -> Option<&'static Key> {
    KEYS.iter().find(|key| key.name == name)
}

const fn key(name: &'static str, kind: Kind, about: &'static str) -> Key {
    Key { name, kind, about }
}

/// In the order of the tables in the documentation.
pub const KEYS: &[Key] = &[
    key("data", Text, "standalone's data folder"),
    key(
        "cluster_secret",
        Secret,
        "known to all roles of a cluster, at least 32 characters (`openssl rand -hex 32`); `metaserver`, `worker` and `gateway` need this or \
         `cluster_certificate`, and may have both",
    ),
    key(
        "cluster_certificate",
        Text,
        "PEM file: a role's own certificate, with its chain. With it the roles talk over TLS, and each end asks the \
         other for a certificate of `cluster_ca`. Its names include the host by which others call the role; with \
         extended key usages it has serverAuth and clientAuth",
    ),
    key("cluster_key", Text, "PEM file: the private key of `cluster_certificate`"),
    key(
        "cluster_ca",
        Text,
        "PEM file: the authority of all roles' certificates. Whoever has a certificate of it belongs to the cluster",
    ),
    key(
        "admin_listen",
        Text,
        "address and port of `/healthz`, `/readyz`, `/metrics`; empty: switched off. `metaserver` uses port 19997 and \
         `worker` port 29998 unless it is set",
    ),
    key("admin_tls_certificate", Text, "PEM file: the certificate of `admin_listen`; empty: served in clear"),
    key("admin_tls_key", Text, "PEM file: the private key of `admin_tls_certificate`"),
    key(
        "log",
        Text,
        "`error`, `warn`, `info`, `debug`, `trace`, or a filter by module such as `warn,weir_gateway=debug`",
    ),
    key("log_format", Text, "`text` or `json`"),
    key("otlp_endpoint", Text, "an OTLP collector (gRPC) for traces, such as `http://127.0.0.1:4317`; empty: none"),
    key("trace_sample_ratio", Ratio, "the share of S3 requests that are traced when there is a collector"),
    key(
        "trace_requested_max_per_second",
        Count(0, 1_000_000),
        "requests a second that are traced beside those, because their `traceparent` says so and they are signed with a \
         key; each gateway counts for itself. 0: none",
    ),
    key("shutdown_timeout_ms", Milliseconds(0, HOUR), "work in flight is given so long at shutdown"),
    key("gateway.listen", Text, "address and port where S3 is served"),
    key("gateway.base_path", Text, "path under which S3 is served besides `/`; empty: switched off"),
    key("gateway.domains", List, "domains whose sub-domains are buckets (virtual-host style)"),
    key("gateway.region", Text, "answered by GetBucketLocation, and expected in signatures"),
    key(
        "gateway.access_key",
        Secret,
        "root access key: 3 to 128 letters, digits and `_.@-`, not beginning with `ASIA`; empty: anyone may do anything, on \
         loopback only",
    ),
    key("gateway.secret_key", Secret, "root secret key: 8 to 128 characters; set together with `access_key`"),
    key("gateway.buckets", List, "buckets that are made at start where they are not there"),
    key(
        "gateway.signature_v2",
        Switch,
        "is Signature Version 2 taken? boto 2, jclouds and the default presigned URLs of several clients need it",
    ),
    key(
        "gateway.oidc_ca",
        Text,
        "PEM file of the authorities that certificates of OpenID Connect issuers are checked against; empty: those of the machine",
    ),
    key("gateway.inline_max_bytes", Bytes(0, INLINE_MAX), "bodies up to this size are stored with the metadata"),
    key("gateway.block_max_bytes", Bytes(64 * KIB, GIB), "the longest block"),
    key(
        "gateway.part_min_bytes",
        Bytes(1, S3_PUT_MAX),
        "the smallest part but for the last, checked when an upload is completed",
    ),
    key("gateway.base_path_part_min_bytes", Bytes(1, S3_PUT_MAX), "the same, for requests that come by the base path"),
    key("gateway.put_max_bytes", Bytes(1, 5 * TIB), "the largest body of one PutObject or UploadPart"),
    key("gateway.xml_max_bytes", Bytes(KIB, 64 * MIB), "the largest XML document in a request"),
    key("gateway.buffer_max_bytes", Bytes(4 * MIB, TIB), "object data that all uploads together may hold in memory"),
    key(
        "gateway.read_buffer_max_bytes",
        Bytes(MIB, TIB),
        "object data that is read ahead of all clients together; each has 16 KiB besides",
    ),
    key(
        "gateway.worker_silence_ms",
        Milliseconds(100, HOUR),
        "a worker that takes or answers nothing of a write for so long is replaced by another, if there is one; where \
         there is none, it is waited for up to a minute",
    ),
    key(
        "gateway.read_silence_ms",
        Milliseconds(100, HOUR),
        "a worker that sends nothing of a block for so long is left for another replica, if there is one",
    ),
    key(
        "gateway.read_hedge_ms",
        Milliseconds(1, HOUR),
        "when a worker has not sent the first byte of a read after so long, another replica is asked too, and whichever \
         comes first is taken",
    ),
    key(
        "gateway.local_reads",
        Switch,
        "blocks of workers on the same host are read from the workers' files, where the gateway may open them",
    ),
    key("gateway.zone", Text, "a label as `worker.zone`: after those of its host, replicas of its zone are read first"),
    key("gateway.host", Text, "a label as `worker.host`: replicas of its host are read first"),
    key("gateway.block_grant_count", Count(1, 1_000_000), "block ids asked of the metaserver at a time"),
    key(
        "gateway.tls_certificate",
        Text,
        "PEM file: the certificate that S3 clients are shown, with its chain; empty: S3 is served in clear",
    ),
    key("gateway.tls_key", Text, "PEM file: the private key of `tls_certificate`"),
    key("gateway.connection_max_count", Count(1, 1_000_000), "open connections, in all"),
    key(
        "gateway.connection_max_count_per_address",
        Count(1, 1_000_000),
        "open connections of one address, an IPv6 network of 64 bits counting as one. Half of all by default: one \
         machine can't shut the others out, and many clients behind one address still fit. Trusted proxies are exempt",
    ),
    key(
        "gateway.http2_connection_max_count",
        Count(0, 1_000_000),
        "open connections that speak HTTP/2, in all: each holds several times the memory of one of HTTP/1.1. Beyond it \
         clients over TLS are offered HTTP/1.1 alone, and others are told to go",
    ),
    key(
        "gateway.trusted_proxies",
        List,
        "addresses and networks, such as `10.0.0.0/8`, whose `X-Forwarded-For` and `X-Forwarded-Proto` are believed; \
         from everyone else both are ignored",
    ),
    key(
        "gateway.header_timeout_ms",
        Milliseconds(1, HOUR),
        "a request's line and headers must have come after so long",
    ),
    key("gateway.header_max_bytes", Bytes(KIB, MIB), "the largest request line and headers together"),
    key("gateway.header_max_count", Count(1, 10_000), "headers of a request"),
    key(
        "gateway.body_idle_timeout_ms",
        Milliseconds(1, HOUR),
        "a body that sends nothing for so long is given up, and an answer of which nothing is read",
    ),
    key(
        "gateway.body_min_bytes_per_second",
        Bytes(1, GIB),
        "a body may keep the gateway waiting for `body_idle_timeout_ms`, and for as much longer as its bytes take at \
         this rate",
    ),
    key("gateway.idle_timeout_ms", Milliseconds(1, 24 * HOUR), "a connection without a request for so long is closed"),
    key(
        "gateway.audit_log",
        Text,
        "the audit log, a line of JSON for each request: a file, or `-` for standard output; empty: none",
    ),
    key("gateway.audit_max_bytes", Bytes(MIB, TIB), "a file of the audit log that has this size is moved to `NAME.1`"),
    key("gateway.audit_max_count", Count(1, 10_000), "files `NAME.1`, `NAME.2` and so on that are kept"),
    key("gateway.key_requests_per_second", Count(0, 1_000_000), "requests of one access key; 0: any number"),
    key("gateway.key_request_burst_count", Count(1, 1_000_000), "requests of one access key that may come at once"),
    key("metaserver.listen", Text, "address and port where gRPC is served"),
    key(
        "metaserver.address",
        Text,
        "address and port where gateways, workers and the shell find it; with a standby, those of both, separated by a \
         comma: callers go to the one that serves",
    ),
    key(
        "metaserver.follow",
        Text,
        "address and port of the metaserver that this one is a standby of; empty: it serves itself",
    ),
    key(
        "metaserver.standby",
        Choice(StandbyMode::ALL),
        "`none`: no standby is taken. `optional`: a commit is answered when the standby has it on disk, too; one that \
         falls away is let go, and commits go on without it until it has caught up. `required`: no commit is answered \
         without it, and clients get 503 until it is back. A metaserver that is started anew answers nothing before the \
         standby that it had follows again; with `optional`, for `standby_timeout_ms` at most",
    ),
    key(
        "metaserver.standby_timeout_ms",
        Milliseconds(100, HOUR),
        "a standby that does not acknowledge for so long has fallen away",
    ),
    key(
        "metaserver.data",
        Text,
        "the folder of the journal, the index and the checkpoints; standalone: `meta` in the data folder unless it is set",
    ),
    key(
        "metaserver.replication",
        Count(1, REPLICATION_MAX as u64),
        "how many workers a new block is written to, where its bucket does not say (`weir fsadmin bucket`); standalone: \
         1, whatever this default says",
    ),
    key(
        "metaserver.replication_min",
        Count(0, REPLICATION_MAX as u64),
        "the fewest durable copies with which a write is acknowledged when fewer healthy workers than \
         `replication` have room; where fewer are wanted, that many do. 0: a majority of those that are wanted, which is \
         2 of 3, 2 of 2 and 1 of 1",
    ),
    key(
        "metaserver.session_lease_ms",
        Milliseconds(100, HOUR),
        "a gateway's session without a heartbeat for so long is over",
    ),
    key("metaserver.heartbeat_interval_ms", Milliseconds(10, HOUR), "between two heartbeats of a gateway or worker"),
    key(
        "metaserver.gateway_timeout_ms",
        Milliseconds(100, 24 * HOUR),
        "a gateway without a heartbeat for so long is told of as lost; its session goes on until its lease is over",
    ),
    key(
        "metaserver.gateway_forget_ms",
        Milliseconds(100, 100 * YEAR),
        "a lost gateway is not told of any more when its last heartbeat is so long ago",
    ),
    key(
        "metaserver.worker_timeout_ms",
        Milliseconds(100, 24 * HOUR),
        "a worker without a heartbeat for so long is lost: it gets no new blocks",
    ),
    key(
        "metaserver.repair_delay_ms",
        Milliseconds(0, YEAR),
        "a worker that is lost for so long is done without: its blocks get copies on other workers. What comes back \
         earlier costs nothing",
    ),
    key(
        "metaserver.worker_forget_ms",
        Milliseconds(SECOND, 100 * YEAR),
        "a worker without a heartbeat for so long is forgotten, once no block needs it",
    ),
    key(
        "metaserver.repair_scan_interval_ms",
        Milliseconds(100, YEAR),
        "between two looks at all blocks for those that lack copies; one more follows each change of the workers",
    ),
    key("metaserver.repair_scan_blocks_per_second", Count(1, 100_000_000), "what such a look reads at most, a second"),
    key(
        "metaserver.rebalance_threshold_percent",
        Percent,
        "blocks are moved when the use of the fullest and the emptiest worker differ by more, in percent of their room; \
         0: only on `weir fsadmin rebalance`",
    ),
    key("metaserver.rebalance_bytes_per_second", Bytes(KIB, TIB), "what rebalancing moves at most, a second, in all"),
    key("metaserver.inventory_interval_ms", Milliseconds(100, YEAR), "between two whole inventories of a worker"),
    key(
        "metaserver.inventory_blocks_per_second",
        Count(1, 100_000_000),
        "what is compared of inventories at most, all workers together, a second",
    ),
    key(
        "metaserver.upload_expiry_ms",
        Milliseconds(SECOND, 100 * YEAR),
        "an upload that saw no change for so long is reclaimed",
    ),
    key("metaserver.upload_sweep_interval_ms", Milliseconds(100, YEAR), "how often abandoned uploads are looked for"),
    key(
        "metaserver.reclaim_interval_ms",
        Milliseconds(10, 24 * HOUR),
        "how often the reclaim queue is worked on when it is not empty",
    ),
    key("metaserver.journal_segment_bytes", Bytes(MIB, 4 * GIB), "a journal segment file"),
    key(
        "metaserver.checkpoint_journal_bytes",
        Bytes(MIB, TIB),
        "a checkpoint is written when the journal has grown by so much",
    ),
    key("metaserver.index_cache_bytes", Bytes(MIB, TIB), "memory for the index's cache"),
    key("metaserver.commit_queue_max_count", Count(1, 10_000_000), "commits waiting for the journal"),
    key("metaserver.bucket_max_count", Count(1, 1_000_000_000), "buckets, in all"),
    key(
        "metaserver.reserve_bytes",
        Bytes(0, 100 * TIB),
        "free space, besides room for the next checkpoint, below which only deletes are taken",
    ),
    key("worker.listen", Text, "address and port where gRPC is served"),
    key("worker.address", Text, "address and port where gateways find it; empty: `listen`"),
    key("worker.zone", Text, "a label: copies of a block are spread over as many zones as there are"),
    key("worker.host", Text, "a label: then over as many hosts; empty: the host of `address`"),
    key(
        "worker.data",
        Folders,
        "the folder of the blocks, or several, each on a disk of its own; standalone has one: `blocks` in the data \
         folder unless it is set",
    ),
    key(
        "worker.forget_disks",
        List,
        "ids of disks that are gone for good, so that others may be in their folders: a start names those it misses",
    ),
    key(
        "worker.segment_block_max_bytes",
        Bytes(0, GIB),
        "blocks up to this size are appended to segments, larger ones are a file each",
    ),
    key("worker.segment_bytes", Bytes(MIB, 4 * GIB), "a segment file"),
    key("worker.compaction_live_percent", Percent, "a sealed segment with less live data than this share is compacted"),
    key("worker.compaction_interval_ms", Milliseconds(10, YEAR), "between two looks for segments to compact"),
    key("worker.scrub_interval_ms", Milliseconds(0, 100 * YEAR), "between two scrubs of the same block; 0: never"),
    key("worker.scrub_bytes_per_second", Bytes(KIB, TIB), "what the scrubber reads at most, a second"),
    key(
        "worker.repair_bytes_per_second",
        Bytes(KIB, TIB),
        "what copies that the metaserver orders, for repair, draining or rebalancing, take or verify at most, a second",
    ),
    key("worker.reserve_bytes", Bytes(0, 100 * TIB), "free space below which no new block is taken"),
    key("worker.append_queue_max_bytes", Bytes(MIB, TIB), "small blocks waiting for their segment's fdatasync"),
    key(
        "worker.receive_buffer_max_bytes",
        Bytes(MIB, TIB),
        "blocks being received that wait in memory; beyond it they are written as they come",
    ),
];

/// Other names in the environment for a key.
pub const ALIASES: &[(&str, &str)] = &[
    ("WEIR_ROOT_ACCESS_KEY", "gateway.access_key"),
    ("WEIR_ROOT_SECRET_KEY", "gateway.secret_key"),
    ("WEIR_BUCKETS", "gateway.buckets"),
];

//! What must hold when the faults are over: everyone serves, all copies return, what nobody refers to goes, and every
//! key has what its history says, in each copy of each block.

use crate::board::Board;
use crate::check;
use crate::client::Client;
use crate::link::Link;
use crate::roles;
use crate::settings::{self, BUCKET, REPLICATION, SIZES};
use std::cell::RefCell;
use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;
use tokio::time::{Instant, sleep, timeout};
use tonic::Status;
use weir_proto::MAX_MESSAGE_BYTES;
use weir_proto::v1::admin_client::AdminClient;
use weir_proto::v1::blocks_client::BlocksClient;
use weir_proto::v1::namespace_client::NamespaceClient;
use weir_proto::v1::{self, LocatedExtent, ReportResponse};
use weir_service::channel::{self, Channel};
use weir_service::peer_auth::ClusterCredentials;
use weir_service::simulation::Random;
use weir_tests::linear::Value;
use weir_tests::load::value::{content, value_in};

/// A gateway serves again after so long.
const SERVES_AGAIN: Duration = Duration::from_secs(30);
/// All blocks have all their copies, and no others, after so long.
const COPIES_RETURN: Duration = Duration::from_secs(60);
/// What nobody refers to is gone after so long.
const GARBAGE_GOES: Duration = Duration::from_secs(60);
/// By then every worker has looked at all of its blocks, and then sent a whole inventory: damage that was reported before
/// the block's commit shows in none but that.
const INVENTORIES: Duration = Duration::from_millis(2 * settings::SCRUB_INTERVAL_MS + settings::INVENTORY_INTERVAL_MS);
const LOOK: Duration = Duration::from_millis(200);
const CALL_TIMEOUT: Duration = Duration::from_secs(5);

/// Waits for what must come, and tells the board of what does not.
pub async fn check(board: &Board, number: u32, mut random: Random) {
    for gateway in (1..=settings::GATEWAYS).map(settings::gateway_name) {
        let mut client = Client::new(board, Link::only(&gateway), number, random.fork());
        let key = format!("last/{gateway}");
        if !client.put_within(&key, SERVES_AGAIN).await || !client.get_within(&key, SERVES_AGAIN).await {
            board.is_wrong(format!("liveness: {gateway} does not serve {} s after the faults", SERVES_AGAIN.as_secs()));
            return;
        }
    }
    let keys: Vec<String> = board.history().keys.into_keys().collect();
    for gateway in (1..=settings::GATEWAYS).map(settings::gateway_name) {
        let mut client = Client::new(board, Link::only(&gateway), number + 1, random.fork());
        for key in &keys {
            if !client.get_within(key, SERVES_AGAIN).await {
                board.is_wrong(format!("liveness: {gateway} has no answer for {key} when the faults are over"));
            }
        }
    }
    check::violations(&board.history()).into_iter().for_each(|violation| board.is_wrong(violation));
    let Ok(secret) = roles::secret() else { return };
    let cluster = Cluster::new(board, ClusterCredentials::from(secret));
    sleep(INVENTORIES).await;
    if cluster.copies_return().await {
        let referenced = cluster.look_at_copies(&keys).await;
        cluster.abort_uploads().await;
        cluster.garbage_goes(&referenced).await;
    }
}

/// The cluster as its operator sees it.
struct Cluster<'a> {
    board: &'a Board,
    credentials: ClusterCredentials,
    metaserver: Channel,
    /// By their addresses.
    workers: RefCell<BTreeMap<String, Channel>>,
}

impl<'a> Cluster<'a> {
    fn new(board: &'a Board, credentials: ClusterCredentials) -> Self {
        let metaserver = channel::connect(&settings::metaserver_address(), &credentials);
        Self { board, credentials, metaserver, workers: RefCell::default() }
    }

    async fn report(&self) -> Result<ReportResponse, Status> {
        let mut admin = AdminClient::new(self.metaserver.clone()).max_decoding_message_size(MAX_MESSAGE_BYTES);
        let report = timeout(CALL_TIMEOUT, admin.report(v1::ReportRequest {})).await;
        Ok(report.map_err(|_| Status::deadline_exceeded("no report came"))??.into_inner())
    }

    /// Waits until two looks at all blocks found every copy, and every worker is there. False: it took too long.
    async fn copies_return(&self) -> bool {
        let (deadline, mut looks, mut last) = (Instant::now() + COPIES_RETURN, BTreeSet::new(), String::new());
        while Instant::now() < deadline {
            match self.report().await {
                Ok(report) if is_whole(&report) => {
                    looks.extend(report.redundancy.map(|redundancy| redundancy.as_of_ms));
                    if looks.len() > 2 {
                        return true;
                    }
                }
                Ok(report) => {
                    looks.clear();
                    let live = report.workers.iter().filter(|worker| worker.live).count();
                    last = format!("{live} workers are there, {:?}", report.redundancy);
                }
                Err(status) => last = status.to_string(),
            }
            sleep(LOOK).await;
        }
        self.board
            .is_wrong(format!("I6: copies have not returned {} s after the faults: {last}", COPIES_RETURN.as_secs()));
        false
    }

    /// Reads every copy of every block of these keys. Returns the blocks of each worker.
    async fn look_at_copies(&self, keys: &[String]) -> BTreeMap<u64, BTreeSet<u64>> {
        let mut referenced: BTreeMap<u64, BTreeSet<u64>> = BTreeMap::new();
        let addresses: BTreeMap<u64, String> = match self.report().await {
            Ok(report) => report.workers.into_iter().map(|worker| (worker.worker_id, worker.address)).collect(),
            Err(status) => {
                self.board.is_wrong(format!("liveness: no report after the faults: {status}"));
                return referenced;
            }
        };
        for key in keys {
            let object = match self.object(key).await {
                Ok(object) => object,
                Err(status) if status.code() == tonic::Code::NotFound => continue,
                Err(status) => {
                    self.board.is_wrong(format!("liveness: no record of {key} after the faults: {status}"));
                    continue;
                }
            };
            let Some(value) = value_of(&object) else {
                self.board.is_wrong(format!("I2: the record of {key} tells no value"));
                continue;
            };
            let bytes = content(SIZES, value);
            if let Some(inline) = &object.inline {
                if value_in(SIZES, inline) != Ok(value) {
                    self.board.is_wrong(format!("I2: the bytes of {key} with the metadata are not those of {value:x}"));
                }
                continue;
            }
            for extent in &object.extents {
                self.look_at_extent(key, &bytes, extent, &addresses, &mut referenced).await;
            }
        }
        referenced
    }

    async fn look_at_extent(
        &self,
        key: &str,
        bytes: &[u8],
        located: &LocatedExtent,
        addresses: &BTreeMap<u64, String>,
        referenced: &mut BTreeMap<u64, BTreeSet<u64>>,
    ) {
        let Some(extent) = &located.extent else {
            return self.board.is_wrong(format!("I2: {key} has an empty extent"));
        };
        let holders: BTreeSet<u64> = located.worker_ids.iter().copied().collect();
        if holders.len() != REPLICATION as usize || holders.len() != located.worker_ids.len() {
            let text = format!("I1: block {} of {key} is on {:?}", extent.block_id, located.worker_ids);
            self.board.is_wrong(text);
        }
        let first = located.offset_bytes as usize;
        let expected = bytes.get(first..first + extent.length_bytes as usize);
        for worker_id in holders {
            referenced.entry(worker_id).or_default().insert(extent.block_id);
            let Some(address) = addresses.get(&worker_id) else {
                self.board.is_wrong(format!("I2: block {} of {key} is on {worker_id}, unknown", extent.block_id));
                continue;
            };
            match self.block(address, extent).await {
                Ok(copy) if Some(&copy[..]) == expected => {}
                Ok(copy) => self.board.is_wrong(format!(
                    "I2: the copy of block {} of {key} at {address} has {} other bytes",
                    extent.block_id,
                    copy.len()
                )),
                Err(status) => self.board.is_wrong(format!(
                    "I3: the copy of block {} of {key} at {address} can't be read: {status}",
                    extent.block_id
                )),
            }
        }
    }

    async fn object(&self, key: &str) -> Result<v1::GetObjectResponse, Status> {
        let request = v1::GetObjectRequest {
            bucket: BUCKET.into(),
            key: key.to_owned().into_bytes().into(),
            with_content: true,
            ..Default::default()
        };
        let mut namespace = NamespaceClient::new(self.metaserver.clone()).max_decoding_message_size(MAX_MESSAGE_BYTES);
        let answer = timeout(CALL_TIMEOUT, namespace.get_object(request)).await;
        Ok(answer.map_err(|_| Status::deadline_exceeded("no answer came"))??.into_inner())
    }

    async fn block(&self, address: &str, extent: &v1::Extent) -> Result<Vec<u8>, Status> {
        let connect = || channel::connect(address, &self.credentials);
        let channel = self.workers.borrow_mut().entry(address.to_owned()).or_insert_with(connect).clone();
        let mut blocks = BlocksClient::new(channel).max_decoding_message_size(MAX_MESSAGE_BYTES);
        let request =
            v1::ReadBlockRequest { block_id: extent.block_id, offset_bytes: 0, length_bytes: extent.length_bytes };
        let read = async {
            let mut stream = blocks.read_block(request).await?.into_inner();
            let mut bytes = Vec::new();
            while let Some(piece) = stream.message().await? {
                bytes.extend_from_slice(&piece.data);
            }
            Ok(bytes)
        };
        timeout(CALL_TIMEOUT, read).await.map_err(|_| Status::deadline_exceeded("no block came"))?
    }

    /// Parts of uploads that clients gave up hold blocks, too.
    async fn abort_uploads(&self) {
        let mut link = Link::new(0);
        let listed = link.send("GET", &format!("/{BUCKET}?uploads"), &[], &[]).await;
        let Some(listed) = listed.filter(|answer| answer.status == 200) else {
            return self.board.is_wrong("liveness: no listing of uploads after the faults".into());
        };
        let document = listed.xml();
        let of = |name| document.texts("Upload", name);
        for (key, id) in of("Key").into_iter().zip(of("UploadId")) {
            let aborted = link.send("DELETE", &format!("/{BUCKET}/{key}?uploadId={id}"), &[], &[]).await;
            // It may have expired meanwhile.
            if aborted.is_none_or(|answer| !matches!(answer.status, 204 | 404)) {
                self.board.is_wrong(format!("liveness: the upload {id} of {key} can't be aborted after the faults"));
            }
        }
    }

    /// Waits until each worker has as many blocks as keys refer to.
    async fn garbage_goes(&self, referenced: &BTreeMap<u64, BTreeSet<u64>>) {
        let (deadline, mut last) = (Instant::now() + GARBAGE_GOES, String::new());
        while Instant::now() < deadline {
            match self.report().await {
                Ok(report) => {
                    let wanted = |worker_id| referenced.get(&worker_id).map_or(0, |blocks| blocks.len() as u64);
                    let figures = report.workers.iter().map(|worker| (worker.block_count, wanted(worker.worker_id)));
                    let figures: Vec<(u64, u64)> = figures.collect();
                    if figures.iter().all(|(has, wanted)| has == wanted) && report.reclaim_queue_length == 0 {
                        return;
                    }
                    last = format!("blocks that workers have, and those referred to: {figures:?}");
                }
                Err(status) => last = status.to_string(),
            }
            sleep(LOOK).await;
        }
        self.board.is_wrong(format!("I6: garbage is there {} s after the faults; {last}", GARBAGE_GOES.as_secs()));
    }
}

fn is_whole(report: &ReportResponse) -> bool {
    let live = report.workers.iter().filter(|worker| worker.live).count();
    live == settings::WORKERS
        && report.redundancy.as_ref().is_some_and(|redundancy| {
            redundancy.complete_block_count == redundancy.block_count
                && redundancy.lost_block_count + redundancy.invalid_copy_count + redundancy.surplus_copy_count == 0
                && redundancy.queued_block_count + redundancy.ordered_block_count == 0
        })
}

/// As the metadata of an object tells it.
fn value_of(object: &v1::GetObjectResponse) -> Option<Value> {
    let metadata = &object.object.as_ref()?.attributes.as_ref()?.metadata;
    let told = metadata.iter().find(|header| header.name.ends_with("value"))?;
    Value::from_str_radix(&told.value, 16).ok()
}

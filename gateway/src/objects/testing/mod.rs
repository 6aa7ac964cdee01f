//! A metaserver and workers in memory, for tests of what the gateway asks of them. They can be told to misbehave.

mod metaserver;
mod worker;

pub(crate) use metaserver::FakeMetaserver;
pub(crate) use worker::{FILE_HEAD_BYTES, FakeWorker, ReadFault, WriteFault};

use super::{GetObject, Keeping, Objects, ObjectsOptions, PutObject};
use crate::blocks::{FixedWorkers, Nearness, ReadPatience};
use crate::body::{BodyKind, BodyLimits, BodyPlan, IncomingBody};
use bytes::Bytes;
use futures::StreamExt as _;
use http::HeaderMap;
use http_body::Frame;
use http_body_util::{Full, StreamBody};
use std::convert::Infallible;
use std::sync::Arc;
use std::time::Duration;
use weir_proto::v1;
use weir_proto::{BucketName, Failure, ObjectKey, WorkerId};
use weir_service::channel::in_process;
use weir_service::clock::ManualClock;
use weir_service::shutdown::Shutdown;

pub(crate) const INLINE_MAX_BYTES: u64 = 100;
pub(crate) const BLOCK_MAX_BYTES: u64 = 1000;
pub(crate) const WORKER_SILENCE: Duration = Duration::from_millis(300);

pub(crate) struct Cluster {
    pub metaserver: Arc<FakeMetaserver>,
    pub workers: Vec<Arc<FakeWorker>>,
    pub objects: Objects,
    pub shutdown: Shutdown,
    pub clock: Arc<ManualClock>,
}

impl Cluster {
    /// One worker, no replication.
    pub async fn start() -> Self {
        Self::with(1, 1, |_| {}).await
    }

    pub async fn with(workers: u64, replication: u32, change: impl FnOnce(&mut ObjectsOptions)) -> Self {
        let metaserver = Arc::new(FakeMetaserver::new(workers, replication));
        let workers: Vec<_> = (1..=workers).map(|_| Arc::new(FakeWorker::default())).collect();
        let mut connector = FixedWorkers::any(workers[0].channel());
        for (index, worker) in workers.iter().enumerate() {
            connector = connector.with(WorkerId(index as u64 + 1), worker.channel());
        }
        let mut options = ObjectsOptions {
            address: "test".into(),
            inline_max_bytes: INLINE_MAX_BYTES,
            block_max_bytes: BLOCK_MAX_BYTES,
            buffer_max_bytes: 1 << 20,
            read_buffer_max_bytes: 1 << 20,
            worker_silence: WORKER_SILENCE,
            nearness: Nearness::default(),
            local_reads: true,
            read_patience: ReadPatience { hedge: WORKER_SILENCE / 3, silence: WORKER_SILENCE },
            block_grant_count: 4,
            remember_requests: true,
            open_timeout: Some(Duration::from_secs(1)),
        };
        change(&mut options);
        let shutdown = Shutdown::new();
        let clock = Arc::new(ManualClock::at(0));
        let channel = in_process(metaserver.clone().routes());
        let connector = Arc::new(connector);
        let objects = Objects::open(channel, connector, options, clock.clone(), &shutdown).await.unwrap();
        Self { metaserver, workers, objects, shutdown, clock }
    }

    pub fn worker(&self) -> &FakeWorker {
        &self.workers[0]
    }

    /// Puts data under the key `k`.
    pub async fn put(&self, data: impl Into<Bytes>) -> Result<v1::Object, super::ObjectsError> {
        self.objects.put_object(put_request(), whole(data)).await
    }

    pub async fn get(&self, range: Option<v1::ByteRange>) -> Result<Vec<u8>, Failure> {
        let request = GetObject { range, ..get_request() };
        let mut opened = self.objects.get_object(request).await?;
        let mut bytes = Vec::new();
        while let Some(data) = opened.content.next().await {
            bytes.extend_from_slice(&data?);
        }
        assert_eq!(bytes.len() as u64, opened.length_bytes);
        Ok(bytes)
    }

    /// Waits until something that happens in the background has happened.
    pub async fn until(&self, what: impl Fn(&Self) -> bool) {
        for _ in 0..2000 {
            if what(self) {
                return;
            }
            tokio::time::sleep(Duration::from_millis(2)).await;
        }
        panic!("it did not happen");
    }
}

pub(crate) fn put_request() -> PutObject {
    PutObject {
        bucket: BucketName::new("bucket").unwrap(),
        key: ObjectKey::new("k").unwrap(),
        attributes: v1::Attributes::default(),
        precondition: None,
        owner: String::new(),
        keeping: Keeping::default(),
    }
}

pub(crate) fn get_request() -> GetObject {
    GetObject {
        bucket: BucketName::new("bucket").unwrap(),
        key: ObjectKey::new("k").unwrap(),
        range: None,
        part_number: 0,
    }
}

pub(crate) fn limits() -> BodyLimits {
    BodyLimits { max_bytes: 1 << 30, idle_timeout: Duration::from_secs(5), min_bytes_per_second: 1024 }
}

/// A body of known length that is there at once.
pub(crate) fn whole(data: impl Into<Bytes>) -> IncomingBody {
    let data = data.into();
    let plan = BodyPlan::undeclared(Some(data.len() as u64), limits());
    IncomingBody::new(Full::new(data), plan)
}

/// A body with headers.
pub(crate) fn declared(headers: &[(&'static str, &str)], kind: BodyKind, data: impl Into<Bytes>) -> IncomingBody {
    let data = data.into();
    let mut map = HeaderMap::new();
    map.insert("content-length", data.len().into());
    for (name, value) in headers {
        map.insert(*name, value.parse().unwrap());
    }
    IncomingBody::new(Full::new(data), BodyPlan::from_headers(&map, kind, limits()).unwrap())
}

/// A body whose frames a test sends; dropping the sender ends it.
pub(crate) fn dripping(length: Option<u64>) -> (tokio::sync::mpsc::Sender<Bytes>, IncomingBody) {
    let (sender, receiver) = tokio::sync::mpsc::channel(1);
    let frames = tokio_stream::wrappers::ReceiverStream::new(receiver);
    let frames = frames.map(|data| Ok::<_, Infallible>(Frame::data(data)));
    (sender, IncomingBody::new(StreamBody::new(frames), BodyPlan::undeclared(length, limits())))
}

/// Bytes that are different everywhere.
pub(crate) fn pattern(length: usize) -> Vec<u8> {
    (0..length).map(|i| (i as u32).wrapping_mul(2_654_435_761).to_le_bytes()[3]).collect()
}

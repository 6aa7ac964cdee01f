//! The worker as others see it: its gRPC service, and its part in a cluster.

mod cluster;
mod copies;
mod rpc;
mod simulation;

use crate::Worker;
use bytes::Bytes;
use prometheus_client::registry::Registry;
use std::sync::Arc;
use weir_proto::v1::blocks_client::BlocksClient;
use weir_proto::v1::write_block_request::Step;
use weir_proto::v1::{ReadBlockRequest, WriteBlockFinish, WriteBlockHeader, WriteBlockRequest};
use weir_proto::{BlockId, Failure};
use weir_service::channel::{Channel, in_process};
use weir_service::clock::SystemClock;
use weir_service::config::WorkerSettings;
use weir_service::disk::Disk;
use weir_service::shutdown::Shutdown;
use weir_service::simulation::{Fault, Kind, Random, SimulatedDisk};

pub const MIB: usize = 1 << 20;

pub struct House {
    pub disk: SimulatedDisk,
    pub worker: Worker,
    pub registry: Registry,
    pub shutdown: Shutdown,
}

pub fn settings() -> WorkerSettings {
    WorkerSettings { data: vec!["/data".into()], segment_bytes: 4 << 20, reserve_bytes: 0, ..WorkerSettings::default() }
}

pub async fn open(disk: &SimulatedDisk) -> House {
    let (mut registry, shutdown) = (Registry::default(), Shutdown::new());
    let seam: Arc<dyn Disk> = Arc::new(disk.clone());
    let worker = Worker::open(settings(), seam, Arc::new(SystemClock), &mut registry, &shutdown).await.unwrap();
    House { disk: disk.clone(), worker, registry, shutdown }
}

impl House {
    pub fn client(&self) -> BlocksClient<Channel> {
        BlocksClient::new(in_process(self.worker.services()))
    }

    pub async fn close(self) -> SimulatedDisk {
        assert!(self.shutdown.finish(std::time::Duration::from_secs(10)).await, "all tasks end");
        self.disk
    }
}

pub fn bytes_of(length: usize) -> Bytes {
    (0..length).map(|i| (i * 31 + i / 251) as u8).collect::<Vec<u8>>().into()
}

fn request(step: Step) -> WriteBlockRequest {
    WriteBlockRequest { step: Some(step) }
}

pub fn header(id: u64, length_bytes: u64) -> WriteBlockRequest {
    request(Step::Header(WriteBlockHeader { block_id: id, length_bytes }))
}

pub fn data(data: Bytes) -> WriteBlockRequest {
    request(Step::Data(data))
}

pub fn finish(data: &[u8]) -> WriteBlockRequest {
    let (length_bytes, crc32c) = (data.len() as u64, crate::store::crc32c(data));
    request(Step::Finish(WriteBlockFinish { length_bytes, crc32c }))
}

/// Header, frames, finish.
pub fn whole(id: u64, announced: u64, bytes: &Bytes, frame: usize) -> Vec<WriteBlockRequest> {
    let frames = (0..bytes.len()).step_by(frame).map(|at| data(bytes.slice(at..bytes.len().min(at + frame))));
    [header(id, announced)].into_iter().chain(frames).chain([finish(bytes)]).collect()
}

pub async fn write(client: &mut BlocksClient<Channel>, steps: Vec<WriteBlockRequest>) -> Result<u64, Failure> {
    let answer = client.write_block(futures::stream::iter(steps)).await;
    answer.map(|answer| answer.into_inner().length_bytes).map_err(|status| Failure::from_status(&status))
}

pub async fn read(client: &mut BlocksClient<Channel>, id: u64, from: u64, length: u64) -> Result<Vec<u8>, Failure> {
    let request = ReadBlockRequest { block_id: id, offset_bytes: from, length_bytes: length };
    let answer = client.read_block(request).await.map_err(|status| Failure::from_status(&status))?;
    let (mut stream, mut bytes) = (answer.into_inner(), Vec::new());
    while let Some(frame) = stream.message().await.map_err(|status| Failure::from_status(&status))? {
        assert!(!frame.data.is_empty() && frame.data.len() <= weir_proto::MAX_FRAME_BYTES);
        bytes.extend_from_slice(&frame.data);
    }
    Ok(bytes)
}

pub async fn put(house: &House, id: u64, length: usize) {
    write(&mut house.client(), whole(id, length as u64, &bytes_of(length), MIB)).await.unwrap();
}

pub async fn put_bytes(house: &House, id: u64, bytes: &[u8]) {
    write(&mut house.client(), whole(id, bytes.len() as u64, &Bytes::copy_from_slice(bytes), MIB)).await.unwrap();
}

pub fn has(house: &House, id: u64) -> bool {
    house.worker.disks().keeping(BlockId(id)).is_ok()
}

//! A metaserver that keeps one bucket in memory.

use bytes::Bytes;
use parking_lot::Mutex;
use std::collections::{HashMap, HashSet};
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::AtomicU32;
use std::sync::atomic::Ordering::SeqCst;
use tonic::service::Routes;
use tonic::{Request, Response, Status};
use weir_proto::Failure;
use weir_proto::v1::content::Where;
use weir_proto::v1::namespace_server::{Namespace, NamespaceServer};
use weir_proto::v1::sessions_server::{Sessions, SessionsServer};
use weir_proto::v1::{self, Reason};

/// An object as it was committed.
#[derive(Clone, Debug)]
pub(crate) struct Stored {
    pub object: v1::Object,
    pub content: v1::Content,
}

#[derive(Default)]
pub(crate) struct State {
    pub objects: HashMap<Bytes, Stored>,
    pub parts: HashMap<u32, v1::CommitPartRequest>,
    pub upload: v1::Upload,
    pub sessions: HashSet<u64>,
    pub session_count: u64,
    pub next_block: u64,
    pub abandoned: Vec<u64>,
    /// The workers that were named with them.
    pub abandoned_on: Vec<Vec<u64>>,
    pub last_heartbeat: v1::HeartbeatRequest,
    pub read_mark: u64,
    /// Every CommitObject that came.
    pub commits: Vec<v1::RequestId>,
    pub remembered: HashMap<(u64, u64), v1::CommitObjectResponse>,
    /// The next so many answers of CommitObject are lost after it took effect.
    pub lost_answers: usize,
    /// What it tells of its build.
    pub protocol: Option<v1::Protocol>,
    pub refuse_commits: Option<Reason>,
    /// GetObject is not answered.
    pub is_silent: bool,
    pub copies_need_data: bool,
    pub copies: Vec<v1::CopyObjectRequest>,
}

pub(crate) struct FakeMetaserver {
    pub state: Mutex<State>,
    pub workers: Mutex<Vec<v1::Worker>>,
    replication: u32,
    pub replication_min: AtomicU32,
}

impl FakeMetaserver {
    pub fn new(workers: u64, replication: u32) -> Self {
        let worker = |worker_id| v1::Worker { worker_id, live: true, free_bytes: 1 << 30, ..Default::default() };
        let state = State { next_block: 1, read_mark: 10, ..Default::default() };
        let workers = Mutex::new((1..=workers).map(worker).collect());
        Self { state: Mutex::new(state), workers, replication, replication_min: AtomicU32::new(0) }
    }

    pub fn routes(self: Arc<Self>) -> Routes {
        Routes::new(NamespaceServer::from_arc(self.clone())).add_service(SessionsServer::from_arc(self)).prepare()
    }

    pub fn stored(&self) -> Option<Stored> {
        self.state.lock().objects.get(&b"k"[..]).cloned()
    }

    /// The extents of the object `k`.
    pub fn extents(&self) -> Vec<v1::WrittenExtent> {
        match self.stored().unwrap().content.r#where.unwrap() {
            Where::Extents(extents) => extents.extents,
            Where::Inline(_) => panic!("it is inline"),
        }
    }

    pub fn end_sessions(&self) {
        self.state.lock().sessions.clear();
    }
}

fn refuse<T>(reason: Reason) -> Result<T, Status> {
    Err(Failure::new(reason, "", "told to").into())
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

impl State {
    fn session(&self, id: u64) -> Result<(), Status> {
        if self.sessions.contains(&id) { Ok(()) } else { refuse(Reason::SessionOver) }
    }

    fn commit(&mut self, request: v1::CommitObjectRequest) -> Result<v1::CommitObjectResponse, Status> {
        let id = request.request_id.unwrap();
        self.commits.push(id);
        if let Some(first) = self.remembered.get(&(id.session_id, id.sequence)) {
            return Ok(first.clone());
        }
        self.session(id.session_id)?;
        self.session(request.session_id)?;
        if let Some(reason) = self.refuse_commits {
            return refuse(reason);
        }
        let content = request.content.unwrap();
        let object = v1::Object {
            key: request.key.clone(),
            object_id: self.commits.len() as u64,
            size_bytes: content.size_bytes,
            etag: hex(&content.md5),
            attributes: request.attributes,
            checksum: content.checksum.clone(),
            ..Default::default()
        };
        self.objects.insert(request.key, Stored { object: object.clone(), content });
        let response = v1::CommitObjectResponse { object: Some(object) };
        self.remembered.insert((id.session_id, id.sequence), response.clone());
        if self.lost_answers > 0 {
            self.lost_answers -= 1;
            return Err(Status::unavailable("the connection broke"));
        }
        Ok(response)
    }

    fn get(&self, request: &v1::GetObjectRequest) -> Result<v1::GetObjectResponse, Status> {
        let Some(Stored { object, content }) = self.objects.get(&request.key).cloned() else {
            return refuse(Reason::NoSuchKey);
        };
        let size = content.size_bytes;
        let (offset, length) = match request.range.and_then(|range| range.form) {
            None => (0, size),
            Some(v1::byte_range::Form::FromTo(range)) => {
                (range.first, range.last.min(size - 1) + 1 - range.first.min(size - 1))
            }
            Some(v1::byte_range::Form::From(first)) => (first, size - first),
            Some(v1::byte_range::Form::Suffix(count)) => (size - count.min(size), count.min(size)),
        };
        let mut response = v1::GetObjectResponse {
            object: Some(object),
            offset_bytes: offset,
            length_bytes: length,
            unsatisfiable: offset >= size && size > 0,
            read_mark: self.read_mark,
            ..Default::default()
        };
        match content.r#where.unwrap() {
            Where::Inline(bytes) => response.inline = Some(bytes),
            Where::Extents(extents) => response.extents = located(extents, offset, length),
        }
        Ok(response)
    }
}

fn located(extents: v1::Extents, offset: u64, length: u64) -> Vec<v1::LocatedExtent> {
    let mut begin = 0;
    let mut located = Vec::new();
    for written in extents.extents {
        let end = begin + written.extent.unwrap().length_bytes;
        if begin < offset + length && end > offset {
            let v1::WrittenExtent { extent, worker_ids, coded, .. } = written;
            located.push(v1::LocatedExtent { extent, worker_ids, offset_bytes: begin, coded });
        }
        begin = end;
    }
    located
}

/// What a call returns once `async_trait` has had its way: a macro's output comes too late for it.
type Answer<'a, T> = Pin<Box<dyn Future<Output = Result<Response<T>, Status>> + Send + 'a>>;

macro_rules! not_needed {
    ($($name:ident($request:ident) -> $response:ident;)*) => {
        $(fn $name<'life0, 'async_trait>(
            &'life0 self,
            _: Request<v1::$request>,
        ) -> Answer<'async_trait, v1::$response>
        where
            'life0: 'async_trait,
            Self: 'async_trait,
        {
            Box::pin(async { Err(Status::unimplemented(stringify!($name))) })
        })*
    };
}

#[tonic::async_trait]
impl Namespace for FakeMetaserver {
    async fn get_bucket(
        &self,
        request: Request<v1::GetBucketRequest>,
    ) -> Result<Response<v1::GetBucketResponse>, Status> {
        if request.into_inner().name == "bucket" {
            Ok(Response::new(v1::GetBucketResponse::default()))
        } else {
            refuse(Reason::NoSuchBucket)
        }
    }

    async fn commit_object(
        &self,
        request: Request<v1::CommitObjectRequest>,
    ) -> Result<Response<v1::CommitObjectResponse>, Status> {
        self.state.lock().commit(request.into_inner()).map(Response::new)
    }

    async fn get_object(
        &self,
        request: Request<v1::GetObjectRequest>,
    ) -> Result<Response<v1::GetObjectResponse>, Status> {
        if self.state.lock().is_silent {
            std::future::pending::<()>().await;
        }
        self.state.lock().get(&request.into_inner()).map(Response::new)
    }

    async fn copy_object(
        &self,
        request: Request<v1::CopyObjectRequest>,
    ) -> Result<Response<v1::CopyObjectResponse>, Status> {
        use v1::copy_object_response::Result as Outcome;
        let request = request.into_inner();
        let mut state = self.state.lock();
        state.copies.push(request.clone());
        if state.copies_need_data {
            return Ok(Response::new(v1::CopyObjectResponse { result: Some(Outcome::NeedsData(true)) }));
        }
        let Some(mut copy) = state.objects.get(&request.source_key).cloned() else { return refuse(Reason::NoSuchKey) };
        if let Some(checksum) = request.replace_checksum {
            copy.object.checksum = Some(checksum);
        }
        state.objects.insert(request.key, copy.clone());
        Ok(Response::new(v1::CopyObjectResponse { result: Some(Outcome::Object(copy.object)) }))
    }

    async fn get_upload(
        &self,
        request: Request<v1::GetUploadRequest>,
    ) -> Result<Response<v1::GetUploadResponse>, Status> {
        let state = self.state.lock();
        if request.into_inner().upload_id != state.upload.upload_id {
            return refuse(Reason::NoSuchUpload);
        }
        Ok(Response::new(v1::GetUploadResponse { upload: Some(state.upload.clone()) }))
    }

    async fn commit_part(
        &self,
        request: Request<v1::CommitPartRequest>,
    ) -> Result<Response<v1::CommitPartResponse>, Status> {
        let request = request.into_inner();
        let content = request.content.clone().unwrap();
        let part = v1::Part {
            part_number: request.part_number,
            size_bytes: content.size_bytes,
            etag: hex(&content.md5),
            modified_ms: 0,
            checksum: content.checksum,
        };
        self.state.lock().parts.insert(request.part_number, request);
        Ok(Response::new(v1::CommitPartResponse { part: Some(part) }))
    }

    async fn copy_part(&self, _: Request<v1::CopyPartRequest>) -> Result<Response<v1::CopyPartResponse>, Status> {
        let result = Some(v1::copy_part_response::Result::NeedsData(true));
        Ok(Response::new(v1::CopyPartResponse { result }))
    }

    not_needed! {
        create_bucket(CreateBucketRequest) -> CreateBucketResponse;
        delete_bucket(DeleteBucketRequest) -> DeleteBucketResponse;
        list_buckets(ListBucketsRequest) -> ListBucketsResponse;
        delete_objects(DeleteObjectsRequest) -> DeleteObjectsResponse;
        rename_object(RenameObjectRequest) -> RenameObjectResponse;
        set_object_acl(SetObjectAclRequest) -> SetObjectAclResponse;
        list_objects(ListObjectsRequest) -> ListObjectsResponse;
        create_upload(CreateUploadRequest) -> CreateUploadResponse;
        complete_upload(CompleteUploadRequest) -> CompleteUploadResponse;
        abort_upload(AbortUploadRequest) -> AbortUploadResponse;
        list_uploads(ListUploadsRequest) -> ListUploadsResponse;
        list_parts(ListPartsRequest) -> ListPartsResponse;
    }
}

#[tonic::async_trait]
impl Sessions for FakeMetaserver {
    async fn open_session(
        &self,
        _: Request<v1::OpenSessionRequest>,
    ) -> Result<Response<v1::OpenSessionResponse>, Status> {
        let mut state = self.state.lock();
        state.session_count += 1;
        let session_id = state.session_count;
        state.sessions.insert(session_id);
        Ok(Response::new(v1::OpenSessionResponse {
            session_id,
            lease_ms: 1_000,
            heartbeat_interval_ms: 10,
            cluster_id: "test".into(),
            read_mark: state.read_mark,
            workers: self.workers.lock().clone(),
            replication: self.replication,
            replication_min: self.replication_min.load(SeqCst),
            inline_max_bytes: 15_000,
            protocol: state.protocol,
            ..Default::default()
        }))
    }

    async fn heartbeat(
        &self,
        request: Request<v1::HeartbeatRequest>,
    ) -> Result<Response<v1::HeartbeatResponse>, Status> {
        let mut state = self.state.lock();
        let request = request.into_inner();
        state.session(request.session_id)?;
        state.last_heartbeat = request;
        let workers = self.workers.lock().clone();
        let (read_mark, replication) = (state.read_mark, self.replication);
        let replication_min = self.replication_min.load(SeqCst);
        Ok(Response::new(v1::HeartbeatResponse {
            read_mark,
            workers,
            lease_ms: 1_000,
            replication,
            replication_min,
            protocol: state.protocol,
            ..Default::default()
        }))
    }

    async fn grant_blocks(
        &self,
        request: Request<v1::GrantBlocksRequest>,
    ) -> Result<Response<v1::GrantBlocksResponse>, Status> {
        let request = request.into_inner();
        let mut state = self.state.lock();
        state.session(request.session_id)?;
        let first_block_id = state.next_block;
        state.next_block += u64::from(request.count);
        Ok(Response::new(v1::GrantBlocksResponse { first_block_id, count: request.count }))
    }

    async fn abandon_blocks(
        &self,
        request: Request<v1::AbandonBlocksRequest>,
    ) -> Result<Response<v1::AbandonBlocksResponse>, Status> {
        let request = request.into_inner();
        let mut state = self.state.lock();
        state.session(request.session_id)?;
        state.abandoned.extend(request.blocks.iter().map(|block| block.block_id));
        state.abandoned_on.extend(request.blocks.into_iter().map(|block| block.worker_ids));
        Ok(Response::new(v1::AbandonBlocksResponse {}))
    }

    async fn close_session(
        &self,
        request: Request<v1::CloseSessionRequest>,
    ) -> Result<Response<v1::CloseSessionResponse>, Status> {
        self.state.lock().sessions.remove(&request.into_inner().session_id);
        Ok(Response::new(v1::CloseSessionResponse {}))
    }
}

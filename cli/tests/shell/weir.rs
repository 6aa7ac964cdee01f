//! A Weir to talk to, and the binary that talks.

use bytes::Bytes;
use futures::stream::{self, StreamExt as _};
use http_body_util::Full;
use prometheus_client::registry::Registry;
use std::ffi::OsStr;
use std::os::unix::ffi::OsStrExt as _;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Output, Stdio};
use std::sync::Arc;
use std::time::{Duration, Instant};
use tempfile::TempDir;
use tokio::net::TcpListener;
use tokio::runtime::Runtime;
use weir_gateway::auth::ACCOUNT;
use weir_gateway::blocks::FixedWorkers;
use weir_gateway::body::{BodyLimits, BodyPlan, IncomingBody};
use weir_gateway::objects::{Keeping, Objects, ObjectsOptions, PutObject, PutPart};
use weir_metaserver::Metaserver;
use weir_metaserver::store::memory::MemoryStore;
use weir_proto::{BucketName, ObjectKey, v1};
use weir_service::channel::in_process;
use weir_service::clock::SystemClock;
use weir_service::config::{GatewaySettings, MetaserverSettings, WorkerSettings};
use weir_service::disk::SystemDisk;
use weir_service::peer_auth::{ClusterCredentials, ClusterSecret};
use weir_service::rpc;
use weir_service::sealing::Sealer;
use weir_service::shutdown::Shutdown;
use weir_worker::{NoPeers, Worker};

const START_TIMEOUT: Duration = Duration::from_secs(20);
const STOP_TIMEOUT: Duration = Duration::from_secs(10);

/// A metaserver over memory, a worker, and the socket that a standalone has in its data folder.
pub struct Weir {
    folder: TempDir,
    objects: Objects,
    shutdown: Shutdown,
    runtime: Option<Runtime>,
}

/// What a command did.
pub struct Done {
    pub raw: Vec<u8>,
    pub out: String,
    pub err: String,
    pub code: i32,
}

impl Weir {
    pub fn start() -> Self {
        let folder = tempfile::tempdir().unwrap();
        let runtime = Runtime::new().unwrap();
        let shutdown = Shutdown::new();
        let objects = runtime.block_on(async {
            tokio::time::timeout(START_TIMEOUT, serve(folder.path(), &shutdown)).await.expect("it starts in time")
        });
        Self { folder, objects, shutdown, runtime: Some(runtime) }
    }

    /// A local file beside Weir's data: commands run in that folder.
    pub fn local(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    /// Runs `weir` with these words, which may be quoted.
    pub fn line(&self, line: &str) -> Done {
        let words = split(line);
        self.words(&words.iter().map(String::as_bytes).collect::<Vec<_>>())
    }

    pub fn words(&self, words: &[&[u8]]) -> Done {
        run(self.folder.path(), words)
    }

    /// As [`Weir::line`], which must succeed.
    pub fn ok(&self, line: &str) -> Done {
        let done = self.line(line);
        assert_eq!(done.code, 0, "$ {line}\n{}{}", done.out, done.err);
        done
    }

    pub fn put(&self, bucket: &str, key: impl Into<Bytes>, content: &'static [u8]) {
        self.wait(put(&self.objects, bucket, key.into(), Bytes::from_static(content)));
    }

    pub fn put_many(&self, bucket: &str, keys: impl Iterator<Item = String>) {
        let puts = stream::iter(keys).map(|key| put(&self.objects, bucket, key.into(), Bytes::new()));
        self.wait(puts.buffer_unordered(64).collect::<()>());
    }

    /// A multipart upload.
    pub fn put_parts(&self, bucket: &str, key: &'static str, parts: &[Vec<u8>]) {
        self.wait(async {
            let (name, key) = (BucketName::new(bucket).unwrap(), ObjectKey::new(key).unwrap());
            let request =
                v1::CreateUploadRequest { bucket: bucket.into(), key: key.as_bytes().clone(), ..Default::default() };
            let upload_id = self.objects.create_upload(request).await.unwrap().upload.unwrap().upload_id;
            let mut listed = Vec::new();
            for (number, part) in (1..).zip(parts) {
                let request = PutPart {
                    bucket: name.clone(),
                    key: key.clone(),
                    upload_id,
                    part_number: number,
                    keeping: Keeping::default(),
                };
                let part = self.objects.put_part(request, body(Bytes::from(part.clone()))).await.unwrap();
                listed.push(v1::CompletedPart { part_number: number, etag: part.etag, checksum: None });
            }
            let request = v1::CompleteUploadRequest {
                bucket: bucket.into(),
                key: key.into_bytes(),
                upload_id,
                parts: listed,
                min_part_bytes: 5 << 20,
                ..Default::default()
            };
            self.objects.complete_upload(request).await.unwrap();
        });
    }

    fn wait<T>(&self, task: impl Future<Output = T>) -> T {
        self.runtime.as_ref().expect("it runs").block_on(task)
    }
}

impl Drop for Weir {
    fn drop(&mut self) {
        if let Some(runtime) = self.runtime.take() {
            runtime.block_on(self.shutdown.finish(STOP_TIMEOUT));
            runtime.shutdown_background();
        }
    }
}

/// The binary as a server, over a folder of its own.
pub struct Standalone {
    folder: PathBuf,
    process: Child,
}

impl Standalone {
    pub fn start(folder: &Path) -> Self {
        let process = command(&std::env::temp_dir())
            .args(["standalone", "--listen", "127.0.0.1:0", "--admin-listen", "", "--data"])
            .arg(folder)
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .spawn()
            .unwrap();
        let standalone = Self { folder: folder.to_owned(), process };
        let begun = Instant::now();
        while standalone.line("fs ls /").code != 0 {
            assert!(begun.elapsed() < START_TIMEOUT, "it starts in time");
            std::thread::sleep(Duration::from_millis(50));
        }
        standalone
    }

    fn line(&self, line: &str) -> Done {
        if !self.folder.is_dir() {
            return Done { raw: Vec::new(), out: String::new(), err: "it has not started".into(), code: 255 };
        }
        run(&self.folder, &split(line).iter().map(String::as_bytes).collect::<Vec<_>>())
    }

    /// Runs `weir` with these words; it must succeed.
    pub fn ok(&self, line: &str) -> Done {
        let done = self.line(line);
        assert_eq!(done.code, 0, "$ {line}\n{}{}", done.out, done.err);
        done
    }
}

impl Drop for Standalone {
    fn drop(&mut self) {
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}

/// What knows the secret of [`Cluster`].
const SECRET: &str = "a secret that only the cluster knows";

/// A metaserver and a worker at addresses of their own.
pub struct Cluster {
    folder: TempDir,
    metaserver: String,
    shutdown: Shutdown,
    runtime: Runtime,
}

impl Cluster {
    pub fn start() -> Self {
        let folder = tempfile::tempdir().unwrap();
        let (runtime, shutdown) = (Runtime::new().unwrap(), Shutdown::new());
        let metaserver = runtime.block_on(async {
            let listeners =
                (TcpListener::bind("127.0.0.1:0").await.unwrap(), TcpListener::bind("127.0.0.1:0").await.unwrap());
            let address = listeners.0.local_addr().unwrap().to_string();
            let (metaserver, worker) =
                open_roles(folder.path(), listeners.1.local_addr().unwrap().to_string(), &shutdown).await;
            let namespace = in_process(metaserver.services().prepare());
            worker.start(namespace.clone(), Arc::new(NoPeers), &shutdown);
            for (listener, routes) in [(listeners.0, metaserver.services()), (listeners.1, worker.services())] {
                let (stop, secret) = (shutdown.clone(), ClusterSecret::new(SECRET).unwrap());
                let credentials = ClusterCredentials::from(secret);
                shutdown.spawn(async move { rpc::serve_tcp(listener, routes, &credentials, &stop).await });
            }
            while !has_worker(&namespace).await {
                tokio::time::sleep(Duration::from_millis(10)).await;
            }
            address
        });
        Self { folder, metaserver, shutdown, runtime }
    }

    pub fn local(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    /// Runs `weir` with these words, and with the secret.
    pub fn line(&self, line: &str, secret: &str) -> Done {
        done(
            command(self.folder.path())
                .args(split(line))
                .env("WEIR_METASERVER_ADDRESS", &self.metaserver)
                .env("WEIR_CLUSTER_SECRET", secret),
        )
    }

    pub fn ok(&self, line: &str) -> Done {
        let done = self.line(line, SECRET);
        assert_eq!(done.code, 0, "$ {line}\n{}{}", done.out, done.err);
        done
    }
}

impl Drop for Cluster {
    fn drop(&mut self) {
        self.runtime.block_on(self.shutdown.finish(STOP_TIMEOUT));
    }
}

async fn open_roles(folder: &Path, worker_address: String, shutdown: &Shutdown) -> (Metaserver, Worker) {
    let (clock, disk) = (Arc::new(SystemClock), Arc::new(SystemDisk));
    let mut registry = Registry::default();
    let settings = MetaserverSettings { data: folder.join("meta"), replication: 1, ..Default::default() };
    let store = Arc::new(MemoryStore::default());
    let sealer = Arc::new(Sealer::new(&ClusterSecret::new(SECRET).unwrap()));
    let opened = Metaserver::with_store(settings, store, clock.clone(), sealer, &mut registry, shutdown).await;
    let metaserver = opened.unwrap();
    let settings = WorkerSettings {
        data: vec![folder.join("blocks")],
        reserve_bytes: 0,
        address: worker_address,
        ..Default::default()
    };
    let worker = Worker::open(settings, disk, clock, &mut registry, shutdown).await.unwrap();
    (metaserver, worker)
}

async fn serve(folder: &Path, shutdown: &Shutdown) -> Objects {
    let (metaserver, worker) = open_roles(folder, String::new(), shutdown).await;
    let namespace = in_process(metaserver.services().prepare());
    let blocks = FixedWorkers::any(in_process(worker.services().prepare()));
    worker.start(namespace.clone(), Arc::new(NoPeers), shutdown);

    let routes = rpc::merge(metaserver.services(), worker.services());
    let (socket, stop) = (folder.join("weir.sock"), shutdown.clone());
    let listening = socket.clone();
    shutdown.spawn(async move { rpc::serve_unix(&listening, routes, &stop).await.unwrap() });
    while !socket.exists() || !has_worker(&namespace).await {
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
    let options = ObjectsOptions {
        address: "shell".into(),
        remember_requests: false,
        open_timeout: Some(START_TIMEOUT),
        ..ObjectsOptions::from(&GatewaySettings::default())
    };
    Objects::open(namespace, Arc::new(blocks), options, Arc::new(SystemClock), shutdown).await.unwrap()
}

async fn has_worker(namespace: &weir_service::channel::Channel) -> bool {
    let mut admin = v1::admin_client::AdminClient::new(namespace.clone());
    let report = admin.report(v1::ReportRequest {}).await.unwrap().into_inner();
    report.workers.iter().any(|worker| worker.live)
}

async fn put(objects: &Objects, bucket: &str, key: Bytes, content: Bytes) {
    let request = PutObject {
        bucket: BucketName::new(bucket).unwrap(),
        key: ObjectKey::new(key).unwrap(),
        attributes: v1::Attributes::default(),
        precondition: None,
        owner: ACCOUNT.id.into(),
        keeping: Keeping::default(),
    };
    objects.put_object(request, body(content)).await.unwrap();
}

fn body(content: Bytes) -> IncomingBody {
    let limits = BodyLimits { max_bytes: 1 << 30, idle_timeout: START_TIMEOUT, min_bytes_per_second: 1 };
    let length = content.len() as u64;
    IncomingBody::new(Full::new(content), BodyPlan::undeclared(Some(length), limits))
}

/// Runs `weir` in a folder that is also its data folder.
pub fn run(folder: &Path, words: &[&[u8]]) -> Done {
    done(command(folder).args(words.iter().map(|word| OsStr::from_bytes(word))).env("WEIR_DATA", folder))
}

fn done(command: &mut Command) -> Done {
    let Output { status, stdout, stderr } = command.output().unwrap();
    Done {
        out: String::from_utf8_lossy(&stdout).into_owned(),
        err: String::from_utf8_lossy(&stderr).into_owned(),
        raw: stdout,
        code: status.code().expect("no signal ended it"),
    }
}

fn command(folder: &Path) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_weir"));
    command.current_dir(folder).env_clear().env("TZ", "UTC");
    command
}

/// The words of a line; what is in quotes is one.
fn split(line: &str) -> Vec<String> {
    let mut words = Vec::new();
    for (index, part) in line.split('"').enumerate() {
        match index % 2 {
            0 => words.extend(part.split_whitespace().map(str::to_owned)),
            _ => words.push(part.to_owned()),
        }
    }
    words
}

/// The commands of a transcript, each with what it prints.
pub fn transcript(text: &str) -> Vec<(String, String)> {
    let mut commands: Vec<(String, String)> = Vec::new();
    for line in text.lines() {
        if let Some(command) = line.strip_prefix("$ ") {
            commands.push((command.to_owned(), String::new()));
        } else if let Some((_, printed)) = commands.last_mut()
            && !printed.contains("[exit ")
        {
            printed.push_str(line);
            printed.push('\n');
        }
    }
    commands
}

/// Times and numbers that differ from run to run, replaced.
pub fn masked(text: &str) -> String {
    const TIME: &str = "MM-dd-yyyy HH:mm:ss:SSS";
    const NUMBERS: [&str; 5] = ["file id ", "fileId=", "BlockInfo{id=", "workerId=", "lastModificationTimeMs="];
    let is_time = |rest: &str| {
        rest.len() >= TIME.len()
            && rest
                .bytes()
                .zip(TIME.bytes())
                .all(|(found, form)| if form.is_ascii_alphabetic() { found.is_ascii_digit() } else { found == form })
    };
    let mut out = String::new();
    let mut rest = text;
    while let Some(next) = rest.chars().next() {
        if is_time(rest) {
            out.push_str(TIME);
            rest = &rest[TIME.len()..];
        } else if NUMBERS.iter().any(|before| out.ends_with(before)) && next.is_ascii_digit() {
            out.push('N');
            rest = rest.trim_start_matches(|c: char| c.is_ascii_digit());
        } else {
            out.push(next);
            rest = &rest[next.len_utf8()..];
        }
    }
    out
}

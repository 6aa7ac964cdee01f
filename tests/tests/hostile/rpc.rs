//! The ports of the roles: every method of the contract, called by strangers and with bytes that are no message.

use super::case::{Case, Refusal};
use super::scene::Scene;
use bytes::Bytes;
use http::Request;
use http_body_util::{BodyExt as _, Full};
use std::net::TcpListener;
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::time::Duration;
use tempfile::TempDir;
use tokio::runtime::Runtime;
use tonic::body::Body;
use tonic::transport::Endpoint;
use tonic::{Code, Status};
use tower::ServiceExt as _;
use weir_proto::MAX_MESSAGE_BYTES;
use weir_service::channel::{self, Channel};
use weir_service::peer_auth::{ClusterCredentials, ClusterSecret};
use weir_tests::sign::Draft;
use weir_tests::{binary, noise};

const SECRET: &str = "the secret of this cluster, long enough for one";
/// What a stranger may send in vain.
const OVERSIZED_BYTES: usize = 5 << 20;
/// Calls that wait for something are given up after so long.
const PATIENCE: Duration = Duration::from_secs(20);

const OF_THE_METASERVER: [&str; 30] = [
    "Access/FetchAccess",
    "Access/AwaitAccess",
    "Access/ChangeAccess",
    "Namespace/CreateBucket",
    "Namespace/GetBucket",
    "Namespace/DeleteBucket",
    "Namespace/ListBuckets",
    "Namespace/CommitObject",
    "Namespace/GetObject",
    "Namespace/DeleteObjects",
    "Namespace/CopyObject",
    "Namespace/RenameObject",
    "Namespace/SetObjectAcl",
    "Namespace/ListObjects",
    "Namespace/CreateUpload",
    "Namespace/GetUpload",
    "Namespace/CommitPart",
    "Namespace/CopyPart",
    "Namespace/CompleteUpload",
    "Namespace/AbortUpload",
    "Namespace/ListUploads",
    "Namespace/ListParts",
    "Sessions/OpenSession",
    "Sessions/Heartbeat",
    "Sessions/GrantBlocks",
    "Sessions/AbandonBlocks",
    "Sessions/CloseSession",
    "Workers/WorkerHeartbeat",
    "Admin/Report",
    "Admin/GetBlockInfo",
];
const OF_A_WORKER: [&str; 3] = ["Blocks/WriteBlock", "Blocks/ReadBlock", "Blocks/LocateBlock"];

/// A metaserver and a worker with ports of their own.
struct Cluster {
    processes: Vec<Child>,
    metaserver: String,
    worker: String,
    folder: TempDir,
    runtime: Runtime,
}

impl Cluster {
    fn start() -> Self {
        let folder = tempfile::tempdir().unwrap();
        let free = || TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().to_string();
        let (metaserver, worker) = (free(), free());
        let processes = vec![
            role(folder.path(), "metaserver", &["--listen", &metaserver, "--data", "meta"]),
            role(folder.path(), "worker", &["--listen", &worker, "--metaserver", &metaserver, "--data", "blocks"]),
        ];
        let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(1).enable_all().build().unwrap();
        let cluster = Self { processes, metaserver, worker, folder, runtime };
        for (address, method) in [(&cluster.metaserver, "Admin/Report"), (&cluster.worker, "Blocks/ReadBlock")] {
            weir_tests::eventually(30, "the role answers", || {
                cluster.call(&cluster.channel(address, SECRET), method, &[]) != Some(Code::Unavailable)
            });
        }
        cluster
    }

    /// Each method with the address of its role.
    fn methods(&self) -> impl Iterator<Item = (&str, &'static str)> {
        let of_metaserver = OF_THE_METASERVER.map(|method| (self.metaserver.as_str(), method));
        of_metaserver.into_iter().chain(OF_A_WORKER.map(|method| (self.worker.as_str(), method)))
    }

    /// A channel that proves that it knows this secret.
    fn channel(&self, address: &str, secret: &str) -> Channel {
        let _entered = self.runtime.enter();
        let credentials: ClusterCredentials = ClusterSecret::new(secret).unwrap().into();
        channel::connect(address, &credentials)
    }

    /// A channel that proves nothing.
    fn strange(&self, address: &str) -> Channel {
        let _entered = self.runtime.enter();
        channel::remote(Endpoint::from_shared(format!("http://{address}")).unwrap().connect_lazy())
    }

    /// Calls a method with one message; None where no answer comes in time.
    fn call(&self, channel: &Channel, method: &str, message: &[u8]) -> Option<Code> {
        let framed = [&[0][..], &(message.len() as u32).to_be_bytes(), message].concat();
        self.call_raw(channel, method, None, framed)
    }

    fn call_raw(&self, channel: &Channel, method: &str, proof: Option<&str>, body: Vec<u8>) -> Option<Code> {
        let mut request = Request::post(format!("/weir.v1.{method}")).header("content-type", "application/grpc");
        if let Some(proof) = proof {
            request = request.header("weir-peer", proof);
        }
        let request = request.body(Body::new(Full::from(body))).unwrap();
        let answered = async {
            let Ok(answer) = channel.clone().oneshot(request).await else { return Code::Unavailable };
            if let Some(status) = Status::from_header_map(answer.headers()) {
                return status.code();
            }
            match answer.into_body().collect().await {
                Ok(body) => {
                    body.trailers().and_then(Status::from_header_map).map_or(Code::Unknown, |status| status.code())
                }
                Err(status) => status.code(),
            }
        };
        self.runtime.block_on(async { tokio::time::timeout(PATIENCE, answered).await.ok() })
    }

    fn assert_well(&mut self) {
        for process in &mut self.processes {
            assert!(process.try_wait().unwrap().is_none(), "a role ended");
        }
        for name in ["metaserver", "worker"] {
            let log = std::fs::read_to_string(self.folder.path().join(name)).unwrap();
            assert!(!log.contains("panicked at"), "{log}");
            assert!(!log.contains(SECRET), "the log tells the secret");
        }
    }
}

impl Drop for Cluster {
    fn drop(&mut self) {
        for process in &mut self.processes {
            process.kill().ok();
            process.wait().ok();
        }
    }
}

fn role(folder: &Path, name: &str, arguments: &[&str]) -> Child {
    let log = std::fs::File::create(folder.join(name)).unwrap();
    let mut command = Command::new(binary::weir());
    command.current_dir(folder).arg(name).args(arguments);
    command.env("WEIR_CLUSTER_SECRET", SECRET).env("WEIR_ADMIN_LISTEN", "").env("WEIR_LOG", "debug");
    command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(log).spawn().unwrap()
}

#[test]
fn every_method_refuses_strangers() {
    let mut cluster = Cluster::start();
    let made_up = format!("{}.0.{}", "0".repeat(64), "0".repeat(64));
    for (address, method) in cluster.methods() {
        let stranger = cluster.strange(address);
        for proof in [None, Some(""), Some("nonsense"), Some(SECRET), Some(made_up.as_str())] {
            let code = cluster.call_raw(&stranger, method, proof, vec![0; 5]);
            assert_eq!(code, Some(Code::Unauthenticated), "{method} {proof:?}");
        }
        let others = cluster.channel(address, "the secret of another cluster, long enough too");
        assert_eq!(cluster.call(&others, method, &[]), Some(Code::Unauthenticated), "{method}");
        let oversized = cluster.call(&stranger, method, &vec![0; OVERSIZED_BYTES]);
        assert!(matches!(oversized, Some(Code::Unauthenticated | Code::Unavailable)), "{method}: {oversized:?}");
    }
    cluster.assert_well();
}

#[test]
fn bytes_that_are_no_message_are_the_callers_fault() {
    let mut cluster = Cluster::start();
    for (address, method) in cluster.methods() {
        let member = cluster.channel(address, SECRET);
        for broken in [&b"\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff"[..], b"\x0a\x7f", b"\x0f", b"\x07\x07"] {
            assert_eq!(cluster.call(&member, method, broken), Some(Code::InvalidArgument), "{method} {broken:?}");
        }
        for seed in 0..40 {
            let length = (seed * 7 % 200) as usize;
            let code = cluster.call(&member, method, &noise(seed, length));
            let ours = [Code::Internal, Code::Unknown, Code::Unavailable, Code::Unauthenticated, Code::DataLoss];
            assert!(code.is_none_or(|code| !ours.contains(&code)), "{method} noise({seed}, {length}): {code:?}");
        }
        // A length that is too long, or a lie, is believed neither in memory nor in time.
        for length in [MAX_MESSAGE_BYTES as u32 + 1, u32::MAX] {
            let code = cluster.call_raw(&member, method, None, [&[0][..], &length.to_be_bytes(), b"x"].concat());
            assert_eq!(code, Some(Code::OutOfRange), "{method}: {length} bytes");
        }
    }
    cluster.assert_well();
}

/// S3's own port knows nothing of the contract.
#[test]
fn the_public_port_serves_no_method() {
    let scene = Scene::shared();
    let cases = OF_THE_METASERVER.iter().chain(&OF_A_WORKER).map(|method| {
        let framed = Bytes::from_static(&[0, 0, 0, 0, 0]);
        let draft = Draft::new("POST", &scene.host, &format!("/weir.v1.{method}"))
            .with_header("content-type", "application/grpc")
            .with_header("te", "trailers")
            .with_body(framed);
        Case { what: (*method).to_owned(), draft, refusal: Refusal(400, "InvalidBucketName"), hidden: Vec::new() }
    });
    scene.refuses(cases.collect::<Vec<_>>());
}

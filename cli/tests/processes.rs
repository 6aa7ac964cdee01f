//! The binary as its users start and stop it.

mod http;

use std::fs;
use std::io::{BufRead as _, BufReader, Read as _, Write as _};
use std::net::{TcpListener, TcpStream};
use std::os::unix::fs::PermissionsExt as _;
use std::path::Path;
use std::process::{Child, Command, Output, Stdio};
use std::time::{Duration, Instant};
use tempfile::TempDir;

const PATIENCE: Duration = Duration::from_secs(30);
const SECRET: &str = "a secret that only the tests know";

/// `weir` without settings of whoever runs the tests, in a folder of its own.
fn weir(folder: &Path, arguments: &[&str]) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_weir"));
    for (name, _) in std::env::vars_os() {
        if name.to_string_lossy().starts_with("WEIR_") {
            command.env_remove(name);
        }
    }
    command.current_dir(folder).env("WEIR_ADMIN_LISTEN", "").args(arguments);
    command
}

fn free_address() -> String {
    TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().to_string()
}

fn refusal(command: &mut Command) -> (Option<i32>, String) {
    let Output { status, stderr, stdout } = command.output().unwrap();
    assert!(stdout.is_empty(), "{}", String::from_utf8_lossy(&stdout));
    (status.code(), String::from_utf8_lossy(&stderr).into_owned())
}

/// A process that is killed when the test ends, however it ends.
struct Running(Child);

impl Drop for Running {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

impl Running {
    fn start(command: &mut Command) -> Self {
        Self(command.stdout(Stdio::piped()).stderr(Stdio::null()).spawn().unwrap())
    }

    fn signal(&self, name: &str) {
        let status = Command::new("kill").args([name, &self.0.id().to_string()]).status().unwrap();
        assert!(status.success());
    }

    fn exit_code(&mut self) -> Option<i32> {
        let begun = Instant::now();
        while begun.elapsed() < PATIENCE {
            if let Some(status) = self.0.try_wait().unwrap() {
                return status.code();
            }
            std::thread::sleep(Duration::from_millis(10));
        }
        panic!("it does not end");
    }
}

struct Standalone {
    folder: TempDir,
    address: String,
    process: Running,
    lines: Vec<String>,
}

fn standalone() -> Standalone {
    let folder = tempfile::tempdir().unwrap();
    let address = free_address();
    let mut process = Running::start(&mut weir(folder.path(), &["standalone", "--listen", &address]));
    let out = BufReader::new(process.0.stdout.take().unwrap());
    let lines = out.lines().take(3).map(Result::unwrap).collect();
    Standalone { folder, address, process, lines }
}

/// Status and body of one request.
fn request(address: &str, head: &str, body: &str) -> std::io::Result<(u16, String)> {
    http::request(address, head, body).map(|(status, _, body)| (status, body))
}

#[test]
fn standalone_says_three_lines_and_serves() {
    let mut server = standalone();
    let address = &server.address;
    assert_eq!(server.lines[0], format!("Weir serves S3 on http://{address}"));
    assert_eq!(server.lines[1], format!("The data is in {}", server.folder.path().join("weir-data").display()));
    assert!(server.lines[2].starts_with("Try: curl "), "{}", server.lines[2]);
    assert_eq!(request(address, "PUT /photos", "").unwrap().0, 200);
    assert_eq!(request(address, "PUT /photos/hello", "hello").unwrap().0, 200);
    assert_eq!(request(address, "GET /photos/hello", "").unwrap(), (200, "hello".into()));

    let data = server.folder.path().join("weir-data");
    for (name, mode) in [("weir.sock", 0o600), ("lock", 0o600), ("meta", 0o700), ("blocks", 0o700)] {
        assert_eq!(fs::metadata(data.join(name)).unwrap().permissions().mode() & 0o777, mode, "{name}");
    }
    server.process.signal("-TERM");
    assert_eq!(server.process.exit_code(), Some(0));
    assert!(!data.join("weir.sock").exists());
}

#[test]
fn what_was_written_is_there_after_a_restart() {
    let mut server = standalone();
    assert_eq!(request(&server.address, "PUT /photos", "").unwrap().0, 200);
    assert_eq!(request(&server.address, "PUT /photos/hello", "hello").unwrap().0, 200);
    server.process.signal("-INT");
    assert_eq!(server.process.exit_code(), Some(0));
    let mut process = Running::start(&mut weir(server.folder.path(), &["standalone", "--listen", &server.address]));
    let out = BufReader::new(process.0.stdout.take().unwrap());
    assert_eq!(out.lines().take(3).count(), 3);
    assert_eq!(request(&server.address, "GET /photos/hello", "").unwrap(), (200, "hello".into()));
}

#[test]
fn shutdown_finishes_a_request_in_flight() {
    let mut server = standalone();
    assert_eq!(request(&server.address, "PUT /photos", "").unwrap().0, 200);
    let mut stream = TcpStream::connect(&server.address).unwrap();
    write!(stream, "PUT /photos/slow HTTP/1.1\r\nhost: localhost\r\ncontent-length: 100000\r\n\r\n").unwrap();
    stream.write_all(&[b'a'; 50_000]).unwrap();
    std::thread::sleep(Duration::from_millis(300));
    server.process.signal("-TERM");
    std::thread::sleep(Duration::from_millis(500));
    assert!(TcpStream::connect(&server.address).is_err(), "no new connection is taken");
    stream.write_all(&[b'a'; 50_000]).unwrap();
    let mut answer = String::new();
    stream.read_to_string(&mut answer).unwrap();
    assert!(answer.starts_with("HTTP/1.1 200"), "{answer}");
    assert_eq!(server.process.exit_code(), Some(0));
}

#[test]
fn a_second_signal_ends_the_process_at_once() {
    let mut server = standalone();
    assert_eq!(request(&server.address, "PUT /photos", "").unwrap().0, 200);
    let mut stream = TcpStream::connect(&server.address).unwrap();
    write!(stream, "PUT /photos/slow HTTP/1.1\r\nhost: localhost\r\ncontent-length: 100\r\n\r\na").unwrap();
    std::thread::sleep(Duration::from_millis(300));
    server.process.signal("-TERM");
    std::thread::sleep(Duration::from_millis(300));
    assert!(server.process.0.try_wait().unwrap().is_none(), "it waits for the request");
    server.process.signal("-TERM");
    assert_eq!(server.process.exit_code(), Some(130));
}

#[test]
fn a_folder_or_port_in_use_is_named() {
    let server = standalone();
    let other = free_address();
    let (code, text) = refusal(&mut weir(server.folder.path(), &["standalone", "--listen", &other]));
    assert_eq!(code, Some(1));
    assert!(text.contains("is in use by another weir (process "), "{text}");
    let (code, text) =
        refusal(&mut weir(server.folder.path(), &["standalone", "--data", "other", "--listen", &server.address]));
    assert_eq!(code, Some(1));
    assert!(text.contains(&format!("{} is taken by another process", server.address)), "{text}");
    assert!(text.contains("--listen ADDRESS:PORT"), "{text}");
}

#[test]
fn other_addresses_than_loopback_need_keys() {
    let folder = tempfile::tempdir().unwrap();
    let (code, text) = refusal(&mut weir(folder.path(), &["standalone", "--listen", "0.0.0.0:0"]));
    assert_eq!(code, Some(2));
    assert!(text.contains("WEIR_ROOT_ACCESS_KEY") && text.contains("WEIR_ROOT_SECRET_KEY"), "{text}");
    assert!(!folder.path().join("weir-data").exists(), "nothing was made");
}

#[test]
fn wrong_settings_are_refused_before_anything_is_made() {
    let folder = tempfile::tempdir().unwrap();
    let (code, text) = refusal(weir(folder.path(), &["standalone"]).env("WEIR_GATEWAY_LISTN", "x"));
    assert_eq!(code, Some(2));
    assert!(text.contains("did you mean WEIR_GATEWAY_LISTEN?"), "{text}");
    fs::write(folder.path().join("weir.toml"), "[gateway]\nblock_max_byte = 1\n").unwrap();
    let (code, text) = refusal(&mut weir(folder.path(), &["standalone"]));
    assert_eq!(code, Some(2));
    assert!(text.contains("weir.toml:2") && text.contains("gateway.block_max_bytes?"), "{text}");
    fs::remove_file(folder.path().join("weir.toml")).unwrap();
    let (code, text) = refusal(&mut weir(folder.path(), &["standalone", "--set", "metaserver.replication=2"]));
    assert_eq!(code, Some(2));
    assert!(text.contains("replication must be 1"), "{text}");
    assert_eq!(fs::read_dir(folder.path()).unwrap().count(), 0);
}

#[test]
fn a_role_on_a_network_needs_the_secret() {
    let folder = tempfile::tempdir().unwrap();
    for role in ["metaserver", "worker", "gateway"] {
        let (code, text) = refusal(&mut weir(folder.path(), &[role, "--listen", &free_address()]));
        assert_eq!(code, Some(2), "{role}");
        assert!(text.contains("WEIR_CLUSTER_SECRET"), "{role}: {text}");
    }
    assert_eq!(fs::read_dir(folder.path()).unwrap().count(), 0);
}

#[test]
fn unsound_keys_are_refused_and_files_that_show_them_are_told_of() {
    let folder = tempfile::tempdir().unwrap();
    let write = |name: &str, text: &str, mode| {
        let path = folder.path().join(name);
        fs::write(&path, text).unwrap();
        fs::set_permissions(&path, fs::Permissions::from_mode(mode)).unwrap();
        path
    };
    let start = |access_key: &str, secret_key: &str| {
        let mut command = weir(folder.path(), &["standalone", "--listen", &free_address()]);
        command
            .env("WEIR_ROOT_ACCESS_KEY", access_key)
            .env("WEIR_ROOT_SECRET_KEY_FILE", write("secret", secret_key, 0o640));
        command
    };
    for (access_key, secret_key, key) in [
        ("ASIAIOSFODNN7EXAMPLE", "hush-hush", "gateway.access_key"),
        ("o", "hush-hush", "gateway.access_key"),
        ("operator", "short", "gateway.secret_key = (hidden) from environment WEIR_ROOT_SECRET_KEY_FILE"),
        ("operator", "", "WEIR_ROOT_SECRET_KEY_FILE"),
    ] {
        let (code, text) = refusal(&mut start(access_key, secret_key));
        assert_eq!((code, text.contains(key)), (Some(2), true), "{text}");
    }
    assert_eq!(fs::read_dir(folder.path()).unwrap().count(), 1, "nothing was made");

    write("weir.toml", &format!("cluster_secret = \"{SECRET}\"\n"), 0o644);
    let log = fs::File::create(folder.path().join("log")).unwrap();
    let mut process = Running(start("operator", "hush-hush\n").stdout(Stdio::piped()).stderr(log).spawn().unwrap());
    let out = BufReader::new(process.0.stdout.take().unwrap());
    assert_eq!(out.lines().take(3).count(), 3, "it serves");
    process.signal("-TERM");
    assert_eq!(process.exit_code(), Some(0));
    let log = fs::read_to_string(folder.path().join("log")).unwrap();
    for (name, mode) in [("secret", "0640"), ("weir.toml", "0644")] {
        let told = log.lines().any(|line| line.contains(name) && line.contains(mode) && line.contains("WARN"));
        assert!(told, "{name}: {log}");
    }
    assert!(!log.contains("hush-hush") && !log.contains(SECRET), "{log}");
}

#[test]
fn the_roles_apart_serve_as_they_do_together() {
    let folder = tempfile::tempdir().unwrap();
    let (metaserver, worker, gateway) = (free_address(), free_address(), free_address());
    let start = |arguments: &[&str]| {
        Running::start(weir(folder.path(), arguments).env("WEIR_CLUSTER_SECRET", SECRET).stdout(Stdio::null()))
    };
    // In the worst order: each waits for the other.
    let mut gateways = start(&["gateway", "--listen", &gateway, "--metaserver", &metaserver]);
    let mut workers = start(&["worker", "--listen", &worker, "--metaserver", &metaserver, "--data", "blocks"]);
    let one_copy = ["--set", "metaserver.replication=1"];
    let mut metaservers = start(&[&["metaserver", "--listen", &metaserver, "--data", "meta"], &one_copy[..]].concat());

    let body = "0123456789".repeat(100_000);
    let begun = Instant::now();
    while !request(&gateway, "PUT /photos", "").is_ok_and(|(status, _)| matches!(status, 200 | 409)) {
        assert!(begun.elapsed() < PATIENCE, "the gateway does not serve");
        std::thread::sleep(Duration::from_millis(50));
    }
    while request(&gateway, "PUT /photos/large", &body).unwrap().0 != 200 {
        assert!(begun.elapsed() < PATIENCE, "the worker takes no block");
        std::thread::sleep(Duration::from_millis(100));
    }
    assert_eq!(request(&gateway, "GET /photos/large", "").unwrap(), (200, body));

    for process in [&mut gateways, &mut workers, &mut metaservers] {
        process.signal("-TERM");
        assert_eq!(process.exit_code(), Some(0));
    }
}

#[test]
fn config_tells_what_is_in_force_and_hides_secrets() {
    let folder = tempfile::tempdir().unwrap();
    fs::write(folder.path().join("weir.toml"), "[gateway]\nregion = \"eu-west-1\"\n").unwrap();
    let output =
        weir(folder.path(), &["config", "--set", "log=warn"]).env("WEIR_CLUSTER_SECRET", SECRET).output().unwrap();
    let text = String::from_utf8(output.stdout).unwrap();
    assert!(output.status.success());
    let line = |start: &str| text.lines().find(|line| line.starts_with(start)).unwrap().to_owned();
    assert!(line("region = \"eu-west-1\"").ends_with("# from file weir.toml:2"));
    assert!(line("log = \"warn\"").ends_with("# from flag --set"));
    assert!(line("cluster_secret").ends_with("# from environment WEIR_CLUSTER_SECRET"));
    assert!(!text.contains(SECRET));
}

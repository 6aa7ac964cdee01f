//! The three roles as processes of their own, and a collector for their traces if one is wanted.

use crate::server::{START_SECONDS, free_address};
use crate::{Client, binary, eventually};
use std::fs::{self, File};
use std::net::SocketAddr;
use std::path::Path;
use std::process::{Child, Command, Stdio};
use tempfile::TempDir;

const SECRET: &str = "the secret of the roles of this test, long enough";

/// A metaserver, a worker and a gateway. Dropping it kills them and removes their folder.
pub struct Roles {
    processes: Vec<Child>,
    s3: SocketAddr,
    admins: [(&'static str, SocketAddr); 3],
    folder: TempDir,
}

impl Roles {
    /// Starts them. `environment`: settings of all, as variables.
    ///
    /// # Panics
    /// When they do not serve within [`START_SECONDS`].
    pub fn start(environment: &[(&str, &str)]) -> Self {
        let folder = tempfile::Builder::new().prefix("weir-test-").tempdir().expect("a temporary folder can be made");
        let [metaserver, worker, s3] = std::array::from_fn(|_| free_address());
        let admins = ["metaserver", "worker", "gateway"].map(|role| (role, free_address()));
        let (at_metaserver, at_worker, at_s3) = (metaserver.to_string(), worker.to_string(), s3.to_string());
        let arguments: [&[&str]; 3] = [
            &["--listen", &at_metaserver, "--data", "meta"],
            &["--listen", &at_worker, "--metaserver", &at_metaserver, "--data", "blocks"],
            &["--listen", &at_s3, "--metaserver", &at_metaserver],
        ];
        let processes = admins.iter().zip(arguments).map(|((role, admin), arguments)| {
            let log = File::create(folder.path().join(role)).expect("a log file can be made");
            let mut command = Command::new(binary::weir());
            command.current_dir(folder.path()).arg(role).args(arguments).env("WEIR_CLUSTER_SECRET", SECRET);
            command.env("WEIR_ADMIN_LISTEN", admin.to_string()).envs(environment.iter().copied());
            command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(log).spawn().expect("weir starts")
        });
        let roles = Self { processes: processes.collect(), s3, admins, folder };
        eventually(START_SECONDS, "the roles serve", || {
            roles.admins.iter().all(|(_, admin)| {
                let client = Client::new(*admin, "");
                client.request("GET", "/readyz").try_send().is_ok_and(|answer| answer.status == 200)
            }) && roles.client().put("/ready", "").status == 200
                && roles.client().put("/ready/block", vec![0; 100_000]).status == 200
        });
        roles
    }

    /// A client of the gateway.
    pub fn client(&self) -> Client {
        Client::new(self.s3, "")
    }

    /// What a role tells Prometheus.
    ///
    /// # Panics
    /// When it does not.
    pub fn metrics(&self, role: &str) -> String {
        let (_, address) = self.admins.iter().find(|(name, _)| *name == role).expect("there is such a role");
        let answer = Client::new(*address, "").get("/metrics");
        assert_eq!(answer.status, 200, "{answer}");
        answer.text()
    }

    /// What a role has logged so far.
    pub fn log(&self, role: &str) -> String {
        fs::read_to_string(self.folder.path().join(role)).unwrap_or_default()
    }

    pub fn folder(&self) -> &Path {
        self.folder.path()
    }
}

impl Drop for Roles {
    fn drop(&mut self) {
        for process in &mut self.processes {
            // It may have ended already.
            process.kill().ok();
            process.wait().ok();
        }
        if std::thread::panicking() {
            for (role, _) in self.admins {
                let log = self.log(role);
                let lines: Vec<&str> = log.lines().rev().take(10).collect();
                eprintln!("--- the {role}'s last lines");
                lines.iter().rev().for_each(|line| eprintln!("{line}"));
            }
        }
    }
}

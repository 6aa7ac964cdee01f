//! The processes of a local cluster: starting, noticing their end, stopping.

use super::error::ClusterError;
use super::metaservers;
use super::record::{Entry, Record};
use super::record::{GATEWAY, METASERVER, STANDBY, WORKER};
use rustix::process::{Pid, Signal, kill_process};
use std::fs::{self, File};
use std::io;
use std::net::SocketAddr;
use std::os::unix::fs::OpenOptionsExt as _;
use std::os::unix::process::CommandExt as _;
use std::path::Path;
use std::process::{Child, Command, ExitStatus, Stdio};
use std::time::{Duration, Instant};

/// How often a process that is to end is looked at.
const POLL_INTERVAL: Duration = Duration::from_millis(20);
/// Between an end and the next start; doubled when that one did not last.
const FIRST_RESPAWN_DELAY: Duration = Duration::from_millis(200);
const LAST_RESPAWN_DELAY: Duration = Duration::from_secs(10);
/// Who ran for so long did start.
const LASTING: Duration = Duration::from_secs(10);

/// What is set in the environment of each process besides what this one has: name, and value or none.
pub type Environment = Vec<(&'static str, Option<String>)>;

/// A process, running or not.
struct Member {
    entry: Entry,
    child: Option<Child>,
    started: Instant,
    respawn_delay: Duration,
    /// When it is started again, if it is.
    due: Option<Instant>,
}

/// All of them, in the order in which they start.
pub struct Members {
    members: Vec<Member>,
    environment: Environment,
    is_respawning: bool,
}

/// Someone has ended.
#[derive(Debug)]
pub struct Ended {
    pub name: String,
    pub status: ExitStatus,
}

impl Members {
    pub fn new(plan: Record, environment: Environment, is_respawning: bool) -> Self {
        let member = |entry| Member {
            entry,
            child: None,
            started: Instant::now(),
            respawn_delay: FIRST_RESPAWN_DELAY,
            due: None,
        };
        Self { members: plan.processes.into_iter().map(member).collect(), environment, is_respawning }
    }

    pub fn record(&self) -> Record {
        let entry = |member: &Member| Entry { pid: member.child.as_ref().map(Child::id), ..member.entry.clone() };
        Record::of(self.members.iter().map(entry).collect())
    }

    /// Starts those of a role. They end when the calling thread does, which therefore has to be the process's first.
    ///
    /// # Errors
    /// [`ClusterError::Spawn`].
    pub fn start(&mut self, role: &str) -> Result<(), ClusterError> {
        let environment = &self.environment;
        self.members.iter_mut().filter(|member| member.entry.role == role).try_for_each(|member| {
            member.start(environment).map_err(|source| ClusterError::Spawn { name: member.entry.name.clone(), source })
        })
    }

    /// Those that have ended since the last call.
    pub fn reap(&mut self) -> Vec<Ended> {
        let is_respawning = self.is_respawning;
        self.members.iter_mut().filter_map(|member| member.reap(is_respawning)).collect()
    }

    /// When the next one is started again.
    pub fn due(&self) -> Option<Instant> {
        self.members.iter().filter_map(|member| member.due).min()
    }

    /// Gives the metaservers the roles that their folders tell: a standby may have been promoted. Blocks.
    ///
    /// # Errors
    /// As [`metaservers::settle`]; then all is as it was. [`ClusterError::StandbyRuns`]: the same, while it can be promoted
    /// as it is.
    pub fn settle(&mut self) -> Result<(), ClusterError> {
        let is_one = |entry: &&mut Entry| entry.role == METASERVER || entry.role == STANDBY;
        let mut entries: Vec<_> = self.members.iter_mut().map(|member| &mut member.entry).filter(is_one).collect();
        metaservers::settle(&mut entries).map_err(|error| match error {
            ClusterError::OnlyStandby { data, gone } => match self.running(&data) {
                Some(address) => ClusterError::StandbyRuns { address, gone },
                None => ClusterError::OnlyStandby { data, gone },
            },
            error => error,
        })
    }

    /// Where the one with this folder serves, if it runs.
    fn running(&self, data: &Path) -> Option<SocketAddr> {
        let of_folder = |member: &&Member| member.entry.data.as_deref() == Some(data) && member.child.is_some();
        self.members.iter().find(of_folder).map(|member| member.entry.address)
    }

    /// Starts those again whose time has come. Of two metaservers none, while it is not known which one is to serve.
    pub fn respawn(&mut self) {
        let now = Instant::now();
        if let Err(error) = self.settle() {
            tracing::warn!(error = crate::commands::told(&error), "no metaserver is started again");
            let is_one = |member: &&mut Member| member.entry.role == METASERVER || member.entry.role == STANDBY;
            self.members.iter_mut().filter(is_one).filter(|member| member.due.is_some()).for_each(|m| m.put_off(now));
        }
        for member in self.members.iter_mut().filter(|member| member.due.is_some_and(|due| due <= now)) {
            match member.start(&self.environment) {
                Ok(()) => tracing::info!(name = member.entry.name, "started again"),
                Err(error) => {
                    tracing::warn!(name = member.entry.name, %error, "can't be started again yet");
                    member.put_off(now);
                }
            }
        }
    }

    /// The first that has ended, as an error with what it said last.
    pub fn check(&mut self) -> Result<(), ClusterError> {
        let Some(Ended { name, status }) = self.reap().into_iter().next() else { return Ok(()) };
        let entry = self.members.iter().map(|member| &member.entry).find(|entry| entry.name == name);
        let log = entry.map(|entry| entry.log.clone()).unwrap_or_default();
        Err(ClusterError::Died { name, status, last: last_line(&log), log })
    }

    /// Asks them to end, gateways first, the metaserver and then its standby last, and kills who has not ended `patience`
    /// later.
    pub async fn stop(&mut self, patience: Duration) {
        if let Err(error) = self.settle() {
            tracing::warn!(error = crate::commands::told(&error), "which metaserver serves is not known");
        }
        for role in [GATEWAY, WORKER, METASERVER, STANDBY] {
            let mut of_role: Vec<_> = self.members.iter_mut().filter(|member| member.entry.role == role).collect();
            for member in &of_role {
                member.signal(Signal::TERM);
                // Who is paused could not end in order.
                member.signal(Signal::CONT);
            }
            let deadline = Instant::now() + patience;
            while of_role.iter().any(|member| member.child.is_some()) && Instant::now() < deadline {
                tokio::time::sleep(POLL_INTERVAL).await;
                of_role.iter_mut().for_each(|member| drop(member.reap(false)));
            }
            of_role.iter_mut().for_each(|member| member.kill());
        }
    }

    /// Ends those who still run, at once.
    pub fn kill(&mut self) {
        self.members.iter_mut().for_each(Member::kill);
    }
}

impl Member {
    fn start(&mut self, environment: &Environment) -> io::Result<()> {
        let log = File::options().create(true).append(true).mode(0o600).open(&self.entry.log)?;
        let errors = log.try_clone()?;
        let [program, arguments @ ..] = self.entry.command.as_slice() else { return Ok(()) };
        let mut command = Command::new(program);
        command.args(["--ends-with", &std::process::id().to_string()]).args(arguments);
        for (name, value) in environment {
            match value {
                Some(value) => command.env(name, value),
                None => command.env_remove(name),
            };
        }
        // A group of its own: what is typed to end the cluster reaches this process alone, which keeps the order.
        command.stdin(Stdio::null()).stdout(log).stderr(errors).process_group(0);
        self.child = Some(command.spawn()?);
        self.started = Instant::now();
        self.due = None;
        Ok(())
    }

    fn reap(&mut self, is_respawning: bool) -> Option<Ended> {
        let status = self.child.as_mut()?.try_wait().ok().flatten()?;
        self.child = None;
        let now = Instant::now();
        if now.duration_since(self.started) >= LASTING {
            self.respawn_delay = FIRST_RESPAWN_DELAY;
        }
        if is_respawning {
            self.put_off(now);
        }
        Some(Ended { name: self.entry.name.clone(), status })
    }

    fn put_off(&mut self, now: Instant) {
        self.due = Some(now + self.respawn_delay);
        self.respawn_delay = (2 * self.respawn_delay).min(LAST_RESPAWN_DELAY);
    }

    fn signal(&self, signal: Signal) {
        if let Some(child) = &self.child {
            // It may have ended a moment ago.
            let _ = kill_process(Pid::from_child(child), signal);
        }
    }

    fn kill(&mut self) {
        if let Some(mut child) = self.child.take() {
            tracing::warn!(name = self.entry.name, "did not end in time and is killed");
            let _ = child.kill();
            let _ = child.wait();
        }
    }
}

/// The last line of a log that is not empty.
fn last_line(log: &Path) -> String {
    let text = fs::read(log).map(|bytes| String::from_utf8_lossy(&bytes).into_owned()).unwrap_or_default();
    text.lines().rev().find(|line| !line.trim().is_empty()).unwrap_or("it said nothing").trim().to_owned()
}

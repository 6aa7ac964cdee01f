//! What is done to the cluster, and undone.

use rustix::fs::{Mode, chmod};
use std::fs::{self, File};
use std::io;
use std::os::unix::fs::FileExt as _;
use std::path::Path;
use std::process::{Command, Stdio};
use weir_tests::Cluster;
use weir_tests::server::files_under;

/// The worker that can be cut off runs under a user of its own, by which the packet filter knows it.
pub const CUT_WORKER: &str = "worker-3";
pub const CUT_USER: u32 = 64_999;
/// The worker whose disk is small.
pub const SMALL_WORKER: &str = "worker-4";
pub const SMALL_BYTES: u64 = 1 << 30;
const DAMAGED_FILES: usize = 20;

#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Fault {
    /// Nothing: what the others are compared with.
    None,
    /// kill −9; started again afterwards.
    Kill(String),
    Pause(String),
    /// No packet to it or from it.
    CutOff,
    /// It hears everything and is not heard.
    CannotSend,
    /// Gateways and workers do not reach it, the metaserver hears it.
    CannotBeReached,
    FillDisk,
    /// A bit in each of some of its files.
    Damage(String),
    /// All processes at once, by kill −9.
    KillAll,
    /// The metaserver is killed and its folder taken away; its standby takes over.
    LoseMetaserver,
}

impl Fault {
    /// All, for a cluster with these workers and gateways, and a standby or none.
    pub fn all(workers: usize, gateways: usize, has_standby: bool) -> Vec<Self> {
        let worker = |number| format!("worker-{number}");
        let mut faults = vec![Self::None];
        faults.extend((1..=workers).map(|number| Self::Kill(worker(number))));
        faults.extend((1..=workers).map(|number| Self::Pause(worker(number))));
        faults.extend([Self::CutOff, Self::CannotSend, Self::CannotBeReached, Self::FillDisk]);
        faults.push(Self::Damage(worker(1)));
        faults.extend((1..=gateways).map(|number| Self::Kill(format!("gateway-{number}"))));
        if has_standby {
            faults.push(Self::LoseMetaserver);
        } else {
            // Which of two it is changes.
            faults.extend([Self::Kill("metaserver-1".into()), Self::Pause("metaserver-1".into())]);
        }
        faults.push(Self::KillAll);
        faults
    }

    pub fn name(&self) -> String {
        match self {
            Self::None => "nothing".into(),
            Self::Kill(name) => format!("{name} killed"),
            Self::Pause(name) => format!("{name} paused"),
            Self::CutOff => format!("{CUT_WORKER} cut off"),
            Self::CannotSend => format!("{CUT_WORKER} can't send"),
            Self::CannotBeReached => format!("{CUT_WORKER} can't be reached"),
            Self::FillDisk => format!("{SMALL_WORKER} full"),
            Self::Damage(name) => format!("{name} damaged"),
            Self::KillAll => "all killed".into(),
            Self::LoseMetaserver => "metaserver and its folder lost".into(),
        }
    }

    /// Must clients be served while it lasts? Where all of a kind is gone they are told to come back.
    pub fn is_bridged(&self) -> bool {
        !matches!(self, Self::KillAll) && !self.name().starts_with("metaserver")
    }

    pub fn begin(&self, cluster: &mut Cluster) {
        match self {
            Self::None => {}
            Self::Kill(name) => cluster.kill(name),
            Self::Pause(name) => cluster.pause(name),
            Self::CutOff => {
                filter("-A", &from_it());
                filter("-A", &to_it(cluster));
            }
            Self::CannotSend => filter("-A", &from_it()),
            Self::CannotBeReached => filter("-A", &to_it(cluster)),
            Self::FillDisk => fill(&ballast(cluster)).expect("a disk can be filled"),
            Self::Damage(name) => damage(&data(cluster, name)),
            Self::KillAll => cluster.kill9(),
            Self::LoseMetaserver => lose_metaserver(cluster),
        }
    }

    pub fn end(&self, cluster: &mut Cluster) {
        match self {
            // What was lost is not missed any more.
            Self::None | Self::Damage(_) | Self::LoseMetaserver => {}
            Self::Kill(name) if name == CUT_WORKER => cluster.restart_as(name, CUT_USER),
            Self::Kill(name) => cluster.restart(name),
            Self::Pause(name) => cluster.resume(name),
            Self::CutOff => {
                filter("-D", &from_it());
                filter("-D", &to_it(cluster));
            }
            Self::CannotSend => filter("-D", &from_it()),
            Self::CannotBeReached => filter("-D", &to_it(cluster)),
            Self::FillDisk => fs::remove_file(ballast(cluster)).expect("the ballast is there"),
            Self::KillAll => {
                cluster.start_again();
                give_user(cluster);
            }
        }
    }
}

/// The metaserver that serves: of two the one under the higher epoch.
pub fn metaserver(cluster: &Cluster) -> String {
    let names = cluster.processes().into_iter().map(|process| process.name);
    let running = names.filter(|name| name.starts_with("metaserver") && cluster.process(name).pid.is_some());
    let epoch = |name: &String| cluster.metric(name, "weir_metaserver_epoch") as u64;
    running.max_by_key(epoch).expect("one of them runs")
}

/// Kills the metaserver, takes its folder away, and promotes the standby. The lost one, when it is back, is refused; then
/// an empty one follows in its place, without which a required standby would be missing.
fn lose_metaserver(cluster: &mut Cluster) {
    let lost = metaserver(cluster);
    let standby =
        cluster.processes().into_iter().find(|process| process.name.starts_with("metaserver") && process.name != lost);
    let standby = standby.expect("there are two metaservers").address.to_string();
    cluster.kill(&lost);
    let folder = data(cluster, &lost);
    let aside = folder.with_extension("aside");
    fs::rename(&folder, &aside).expect("a folder of ours");
    let (is_done, said) = cluster.fsadmin(&["promote", &standby]);
    assert!(is_done, "{said}");
    fs::rename(&aside, &folder).expect("a folder of ours");
    let refusal = cluster.refusal(&lost, &[]);
    assert!(refusal.contains("serves under epoch"), "{refusal}");
    fs::remove_dir_all(&folder).expect("a folder of ours");
    cluster.restart_with(&lost, &["--follow", &standby]);
}

/// Lets the worker that can be cut off run under its own user.
pub fn give_user(cluster: &mut Cluster) {
    cluster.kill(CUT_WORKER);
    cluster.restart_as(CUT_WORKER, CUT_USER);
}

/// A small disk for a worker, before the cluster starts.
pub fn mount_small(folder: &Path) -> io::Result<()> {
    fs::create_dir_all(folder)?;
    let options = format!("size={SMALL_BYTES},mode=0700");
    let done = Command::new("mount").args(["-t", "tmpfs", "-o", &options, "tmpfs"]).arg(folder).status()?;
    if done.success() { Ok(()) } else { Err(io::Error::other(format!("mount: {done}"))) }
}

pub fn unmount(folder: &Path) {
    // What is busy still is let go when it is not.
    let _ = Command::new("umount").arg("--lazy").arg(folder).stderr(Stdio::null()).status();
}

/// Rules that an earlier run left, if it did not come to its end.
pub fn remove_old_rules() {
    while quietly(&[&["-D", "OUTPUT"], &from_it().iter().map(String::as_str).collect::<Vec<_>>()[..]].concat()) {}
}

fn from_it() -> Vec<String> {
    ["-m", "owner", "--uid-owner", &CUT_USER.to_string(), "-j", "DROP"].map(str::to_owned).to_vec()
}

fn to_it(cluster: &Cluster) -> Vec<String> {
    let port = cluster.process(CUT_WORKER).address.port().to_string();
    ["-p", "tcp", "-d", "127.0.0.1", "--dport", &port, "-j", "DROP"].map(str::to_owned).to_vec()
}

fn filter(change: &str, rule: &[String]) {
    let rule: Vec<&str> = [change, "OUTPUT"].into_iter().chain(rule.iter().map(String::as_str)).collect();
    let done = Command::new("iptables").arg("-w").args(&rule).status().expect("iptables is there");
    assert!(done.success(), "iptables {rule:?}: {done}");
}

fn quietly(rule: &[&str]) -> bool {
    let done = Command::new("iptables").arg("-w").args(rule).stderr(Stdio::null()).status();
    done.is_ok_and(|status| status.success())
}

fn data(cluster: &Cluster, name: &str) -> std::path::PathBuf {
    cluster.process(name).data.expect("a worker has a folder")
}

fn ballast(cluster: &Cluster) -> std::path::PathBuf {
    data(cluster, SMALL_WORKER).join("ballast")
}

/// Writes until there is no room.
fn fill(path: &Path) -> io::Result<()> {
    let file = File::create(path)?;
    chmod(path, Mode::RUSR | Mode::WUSR)?;
    let mut offset = 0;
    for piece_bytes in [1 << 20, 4 << 10] {
        let piece = vec![0; piece_bytes];
        while file.write_all_at(&piece, offset).is_ok() {
            offset += piece_bytes as u64;
        }
    }
    Ok(())
}

/// Flips a bit in the middle of some of the files in which blocks lie.
fn damage(folder: &Path) {
    let mut files = files_under(folder);
    files.retain(|path| {
        let text = path.to_string_lossy();
        (text.contains("/files/") || text.ends_with(".segment"))
            && fs::metadata(path).is_ok_and(|meta| meta.len() > 9_000)
    });
    files.sort();
    let step = (files.len() / DAMAGED_FILES).max(1);
    for path in files.iter().step_by(step).take(DAMAGED_FILES) {
        // It may have been deleted meanwhile.
        let Ok(file) = File::options().read(true).write(true).open(path) else { continue };
        let Ok(meta) = file.metadata() else { continue };
        let (mut byte, at) = ([0], meta.len() / 2);
        if file.read_exact_at(&mut byte, at).is_ok() {
            let _ = file.write_all_at(&[byte[0] ^ 0x10], at);
        }
    }
}

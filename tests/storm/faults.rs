//! What is done to the cluster, and undone.

use crate::disk::{damage, fill};
use crate::network::{Cut, Peer};
use crate::users::Users;
use std::fs;
use std::path::PathBuf;
use weir_tests::Cluster;

/// Whichever metaserver serves when the fault comes.
pub const METASERVER: &str = "metaserver";

#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Fault {
    /// Nothing: what the others are compared with.
    None,
    /// kill −9; started again afterwards.
    Kill(String),
    Pause(String),
    Cut(Cut),
    FillDisk(String),
    /// A bit in each of some of its files.
    Damage(String),
    /// Two at a time, one right after the other.
    Both(Box<[Fault; 2]>),
    /// All processes at once, by kill −9.
    KillAll,
    /// The metaserver is killed and its folder taken away; its standby takes over.
    LoseMetaserver,
}

impl Fault {
    pub fn name(&self) -> String {
        match self {
            Self::None => "nothing".into(),
            Self::Kill(name) => format!("{name} killed"),
            Self::Pause(name) => format!("{name} paused"),
            Self::Cut(cut) => cut.name(),
            Self::FillDisk(name) => format!("{name} full"),
            Self::Damage(name) => format!("{name} damaged"),
            Self::Both(two) => format!("{}, {}", two[0].name(), two[1].name()),
            Self::KillAll => "all killed".into(),
            Self::LoseMetaserver => "metaserver and its folder lost".into(),
        }
    }

    /// Is there a metaserver for the gateways while it lasts? Without one, clients are told to come back.
    pub fn leaves_metaserver(&self) -> bool {
        match self {
            Self::Kill(name) | Self::Pause(name) => name != METASERVER,
            Self::Both(two) => two.iter().all(Self::leaves_metaserver),
            Self::KillAll | Self::LoseMetaserver => false,
            Self::None | Self::Cut(_) | Self::FillDisk(_) | Self::Damage(_) => true,
        }
    }

    /// Workers that do not serve what they have while it lasts, or not to all, or not all of it.
    pub fn lost_workers(&self) -> usize {
        match self {
            Self::FillDisk(_) => 0,
            Self::Damage(_) => 1,
            Self::Both(two) => two.iter().map(Self::lost_workers).sum(),
            _ => self.absent_workers(),
        }
    }

    /// Workers that take no blocks while it lasts.
    pub fn absent_workers(&self) -> usize {
        let is_worker = |name: &str| usize::from(name.starts_with("worker"));
        match self {
            Self::Kill(name) | Self::Pause(name) => is_worker(name),
            Self::Cut(cut) => is_worker(&cut.process),
            Self::FillDisk(_) => 1,
            Self::Both(two) => two.iter().map(Self::absent_workers).sum(),
            Self::None | Self::Damage(_) | Self::KillAll | Self::LoseMetaserver => 0,
        }
    }

    /// The worker, of which gateways do not hear that it is gone before the metaserver says so.
    pub fn worker_without_metaserver(&self) -> Option<&str> {
        let name = self.without_metaserver()?;
        name.starts_with("worker").then_some(name)
    }

    /// The gateway that has nobody to ask.
    pub fn gateway_without_metaserver(&self) -> Option<&str> {
        let name = self.without_metaserver()?;
        name.starts_with("gateway").then_some(name)
    }

    fn without_metaserver(&self) -> Option<&str> {
        match self {
            Self::Cut(cut) if cut.peer == Peer::Metaserver => Some(&cut.process),
            _ => None,
        }
    }

    pub fn begin(&self, cluster: &mut Cluster) {
        match self {
            Self::None => {}
            Self::Kill(name) => {
                let name = running(cluster, name);
                cluster.kill(&name);
            }
            Self::Pause(name) => cluster.pause(&running(cluster, name)),
            Self::Cut(cut) => cut.begin(cluster),
            Self::FillDisk(name) => fill(&ballast(cluster, name)).expect("a disk can be filled"),
            Self::Damage(name) => damage(&data(cluster, name)),
            Self::Both(two) => two.iter().for_each(|fault| fault.begin(cluster)),
            Self::KillAll => cluster.kill9(),
            Self::LoseMetaserver => lose_metaserver(cluster),
        }
    }

    /// Of two, the first is left where the second has taken the metaserver away: it has to be borne by itself once the
    /// metaserver is back.
    pub fn end(&self, cluster: &mut Cluster, users: &Users) -> Option<&Self> {
        match self {
            // What was lost is not missed any more.
            Self::None | Self::Damage(_) | Self::LoseMetaserver => {}
            Self::Kill(name) if name == METASERVER => {
                let dead = metaservers(cluster).find(|name| cluster.process(name).pid.is_none());
                cluster.restart(&dead.expect("the one that was killed"));
            }
            Self::Kill(name) => users.start(cluster, name),
            // It may not be the one that serves any more.
            Self::Pause(name) if name == METASERVER => metaservers(cluster).for_each(|name| cluster.resume(&name)),
            Self::Pause(name) => cluster.resume(name),
            Self::Cut(_) => Cut::end(),
            Self::FillDisk(name) => fs::remove_file(ballast(cluster, name)).expect("the ballast is there"),
            Self::Both(two) => {
                two[1].end(cluster, users);
                if !two[1].leaves_metaserver() {
                    return Some(&two[0]);
                }
                two[0].end(cluster, users);
            }
            Self::KillAll => {
                cluster.start_again();
                users.give(cluster, users);
            }
        }
        None
    }
}

/// The metaserver that serves: of two the one under the higher epoch.
pub fn metaserver(cluster: &Cluster) -> String {
    let running = metaservers(cluster).filter(|name| cluster.process(name).pid.is_some());
    let epoch = |name: &String| cluster.metric(name, "weir_metaserver_epoch") as u64;
    running.max_by_key(epoch).expect("one of them runs")
}

fn metaservers(cluster: &Cluster) -> impl Iterator<Item = String> + use<> {
    let names = cluster.processes().into_iter().map(|process| process.name);
    names.filter(|name| name.starts_with("metaserver"))
}

fn running(cluster: &Cluster, name: &str) -> String {
    if name == METASERVER { metaserver(cluster) } else { name.to_owned() }
}

/// Kills the metaserver, takes its folder away, and promotes the standby. The lost one, when it is back, is refused; then
/// an empty one follows in its place, without which a required standby would be missing.
fn lose_metaserver(cluster: &mut Cluster) {
    let lost = metaserver(cluster);
    let standby = metaservers(cluster).find(|name| *name != lost).expect("there are two metaservers");
    let standby = cluster.process(&standby).address.to_string();
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

fn data(cluster: &Cluster, name: &str) -> PathBuf {
    cluster.process(name).data.expect("it has a folder")
}

fn ballast(cluster: &Cluster, worker: &str) -> PathBuf {
    data(cluster, worker).join("ballast")
}

use super::super::members::Members;
use super::super::record::STANDBY;
use super::*;
use crate::commands::{Cli, Command, ConfigArgs};
use clap::Parser as _;
use std::fs;

struct Fixture {
    folder: tempfile::TempDir,
    args: Args,
    config: Config,
}

impl Fixture {
    fn new(words: &str) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let listen = if words.contains("--listen") { "" } else { "--listen 127.0.0.1:0" };
        let words = format!("weir local-cluster --config /dev/null {listen} {words}");
        let Command::LocalCluster(args) = Cli::parse_from(words.split_whitespace()).command else { panic!("{words}") };
        let shared = ConfigArgs { config: args.config.clone(), set: args.set.clone(), ..ConfigArgs::default() };
        let config = shared.load(&[("gateway.listen", args.listen.clone(), "--listen")]).unwrap();
        Self { folder, args, config }
    }

    async fn plan(&self, former: &Record) -> Result<Record, ClusterError> {
        let program = Path::new("/usr/bin/weir");
        let wanted = Wanted { args: &self.args, config: &self.config, data: self.folder.path(), program };
        wanted.check().await?;
        wanted.plan(former).await
    }
}

fn names(plan: &Record) -> Vec<&str> {
    plan.processes.iter().map(|entry| entry.name.as_str()).collect()
}

#[tokio::test]
async fn each_process_knows_its_ports_and_where_the_metaserver_is() {
    let fixture = Fixture::new("--workers 2 --gateways 1");
    let plan = fixture.plan(&Record::default()).await.unwrap();
    assert_eq!(names(&plan), ["metaserver-1", "worker-1", "worker-2", "gateway-1"]);
    let metaserver = plan.processes[0].address.to_string();
    for entry in &plan.processes {
        let command = entry.command.join(" ");
        let begin = format!("/usr/bin/weir {} --listen {} --admin-listen ", entry.role, entry.address);
        assert!(command.starts_with(&begin), "{command}");
        assert_eq!(command.contains(&format!("--metaserver {metaserver}")), entry.role != METASERVER, "{command}");
        assert_eq!(command.contains("--data"), entry.data.is_some());
        assert_eq!(command.contains("metaserver.replication=2"), entry.role == METASERVER, "{command}");
    }
    assert_eq!(fixture.plan(&plan).await.unwrap(), plan, "the ports are not kept");
}

#[tokio::test]
async fn copies_are_as_many_as_usual_or_as_was_chosen() {
    for words in ["--workers 3", "--workers 2 --set metaserver.replication=1"] {
        let plan = Fixture::new(words).plan(&Record::default()).await.unwrap();
        assert!(!plan.processes[0].command.join(" ").contains("replication=2"), "{words}");
    }
}

#[tokio::test]
async fn what_can_not_be_is_refused() {
    let refused = async |words: &str| Fixture::new(words).plan(&Record::default()).await.unwrap_err().to_string();
    assert!(refused("--listen 127.0.0.1:65535").await.contains("ports above 65535"));
    assert!(refused("--listen 0.0.0.0:0").await.contains("without keys"));
    let fixture = Fixture::new("--workers 1");
    for name in ["worker-1", "worker-2"] {
        fs::create_dir(fixture.folder.path().join(name)).unwrap();
    }
    let error = fixture.plan(&Record::default()).await.unwrap_err().to_string();
    assert!(error.contains("has the blocks of 2 workers, and with 1 some could not be found"), "{error}");
}

#[tokio::test]
async fn each_gateway_has_an_audit_log_of_its_own() {
    let fixture = Fixture::new("--set gateway.audit_log=/var/log/weir");
    let plan = fixture.plan(&Record::default()).await.unwrap();
    for entry in plan.of_role(GATEWAY) {
        let own = format!("gateway.audit_log=/var/log/weir.{}", entry.name);
        assert!(entry.command.contains(&own), "{:?}", entry.command);
    }
}

#[tokio::test]
async fn the_second_metaserver_follows_the_first_and_all_know_both() {
    let fixture = Fixture::new("--metaservers 2 --workers 1 --gateways 1");
    let plan = fixture.plan(&Record::default()).await.unwrap();
    let roles: Vec<_> = plan.processes.iter().map(|entry| (entry.name.as_str(), entry.role.as_str())).collect();
    let metaservers = [("metaserver-1", METASERVER), ("metaserver-2", STANDBY)];
    assert_eq!(roles, [&metaservers[..], &[("worker-1", WORKER), ("gateway-1", GATEWAY)]].concat());
    let [one, other] = [0, 1].map(|number: usize| plan.processes[number].address);
    for entry in &plan.processes {
        let command = entry.command.join(" ");
        assert!(command.contains(&format!("{one},{other}")), "{command}");
        assert_eq!(command.ends_with(&format!(" --follow {one}")), entry.role == STANDBY, "{command}");
        let is_metaserver = [METASERVER, STANDBY].contains(&&*entry.role);
        assert_eq!(command.contains("metaserver.standby=required"), is_metaserver, "{command}");
        assert_eq!(entry.command[1] == METASERVER, is_metaserver);
    }
    assert_eq!(fixture.plan(&plan).await.unwrap(), plan, "the ports are not kept");
    let chosen = Fixture::new("--metaservers 2 --set metaserver.standby=optional");
    let plan = chosen.plan(&Record::default()).await.unwrap();
    assert!(!plan.processes[0].command.join(" ").contains("standby=required"));
}

/// A folder as whoever served from it, under this epoch, left it.
fn served(folder: &Path, epoch: u64) {
    fs::create_dir_all(folder).unwrap();
    fs::write(folder.join("state"), "").unwrap();
    note(folder, "epoch", &format!("weir standby 1\nepoch {epoch}\n"));
}

fn followed(folder: &Path) {
    fs::create_dir_all(folder).unwrap();
    fs::write(folder.join("state"), "").unwrap();
    let lines = "address a:1\nat-ms 1\nid s\nin-sync true\nmode required\nreleased false\nsequence 3\n";
    note(folder, "following", &format!("weir standby 1\n{lines}"));
}

fn note(folder: &Path, name: &str, body: &str) {
    let crc = crc_fast::crc32_iscsi(body.as_bytes());
    fs::write(folder.join(name), format!("{body}crc32c {crc:08x}\n")).unwrap();
}

#[tokio::test]
async fn a_standby_that_was_promoted_is_the_metaserver_also_at_the_next_start() {
    let fixture = Fixture::new("--metaservers 2");
    let folders = ["metaserver-1", "metaserver-2"].map(|name| fixture.folder.path().join(name));
    let serving = async || {
        let plan = fixture.plan(&Record::default()).await.unwrap();
        let serving = plan.of_role(METASERVER).map(|entry| entry.name.clone()).collect::<Vec<_>>();
        assert_eq!((serving.len(), plan.of_role(STANDBY).count()), (1, 1));
        serving[0].clone()
    };
    served(&folders[0], 1);
    assert_eq!(serving().await, "metaserver-1");
    followed(&folders[1]);
    assert_eq!(serving().await, "metaserver-1");
    fs::remove_file(folders[1].join("following")).unwrap();
    served(&folders[1], 2);
    assert_eq!(serving().await, "metaserver-2", "whatever the old one has");
    fs::remove_dir_all(&folders[0]).unwrap();
    assert_eq!(serving().await, "metaserver-2", "and if it has nothing");
    served(&folders[0], 3);
    assert_eq!(serving().await, "metaserver-1");
}

#[tokio::test]
async fn a_standby_that_runs_while_its_metaserver_is_gone_is_to_be_promoted_as_it_is() {
    let fixture = Fixture::new("--metaservers 2");
    let folders = ["metaserver-1", "metaserver-2"].map(|name| fixture.folder.path().join(name));
    served(&folders[0], 1);
    followed(&folders[1]);
    let mut plan = fixture.plan(&Record::default()).await.unwrap();
    for entry in &mut plan.processes {
        (entry.command, entry.log) = (vec!["/bin/true".to_owned()], fixture.folder.path().join("log"));
    }
    let mut members = Members::new(plan, Vec::new(), true);
    members.start(STANDBY).unwrap();
    fs::remove_dir_all(&folders[0]).unwrap();
    let error = members.settle().unwrap_err();
    let ClusterError::StandbyRuns { address, .. } = &error else { panic!("{error}") };
    assert!(error.to_string().contains(&format!("`weir fsadmin promote {address}`")), "{error}");
    while members.reap().is_empty() {
        tokio::time::sleep(std::time::Duration::from_millis(10)).await;
    }
    let error = members.settle().unwrap_err();
    assert!(matches!(error, ClusterError::OnlyStandby { .. }), "{error}");
}

#[tokio::test]
async fn a_standby_whose_metaserver_is_gone_does_not_follow_an_empty_one() {
    let fixture = Fixture::new("--metaservers 2");
    followed(&fixture.folder.path().join("metaserver-2"));
    let error = fixture.plan(&Record::default()).await.unwrap_err();
    assert!(matches!(error, ClusterError::OnlyStandby { .. }), "{error}");
    let alone = Fixture::new("--metaservers 1");
    served(&alone.folder.path().join("metaserver-2"), 2);
    let error = alone.plan(&Record::default()).await.unwrap_err();
    assert!(matches!(error, ClusterError::FewerMetaservers { .. }), "{error}");
}

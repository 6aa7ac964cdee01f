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
    assert_eq!(refused("--metaservers 2").await, "a local cluster has one metaserver, not 2");
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

//! Which builds there are, by role: what an operator looks at in the middle of an upgrade.

use super::gateways::gateways;
use std::collections::BTreeMap;
use weir_proto::protocol::Spoken;
use weir_proto::v1;

/// A line for each role and build, of those that are live, in the order in which they are to be upgraded.
pub fn lines(report: &v1::ReportResponse) -> Vec<String> {
    let mut builds: BTreeMap<(usize, String), usize> = BTreeMap::new();
    let mut count = |role: usize, version: &str, told: Option<&v1::Protocol>| {
        let version = if version.is_empty() { "unknown" } else { version };
        *builds.entry((role, format!("{version}, {}", Spoken::told(told)))).or_default() += 1;
    };
    let standby = report.standby.as_ref().filter(|standby| standby.state() != v1::StandbyState::Away);
    if let Some(standby) = standby {
        count(0, &standby.version, standby.protocol.as_ref());
    }
    count(1, &report.version, report.protocol.as_ref());
    for worker in report.workers.iter().filter(|worker| worker.live) {
        count(2, &worker.version, worker.protocol.as_ref());
    }
    for gateway in gateways(report).filter(|gateway| gateway.live) {
        count(3, &gateway.version, gateway.protocol.as_ref());
    }
    let roles = ["standby", "metaserver", "worker", "gateway"];
    let line = |((role, build), count): (&(usize, String), &usize)| format!("    {} {build}: {count}", roles[*role]);
    std::iter::once("Builds: ".to_owned()).chain(builds.iter().map(line)).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn builds_are_counted_by_role_and_lost_members_left_out() {
        let mut report = super::super::sample();
        let older = v1::Worker { protocol: None, version: "0.0.9".into(), ..report.workers[0].clone() };
        report.workers.extend([older.clone(), older]);
        report.standby = Some(v1::StandbyReport {
            state: v1::StandbyState::InSync.into(),
            version: "0.2.0".into(),
            protocol: Some(v1::Protocol { current: 3, oldest: 2 }),
            ..Default::default()
        });
        assert_eq!(
            lines(&report).join("\n"),
            "Builds: \n    \
             standby 0.2.0, protocols 2 to 3: 1\n    \
             metaserver 0.1.0, protocols 1 to 2: 1\n    \
             worker 0.0.9, protocol 0: 2\n    \
             worker 0.1.0, protocols 1 to 2: 1\n    \
             gateway 0.1.0, protocol 0: 1"
        );
    }
}

//! `report summary`: the cluster at a glance.

use super::Capacity;
use crate::shell::blocks::shown;
use crate::shell::format::{duration, human_size, time};
use jiff::tz::TimeZone;
use weir_proto::v1;

pub fn lines(report: &v1::ReportResponse, zone: &TimeZone) -> Vec<String> {
    let live = report.workers.iter().filter(|worker| worker.live).count();
    let capacity = Capacity::of(report);
    let mut lines = vec!["Weir cluster summary: ".to_owned()];
    let mut say = |name: &str, value: String| lines.push(format!("    {name}: {value}"));
    say("Metaserver Address", shown(&report.address).to_owned());
    say("Cluster Id", report.cluster_id.clone());
    say("Epoch", report.epoch.to_string());
    if let Some(standby) = &report.standby {
        say("Standby", standby_line(standby, zone));
    }
    say("Started", time(report.started_ms, zone));
    say("Uptime", duration(report.now_ms.saturating_sub(report.started_ms)));
    say("Version", report.version.clone());
    say("Awaiting Restore Confirmation", report.awaiting_restore_confirmation.to_string());
    say("Live Gateways", super::gateways::live_count(report).to_string());
    say("Live Workers", live.to_string());
    say("Lost Workers", (report.workers.len() - live).to_string());
    say("Total Capacity", human_size(capacity.total));
    say("Used Capacity", human_size(capacity.used));
    say("Free Capacity", human_size(capacity.free));
    say("Buckets", report.bucket_count.to_string());
    say("Objects", report.object_count.to_string());
    say("Object Size", human_size(report.byte_count));
    lines
}

fn standby_line(standby: &v1::StandbyReport, zone: &TimeZone) -> String {
    let behind = standby.last_sequence.saturating_sub(standby.acknowledged_sequence);
    let state = match standby.state() {
        v1::StandbyState::Seeding => "seeding".to_owned(),
        v1::StandbyState::CatchingUp => format!("catching up, {behind} commit(s) behind"),
        v1::StandbyState::InSync => "in sync".to_owned(),
        v1::StandbyState::Away | v1::StandbyState::Unspecified => "away".to_owned(),
    };
    let let_go = match standby.let_go {
        true => format!(", let go {} after commit {}", time(standby.let_go_ms, zone), standby.let_go_sequence),
        false => String::new(),
    };
    format!("{} ({}): {state}{let_go}", shown(&standby.address), standby.mode)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_standby_is_told_with_its_state() {
        let standby = v1::StandbyReport {
            mode: "optional".into(),
            state: v1::StandbyState::CatchingUp.into(),
            address: "b:1".into(),
            acknowledged_sequence: 4,
            last_sequence: 6,
            let_go: true,
            let_go_sequence: 4,
            let_go_ms: 1_795_319_467_084,
            ..Default::default()
        };
        assert_eq!(
            standby_line(&standby, &TimeZone::UTC),
            "b:1 (optional): catching up, 2 commit(s) behind, let go 11-22-2026 03:51:07:084 after commit 4"
        );
    }

    #[test]
    fn a_summary_is_indented_by_four() {
        assert_eq!(
            lines(&super::super::sample(), &TimeZone::UTC).join("\n"),
            "Weir cluster summary: \n    \
             Metaserver Address: 127.0.0.1:19998\n    \
             Cluster Id: c1\n    \
             Epoch: 1\n    \
             Started: 11-22-2026 03:51:07:084\n    \
             Uptime: 0 day(s), 0 hour(s), 10 minute(s), and 45 second(s)\n    \
             Version: 0.1.0\n    \
             Awaiting Restore Confirmation: false\n    \
             Live Gateways: 1\n    \
             Live Workers: 1\n    \
             Lost Workers: 1\n    \
             Total Capacity: 2048.00MB\n    \
             Used Capacity: 30.10MB\n    \
             Free Capacity: 2017.90MB\n    \
             Buckets: 2\n    \
             Objects: 7\n    \
             Object Size: 30.10MB"
        );
    }
}

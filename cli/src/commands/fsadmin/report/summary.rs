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
    let live_gateways = super::gateways::live_count(report);
    say("Live Gateways", live_gateways.to_string());
    say("Lost Gateways", (super::gateways::gateways(report).count() - live_gateways).to_string());
    say("Live Workers", live.to_string());
    say("Lost Workers", report.workers.iter().filter(|worker| worker.is_missed()).count().to_string());
    say("Total Capacity", human_size(capacity.total));
    say("Used Capacity", human_size(capacity.used));
    say("Free Capacity", human_size(capacity.free));
    say("Buckets", report.bucket_count.to_string());
    say("Objects", report.object_count.to_string());
    say("Object Size", human_size(report.byte_count));
    lines.extend(super::versions::lines(report));
    lines.extend(redundancy(report.redundancy.as_ref(), zone));
    lines
}

/// How many copies the blocks have. Nothing, until all of them were looked at.
fn redundancy(found: Option<&v1::Redundancy>, zone: &TimeZone) -> Vec<String> {
    let Some(found) = found.filter(|found| found.as_of_ms != 0) else { return Vec::new() };
    let mut lines = vec![format!("Blocks, as of {}: ", time(found.as_of_ms, zone))];
    let mut say = |name: &str, count: u64| lines.push(format!("    {name}: {count}"));
    say("Blocks", found.block_count);
    say("Blocks With All Copies", found.complete_block_count);
    say("Under-Replicated Blocks", found.missing.iter().map(|missing| missing.block_count).sum());
    for missing in &found.missing {
        say(&format!("    Missing {}", missing.copy_count), missing.block_count);
    }
    say("Lost Blocks", found.lost_block_count);
    say("Damaged Or Missing Copies", found.invalid_copy_count);
    say("Surplus Copies", found.surplus_copy_count);
    say("Blocks Not Spread As They Could Be", found.crowded_block_count);
    say("Blocks In The Repair Queue, Now", found.queued_block_count);
    say("Blocks Being Copied, Now", found.ordered_block_count);
    lines.push(format!("    To Be Moved By Rebalancing: {}", human_size(found.rebalance_bytes)));
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
             Lost Gateways: 1\n    \
             Live Workers: 1\n    \
             Lost Workers: 1\n    \
             Total Capacity: 2048.00MB\n    \
             Used Capacity: 30.10MB\n    \
             Free Capacity: 2017.90MB\n    \
             Buckets: 2\n    \
             Objects: 7\n    \
             Object Size: 30.10MB\n\
             Builds: \n    \
             metaserver 0.1.0, protocols 1 to 2: 1\n    \
             worker 0.1.0, protocols 1 to 2: 1\n    \
             gateway 0.1.0, protocol 0: 1"
        );
    }

    #[test]
    fn a_worker_that_was_emptied_and_ended_is_not_lost() {
        let mut report = super::super::sample();
        let lost = |report: &v1::ReportResponse| {
            let said = lines(report, &TimeZone::UTC).into_iter().find(|line| line.contains("Lost Workers"));
            said.unwrap().trim().to_owned()
        };
        for (state, said) in [
            (v1::WorkerState::Lost, "Lost Workers: 1"),
            (v1::WorkerState::Draining, "Lost Workers: 1"),
            (v1::WorkerState::Drained, "Lost Workers: 0"),
        ] {
            report.workers[1].state = state.into();
            assert_eq!(lost(&report), said, "{state:?}");
        }
    }

    #[test]
    fn copies_that_are_missing_are_told_by_how_many() {
        let missing = |copy_count, block_count| v1::MissingCopies { copy_count, block_count };
        let found = v1::Redundancy {
            as_of_ms: 1_795_319_467_084,
            block_count: 10,
            complete_block_count: 5,
            missing: vec![missing(1, 3), missing(2, 1)],
            lost_block_count: 1,
            queued_block_count: 4,
            rebalance_bytes: 31_561_646,
            ..Default::default()
        };
        assert_eq!(
            redundancy(Some(&found), &TimeZone::UTC).join("\n"),
            "Blocks, as of 11-22-2026 03:51:07:084: \n    \
             Blocks: 10\n    \
             Blocks With All Copies: 5\n    \
             Under-Replicated Blocks: 4\n        \
             Missing 1: 3\n        \
             Missing 2: 1\n    \
             Lost Blocks: 1\n    \
             Damaged Or Missing Copies: 0\n    \
             Surplus Copies: 0\n    \
             Blocks Not Spread As They Could Be: 0\n    \
             Blocks In The Repair Queue, Now: 4\n    \
             Blocks Being Copied, Now: 0\n    \
             To Be Moved By Rebalancing: 30.10MB"
        );
        assert!(redundancy(Some(&v1::Redundancy::default()), &TimeZone::UTC).is_empty());
    }
}

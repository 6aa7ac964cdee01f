//! `report gateway`: the gateways that have a session, and those that were lost of late.

use crate::shell::format::compact_time;
use jiff::tz::TimeZone;
use weir_proto::{SHELL_ADDRESS, v1};

pub fn lines(report: &v1::ReportResponse, zone: &TimeZone) -> Vec<String> {
    let all = gateways(report).count();
    let live = live_count(report);
    let (noun, rest) = (if all == 1 { "gateway" } else { "gateways" }, all - live);
    let mut lines = vec![
        format!("{all} {noun} in the cluster, {live} serving and {rest} lost"),
        String::new(),
        line("Address", "State", "Start Time", "Last Heartbeat Time", "Version"),
    ];
    for gateway in gateways(report) {
        let state = if gateway.live { "ACTIVE" } else { "LOST" };
        let started = compact_time(gateway.started_ms, zone);
        let heartbeat = match gateway.last_heartbeat_ms {
            0 => super::NOT_SINCE_START.to_owned(),
            ms => compact_time(ms, zone),
        };
        lines.push(line(&gateway.address, state, &started, &heartbeat, &gateway.version));
    }
    lines
}

/// The shell has sessions too, while it reads and writes: it serves no one.
pub fn gateways(report: &v1::ReportResponse) -> impl Iterator<Item = &v1::GatewayReport> {
    report.gateways.iter().filter(|gateway| gateway.address != SHELL_ADDRESS)
}

pub fn live_count(report: &v1::ReportResponse) -> usize {
    gateways(report).filter(|gateway| gateway.live).count()
}

fn line(address: &str, state: &str, started: &str, heartbeat: &str, version: &str) -> String {
    format!("{address:<24} {state:<8} {started:<16} {heartbeat:<20} {version}")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_gateway_that_the_metaserver_has_not_heard_since_its_start_has_no_heartbeat() {
        let mut report = super::super::sample();
        report.gateways[2].last_heartbeat_ms = 0;
        let last = lines(&report, &TimeZone::UTC).pop().unwrap();
        assert_eq!(last, "127.0.0.1:39998          LOST     20261122-035119  not since start      0.1.0");
    }

    #[test]
    fn gateways_are_counted_and_listed_without_shells() {
        assert_eq!(
            lines(&super::super::sample(), &TimeZone::UTC).join("\n"),
            "2 gateways in the cluster, 1 serving and 1 lost\n\n\
             Address                  State    Start Time       Last Heartbeat Time  Version\n\
             127.0.0.1:39999          ACTIVE   20261122-035119  20261122-040210      0.1.0\n\
             127.0.0.1:39998          LOST     20261122-035119  20261122-040210      0.1.0"
        );
    }
}

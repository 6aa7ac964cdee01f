//! What roles tell Prometheus, what the documentation says of it, and what the alerts and the dashboard ask for.

use serde_json::Value;
use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::Path;
use weir_tests::cluster::{Cluster, Options};
use weir_tests::{Client, eventually, noise};

/// Of a histogram.
const SERIES: [&str; 3] = ["_bucket", "_sum", "_count"];
/// Labels whose values are few.
const LABELS: [&str; 12] = [
    "operation",
    "status",
    "code",
    "reason",
    "method",
    "of",
    "le",
    "version",
    "certificate",
    "disk",
    "role",
    "protocol",
];

#[derive(Debug, PartialEq, Eq)]
struct Metric {
    kind: String,
    labels: BTreeSet<String>,
    /// Told only where there is something to tell.
    is_seldom: bool,
}

type Metrics = BTreeMap<String, Metric>;

fn repository(path: &str) -> String {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("..").join(path);
    fs::read_to_string(&path).unwrap_or_else(|error| panic!("{}: {error}", path.display()))
}

/// The tables of the documentation.
fn documented() -> Metrics {
    let text = repository("docs/monitoring.md");
    let rows = text.lines().filter(|line| line.starts_with("| `weir_") || line.starts_with("| `process_"));
    rows.map(|row| {
        let cells: Vec<&str> = row.split('|').map(str::trim).collect();
        let name = cells[1].split('`').nth(1).unwrap().to_owned();
        let labels = cells[3].split('`').skip(1).step_by(2).map(str::to_owned).collect();
        (name, Metric { kind: cells[2].to_owned(), labels, is_seldom: cells[1].ends_with('†') })
    })
    .collect()
}

/// What an admin port tells, by the names that Prometheus gives.
fn told(text: &str) -> Metrics {
    let mut metrics = Metrics::new();
    for line in text.lines().filter_map(|line| line.strip_prefix("# TYPE ")) {
        let (family, kind) = line.split_once(' ').unwrap();
        let (name, kind) = match kind {
            "counter" => (format!("{family}_total"), kind),
            "info" => (format!("{family}_info"), "gauge"),
            kind => (family.to_owned(), kind),
        };
        let previous =
            metrics.insert(name, Metric { kind: kind.to_owned(), labels: BTreeSet::new(), is_seldom: false });
        assert_eq!(previous, None, "two metrics have the name {family}");
    }
    for line in text.lines().filter(|line| !line.starts_with('#')) {
        let (name, rest) = line.split_at(line.find(['{', ' ']).unwrap());
        let family = base(name, &metrics);
        let labels = rest.split_once('}').map_or("", |(labels, _)| &labels[1..]);
        let names = labels.split("\",").filter_map(|label| label.split_once('=')).map(|(name, _)| name.to_owned());
        let names = names.filter(|name| name != "le");
        metrics.get_mut(&family).unwrap_or_else(|| panic!("{line} has no type")).labels.extend(names);
    }
    metrics
}

/// A histogram's name, of one of its series.
fn base(name: &str, metrics: &Metrics) -> String {
    let histogram = SERIES.iter().filter_map(|series| name.strip_suffix(series));
    histogram.into_iter().find(|base| metrics.contains_key(*base)).unwrap_or(name).to_owned()
}

/// Something of everything that is measured.
fn exercise(client: &Client) {
    let bucket = client.bucket("measured");
    for (number, size) in [10, 100_000, 3 << 20].into_iter().enumerate() {
        let path = format!("{bucket}/{number}");
        client.put(&path, noise(number as u64, size)).expect(200);
        client.get(&path).expect(200);
    }
    client.get(&format!("{bucket}/none")).expect(404);
    client.delete(&format!("{bucket}/0")).expect(204);
}

/// One process of each role, in the order in which they are called here.
const ROLES: [(&str, &str); 3] = [("gateway", "gateway-1"), ("metaserver", "metaserver-1"), ("worker", "worker-1")];

fn cluster() -> Cluster {
    Cluster::start_with(Options { workers: 1, gateways: 1, ..Default::default() })
}

fn metrics_of(cluster: &Cluster, process: &str) -> String {
    let answer = cluster.admin(process, "/metrics");
    assert_eq!(answer.status, 200, "{answer}");
    answer.text()
}

fn all_told() -> Metrics {
    let cluster = cluster();
    exercise(&cluster.client(1));
    let mut all = Metrics::new();
    for (role, process) in ROLES {
        let told = told(&metrics_of(&cluster, process));
        for name in told.keys() {
            let is_own = name.starts_with(&format!("weir_{role}_"));
            assert!(is_own || name.starts_with("process_") || name == "weir_build_info", "the {role} tells {name}");
        }
        all.extend(told);
    }
    all
}

/// Names of metrics in an expression.
fn asked_for(expression: &str) -> BTreeSet<String> {
    let is_part = |character: char| character.is_ascii_alphanumeric() || character == '_';
    let words = expression.split(|character| !is_part(character));
    words.filter(|word| word.starts_with("weir_") || word.starts_with("process_")).map(str::to_owned).collect()
}

fn expressions_of_dashboard() -> Vec<String> {
    let dashboard: Value = serde_json::from_str(&repository("deploy/grafana/dashboards/weir.json")).unwrap();
    let panels = dashboard["panels"].as_array().unwrap();
    let targets = panels.iter().filter_map(|panel| panel["targets"].as_array()).flatten();
    targets.map(|target| target["expr"].as_str().unwrap().to_owned()).collect()
}

#[test]
fn the_documentation_lists_every_metric_of_running_roles_and_no_other() {
    let (documented, told) = (documented(), all_told());
    for (name, metric) in &told {
        let expected = documented.get(name).unwrap_or_else(|| panic!("docs/monitoring.md does not list {name}"));
        assert_eq!((&metric.kind, &metric.labels), (&expected.kind, &expected.labels), "{name}");
    }
    for (name, metric) in &documented {
        assert!(metric.is_seldom || told.contains_key(name), "no role tells {name}");
    }
}

#[test]
fn metrics_are_named_after_prometheus_and_labelled_with_little() {
    for (name, metric) in documented() {
        let is_counter = metric.kind == "counter";
        assert_eq!(name.ends_with("_total"), is_counter, "{name}");
        let units = ["_ms", "_us", "_milliseconds", "_kib", "_mib", "_percent", "_minutes"];
        assert!(!units.iter().any(|unit| name.trim_end_matches("_total").ends_with(unit)), "{name}");
        if metric.kind == "histogram" {
            assert!(name.ends_with("_seconds") || name.ends_with("_size"), "{name}");
        }
        for label in &metric.labels {
            assert!(LABELS.contains(&label.as_str()), "{name} has the label {label}");
        }
    }
}

#[test]
fn alerts_and_the_dashboard_ask_for_metrics_that_there_are() {
    let documented = documented();
    let rules = repository("deploy/prometheus/rules.yml");
    let dashboard = expressions_of_dashboard();
    assert!(dashboard.len() > 30, "{dashboard:?}");
    // Comments and texts of the rules name none.
    for name in dashboard.iter().map(String::as_str).chain([rules.as_str()]).flat_map(asked_for) {
        assert!(documented.contains_key(&base(&name, &documented)), "nobody tells {name}");
    }
    let alerts: BTreeSet<&str> = rules.lines().filter_map(|line| line.trim().strip_prefix("- alert: ")).collect();
    let text = repository("docs/monitoring.md");
    let explained: BTreeSet<&str> =
        text.lines().filter_map(|line| line.strip_prefix("| `Weir")?.split('`').next()).collect();
    assert_eq!(alerts.iter().map(|alert| &alert[4..]).collect::<BTreeSet<_>>(), explained);
}

#[test]
fn what_is_done_is_measured() {
    let cluster = cluster();
    let value = |process: &str, start: &str| {
        let text = metrics_of(&cluster, process);
        let found: Vec<f64> = text
            .lines()
            .filter(|line| line.starts_with(start))
            .filter_map(|line| line.rsplit(' ').next()?.parse().ok())
            .collect();
        found.iter().sum::<f64>()
    };
    let put = "weir_gateway_request_duration_seconds_count{operation=\"PutObject\"}";
    let (commits, groups) =
        ("weir_metaserver_commit_duration_seconds_count", "weir_metaserver_commit_group_size_count");
    let (file, segment) =
        ("weir_worker_sync_duration_seconds_count{of=\"block_file\"}", "weir_worker_append_batch_size_sum");
    let before = [
        ("gateway-1", put),
        ("metaserver-1", commits),
        ("metaserver-1", groups),
        ("worker-1", file),
        ("worker-1", segment),
    ]
    .map(|(role, name)| (role, name, value(role, name)));
    exercise(&cluster.client(1));
    for (role, name, before) in before {
        eventually(5, name, || value(role, name) > before);
    }
    let refused =
        value("metaserver-1", "weir_metaserver_calls_total{method=\"Namespace/GetObject\",code=\"NotFound\"}");
    assert!(refused >= 1.0, "{refused}");
    let sequence = value("metaserver-1", "weir_metaserver_commit_sequence");
    assert!(sequence >= value("metaserver-1", commits), "{sequence}");
    assert_eq!(value("metaserver-1", "weir_metaserver_workers_live"), 1.0);
}

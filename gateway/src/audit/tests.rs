use super::*;
use prometheus_client::encoding::text::encode;
use std::collections::HashSet;
use std::fs;
use std::path::Path;
use weir_service::threads::Receiver;

fn settings(path: &Path) -> GatewaySettings {
    GatewaySettings { audit_log: path.to_str().unwrap().into(), ..GatewaySettings::default() }
}

fn record(number: usize) -> AuditRecord {
    AuditRecord { request_id: format!("{number:016X}"), ..AuditRecord::default() }
}

fn ids(path: &Path) -> Vec<String> {
    let text = fs::read_to_string(path).unwrap();
    let id = |line: &str| {
        let line: serde_json::Value = serde_json::from_str(line).unwrap_or_else(|error| panic!("{error}: {line}"));
        line["request_id"].as_str().unwrap().to_owned()
    };
    text.lines().map(id).collect()
}

fn counted(registry: &Registry, name: &str) -> u64 {
    let mut text = String::new();
    encode(&mut text, registry).unwrap();
    let value = text.lines().find_map(|line| line.strip_prefix(&format!("{name}_total ")));
    value.unwrap().parse().unwrap()
}

#[tokio::test(flavor = "multi_thread")]
async fn lines_of_many_at_once_are_whole_and_none_is_missing() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("audit.log");
    let mut registry = Registry::default();
    let audit = Audit::open(&settings(&path), &mut registry).unwrap();
    let tasks = (0..8).map(|task| {
        let audit = audit.clone();
        tokio::spawn(async move {
            for number in 0..1000 {
                audit.room().await.unwrap();
                audit.log(record(task * 1000 + number));
            }
        })
    });
    futures::future::join_all(tasks).await;
    audit.flush().await;
    let ids = ids(&path);
    assert_eq!((ids.len(), ids.iter().collect::<HashSet<_>>().len()), (8000, 8000));
    assert_eq!(counted(&registry, "weir_gateway_audit_lines"), 8000);
    assert_eq!(counted(&registry, "weir_gateway_audit_lines_lost"), 0);
}

#[tokio::test]
async fn lines_that_can_not_be_written_are_counted_and_hold_nobody_up() {
    let mut registry = Registry::default();
    let audit = Audit::open(&settings(Path::new("/dev/full")), &mut registry).unwrap();
    for number in 0..QUEUE_MAX_LINES + 100 {
        audit.room().await.unwrap();
        audit.log(record(number));
    }
    audit.flush().await;
    assert_eq!(counted(&registry, "weir_gateway_audit_lines_lost"), (QUEUE_MAX_LINES + 100) as u64);
    assert_eq!(counted(&registry, "weir_gateway_audit_lines"), 0);
}

/// An audit log whose writer does not run yet, with room for so many lines.
fn standing_still(path: &Path, lines: usize, room_timeout: Duration) -> (Audit, Writer, Receiver<Message>) {
    let (sender, receiver) = threads::channel();
    let (room, counts) = (Arc::new(Semaphore::new(lines)), Counts::default());
    let file = RotatingFile::open(path.to_owned(), 1 << 20, 3).unwrap();
    let writer = Writer::new(Output::File(file), room.clone(), counts.clone());
    (Audit { queue: Some(Arc::new(Queue { sender, room, room_timeout, counts })) }, writer, receiver)
}

#[tokio::test]
async fn requests_wait_for_a_writer_that_is_behind_and_no_line_is_lost() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("audit.log");
    let (audit, writer, receiver) = standing_still(&path, 10, ROOM_TIMEOUT);
    // Twenty requests have begun when there was room: their lines are taken all the same.
    for number in 0..20 {
        audit.log(record(number));
    }
    let waiting: Vec<_> = (20..40)
        .map(|number| {
            let audit = audit.clone();
            tokio::spawn(async move {
                audit.room().await?;
                audit.log(record(number));
                Ok::<_, AuditError>(())
            })
        })
        .collect();
    tokio::time::sleep(Duration::from_millis(50)).await;
    assert!(waiting.iter().all(|task| !task.is_finished()));
    let thread = threads::start("audit", move || writer.run(receiver)).unwrap();
    for task in waiting {
        task.await.unwrap().unwrap();
    }
    audit.flush().await;
    assert_eq!(ids(&path).len(), 40);
    assert_eq!(audit.queue.as_ref().unwrap().room.available_permits(), 10);
    drop(audit);
    assert!(thread.ended().await);
}

#[tokio::test]
async fn a_request_that_waited_too_long_is_refused_and_its_line_counted() {
    let folder = tempfile::tempdir().unwrap();
    let (audit, _writer, mut receiver) = standing_still(&folder.path().join("audit.log"), 1, Duration::from_millis(50));
    audit.log(record(0));
    assert!(matches!(audit.room().await, Err(AuditError::Behind)));
    let body = Arc::default();
    let mut entry = Entry::begin(audit.clone(), record(1), body, tracing::Span::none());
    entry.give_up();
    drop(entry);
    assert_eq!(audit.queue.as_ref().unwrap().counts.lost.get(), 1);
    assert_eq!(std::iter::from_fn(|| receiver.try_recv()).count(), 1);
}

#[tokio::test]
async fn a_request_that_gets_no_answer_has_its_line() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("audit.log");
    let audit = Audit::open(&settings(&path), &mut Registry::default()).unwrap();
    drop(Entry::begin(audit.clone(), record(7), Arc::default(), tracing::Span::none()));
    audit.flush().await;
    let line: serde_json::Value = serde_json::from_str(&fs::read_to_string(&path).unwrap()).unwrap();
    assert_eq!((&line["request_id"], &line["complete"]), (&"0000000000000007".into(), &false.into()));
    assert!(line["status"].is_null() && line["first_byte_us"].is_null(), "{line}");
}

#[test]
fn what_can_not_be_opened_is_told_with_its_path() {
    let folder = tempfile::tempdir().unwrap();
    for path in [folder.path().to_owned(), folder.path().join("none/audit.log")] {
        let error = Audit::open(&settings(&path), &mut Registry::default()).unwrap_err();
        assert!(error.to_string().contains(path.to_str().unwrap()), "{error}");
    }
}

#[tokio::test]
async fn a_log_that_is_switched_off_costs_no_thread_and_holds_nobody_up() {
    let audit = Audit::open(&GatewaySettings::default(), &mut Registry::default()).unwrap();
    assert!(audit.queue.is_none());
    audit.room().await.unwrap();
    audit.log(record(0));
    audit.flush().await;
}

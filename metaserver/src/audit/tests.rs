use super::*;
use parking_lot::Mutex;
use std::sync::Arc;
use tracing::field::{Field, Visit};
use tracing::span::{Attributes, Id, Record};
use tracing::{Event, Metadata, Subscriber};
use weir_proto::v1::change_access_request::Change;
use weir_proto::v1::{self, AccessEntry, AccessKey, RequestId};
use weir_service::clock::SystemClock;

/// Keeps the fields of events of the audit log.
#[derive(Clone, Default)]
struct Events(Arc<Mutex<Vec<String>>>);

struct Fields(String);

impl Visit for Fields {
    fn record_debug(&mut self, field: &Field, value: &dyn std::fmt::Debug) {
        if !["message", "duration_us"].contains(&field.name()) {
            self.0.push_str(&format!("{}={value:?} ", field.name()));
        }
    }
}

impl Subscriber for Events {
    fn enabled(&self, metadata: &Metadata<'_>) -> bool {
        metadata.target() == TARGET
    }

    fn new_span(&self, _: &Attributes<'_>) -> Id {
        Id::from_u64(1)
    }

    fn record(&self, _: &Id, _: &Record<'_>) {}
    fn record_follows_from(&self, _: &Id, _: &Id) {}
    fn event(&self, event: &Event<'_>) {
        let mut fields = Fields(String::new());
        event.record(&mut fields);
        self.0.lock().push(fields.0.trim_end().to_owned());
    }
    fn enter(&self, _: &Id) {}
    fn exit(&self, _: &Id) {}
}

fn request(request_id: Option<RequestId>) -> ChangeAccessRequest {
    let key = v1::CreateAccessKey { user_name: "alice".into(), ..Default::default() };
    ChangeAccessRequest { request_id, change: Some(Change::CreateAccessKey(key)) }
}

fn events_of(act: impl FnOnce()) -> Vec<String> {
    let events = Events::default();
    tracing::subscriber::with_default(events.clone(), act);
    events.0.lock().clone()
}

const ASKED: &str = "identity=\"operator\" peer=\"192.0.2.1:7\" action=\"CreateAccessKey\" resource=\"user/alice\" \
                     parameters=\"\"";

#[test]
fn a_change_has_one_event_with_what_came_of_it() {
    let mut extensions = Extensions::new();
    extensions.insert(Peer { address: "192.0.2.1:7".parse().unwrap(), secure: true, tls_version: None });
    let begin = || ChangeEvent::begin(&request(None), &extensions).unwrap();
    let key = AccessKey { access_key_id: "AKIA1".into(), ..Default::default() };
    let entry = Some(AccessEntry { entry: Some(Entry::AccessKey(key)) });
    let done = Ok(ChangeAccessResponse { version: 2, entry, secret_access_key: "SECRET".into() });
    let events = events_of(|| {
        begin().end(&done);
        begin().end(&Err(Error::invalid("name", "it is empty")));
        drop(begin());
    });
    assert_eq!(
        events,
        [
            format!("{ASKED} outcome=\"done\" issued_access_key_id=\"AKIA1\""),
            format!("{ASKED} outcome=\"refused\" error=\"INVALID_REQUEST\""),
            format!("{ASKED} outcome=\"in doubt\""),
        ]
    );
}

#[test]
fn what_came_through_a_gateway_has_none() {
    let of_session = |sequence| request(Some(RequestId { session_id: 7, sequence }));
    let begins = |request: &ChangeAccessRequest| ChangeEvent::begin(request, &Extensions::new()).is_some();
    assert!(!begins(&of_session(1)));
    // Without a sequence nothing is remembered of it, so it is no gateway's.
    assert!(events_of(|| assert!(begins(&of_session(0))))[0].contains("peer=\"this process\""));
}

#[tokio::test]
async fn the_service_tells_of_each_change_without_a_session() {
    use crate::store::memory::MemoryStore;
    use weir_proto::v1::access_client::AccessClient;
    let events = Events::default();
    let _guard = tracing::subscriber::set_default(events.clone());
    let shutdown = weir_service::shutdown::Shutdown::new();
    let (store, clock) = (Arc::new(MemoryStore::new()), Arc::new(SystemClock));
    let (settings, registry) = (weir_service::config::MetaserverSettings::default(), &mut Default::default());
    let sealer = crate::testing::sealer();
    let opened = crate::Metaserver::with_store(settings, store, clock, sealer, registry, &shutdown).await.unwrap();
    let mut access = AccessClient::new(weir_service::channel::in_process(opened.services()));
    let user = |name: &str| {
        let create = v1::CreateUser { name: name.into(), ..Default::default() };
        ChangeAccessRequest { request_id: None, change: Some(Change::CreateUser(create)) }
    };
    access.change_access(user("alice")).await.unwrap();
    access.change_access(user("alice")).await.unwrap_err();
    access.change_access(request(None)).await.unwrap();
    let told = events.0.lock().clone();
    assert_eq!(told.len(), 3, "{told:?}");
    assert!(told[0].ends_with("outcome=\"done\"") && told[1].ends_with("error=\"ENTITY_EXISTS\""), "{told:?}");
    assert!(told[2].contains("issued_access_key_id=\"AKIA"), "{told:?}");
}

//! What shows of a request only while its operation runs: the sender and the key of a form, the keys of a deletion.

use super::keys::ConcernedKeys;
use super::record::AuditRecord;
use crate::auth::Caller;
use parking_lot::Mutex;
use weir_proto::ObjectKey;

/// Noted by the operation and shared with the request's line, which has it whatever becomes of the request after.
#[derive(Debug, Default)]
pub struct Noted(Mutex<Notes>);

#[derive(Debug, Default)]
struct Notes {
    key: Option<ObjectKey>,
    claimed_access_key_id: Option<String>,
    sender: Option<Caller>,
    keys: Option<ConcernedKeys>,
}

impl Noted {
    /// The key that a form names.
    pub fn key(&self, key: &ObjectKey) {
        self.0.lock().key = Some(key.clone());
    }

    /// The access key that a form names, whoever sent it.
    pub fn claimed_by(&self, access_key_id: Option<&str>) {
        self.0.lock().claimed_access_key_id = access_key_id.map(str::to_owned);
    }

    /// Who sent a form, by its fields.
    pub fn sent_by(&self, caller: &Caller) {
        self.0.lock().sender = Some(caller.clone());
    }

    /// The keys that a document names, and what became of each so far.
    pub fn keys(&self, keys: ConcernedKeys) {
        self.0.lock().keys = Some(keys);
    }

    /// Moves everything into the record.
    pub(super) fn fill(&self, record: &mut AuditRecord) {
        let Notes { key, claimed_access_key_id, sender, keys } = std::mem::take(&mut *self.0.lock());
        if let Some(key) = key {
            record.key = Some(key.into_bytes());
        }
        if claimed_access_key_id.is_some() {
            (record.identity, record.access_key_id) = (None, claimed_access_key_id);
        }
        if let Some(caller) = sender {
            record.sent_by(&caller);
        }
        record.keys = keys.or(record.keys.take());
    }
}

//! Remembered results: a change that is sent again, because its answer was lost, gets the first answer.

use super::Namespace;
use super::transaction::Transaction;
use crate::error::Error;
use crate::records::decode;
use crate::records::result::{self, Operation, ResultRecord};
use bytes::Bytes;
use prost::Message;
use weir_proto::v1::RequestId;
use weir_service::planted::{Fault, planted};

/// Where the result of a request is remembered, if it is.
#[derive(Debug)]
pub(crate) struct Remembered {
    operation: Operation,
    key: Option<Bytes>,
}

impl Remembered {
    /// The key to read with all others, as the last one.
    pub fn key(&self) -> Option<Bytes> {
        self.key.clone()
    }

    /// Takes the last value that was read, if the request is remembered: the first answer.
    pub fn answer<M: Message + Default>(&self, values: &mut Vec<Option<Bytes>>) -> Result<Option<M>, Error> {
        let Some(key) = &self.key else { return Ok(None) };
        let Some(value) = values.pop().flatten() else { return Ok(None) };
        let record: ResultRecord = decode(key, value)?;
        if record.operation() != self.operation {
            return Err(Error::invalid("request_id", "another request was sent under this number"));
        }
        M::decode(record.answer).map(Some).map_err(|error| {
            crate::records::RecordError::new(crate::records::key::Kind::RequestResult, key, error.to_string()).into()
        })
    }

    /// Remembers the answer with the change itself.
    pub fn remember<M: Message>(&self, transaction: &mut Transaction, answer: &M) {
        if let Some(key) = &self.key
            && !planted(Fault::RequestForgotten)
        {
            transaction.unchanged(key.clone(), None);
            let record = ResultRecord { operation: self.operation.into(), answer: answer.encode_to_vec().into() };
            transaction.put(key.clone(), &record);
        }
    }
}

impl Namespace {
    /// # Errors
    /// [`Error::SessionOver`]: nothing is remembered for this session any more, so the request may have been carried
    /// out already.
    pub(crate) fn remembered(&self, id: Option<&RequestId>, operation: Operation) -> Result<Remembered, Error> {
        let key = match id {
            Some(id) if id.sequence != 0 => {
                self.sessions.check_request(id)?;
                Some(result::key(id.session_id, id.sequence))
            }
            _ => None,
        };
        Ok(Remembered { operation, key })
    }
}

//! Uploads that nobody goes on with: an open one that saw no change for long is aborted; of one that is over, the record
//! of how it ended goes.

use super::Cluster;
use crate::error::Error;
use crate::namespace::SCAN_LIMIT;
use crate::namespace::transaction::Transaction;
use crate::namespace::uploads::OpenUpload;
use crate::records::decode;
use crate::records::key::{next, successor};
use crate::records::part::{self, PartRecord};
use crate::records::upload::{self, FinishedUploadRecord, UploadRecord};
use bytes::Bytes;

impl Cluster {
    /// Looks through all uploads. Returns how many open ones were aborted.
    pub async fn expire_uploads(&self) -> Result<usize, Error> {
        let namespace = &*self.namespace;
        let expiry_ms = i64::try_from(namespace.settings.upload_expiry_ms).unwrap_or(i64::MAX);
        let before_ms = namespace.clock.now_ms().saturating_sub(expiry_ms);
        let aborted = self.abort_abandoned(before_ms).await?;
        self.forget_finished(before_ms).await?;
        Ok(aborted)
    }

    async fn abort_abandoned(&self, before_ms: i64) -> Result<usize, Error> {
        let prefix = upload::all();
        let (mut start, end) = (prefix.clone(), successor(&prefix));
        let mut aborted = 0;
        loop {
            let rows = self.namespace.scan(start, end.clone(), SCAN_LIMIT).await?;
            let Some((last, _)) = rows.last() else { return Ok(aborted) };
            start = next(last);
            for (key, value) in rows {
                let record: UploadRecord = decode(&key, value.clone())?;
                let (.., upload_id) = upload::name(&key)?;
                if record.initiated_ms < before_ms && self.last_part_ms(upload_id).await? < before_ms {
                    aborted += usize::from(self.abort_one(key, value).await?);
                }
            }
        }
    }

    /// When the last part came; the beginning of time when there is none.
    async fn last_part_ms(&self, upload_id: u64) -> Result<i64, Error> {
        let mut last_ms = i64::MIN;
        self.namespace
            .scan_all(part::key(upload_id, 0), part::end(upload_id), |key, value| {
                last_ms = last_ms.max(decode::<PartRecord>(&key, value)?.modified_ms);
                Ok(())
            })
            .await?;
        Ok(last_ms)
    }

    async fn abort_one(&self, key: Bytes, value: Bytes) -> Result<bool, Error> {
        let (bucket_id, name, upload_id) = upload::name(&key)?;
        let open = OpenUpload::of(key, Some(value), upload_id)?;
        let mut transaction = Transaction::urgent();
        self.namespace.abort(&mut transaction, &open, bucket_id, &name, upload_id);
        match self.namespace.commit(transaction).await {
            Ok(()) => {
                tracing::info!(upload_id, "an upload was aborted: it saw no change for long");
                Ok(true)
            }
            // It ended by itself.
            Err(Error::Raced) => Ok(false),
            Err(error) => Err(error),
        }
    }

    async fn forget_finished(&self, before_ms: i64) -> Result<(), Error> {
        let prefix = upload::all_finished();
        let (mut start, end) = (prefix.clone(), successor(&prefix));
        loop {
            let rows = self.namespace.scan(start, end.clone(), SCAN_LIMIT).await?;
            let Some((last, _)) = rows.last() else { return Ok(()) };
            start = next(last);
            let mut transaction = Transaction::urgent();
            for (key, value) in rows {
                if decode::<FinishedUploadRecord>(&key, value)?.finished_ms < before_ms {
                    transaction.delete(key);
                }
            }
            if !transaction.is_empty() {
                self.namespace.commit(transaction).await?;
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use crate::error::Error;
    use crate::records::key::Kind;
    use crate::testing::Fixture;

    const DAY_MS: i64 = 24 * 3_600_000;

    #[tokio::test]
    async fn an_upload_that_saw_no_change_for_a_week_is_aborted_and_forgotten_a_week_later() {
        let fixture = Fixture::new().await;
        fixture.bucket("photos").await;
        let abandoned = fixture.upload("photos", "cat").await;
        fixture.part("photos", "cat", abandoned, 1, &[5]).await.unwrap();
        let alive = fixture.upload("photos", "cat").await;
        fixture.clock.advance(5 * DAY_MS);
        fixture.part("photos", "cat", alive, 1, &[5]).await.unwrap();
        assert_eq!(fixture.cluster.expire_uploads().await.unwrap(), 0);
        fixture.clock.advance(3 * DAY_MS);
        assert_eq!(fixture.cluster.expire_uploads().await.unwrap(), 1);
        let late = fixture.part("photos", "cat", abandoned, 2, &[5]).await;
        assert!(matches!(late, Err(Error::NoSuchUpload { .. })));
        let part = fixture.part("photos", "cat", alive, 2, &[5]).await.unwrap();
        let complete = fixture.complete("photos", "cat", alive, &[part]);
        let first = fixture.namespace.complete_upload(&complete).await.unwrap();
        fixture.drain().await;
        fixture.check(true).await;
        fixture.clock.advance(6 * DAY_MS);
        fixture.cluster.expire_uploads().await.unwrap();
        assert_eq!(fixture.namespace.complete_upload(&complete).await.unwrap(), first);
        fixture.clock.advance(2 * DAY_MS);
        fixture.cluster.expire_uploads().await.unwrap();
        assert!(fixture.rows(Kind::FinishedUpload).await.is_empty());
        let late = fixture.namespace.complete_upload(&complete).await;
        assert!(matches!(late, Err(Error::NoSuchUpload { .. })));
    }
}

//! Buckets that come and go.

use super::Run;
use super::reference::kind;
use super::steps::BUCKETS;
use weir_proto::v1;

impl Run {
    pub async fn delete_bucket(&mut self, bucket: usize) {
        let request = v1::DeleteBucketRequest { request_id: self.request_id(), name: BUCKETS[bucket].into() };
        let result = self.ask(async |namespace| namespace.delete_bucket(&request).await).await;
        let refused = if self.model.buckets[bucket].is_none() {
            Some("no such bucket")
        } else if self.model.objects.keys().any(|(at, _)| *at == bucket) {
            Some("bucket not empty")
        } else {
            None
        };
        assert_eq!(result.as_ref().err().map(kind), refused);
        if result.is_ok() {
            self.model.buckets[bucket] = None;
        }
    }

    pub async fn create_bucket(&mut self, bucket: usize) {
        let request = v1::CreateBucketRequest {
            request_id: self.request_id(),
            name: BUCKETS[bucket].into(),
            ..Default::default()
        };
        let result = self.ask(async |namespace| namespace.create_bucket(&request).await).await;
        let exists = self.model.buckets[bucket].is_some();
        assert_eq!(result.as_ref().err().map(kind), exists.then_some("bucket exists"));
        if result.is_ok() {
            self.model.eras += 1;
            self.model.buckets[bucket] = Some(self.model.eras);
        }
    }
}

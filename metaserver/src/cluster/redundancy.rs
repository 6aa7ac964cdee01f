//! How many of the copies that an object's blocks should have are there.

use super::Cluster;
use super::plan::look;
use crate::error::Error;
use weir_proto::v1::{GetObjectRequest, GetRedundancyRequest, ObjectRedundancy};

/// Keys of one question.
const MAX_KEYS: usize = 1_000;

impl Cluster {
    /// By key, in their order. An object that is gone, and one without blocks, has none of none.
    ///
    /// # Errors
    /// [`Error::Invalid`], [`Error::NoSuchBucket`], or the store's.
    pub async fn object_redundancy(&self, request: &GetRedundancyRequest) -> Result<Vec<ObjectRedundancy>, Error> {
        if request.keys.len() > MAX_KEYS {
            return Err(Error::invalid("keys", format!("there are {}; {MAX_KEYS} are allowed", request.keys.len())));
        }
        let mut objects = Vec::with_capacity(request.keys.len());
        for key in &request.keys {
            let get = GetObjectRequest {
                bucket: request.bucket.clone(),
                key: key.clone(),
                with_content: true,
                ..Default::default()
            };
            let extents = match self.namespace.get_object(&get).await {
                Ok(answer) => answer.extents,
                Err(Error::NoSuchKey { .. }) => Vec::new(),
                Err(error) => return Err(error),
            };
            let ids = extents.iter().filter_map(|located| Some(located.extent.as_ref()?.block_id)).collect();
            objects.push(self.redundancy_of(ids).await?);
        }
        Ok(objects)
    }

    async fn redundancy_of(&self, block_ids: Vec<u64>) -> Result<ObjectRedundancy, Error> {
        let members = self.workers.members(&self.namespace);
        let mut sum = ObjectRedundancy::default();
        for record in self.namespace.blocks(&block_ids).await? {
            let look = look(&record, &members, self.namespace.settings.replication);
            sum.wanted_copy_count += look.wanted as u64;
            sum.live_copy_count += look.live.min(look.wanted) as u64;
        }
        Ok(sum)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::{Fixture, key};

    #[tokio::test]
    async fn an_object_has_the_share_of_its_copies_that_is_live() {
        let fixture = Fixture::new().await;
        fixture.bucket("photos").await;
        let other = fixture.worker("", "").await;
        fixture.put_on("photos", "cat", &[fixture.worker_id, other], 2).await;
        fixture.put_inline("photos", "dog", b"woof").await;
        let ask = async || {
            let keys = vec![key("cat"), key("dog"), key("absent")];
            let request = GetRedundancyRequest { bucket: "photos".into(), keys };
            let objects = fixture.cluster.object_redundancy(&request).await.unwrap();
            objects.iter().map(|object| (object.live_copy_count, object.wanted_copy_count)).collect::<Vec<_>>()
        };
        assert_eq!(ask().await, [(2, 2), (0, 0), (0, 0)]);
        fixture.clock.advance(10_001);
        fixture.beat(other).await;
        assert_eq!(ask().await[0], (1, 2));
    }
}

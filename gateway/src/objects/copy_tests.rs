use crate::objects::Keeping;
use crate::objects::testing::*;
use crate::objects::{CopyObject, CopyPart};
use weir_proto::v1::{self, ChecksumAlgorithm, Reason};
use weir_proto::{BucketName, ObjectKey};

fn copy_request() -> CopyObject {
    CopyObject {
        source_bucket: BucketName::new("bucket").unwrap(),
        source_key: ObjectKey::new("k").unwrap(),
        source_object_id: 0,
        source_precondition: None,
        bucket: BucketName::new("bucket").unwrap(),
        key: ObjectKey::new("copy").unwrap(),
        precondition: None,
        replace_attributes: None,
        replace_tags: None,
        checksum_algorithm: ChecksumAlgorithm::None,
        owner: String::new(),
        acl: None,
        keeping: Keeping::default(),
    }
}

fn stored(cluster: &Cluster) -> v1::Object {
    cluster.metaserver.state.lock().objects[&b"copy"[..]].object.clone()
}

#[tokio::test]
async fn a_copy_moves_no_data() {
    let cluster = Cluster::start().await;
    cluster.put(pattern(2500)).await.unwrap();
    cluster.objects.copy_object(copy_request()).await.unwrap();
    assert!(cluster.worker().reads.lock().is_empty());
    assert_eq!(cluster.worker().block_count(), 3);
}

#[tokio::test]
async fn a_copy_that_can_not_share_blocks_moves_the_data_and_keeps_attributes_and_checksum() {
    let cluster = Cluster::start().await;
    let mut put = put_request();
    let tag = v1::Tag { key: "a".into(), value: "b".into() };
    put.attributes.metadata = vec![v1::Header { name: "x".into(), value: "y".into() }];
    put.attributes.tags = vec![tag.clone()];
    let object = cluster.objects.put_object(put, whole(pattern(2500))).await.unwrap();
    cluster.metaserver.state.lock().copies_need_data = true;
    cluster.objects.copy_object(copy_request()).await.unwrap();
    let copy = stored(&cluster);
    assert_eq!((copy.etag, copy.checksum), (object.etag, object.checksum));
    assert_eq!(copy.attributes, object.attributes);
    assert_eq!(cluster.worker().block_count(), 6);
    let replaced = CopyObject { replace_attributes: Some(v1::Attributes::default()), ..copy_request() };
    cluster.objects.copy_object(replaced).await.unwrap();
    let attributes = stored(&cluster).attributes.unwrap();
    assert!(attributes.metadata.is_empty());
    assert_eq!(attributes.tags, [tag]);
}

#[tokio::test]
async fn a_copy_has_the_acl_that_it_was_asked_for_also_where_the_data_moves() {
    let cluster = Cluster::start().await;
    let acl = |owner: &str| Some(v1::Acl { owner: owner.into(), grants: Vec::new() });
    let mut put = put_request();
    put.attributes.acl = acl("aa");
    cluster.objects.put_object(put, whole(pattern(2500))).await.unwrap();
    cluster.metaserver.state.lock().copies_need_data = true;
    cluster.objects.copy_object(copy_request()).await.unwrap();
    assert_eq!(stored(&cluster).attributes.unwrap().acl, None, "the source's is not taken");
    cluster.objects.copy_object(CopyObject { acl: acl("bb"), ..copy_request() }).await.unwrap();
    assert_eq!(stored(&cluster).attributes.unwrap().acl, acl("bb"));
}

#[tokio::test]
async fn another_checksum_is_computed_from_the_source_and_committed_for_that_version() {
    let cluster = Cluster::start().await;
    let source = cluster.put(pattern(2500)).await.unwrap();
    let request = CopyObject { checksum_algorithm: ChecksumAlgorithm::Sha256, ..copy_request() };
    let copy = cluster.objects.copy_object(request).await.unwrap();
    assert_eq!(copy.checksum.unwrap().algorithm(), ChecksumAlgorithm::Sha256);
    assert_eq!(cluster.metaserver.state.lock().copies[0].source_object_id, source.object_id);
    assert_eq!(cluster.worker().block_count(), 3);
    // The one that it has already costs no reading.
    cluster.worker().reads.lock().clear();
    let request = CopyObject { checksum_algorithm: ChecksumAlgorithm::Crc64nvme, ..copy_request() };
    cluster.objects.copy_object(request).await.unwrap();
    assert!(cluster.worker().reads.lock().is_empty());
}

#[tokio::test]
async fn a_source_that_can_not_be_read_is_no_fault_of_the_client() {
    let cluster = Cluster::start().await;
    cluster.put(pattern(500)).await.unwrap();
    cluster.metaserver.state.lock().copies_need_data = true;
    *cluster.worker().read_fault.lock() = Some(ReadFault::Fail(Reason::Damaged, 100));
    let error = cluster.objects.copy_object(copy_request()).await.unwrap_err();
    assert_eq!(error.reason(), Some(Reason::Unavailable));
}

#[tokio::test]
async fn a_range_is_copied_into_a_part() {
    let cluster = Cluster::start().await;
    let data = pattern(2500);
    cluster.put(data.clone()).await.unwrap();
    cluster.metaserver.state.lock().upload.upload_id = 2;
    let range = v1::byte_range::Form::FromTo(v1::byte_range::FromTo { first: 900, last: 1899 });
    let request = CopyPart {
        source_bucket: BucketName::new("bucket").unwrap(),
        source_key: ObjectKey::new("k").unwrap(),
        source_object_id: 0,
        source_precondition: None,
        range: Some(v1::ByteRange { form: Some(range) }),
        bucket: BucketName::new("bucket").unwrap(),
        key: ObjectKey::new("copy").unwrap(),
        upload_id: 2,
        part_number: 7,
        keeping: Keeping::default(),
    };
    let part = cluster.objects.copy_part(request).await.unwrap();
    assert_eq!((part.part_number, part.size_bytes), (7, 1000));
    let block = cluster.worker().blocks.lock()[&4].clone();
    assert_eq!(block[..], data[900..=1899]);
}

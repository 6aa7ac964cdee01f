use crate::body::BodyKind;
use crate::objects::Keeping;
use crate::objects::PutPart;
use crate::objects::testing::*;
use weir_proto::v1::content::Where;
use weir_proto::v1::{self, ChecksumAlgorithm, Reason};
use weir_proto::{BucketName, ObjectKey};

fn part(part_number: u32) -> PutPart {
    PutPart {
        bucket: BucketName::new("bucket").unwrap(),
        key: ObjectKey::new("k").unwrap(),
        upload_id: 2,
        part_number,
        keeping: Keeping::default(),
    }
}

async fn cluster(algorithm: ChecksumAlgorithm) -> Cluster {
    let cluster = Cluster::start().await;
    let upload = v1::Upload { upload_id: 2, checksum_algorithm: algorithm.into(), ..Default::default() };
    cluster.metaserver.state.lock().upload = upload;
    cluster
}

fn stored_algorithm(cluster: &Cluster, part_number: u32) -> ChecksumAlgorithm {
    let state = cluster.metaserver.state.lock();
    state.parts[&part_number].content.as_ref().unwrap().checksum.as_ref().unwrap().algorithm()
}

#[tokio::test]
async fn a_part_is_never_inline_and_may_be_empty() {
    let cluster = cluster(ChecksumAlgorithm::None).await;
    for (number, length) in [(1, 0), (2, 1), (3, INLINE_MAX_BYTES as usize), (4, 1500)] {
        let part = cluster.objects.put_part(part(number), whole(pattern(length))).await.unwrap();
        assert_eq!(part.size_bytes, length as u64);
        let state = cluster.metaserver.state.lock();
        let content = state.parts[&number].content.clone().unwrap();
        let Some(Where::Extents(extents)) = content.r#where else { panic!("inline") };
        assert_eq!(extents.extents.len(), length.div_ceil(BLOCK_MAX_BYTES as usize));
    }
}

#[tokio::test]
async fn a_part_is_stored_with_its_uploads_checksum() {
    for algorithm in [ChecksumAlgorithm::Crc32, ChecksumAlgorithm::Sha256, ChecksumAlgorithm::Crc64nvme] {
        let cluster = cluster(algorithm).await;
        let answer = cluster.objects.put_part(part(1), whole("123456789")).await.unwrap();
        assert_eq!(stored_algorithm(&cluster, 1), algorithm);
        assert_eq!(answer.checksum.unwrap().algorithm(), algorithm);
    }
}

#[tokio::test]
async fn a_part_of_an_upload_without_algorithm_answers_with_the_checksum_that_was_sent() {
    let cluster = cluster(ChecksumAlgorithm::None).await;
    let body = declared(&[("x-amz-checksum-crc32", "y/Q5Jg==")], BodyKind::Part, "123456789");
    let answer = cluster.objects.put_part(part(1), body).await.unwrap();
    assert_eq!(answer.checksum.unwrap().algorithm(), ChecksumAlgorithm::Crc32);
    assert_eq!(stored_algorithm(&cluster, 1), ChecksumAlgorithm::Crc64nvme);
}

#[tokio::test]
async fn a_checksum_of_another_algorithm_than_the_uploads_is_refused() {
    let cluster = cluster(ChecksumAlgorithm::Sha1).await;
    let body = declared(&[("x-amz-checksum-crc32", "y/Q5Jg==")], BodyKind::Part, "123456789");
    let error = cluster.objects.put_part(part(1), body).await.unwrap_err();
    assert_eq!(error.reason(), Some(Reason::InvalidRequest));
    assert!(error.to_string().contains("expected checksum Type: sha1, actual checksum Type: crc32"), "{error}");
}

#[tokio::test]
async fn a_part_of_no_upload_is_refused_before_its_body_is_read() {
    let cluster = cluster(ChecksumAlgorithm::None).await;
    let (_frames, body) = dripping(Some(10));
    let error = cluster.objects.put_part(PutPart { upload_id: 3, ..part(1) }, body).await.unwrap_err();
    assert_eq!(error.reason(), Some(Reason::NoSuchUpload));
}

//! GetObject: what HEAD and GET need to know of an object, as of one moment.

use super::Namespace;
use super::manifests::{ManifestRun, overlapping, part_message};
use super::objects::{self, Current, resource};
use super::transaction::Attempts;
use super::validate::{self, MAX_PART_NUMBER};
use crate::error::Error;
use crate::records::content::ExtentRecord;
use crate::records::inline::{self, InlineRecord};
use crate::records::key::Kind;
use crate::records::object::{self, ObjectRecord};
use crate::records::{RecordError, decode};
use bytes::Bytes;
use std::ops::RangeInclusive;
use weir_proto::v1::{ByteRange, GetObjectRequest, GetObjectResponse, LocatedExtent, byte_range};
use weir_proto::{BucketName, ObjectKey};

impl Namespace {
    /// # Errors
    /// [`Error::NoSuchBucket`], [`Error::NoSuchKey`], [`Error::Invalid`]; [`Error::Record`] when the object is damaged.
    pub async fn get_object(&self, request: &GetObjectRequest) -> Result<GetObjectResponse, Error> {
        let bucket = validate::bucket(&request.bucket)?;
        let key = validate::key(&request.key)?;
        if request.part_number > MAX_PART_NUMBER {
            return Err(Error::invalid("part_number", format!("it is up to {MAX_PART_NUMBER}")));
        }
        if request.part_number != 0 && request.range.is_some() {
            return Err(Error::invalid("range", "it does not go together with a part number"));
        }
        let read_mark = self.marks.current();
        let mut attempts = Attempts::default();
        loop {
            match self.try_get_object(request, &bucket, &key).await {
                Err(Error::Raced) => attempts.again(self, || resource(&bucket, &key)).await?,
                done => return done.map(|answer| GetObjectResponse { read_mark, ..answer }),
            }
        }
    }

    async fn try_get_object(
        &self,
        request: &GetObjectRequest,
        bucket: &BucketName,
        key: &ObjectKey,
    ) -> Result<GetObjectResponse, Error> {
        let name = key.as_bytes();
        let ([view], mut values) = self
            .read_in([bucket], |[id]| {
                let inline = request.with_content.then(|| inline::key(id, name));
                [object::key(id, name)].into_iter().chain(inline).collect()
            })
            .await?;
        let inline = if request.with_content { values.pop().flatten() } else { None };
        let current = Current::of(view.id(), name, values.pop().flatten())?;
        let record = current.record.ok_or_else(|| Error::NoSuchKey { resource: resource(bucket, key) })?;
        let answer = self.selection(request, &record).await;
        let mut answer = self.unless_replaced(answer, bucket, key, record.object_id).await?;
        answer.object = Some(objects::message_with_acl(name, &record));
        if request.with_content && !answer.unsatisfiable && record.inline {
            answer.inline = Some(inline_bytes(&inline::key(view.id(), name), &record, inline)?);
        }
        Ok(answer)
    }

    /// What of the object is asked for, and where it is.
    async fn selection(&self, request: &GetObjectRequest, record: &ObjectRecord) -> Result<GetObjectResponse, Error> {
        let unsatisfiable = || GetObjectResponse { unsatisfiable: true, ..Default::default() };
        let mut answer = GetObjectResponse::default();
        let run;
        if request.part_number != 0 && record.part_count != 0 {
            let manifest = record.manifest.clone().unwrap_or_default();
            let Some((offset_bytes, part)) = self.manifest_part(&manifest, request.part_number).await? else {
                return Ok(unsatisfiable());
            };
            answer.offset_bytes = offset_bytes;
            answer.length_bytes = part.size_bytes;
            answer.part = Some(part_message(record, part.clone()));
            run = Some(ManifestRun { offset_bytes, parts: vec![part] });
        } else if request.part_number > 1 {
            return Ok(unsatisfiable());
        } else {
            match selected_range(request.range.as_ref(), record.size_bytes)? {
                None => return Ok(unsatisfiable()),
                Some(range) if range.is_empty() => run = None,
                Some(range) => {
                    answer.offset_bytes = *range.start();
                    answer.length_bytes = range.end() - range.start() + 1;
                    run = match &record.manifest {
                        Some(manifest) if request.with_content => {
                            Some(self.manifest_of_range(manifest, *range.start(), *range.end()).await?)
                        }
                        _ => None,
                    };
                }
            }
        }
        if let (Some(run), true, 1..) = (run, request.with_content, answer.length_bytes) {
            let last = answer.offset_bytes + answer.length_bytes - 1;
            answer.extents = self.locate(&overlapping(&run, answer.offset_bytes, last)).await?;
        }
        Ok(answer)
    }

    async fn locate(&self, extents: &[(u64, ExtentRecord)]) -> Result<Vec<LocatedExtent>, Error> {
        let ids: Vec<u64> = extents.iter().map(|(_, extent)| extent.block_id).collect();
        let blocks = self.live_blocks(&ids).await?;
        let located = extents.iter().zip(blocks).map(|((offset_bytes, extent), (_, _, block))| LocatedExtent {
            extent: Some(extent.into()),
            worker_ids: if block.coded.is_some() { Vec::new() } else { block.readable_worker_ids() },
            offset_bytes: *offset_bytes,
            coded: block.coded.as_ref().map(|coded| coded.place(&block.readable_worker_ids())),
        });
        Ok(located.collect())
    }
}

fn inline_bytes(key: &[u8], record: &ObjectRecord, value: Option<Bytes>) -> Result<Bytes, Error> {
    if record.size_bytes == 0 {
        return Ok(Bytes::new());
    }
    let damaged = |detail: &str| Error::Record(RecordError::new(Kind::Inline, key, detail));
    let inline: InlineRecord = decode(key, value.ok_or_else(|| damaged("it is missing"))?)?;
    if inline.object_id != record.object_id || inline.data.len() as u64 != record.size_bytes {
        return Err(damaged("it belongs to another version"));
    }
    Ok(inline.data)
}

/// The bytes that a range selects of an object; none when it selects nothing. Without a range the whole object, which may
/// be empty.
pub(crate) fn selected_range(range: Option<&ByteRange>, size_bytes: u64) -> Result<Option<RangeInclusive<u64>>, Error> {
    #[expect(clippy::reversed_empty_ranges, reason = "an empty object has no last byte")]
    let nothing = 1..=0;
    let form = match range {
        None if size_bytes == 0 => return Ok(Some(nothing)),
        None => return Ok(Some(0..=size_bytes - 1)),
        Some(range) => range.form.as_ref().ok_or_else(|| Error::invalid("range", "it has no form"))?,
    };
    let (first, last) = match *form {
        byte_range::Form::FromTo(byte_range::FromTo { first, last }) if first > last => {
            return Err(Error::invalid("range", format!("it ends at {last}, before its begin at {first}")));
        }
        byte_range::Form::FromTo(byte_range::FromTo { first, last }) => (first, last),
        byte_range::Form::From(first) => (first, u64::MAX),
        byte_range::Form::Suffix(0) => return Ok(None),
        byte_range::Form::Suffix(count) => (size_bytes.saturating_sub(count), u64::MAX),
    };
    Ok((first < size_bytes).then(|| first..=last.min(size_bytes - 1)))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ranges_select_as_rfc_9110_says() {
        use byte_range::{Form, FromTo};
        let select = |form, size| selected_range(Some(&ByteRange { form: Some(form) }), size).unwrap();
        assert_eq!(select(Form::FromTo(FromTo { first: 0, last: 0 }), 10), Some(0..=0));
        assert_eq!(select(Form::FromTo(FromTo { first: 5, last: 99 }), 10), Some(5..=9));
        assert_eq!(select(Form::FromTo(FromTo { first: 10, last: 99 }), 10), None);
        assert_eq!(select(Form::From(9), 10), Some(9..=9));
        assert_eq!(select(Form::From(10), 10), None);
        assert_eq!(select(Form::Suffix(3), 10), Some(7..=9));
        assert_eq!(select(Form::Suffix(30), 10), Some(0..=9));
        assert_eq!(select(Form::Suffix(0), 10), None);
        assert_eq!(select(Form::Suffix(3), 0), None);
        assert_eq!(select(Form::From(0), 0), None);
        assert_eq!(selected_range(None, 10).unwrap(), Some(0..=9));
        assert!(selected_range(None, 0).unwrap().unwrap().is_empty());
        assert!(
            selected_range(Some(&ByteRange { form: Some(Form::FromTo(FromTo { first: 5, last: 4 })) }), 10).is_err()
        );
        assert!(selected_range(Some(&ByteRange { form: None }), 10).is_err());
    }
}

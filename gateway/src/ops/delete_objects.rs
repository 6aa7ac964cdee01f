//! DeleteObjects.
//! <https://docs.aws.amazon.com/AmazonS3/latest/API/API_DeleteObjects.html>
//!
//! S3 wants Content-MD5 or a checksum of the document. What is sent is verified; a request without either is taken,
//! since old tools send none.

use super::reading::absent;
use super::{Context, missing};
use crate::answer;
use crate::audit::ConcernedKeys;
use crate::auth::{Access, Need, Resource};
use crate::body::BodyKind;
use crate::conditions;
use crate::error::{ErrorCode, Outcome, S3Error};
use crate::request::{Request, RequestBody};
use crate::xml::{DeleteDocument, ObjectToDelete, Writer, parse_delete};
use weir_proto::{BucketName, Failure, ObjectKey, v1};

pub async fn delete_objects(context: &Context, request: &Request, bucket: &BucketName, body: RequestBody) -> Outcome {
    let document = context.document(request, body, BodyKind::Document).await?;
    let DeleteDocument { quiet, objects } = parse_delete(&document)?;
    if objects.iter().any(|object| object.has_directory_condition) {
        return Err(S3Error::not_implemented("Delete/Object/LastModifiedTime and Delete/Object/Size"));
    }
    // What is refused here keeps its place among the answers.
    let entries: Vec<Result<v1::DeleteEntry, S3Error>> =
        objects.iter().map(|object| entry(&request.access, bucket, object)).collect();
    let codes = entries.iter().map(|entry| entry.as_ref().err().map(|error| error.code()));
    request.noted.keys(concerned(&objects, codes));
    let sent: Vec<v1::DeleteEntry> = entries.iter().filter_map(|entry| entry.as_ref().ok()).cloned().collect();
    let mut results = if sent.is_empty() {
        context.bucket(bucket).await?;
        Vec::new()
    } else {
        let delete = v1::DeleteObjectsRequest { request_id: None, bucket: bucket.to_string(), entries: sent };
        context.objects.delete_objects(delete).await?.results
    }
    .into_iter();

    let mut xml = Writer::with_capacity("DeleteResult", 512 + objects.len() * 128);
    let mut codes = Vec::with_capacity(objects.len());
    for (object, entry) in objects.iter().zip(entries) {
        let refused = match entry {
            Err(error) => Some(error),
            Ok(_) => {
                let result = results.next().ok_or_else(|| missing("result"))?;
                result.failure.map(|failure| absent(&request.access, bucket, Failure::from(failure).into()))
            }
        };
        codes.push(refused.as_ref().map(S3Error::code));
        match refused {
            Some(error) => write_error(&mut xml, object, &error),
            None if quiet => {}
            None => write_deleted(&mut xml, object),
        }
    }
    request.noted.keys(concerned(&objects, codes));
    Ok(answer::document(xml))
}

/// What the audit log has of it. `codes` are those of the refused, in the order of the objects.
fn concerned(objects: &[ObjectToDelete], codes: impl IntoIterator<Item = Option<ErrorCode>>) -> ConcernedKeys {
    let mut keys = ConcernedKeys::default();
    for (object, code) in objects.iter().zip(codes) {
        keys.push(&object.key, object.version_id.as_deref(), code.map(ErrorCode::name));
    }
    keys
}

fn entry(access: &Access, bucket: &BucketName, object: &ObjectToDelete) -> Result<v1::DeleteEntry, S3Error> {
    if object.key.contains('\0') {
        return Err(S3Error::new(ErrorCode::InvalidArgument));
    }
    let key = ObjectKey::new(object.key.clone())?;
    let has_version = object.version_id.as_deref().is_some_and(|version| version != "null");
    let action = if has_version { "s3:DeleteObjectVersion" } else { "s3:DeleteObject" };
    let resource = Resource::Object(bucket, &key);
    access.require(&Need { action, resource })?;
    if let Some(version) = object.version_id.as_deref().filter(|version| *version != "null") {
        return Err(S3Error::new(ErrorCode::NoSuchVersion).element("VersionId", version));
    }
    let precondition = access.own_alone(action, &resource, object.etag.as_deref().map(conditions::of_etag));
    Ok(v1::DeleteEntry { key: key.into_bytes(), precondition })
}

fn write_deleted(xml: &mut Writer, object: &ObjectToDelete) {
    xml.within("Deleted", |xml| {
        xml.text("Key", &object.key);
        if let Some(version) = &object.version_id {
            xml.text("VersionId", version);
        }
    });
}

fn write_error(xml: &mut Writer, object: &ObjectToDelete, error: &S3Error) {
    xml.within("Error", |xml| {
        xml.text("Key", &object.key);
        if let Some(version) = &object.version_id {
            xml.text("VersionId", version);
        }
        xml.text("Code", error.code().name()).text("Message", error.message());
    });
}

#[cfg(test)]
mod tests {
    use super::*;

    fn entry(object: &ObjectToDelete) -> Result<v1::DeleteEntry, S3Error> {
        super::entry(&Access::everything(), &BucketName::new("photos")?, object)
    }

    fn object(key: &str) -> ObjectToDelete {
        ObjectToDelete { key: key.into(), ..Default::default() }
    }

    #[test]
    fn keys_are_checked_one_by_one() {
        assert!(entry(&object("a/../b")).is_ok());
        assert_eq!(entry(&object("")).unwrap_err().code(), ErrorCode::UserKeyMustBeSpecified);
        assert_eq!(entry(&object(&"k".repeat(1025))).unwrap_err().code(), ErrorCode::KeyTooLongError);
        let versioned = |version: &str| ObjectToDelete { version_id: Some(version.into()), ..object("k") };
        assert!(entry(&versioned("null")).is_ok());
        assert_eq!(entry(&versioned("abc")).unwrap_err().code(), ErrorCode::NoSuchVersion);
    }

    #[test]
    fn an_etag_becomes_a_condition() {
        let conditional = ObjectToDelete { etag: Some("\"abc\"".into()), ..object("k") };
        assert_eq!(entry(&conditional).unwrap().precondition.unwrap().if_match, ["abc"]);
        assert_eq!(entry(&object("k")).unwrap().precondition, None);
    }
}

//! GetBucketAcl and GetObjectAcl: the owner has full control, and nobody else any.
//! <https://docs.aws.amazon.com/AmazonS3/latest/API/API_GetBucketAcl.html>,
//! <https://docs.aws.amazon.com/AmazonS3/latest/API/API_GetObjectAcl.html>

use super::reading::open_head;
use super::{Context, write_owner};
use crate::answer::{self, Answer, Outcome};
use crate::auth::ACCOUNT;
use crate::request::Request;
use crate::xml::Writer;
use weir_proto::{BucketName, ObjectKey};

pub async fn get_bucket_acl(context: &Context, bucket: &BucketName) -> Outcome {
    let bucket = context.bucket(bucket).await?;
    Ok(full_control(&bucket.owner))
}

pub async fn get_object_acl(context: &Context, request: &Request, bucket: &BucketName, key: &ObjectKey) -> Outcome {
    request.check_version()?;
    let opened = open_head(context, request, "s3:GetObjectAcl", bucket, key).await?;
    Ok(full_control(&opened.object.owner))
}

fn full_control(owner: &str) -> Answer {
    let mut xml = Writer::new("AccessControlPolicy");
    write_owner(&mut xml, "Owner", owner);
    xml.open("AccessControlList").open("Grant");
    xml.markup("<Grantee xmlns:xsi=\"http://www.w3.org/2001/XMLSchema-instance\" xsi:type=\"CanonicalUser\">");
    let (id, name) =
        if owner.is_empty() || owner == ACCOUNT.id { (ACCOUNT.id, ACCOUNT.display_name) } else { (owner, "") };
    xml.text("ID", id).text("DisplayName", name).close("Grantee").text("Permission", "FULL_CONTROL");
    xml.close("Grant").close("AccessControlList");
    answer::document(xml)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::answer::AnswerBody;
    use crate::auth::ACCOUNT;
    use crate::xml::Element;

    #[test]
    fn the_owner_alone_is_granted_everything() {
        let answer = full_control(ACCOUNT.id);
        let AnswerBody::Full(document) = answer.body() else { panic!("{answer:?}") };
        let root = Element::parse(document, "AccessControlPolicy").unwrap();
        assert_eq!(root.children[0].children[0].text, ACCOUNT.id);
        let grants = &root.children[1].children;
        assert_eq!(grants.len(), 1);
        assert_eq!(grants[0].children[0].children[0].text, ACCOUNT.id);
        assert_eq!(grants[0].children[1].text, "FULL_CONTROL");
    }
}

//! Tags of users and roles.
//! <https://docs.aws.amazon.com/IAM/latest/APIReference/API_TagUser.html>

use super::Call;
use super::holder::HolderKind;
use super::paging::{Paging, write_members};
use crate::query_api::{QueryAnswer, QueryError, TAG_KEY, TAGS_MAX, set_tags};
use crate::xml::Writer;
use weir_proto::v1::change_access_request::Change;
use weir_proto::v1::{self, Tag};

/// Sets tags beside those that are there.
pub async fn tag(call: &Call<'_>, kind: HolderKind) -> Result<QueryAnswer, QueryError> {
    let holder = call.holder(kind)?;
    let set = call.parameters.tags("Tags")?.ok_or_else(|| QueryError::missing("Tags"))?;
    let mut tags = holder.tags.to_vec();
    set_tags(&mut tags, set)?;
    send(call, kind, holder.name, tags).await
}

/// Takes tags away; a key that is not there is no error.
pub async fn untag(call: &Call<'_>, kind: HolderKind) -> Result<QueryAnswer, QueryError> {
    let holder = call.holder(kind)?;
    let keys = call.parameters.list("TagKeys", &TAG_KEY, TAGS_MAX)?.ok_or_else(|| QueryError::missing("TagKeys"))?;
    let keys: Vec<_> = keys.into_iter().map(str::to_lowercase).collect();
    let is_kept = |tag: &&Tag| !keys.contains(&tag.key.to_lowercase());
    let tags = holder.tags.iter().filter(is_kept).cloned().collect();
    send(call, kind, holder.name, tags).await
}

pub fn list_tags(call: &Call<'_>, kind: HolderKind) -> Result<QueryAnswer, QueryError> {
    let mut tags: Vec<_> = call.holder(kind)?.tags.iter().map(|tag| (&tag.key, tag)).collect();
    tags.sort_by_key(|(key, _)| *key);
    let page = Paging::of(call.parameters)?.take(tags);
    Ok(QueryAnswer::with(|xml| page.write(xml, "Tags", |xml, tag| write_tag(xml, tag))))
}

async fn send(call: &Call<'_>, kind: HolderKind, name: &str, mut tags: Vec<Tag>) -> Result<QueryAnswer, QueryError> {
    tags.sort_by(|one, other| one.key.cmp(&other.key));
    call.settle(Change::SetTags(v1::SetTags { holder: kind.named(name), tags })).await
}

/// The element `Tags`; left out where there are none.
pub fn write_tags(xml: &mut Writer, tags: &[Tag]) {
    if !tags.is_empty() {
        write_members(xml, "Tags", tags, write_tag);
    }
}

fn write_tag(xml: &mut Writer, tag: &Tag) {
    xml.text("Key", &tag.key).text("Value", &tag.value);
}

//! The directory of access, as commands see and change it.

use super::Shell;
use super::error::ShellError;
use std::io::Read as _;
use std::path::Path;
use weir_proto::MAX_MESSAGE_BYTES;
use weir_proto::v1::access_client::AccessClient;
use weir_proto::v1::access_entry::Entry;
use weir_proto::v1::change_access_request::Change;
use weir_proto::v1::{
    AccessEntry, AccessKey, BucketAccess, ChangeAccessRequest, ChangeAccessResponse, FetchAccessRequest, Group,
    ManagedPolicy, OidcProvider, Permissions, Role, User,
};
use weir_service::channel::Channel;

/// The longest file with a document or a secret that is read, in bytes.
const MAX_FILE_BYTES: u64 = 1 << 20;

/// Everyone and everything that access is about, each by name, ascending.
#[derive(Debug, Default)]
pub struct Directory {
    pub users: Vec<User>,
    pub keys: Vec<AccessKey>,
    pub groups: Vec<Group>,
    pub policies: Vec<ManagedPolicy>,
    pub roles: Vec<Role>,
    pub providers: Vec<OidcProvider>,
    /// Those that something is said of.
    pub buckets: Vec<BucketAccess>,
}

impl Shell {
    fn access(&self) -> AccessClient<Channel> {
        AccessClient::new(self.channel.clone()).max_decoding_message_size(MAX_MESSAGE_BYTES)
    }

    /// Makes one change.
    ///
    /// # Errors
    /// What the metaserver refuses with.
    pub async fn change_access(&self, change: Change) -> Result<ChangeAccessResponse, ShellError> {
        // Whoever typed the command sees when no answer comes, and looks: nothing is sent twice.
        let request = ChangeAccessRequest { request_id: None, change: Some(change) };
        Ok(self.access().change_access(request).await?.into_inner())
    }

    /// # Errors
    /// What the metaserver refuses with.
    pub async fn directory(&self) -> Result<Directory, ShellError> {
        let mut directory = Directory::default();
        let mut batches = self.access().fetch_access(FetchAccessRequest { since_version: 0 }).await?.into_inner();
        while let Some(batch) = batches.message().await? {
            batch.entries.into_iter().filter_map(|entry| entry.entry).for_each(|entry| directory.add(entry));
        }
        Ok(directory)
    }
}

impl Directory {
    fn add(&mut self, entry: Entry) {
        match entry {
            Entry::User(user) => self.users.push(user),
            Entry::AccessKey(key) => self.keys.push(key),
            Entry::Group(group) => self.groups.push(group),
            Entry::Policy(policy) => self.policies.push(policy),
            Entry::Role(role) => self.roles.push(role),
            Entry::OidcProvider(provider) => self.providers.push(provider),
            Entry::Bucket(bucket) => self.buckets.push(bucket),
            Entry::Removed(_) => {}
        }
    }

    /// Users and roles as gateways know them.
    pub fn principals(&self) -> weir_gateway::auth::Directory {
        let users = self.users.iter().cloned().map(Entry::User);
        let entries = users.chain(self.roles.iter().cloned().map(Entry::Role));
        let mut known = weir_gateway::auth::Directory::default();
        known.apply(entries.map(|entry| AccessEntry { entry: Some(entry) }));
        known
    }
}

/// What a user, a group or a role is allowed, a line each.
pub fn permission_lines(permissions: Option<&Permissions>) -> Vec<String> {
    let Some(permissions) = permissions else { return Vec::new() };
    let attached = permissions.attached_policies.iter().map(|name| format!("Attached policy : {name}"));
    let inline = permissions.inline_policies.iter().map(|policy| format!("Inline policy   : {}", policy.name));
    let boundary = Some(&permissions.boundary_policy).filter(|name| !name.is_empty());
    attached.chain(inline).chain(boundary.map(|name| format!("Boundary        : {name}"))).collect()
}

/// The text in a file; `-` is standard input.
///
/// # Errors
/// It can't be read, is not UTF-8 or is too long.
pub fn read_text(path: &Path) -> Result<String, ShellError> {
    let mut text = String::new();
    let read = match path.to_str() {
        Some("-") => std::io::stdin().take(MAX_FILE_BYTES + 1).read_to_string(&mut text),
        _ => std::fs::File::open(path).and_then(|file| file.take(MAX_FILE_BYTES + 1).read_to_string(&mut text)),
    };
    if read.map_err(ShellError::local(path))? as u64 > MAX_FILE_BYTES {
        return Err(ShellError::said(format!("{} has more than {MAX_FILE_BYTES} bytes", path.display())));
    }
    Ok(text)
}

#[cfg(test)]
mod tests {
    use super::*;
    use weir_proto::v1::NamedDocument;

    #[test]
    fn permissions_are_a_line_each() {
        let permissions = Permissions {
            attached_policies: vec!["a".into(), "b".into()],
            inline_policies: vec![NamedDocument { name: "own".into(), document: "{}".into() }],
            boundary_policy: "limit".into(),
        };
        assert_eq!(
            permission_lines(Some(&permissions)),
            ["Attached policy : a", "Attached policy : b", "Inline policy   : own", "Boundary        : limit"]
        );
        assert!(permission_lines(Some(&Permissions::default())).is_empty());
    }

    #[test]
    fn a_file_that_is_too_long_or_not_text_is_refused() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("file");
        std::fs::write(&path, vec![b'x'; MAX_FILE_BYTES as usize]).unwrap();
        assert_eq!(read_text(&path).unwrap().len() as u64, MAX_FILE_BYTES);
        std::fs::write(&path, vec![b'x'; MAX_FILE_BYTES as usize + 1]).unwrap();
        assert!(matches!(read_text(&path), Err(ShellError::Said(_))));
        std::fs::write(&path, [0xFF]).unwrap();
        assert!(matches!(read_text(&path), Err(ShellError::Local { .. })));
        assert!(matches!(read_text(&folder.path().join("none")), Err(ShellError::Local { .. })));
    }
}

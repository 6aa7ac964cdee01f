//! How much of the copies that objects should have is there.

use super::Shell;
use super::error::ShellError;
use super::path::ShellPath;
use super::tree::File;
use weir_proto::v1;

/// Objects of one question.
pub const PAGE_COUNT: usize = 1_000;

/// Of each file, the percentage of the copies of its blocks that there should be and are live. What lies with the
/// metadata has all it should have.
///
/// # Errors
/// What the metaserver refuses with.
pub async fn percents(files: &[&File], shell: &Shell) -> Result<Vec<u64>, ShellError> {
    let mut percents = Vec::with_capacity(files.len());
    for some in files.chunk_by(|one, next| one.path.bucket() == next.path.bucket()) {
        let bucket = some[0].path.bucket().unwrap_or_default().to_owned();
        for some in some.chunks(PAGE_COUNT) {
            let keys = some.iter().map(|file| match &file.path {
                ShellPath::Key(_, key) => key.clone(),
                ShellPath::Root | ShellPath::Bucket(_) => Default::default(),
            });
            let request = v1::GetRedundancyRequest { bucket: bucket.clone(), keys: keys.collect() };
            let objects = shell.admin().get_redundancy(request).await?.into_inner().objects;
            percents.extend(objects.iter().map(percent));
        }
    }
    Ok(percents)
}

fn percent(object: &v1::ObjectRedundancy) -> u64 {
    (object.live_copy_count * 100).checked_div(object.wanted_copy_count).unwrap_or(100)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn less_than_all_is_never_a_hundred_percent() {
        let of =
            |live_copy_count, wanted_copy_count| percent(&v1::ObjectRedundancy { wanted_copy_count, live_copy_count });
        assert_eq!([of(0, 0), of(3, 3), of(2, 3), of(0, 3), of(999, 1_000)], [100, 100, 66, 0, 99]);
    }
}

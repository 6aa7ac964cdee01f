//! Which of two metaservers serves and which one follows it: what their folders say, so that a promotion outlasts a
//! restart.

use super::error::ClusterError;
use super::record::Entry;
use super::record::{METASERVER, STANDBY};
use std::path::Path;
use weir_metaserver::standby::{Past, past};
use weir_service::disk::SystemDisk;

const FOLLOW: &str = "--follow";

/// Gives two metaservers their roles, and one of them the flag to follow the other. One alone serves. Blocks.
///
/// # Errors
/// [`ClusterError::OnlyStandby`]: what one of them followed is gone, and it was not promoted. [`ClusterError::Folder`].
pub fn settle(entries: &mut [&mut Entry]) -> Result<(), ClusterError> {
    let [one, other] = entries else { return Ok(()) };
    let pasts = [past_of(one)?, past_of(other)?];
    let (first, second) = match pasts {
        [Past::Nothing, Past::Standby] => return Err(only_standby(other, one)),
        [Past::Standby, Past::Nothing] => return Err(only_standby(one, other)),
        [a, b] if epoch(b) > epoch(a) => (other, one),
        _ => (one, other),
    };
    unfollow(first);
    METASERVER.clone_into(&mut first.role);
    unfollow(second);
    STANDBY.clone_into(&mut second.role);
    second.command.extend([FOLLOW.to_owned(), first.address.to_string()]);
    Ok(())
}

fn past_of(entry: &Entry) -> Result<Past, ClusterError> {
    let Some(data) = entry.data.as_deref().filter(|data| data.exists()) else { return Ok(Past::Nothing) };
    past(&SystemDisk, data).map_err(|source| ClusterError::Folder { data: data.to_owned(), source: Box::new(source) })
}

/// 0: it has served nobody.
fn epoch(past: Past) -> u64 {
    if let Past::Metaserver { epoch } = past { epoch } else { 0 }
}

fn only_standby(standby: &Entry, gone: &Entry) -> ClusterError {
    let folder = |entry: &Entry| entry.data.as_deref().unwrap_or(Path::new("")).to_owned();
    ClusterError::OnlyStandby { data: folder(standby), gone: folder(gone) }
}

fn unfollow(entry: &mut Entry) {
    if let Some(at) = entry.command.iter().position(|word| word == FOLLOW) {
        entry.command.drain(at..(at + 2).min(entry.command.len()));
    }
}

//! The secret of a standalone or a local cluster: the one that is configured, or else one of its own in its data folder,
//! made at the first start. Secrets of access keys are sealed under it: without it they are lost.

use super::process::StartError;
use super::whole_file;
use std::io;
use std::path::Path;
use weir_service::clock::Clock;
use weir_service::config::ServiceSettings;
use weir_service::disk::Disk;
use weir_service::peer_auth::ClusterSecret;

/// In the data folder of a standalone or a local cluster.
pub const NAME: &str = "cluster-secret";
const RANDOM_BYTES: usize = 32;
/// What is read of it at most, in bytes.
const MAX_BYTES: u64 = 1 << 10;

/// The data folder must be this process's alone. Blocks.
///
/// # Errors
/// [`StartError::Secret`]: the configured one is too short. [`StartError::SecretFile`], [`StartError::SecretDamaged`].
pub fn cluster_secret_of(
    settings: &ServiceSettings,
    disk: &dyn Disk,
    clock: &dyn Clock,
) -> Result<ClusterSecret, StartError> {
    Ok(ClusterSecret::new(&secret_text_of(settings, disk, clock)?)?)
}

/// The same as the text that other processes of the cluster are given. Blocks.
///
/// # Errors
/// As [`cluster_secret_of`].
pub fn secret_text_of(settings: &ServiceSettings, disk: &dyn Disk, clock: &dyn Clock) -> Result<String, StartError> {
    if let Some(known) = known_text(settings, disk)? {
        return Ok(known);
    }
    let made = make(disk, clock, &settings.data);
    made.map_err(|source| StartError::SecretFile { path: settings.data.join(NAME), source })
}

/// The secret that a standalone would start with; none: it would make one. Blocks.
///
/// # Errors
/// As [`cluster_secret_of`].
pub fn known_secret(settings: &ServiceSettings, disk: &dyn Disk) -> Result<Option<ClusterSecret>, StartError> {
    Ok(known_text(settings, disk)?.map(|text| ClusterSecret::new(&text)).transpose()?)
}

fn known_text(settings: &ServiceSettings, disk: &dyn Disk) -> Result<Option<String>, StartError> {
    if !settings.cluster_secret.is_empty() {
        ClusterSecret::new(&settings.cluster_secret)?;
        return Ok(Some(settings.cluster_secret.clone()));
    }
    let path = settings.data.join(NAME);
    let text = read(disk, &path).map_err(|source| StartError::SecretFile { path: path.clone(), source })?;
    let Some(text) = text.map(|text| text.trim().to_owned()) else { return Ok(None) };
    match ClusterSecret::new(&text) {
        Ok(_) => Ok(Some(text)),
        Err(source) => Err(StartError::SecretDamaged { path, source }),
    }
}

fn read(disk: &dyn Disk, path: &Path) -> io::Result<Option<String>> {
    if !disk.exists(path)? {
        return Ok(None);
    }
    let file = disk.open(path)?;
    // At most MAX_BYTES.
    let mut bytes = vec![0; file.len()?.min(MAX_BYTES) as usize];
    file.read_exact_at(&mut bytes, 0)?;
    String::from_utf8(bytes).map(Some).map_err(|error| io::Error::new(io::ErrorKind::InvalidData, error))
}

fn make(disk: &dyn Disk, clock: &dyn Clock, folder: &Path) -> io::Result<String> {
    let mut random = [0; RANDOM_BYTES];
    clock.random(&mut random);
    let text = hex::encode(random);
    whole_file::write(disk, folder, NAME, text.as_bytes())?;
    Ok(text)
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::fs;
    use std::os::unix::fs::PermissionsExt as _;
    use weir_service::clock::SystemClock;
    use weir_service::disk::SystemDisk;
    use weir_service::sealing::Sealer;

    fn settings(data: &Path, cluster_secret: &str) -> ServiceSettings {
        ServiceSettings { data: data.to_owned(), cluster_secret: cluster_secret.to_owned(), ..Default::default() }
    }

    fn secret(data: &Path, configured: &str) -> Result<ClusterSecret, StartError> {
        cluster_secret_of(&settings(data, configured), &SystemDisk, &SystemClock)
    }

    #[test]
    fn a_secret_of_its_own_is_made_once_and_is_its_owners_alone() {
        let folder = tempfile::tempdir().unwrap();
        fs::write(folder.path().join("cluster-secret.new"), "torn").unwrap();
        let sealer = Sealer::new(&secret(folder.path(), "").unwrap());
        let sealed = sealer.seal(&SystemClock, "key", "", b"hush").unwrap();
        let again = Sealer::new(&secret(folder.path(), "").unwrap());
        assert_eq!(again.open("key", "", &sealed).unwrap(), b"hush");
        let path = folder.path().join(NAME);
        assert_eq!(fs::metadata(&path).unwrap().permissions().mode() & 0o777, 0o600);
        assert_eq!(fs::read_to_string(&path).unwrap().len(), 2 * RANDOM_BYTES);
        assert!(!folder.path().join("cluster-secret.new").exists());
        fs::write(&path, "cut").unwrap();
        assert!(matches!(secret(folder.path(), ""), Err(StartError::SecretDamaged { .. })));
        fs::write(&path, [0xFF; 64]).unwrap();
        assert!(matches!(secret(folder.path(), ""), Err(StartError::SecretFile { .. })));
    }

    #[test]
    fn a_configured_secret_is_taken_and_none_is_made() {
        let folder = tempfile::tempdir().unwrap();
        assert!(secret(folder.path(), "a secret of 32 characters or more").is_ok());
        assert!(matches!(secret(folder.path(), "short"), Err(StartError::Secret(_))));
        assert!(!folder.path().join(NAME).exists());
    }
}

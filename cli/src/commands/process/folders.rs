//! Where a standalone's roles have their folders.

use super::error::StartError;
use std::path::PathBuf;
use weir_service::config::{Config, Origin};

const METADATA_NAME: &str = "meta";
const BLOCKS_NAME: &str = "blocks";

/// The metaserver's folder in a standalone.
pub fn metadata_folder(config: &Config) -> PathBuf {
    match config.origin("metaserver.data") {
        Origin::Default => config.service.data.join(METADATA_NAME),
        _ => config.metaserver.data.clone(),
    }
}

/// The worker's folder in a standalone.
///
/// # Errors
/// [`StartError::StandaloneFolders`] when several are set.
pub fn blocks_folder(config: &Config) -> Result<PathBuf, StartError> {
    match (config.origin("worker.data"), config.worker.data.as_slice()) {
        (Origin::Default, _) => Ok(config.service.data.join(BLOCKS_NAME)),
        (_, [folder]) => Ok(folder.clone()),
        (_, several) => Err(StartError::StandaloneFolders(several.len())),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::commands::ConfigArgs;
    use std::path::Path;

    #[test]
    fn the_roles_folders_lie_in_the_data_folder_unless_they_are_set() {
        let args = ConfigArgs { config: Some("/dev/null".into()), ..ConfigArgs::default() };
        let config = args.load(&[("data", Some("/srv/weir".into()), "--data")]).unwrap();
        assert_eq!(metadata_folder(&config), Path::new("/srv/weir/meta"));
        assert_eq!(blocks_folder(&config).unwrap(), Path::new("/srv/weir/blocks"));
        let config = args.load(&[("metaserver.data", Some("/fast/meta".into()), "--set")]).unwrap();
        assert_eq!(metadata_folder(&config), Path::new("/fast/meta"));
        let folders = |folders: &str| args.load(&[("worker.data", Some(folders.into()), "--set")]).unwrap();
        assert_eq!(blocks_folder(&folders("/fast/blocks")).unwrap(), Path::new("/fast/blocks"));
        assert!(matches!(blocks_folder(&folders("/a,/b")), Err(StartError::StandaloneFolders(2))));
    }
}

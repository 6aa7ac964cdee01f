//! The disk of a process, which breaks a promise where a fault is planted.

use super::error::StartError;
use std::sync::Arc;
use weir_service::config::Config;
use weir_service::disk::{Disk, SystemDisk};
use weir_service::planted;

#[cfg(feature = "planted-faults")]
pub fn planted_disk(config: &Config) -> Result<Arc<dyn Disk>, StartError> {
    use super::folders::{blocks_folder, metadata_folder};
    use weir_service::disk_faults::FaultyDisk;
    use weir_service::planted::{Planted, plant};
    let Ok(name) = std::env::var(planted::VARIABLE) else { return Ok(Arc::new(SystemDisk)) };
    let fault: Planted = name.parse().map_err(StartError::PlantedFault)?;
    tracing::warn!(fault = name, "this process breaks a promise: what is written here will be lost");
    match fault {
        Planted::Logic(fault) => {
            plant(Some(fault));
            Ok(Arc::new(SystemDisk))
        }
        Planted::Disk(fault) => {
            let (metadata, blocks) = (metadata_folder(config), blocks_folder(config)?);
            Ok(Arc::new(FaultyDisk::new(Arc::new(SystemDisk), fault, metadata, blocks)))
        }
    }
}

#[cfg(not(feature = "planted-faults"))]
pub fn planted_disk(_config: &Config) -> Result<Arc<dyn Disk>, StartError> {
    match std::env::var_os(planted::VARIABLE) {
        None => Ok(Arc::new(SystemDisk)),
        Some(_) => {
            let message = format!("{} needs a binary built with --features planted-faults", planted::VARIABLE);
            Err(StartError::PlantedFault(message))
        }
    }
}

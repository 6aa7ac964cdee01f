//! The worker: blocks on disks.

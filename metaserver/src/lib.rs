//! The metaserver: the namespace, over a durable ordered store.

pub mod store;

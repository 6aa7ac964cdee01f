//! Sessions with a running server: each module tells of one subject.

mod audit;
mod bad_chunks;
mod bad_forms;
mod bad_framing;
mod bad_xml;
mod bodies;
mod buckets;
mod checksums;
mod conditions;
mod copy;
mod disconnects;
mod durability;
mod http2;
mod keys;
mod limits;
mod listing;
mod memory;
mod multipart;
mod objects;
mod oidc;
mod page_cost;
mod post_object;
mod subresources;
mod tls;
mod walkthrough;
mod web_identity;

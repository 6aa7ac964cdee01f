//! Hostile input over all routes: each request is refused with the status and the code that S3 documents, in a
//! well-formed document, and leaves everything as it was.
//!
//! | file | subject |
//! |---|---|
//! | [`scene`], [`watch`] | a server with something in it, and the proof that it is still the same |
//! | [`routes`] | each operation as a request that would be served |
//! | [`case`] | a defect, what it is answered with, and the request that has it |
//! | [`v4_header`], [`v4_query`], [`v2`] | signatures of each kind with each defect, on each route |
//! | [`payloads`] | each kind of payload under wrong credentials, and unknown kinds under right ones |
//! | [`chunks`], [`lengths`] | bodies that are not what was signed or declared |
//! | [`forms`] | signed forms of POST Object |
//! | [`actions`] | IAM and STS |
//! | [`strangers`] | no credentials, those that other servers have by default, users without permission |
//! | [`copies`] | sources that are none, or that the caller may not read |
//! | [`names`], [`listings`] | keys, addresses and arguments |
//! | [`documents`], [`policies`] | XML and JSON |
//! | [`framing`] | HTTP |
//! | [`rpc`] | the ports of the roles |
//!
//! What is expected stands in these tables and comes from S3's reference, never from the server:
//! <https://docs.aws.amazon.com/AmazonS3/latest/API/ErrorResponses.html>

mod actions;
mod case;
mod chunks;
mod copies;
mod documents;
mod forms;
mod framing;
mod lengths;
mod listings;
mod names;
mod payloads;
mod policies;
mod routes;
mod rpc;
mod scene;
mod strangers;
mod v2;
mod v4_header;
mod v4_query;
mod watch;

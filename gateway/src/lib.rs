//! The gateway: S3's REST calls in, gRPC to the metaserver and the workers out.

//! Numbers that name things. Each is its own type, so that a block is never taken for a worker.

use std::fmt;

macro_rules! id {
    ($(#[$doc:meta])* $name:ident) => {
        $(#[$doc])*
        #[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
        pub struct $name(pub u64);

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                self.0.fmt(f)
            }
        }

        impl From<u64> for $name {
            fn from(value: u64) -> Self {
                Self(value)
            }
        }
    };
}

id!(
    /// A block: an immutable run of bytes. Never used twice.
    BlockId
);
id!(
    /// A version of an object, or a part: what references blocks. Never used twice.
    ObjectId
);
id!(
    /// A gateway's session with the metaserver.
    SessionId
);
id!(
    /// A multipart upload. Clients see it as a decimal number.
    UploadId
);
id!(
    /// A worker, for as long as its data folder lives.
    WorkerId
);

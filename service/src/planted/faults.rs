//! The list of the faults of logic.

use std::str::FromStr;

macro_rules! faults {
    ($($name:literal $fault:ident: $breaks:literal,)*) => {
        /// A fault of logic: what a tired engineer could have written in one line.
        #[derive(Clone, Copy, Debug, PartialEq, Eq)]
        #[repr(u8)]
        pub enum Fault {
            $(#[doc = $breaks] $fault,)*
        }

        impl Fault {
            pub const ALL: &[Self] = &[$(Self::$fault),*];

            /// As `WEIR_PLANTED_FAULT` gives it.
            pub const fn name(self) -> &'static str {
                match self {
                    $(Self::$fault => $name,)*
                }
            }

            /// What the fault does, in one line.
            pub const fn breaks(self) -> &'static str {
                match self {
                    $(Self::$fault => $breaks,)*
                }
            }
        }
    };
}

faults! {
    "answer-before-the-commit" AnswerBeforeTheCommit: "a commit is answered before the journal is synced",
    "journal-not-synced" JournalNotSynced: "the journal is never synced",
    "journal-folder-not-synced" JournalFolderNotSynced: "the name of a new journal segment is not made durable",
    "failed-sync-believed" FailedSyncBelieved: "a sync of the journal that failed is tried again, and believed",
    "journal-crc-unchecked" JournalCrcUnchecked: "a start takes the journal's frames without a look at their CRC",
    "torn-tail-kept" TornTailKept: "a torn frame at the journal's end is not cut off before new ones are appended",
    "checkpoint-misses-newest" CheckpointMissesNewest:
        "a checkpoint lacks what was committed while its entries were read",
    "precondition-before-the-commit" PreconditionBeforeTheCommit:
        "a condition on a write is checked, and guards no commit",
    "request-forgotten" RequestForgotten: "a commit's request id is not remembered with its result",
    "late-request-taken" LateRequestTaken:
        "a request is carried out although its session has said that it will not repeat it",
    "dead-session-renewed" DeadSessionRenewed: "a session that has ended is taken for a living one",
    "complete-takes-replaced-part" CompleteTakesReplacedPart:
        "a completion takes a part that was replaced since it was listed",
    "completed-parts-reclaimed" CompletedPartsReclaimed:
        "a completion leaves its parts' rows, and the object's blocks are reclaimed with them",
    "upload-ends-twice" UploadEndsTwice:
        "an upload that is completed can be aborted at the same time, and the other way round",
    "overwritten-not-reclaimed" OverwrittenNotReclaimed: "an overwrite leaves the old version's blocks to nobody",
    "overwrite-counted-twice" OverwriteCountedTwice: "an overwrite counts as one object more",
    "deleted-row-left" DeletedRowLeft: "a delete reclaims the blocks and leaves the object's row",
    "listing-skips-at-page-edge" ListingSkipsAtPageEdge: "a listing's next page skips a key",
    "reclaim-ignores-sessions" ReclaimIgnoresSessions: "blocks of sessions that still write count as abandoned",
    "reclaim-ignores-reads" ReclaimIgnoresReads:
        "blocks are reclaimed although a read that began before still needs them",
    "reclaim-ignores-copies" ReclaimIgnoresCopies:
        "a released block is condemned although a copied object refers to it",
    "old-inventory-trusted" OldInventoryTrusted:
        "an inventory of a worker's earlier start is taken for one of its present start",
    "old-verification-trusted" OldVerificationTrusted:
        "a copy that was verified before its worker's present start counts",
    "failed-copy-counted" FailedCopyCounted: "repair counts a copy that its worker could not make or verify",
    "surplus-dropped-unverified" SurplusDroppedUnverified: "a surplus copy is dropped before the others are verified",
    "old-epoch-accepted" OldEpochAccepted: "an answer under an epoch that is over is taken",
    "replaced-serves-on" ReplacedServesOn: "a metaserver that was replaced carries out what is asked of it",
    "told-before-the-standby" ToldBeforeTheStandby:
        "a metaserver that starts tells what it has although its standby may lack it",
    "block-not-synced" BlockNotSynced: "a block's file is acknowledged without a sync",
    "segment-not-synced" SegmentNotSynced: "a block in a segment is acknowledged without a sync",
    "block-folder-not-synced" BlockFolderNotSynced: "the name of a block's file is not made durable",
    "read-crc-unchecked" ReadCrcUnchecked: "a worker sends bytes without a look at their CRC",
    "received-crc-unchecked" ReceivedCrcUnchecked:
        "a worker keeps what it was sent, or has copied, without a look at its CRC",
    "damage-taken-for-tail" DamageTakenForTail:
        "a start takes a damaged record for a torn tail, and drops it and all after it",
    "compaction-revives-deleted" CompactionRevivesDeleted:
        "a compaction brings back a block that was deleted while it was copied",
    "replica-counted-early" ReplicaCountedEarly: "a replica counts before its worker has acknowledged it",
    "replication-min-not-held" ReplicationMinNotHeld: "a write is committed with fewer copies than replication_min",
    "two-copies-on-one-worker" TwoCopiesOnOneWorker: "two copies of a block go to one worker",
    "etag-of-another-body" EtagOfAnotherBody: "an object's ETag leaves out the last bytes of its body",
    "range-off-across-blocks" RangeOffAcrossBlocks: "a range that begins in a later block begins a byte early",
    "failover-repeats-bytes" FailoverRepeatsBytes: "a read that goes on with the next replica repeats a byte",
    "shard-crc-unchecked" ShardCrcUnchecked: "what was computed from shards is sent without a look at the block's CRC",
    "doubt-under-another-id" DoubtUnderAnotherId: "a commit in doubt is repeated under another request id",
    "read-not-reported" ReadNotReported: "a read in flight is not told to the metaserver",
}

impl FromStr for Fault {
    type Err = String;

    fn from_str(name: &str) -> Result<Self, String> {
        let known = Self::ALL.iter().copied().find(|fault| fault.name() == name);
        known.ok_or_else(|| format!("there is no fault of logic {name:?}"))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_fault_of_logic_has_a_name_of_its_own_and_says_what_it_breaks() {
        for (place, fault) in Fault::ALL.iter().enumerate() {
            assert_eq!(*fault as usize, place);
            assert_eq!(fault.name().parse(), Ok(*fault));
            assert!(fault.name().bytes().all(|byte| byte.is_ascii_lowercase() || byte == b'-'), "{fault:?}");
            assert!(!fault.breaks().is_empty() && !fault.breaks().contains('|'), "{fault:?}");
        }
        assert!("no-such".parse::<Fault>().unwrap_err().contains("no-such"));
    }
}

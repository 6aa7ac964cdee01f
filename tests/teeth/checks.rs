//! Which check is said to notice which fault. `docs/teeth.md` shows this table.

use weir_service::planted::Fault;

/// A test of a crate's library, by its path.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Check {
    pub package: &'static str,
    pub test: &'static str,
}

const fn service(test: &'static str) -> Check {
    Check { package: "weir-service", test }
}

const fn metaserver(test: &'static str) -> Check {
    Check { package: "weir-metaserver", test }
}

const fn worker(test: &'static str) -> Check {
    Check { package: "weir-worker", test }
}

const fn gateway(test: &'static str) -> Check {
    Check { package: "weir-gateway", test }
}

const STORE_CUTS: Check =
    metaserver("store::embedded::power_tests::whatever_power_cuts_do_nothing_acknowledged_is_lost");
const NAMESPACE_MODEL: Check = metaserver("namespace::model::random_histories_match_the_model");
const BLOCK_CUTS: Check = worker("store::tests::power_cut::a_lone_acknowledged_block_survives_a_cut");

/// The test that has to fail with the fault planted, and to pass without it.
pub fn check(fault: Fault) -> Check {
    match fault {
        Fault::AnswerBeforeTheCommit | Fault::JournalNotSynced | Fault::JournalFolderNotSynced => STORE_CUTS,
        Fault::FailedSyncBelieved => {
            metaserver("store::embedded::tests::a_sync_that_fails_once_is_not_made_good_by_one_that_works")
        }
        Fault::JournalCrcUnchecked | Fault::TornTailKept => {
            metaserver("store::embedded::journal::tests::a_tail_torn_at_any_byte_is_cut_and_never_read_again")
        }
        Fault::CheckpointMissesNewest => {
            metaserver("store::embedded::tests::a_backup_made_under_load_restores_to_one_moment")
        }
        Fault::PreconditionBeforeTheCommit => metaserver(
            "namespace::commit::tests::of_conditional_writers_one_wins_also_where_two_metaservers_share_the_store",
        ),
        Fault::RequestForgotten | Fault::LateRequestTaken => {
            metaserver("namespace::commit::tests::a_repeated_commit_gets_the_first_result")
        }
        Fault::DeadSessionRenewed => {
            metaserver("namespace::commit::tests::late_foreign_and_abandoned_blocks_are_refused")
        }
        Fault::CompleteTakesReplacedPart => metaserver(
            "namespace::complete::tests::\
             a_part_that_is_replaced_while_the_upload_is_completed_is_taken_as_listed_or_not_at_all",
        ),
        Fault::UploadEndsTwice => {
            metaserver("namespace::complete::tests::an_upload_that_is_completed_and_aborted_at_the_same_time_ends_once")
        }
        Fault::CompletedPartsReclaimed
        | Fault::OverwrittenNotReclaimed
        | Fault::OverwriteCountedTwice
        | Fault::DeletedRowLeft
        | Fault::ListingSkipsAtPageEdge
        | Fault::ReclaimIgnoresCopies => NAMESPACE_MODEL,
        Fault::ReclaimIgnoresSessions => {
            metaserver("cluster::inventory::tests::blocks_in_flight_stay_and_what_was_left_behind_goes")
        }
        Fault::ReclaimIgnoresReads => metaserver("cluster::reclaim::tests::a_read_in_flight_holds_reclaim_back"),
        Fault::OldInventoryTrusted => metaserver(
            "cluster::inventory::tests::an_inventory_of_a_former_start_is_not_taken_for_what_the_worker_has_now",
        ),
        Fault::OldVerificationTrusted => {
            metaserver("cluster::tests::a_copy_that_was_verified_before_its_worker_started_anew_is_not_counted")
        }
        Fault::FailedCopyCounted => metaserver("cluster::tests::a_copy_that_its_worker_could_not_make_does_not_count"),
        Fault::SurplusDroppedUnverified => {
            metaserver("cluster::tests::a_surplus_copy_stays_while_the_copy_that_is_to_stay_is_only_a_name")
        }
        Fault::OldEpochAccepted => service("epoch::tests::an_epoch_is_never_forgotten_for_a_lower_one"),
        Fault::ReplacedServesOn => service("epoch::tests::whoever_hears_of_a_higher_epoch_is_over"),
        Fault::ToldBeforeTheStandby => metaserver(
            "store::embedded::replication::tests::starting::what_was_in_flight_at_a_crash_is_told_when_the_standby_has_it_and_not_before",
        ),
        Fault::BlockNotSynced | Fault::SegmentNotSynced | Fault::BlockFolderNotSynced => BLOCK_CUTS,
        Fault::ReadCrcUnchecked => {
            worker("store::tests::damage::a_flipped_byte_anywhere_in_a_record_of_a_segment_is_damage")
        }
        Fault::ReceivedCrcUnchecked => {
            worker("tests::copies::what_is_not_what_was_ordered_is_no_copy_and_leaves_nothing")
        }
        Fault::DamageTakenForTail => {
            worker("store::tests::damage::a_flipped_byte_in_an_unsealed_segment_is_reported_by_the_start_which_goes_on")
        }
        Fault::CompactionRevivesDeleted => {
            worker("store::tests::segments::compaction_keeps_every_live_block_while_others_read_write_and_delete")
        }
        Fault::ReplicaCountedEarly => {
            gateway("objects::copies::tests::a_worker_that_stalls_after_the_last_byte_is_replaced_before_the_answer")
        }
        Fault::ReplicationMinNotHeld => gateway(
            "objects::put::tests::a_block_that_one_of_its_workers_refuses_is_not_committed_when_there_is_no_other",
        ),
        Fault::TwoCopiesOnOneWorker => gateway("blocks::placement::tests::the_chosen_workers_are_live_and_different"),
        Fault::EtagOfAnotherBody => gateway("body::md5::tests::digests_are_those_of_rfc_1321"),
        Fault::RangeOffAcrossBlocks => gateway("objects::get::tests::any_range_gives_exactly_its_bytes"),
        Fault::FailoverRepeatsBytes => gateway("objects::get::tests::the_next_replica_takes_over_where_one_failed"),
        Fault::ShardCrcUnchecked => {
            gateway("objects::shards::tests::without_enough_shards_a_read_fails_and_with_wrong_bytes_too")
        }
        Fault::DoubtUnderAnotherId => {
            gateway("objects::put::tests::a_commit_in_doubt_is_repeated_under_the_same_request_id")
        }
        Fault::ReadNotReported => gateway("objects::get::tests::a_read_is_in_flight_until_its_content_is_dropped"),
    }
}

/// After how many seeds the simulated cluster (`docs/simulation.md`) noticed it, from seed 1 on, or why it did not.
pub fn simulation(fault: Fault) -> &'static str {
    match fault {
        Fault::AnswerBeforeTheCommit => {
            "not in 60: a sync takes no time there, so it shows only where that fails; with an earlier plan after 12"
        }
        Fault::JournalNotSynced => "3",
        Fault::FailedSyncBelieved => "40",
        Fault::TornTailKept => {
            "not in 60: frames that nobody was answered about would have to follow on in their order behind new ones"
        }
        Fault::CheckpointMissesNewest => "no: a checkpoint is read between two awaits, when nothing is committed",
        Fault::PreconditionBeforeTheCommit => "no: there is one metaserver, whose locks keep writers of a key apart",
        Fault::OldInventoryTrusted => {
            "not in 60: a message would have to outlive its worker, and a block be lost that was synced"
        }
        Fault::SurplusDroppedUnverified => "no: one worker's blocks decay, so that two whole copies are left",
        Fault::BlockNotSynced | Fault::BlockFolderNotSynced => "2",
        Fault::SegmentNotSynced => "3",
        Fault::ReplicaCountedEarly => "17",
        Fault::JournalFolderNotSynced => "4",
        Fault::JournalCrcUnchecked | Fault::RequestForgotten | Fault::LateRequestTaken | Fault::DeadSessionRenewed => {
            "not in 30"
        }
        _ => "not tried",
    }
}

/// The table of `docs/teeth.md`.
pub fn documentation() -> String {
    let mut table =
        String::from("| fault | what it does | noticed by | simulation, after seeds |\n|---|---|---|---|\n");
    for fault in Fault::ALL {
        let Check { package, test } = check(*fault);
        let package = package.trim_start_matches("weir-");
        let (name, breaks, simulation) = (fault.name(), fault.breaks(), simulation(*fault));
        table += &format!("| `{name}` | {breaks} | {package}: `{test}` | {simulation} |\n");
    }
    table
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_document_shows_the_table() {
        let path = concat!(env!("CARGO_MANIFEST_DIR"), "/../docs/teeth.md");
        let document = std::fs::read_to_string(path).unwrap();
        let shown = document.split_once("<!-- Made by `weir-teeth --documentation` -->\n\n").unwrap().1;
        assert!(shown == documentation(), "docs/teeth.md is not what `weir-teeth --documentation` prints");
    }
}

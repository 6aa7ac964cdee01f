//! What a block needs, given its record and the workers: decided anew each time that it is looked at.

use super::members::Members;
use crate::records::block::BlockRecord;

/// A block as it is. What is said of copies holds for the shards of a coded block, each of which wants one.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Look {
    pub wanted: usize,
    /// With fewer it can't be read: 1, or the data shards of a coded block.
    pub needed: usize,
    /// Valid copies on workers that are not lost; of a coded block, shards that have one.
    pub live: usize,
    /// Copies that nobody will miss: more than are wanted, or on workers that are emptied.
    pub surplus: usize,
    pub invalid: usize,
    pub need: Need,
}

/// The next step.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Need {
    Nothing,
    /// Another copy of one of these parts. There are `left` that will count, beside those without which the block can't
    /// be read; the fewer, the more urgent. While there is no worker for any of them, what `otherwise` says: a worker
    /// that gives up a shard which others have too can take the one that is lacking.
    Copy {
        left: usize,
        parts: Vec<Option<usize>>,
        otherwise: Option<Box<Need>>,
    },
    /// The victims' copies go when those of the keepers, as many as are wanted, are verified.
    Drop {
        part: Option<usize>,
        victims: Vec<u64>,
        keepers: Vec<u64>,
        /// All victims are forgotten workers: their copies are only names.
        names_alone: bool,
    },
}

/// Copies by what they are good for.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Copies {
    /// Valid, on workers that serve.
    pub serving: Vec<u64>,
    /// Valid, on workers that are silent and waited for.
    pub awaited: Vec<u64>,
    /// Valid, on workers that are emptied.
    pub draining: Vec<u64>,
}

impl Copies {
    pub fn of(record: &BlockRecord, members: &Members) -> Self {
        let of = |counts: &dyn Fn(u64) -> bool| record.valid_worker_ids().filter(|id| counts(*id)).collect();
        Self {
            serving: of(&|id| members.serves(id)),
            awaited: of(&|id| members.is_awaited(id)),
            draining: of(&|id| members.is_draining(id)),
        }
    }

    /// Those whose copies count, now or when they are back.
    pub fn holders(&self) -> Vec<u64> {
        self.serving.iter().chain(&self.awaited).copied().collect()
    }

    /// Who can give the block.
    pub fn sources(&self, members: &Members) -> Vec<u64> {
        let all = self.serving.iter().chain(&self.draining).copied();
        all.filter(|id| members.is_present(*id)).collect()
    }
}

/// Looks at a block that something refers to.
pub(crate) fn look(record: &BlockRecord, members: &Members, cluster_replication: u32) -> Look {
    let Some(coded) = &record.coded else { return look_at(record, None, members, cluster_replication) };
    let shards = || (0..coded.shard_count()).filter_map(|shard| Some((shard, record.part(Some(shard))?)));
    let looks: Vec<Look> = shards().map(|(shard, part)| look_at(&part, Some(shard), members, 1)).collect();
    let copies: Vec<Copies> = shards().map(|(_, part)| Copies::of(&part, members)).collect();
    let readable = copies.iter().filter(|copies| !copies.sources(members).is_empty()).count();
    let left = copies.iter().filter(|copies| !copies.sources(members).is_empty() || !copies.awaited.is_empty()).count();
    let can_rebuild = readable >= coded.needed();
    let lacks = |(shard, copies): (usize, &Copies)| {
        let is_made = can_rebuild || !copies.sources(members).is_empty();
        (copies.holders().is_empty() && is_made).then_some(Some(shard))
    };
    let parts: Vec<Option<usize>> = copies.iter().enumerate().filter_map(lacks).collect();
    let live = looks.iter().filter(|look| look.live > 0).count();
    let surplus = looks.iter().map(|look| look.surplus).sum();
    let invalid = looks.iter().map(|look| look.invalid).sum();
    let drop = looks.into_iter().map(|look| look.need).find(|need| matches!(need, Need::Drop { .. }));
    let need = if parts.is_empty() {
        drop.unwrap_or(Need::Nothing)
    } else {
        let left = (left + 1).saturating_sub(coded.needed());
        Need::Copy { left, parts, otherwise: drop.map(Box::new) }
    };
    Look { wanted: coded.shard_count(), needed: coded.needed(), live, surplus, invalid, need }
}

/// Looks at a replicated block, or at a shard.
fn look_at(record: &BlockRecord, part: Option<usize>, members: &Members, cluster_replication: u32) -> Look {
    let wanted = record.wanted_count(cluster_replication);
    let copies = Copies::of(record, members);
    Look {
        wanted,
        needed: 1,
        live: record.valid_worker_ids().filter(|id| members.is_live(*id)).count(),
        surplus: copies.serving.len().saturating_sub(wanted) + copies.draining.len(),
        invalid: record.invalid_worker_ids.len(),
        need: need(record, part, &copies, members, wanted),
    }
}

fn need(record: &BlockRecord, part: Option<usize>, copies: &Copies, members: &Members, wanted: usize) -> Need {
    let sources = copies.sources(members);
    if copies.serving.len() + copies.awaited.len() < wanted {
        return match sources.is_empty() {
            true => Need::Nothing,
            false => {
                let left = sources.len() + copies.awaited.len();
                Need::Copy { left, parts: vec![part], otherwise: None }
            }
        };
    }
    if copies.serving.len() < wanted {
        // Whoever is waited for may be back at any moment.
        return Need::Nothing;
    }
    let (keepers, surplus) = members.part(&copies.serving, wanted);
    let is_useless =
        |id: &u64| record.invalid_worker_ids.contains(id) || members.is_draining(*id) || members.is_forgotten(*id);
    let mut victims: Vec<u64> = record.worker_ids.iter().copied().filter(is_useless).collect();
    victims.extend(surplus.into_iter().filter(|id| !record.invalid_worker_ids.contains(id)));
    if victims.is_empty() {
        return Need::Nothing;
    }
    let names_alone = victims.iter().all(|id| members.is_forgotten(*id));
    Need::Drop { part, victims, keepers, names_alone }
}

#[cfg(test)]
mod tests {
    use super::super::members::tests::members;
    use super::*;

    fn block(worker_ids: &[u64], invalid: &[u64], wanted: u32) -> BlockRecord {
        let (worker_ids, invalid_worker_ids) = (worker_ids.to_vec(), invalid.to_vec());
        BlockRecord { worker_ids, invalid_worker_ids, wanted, ..Default::default() }
    }

    fn one_more() -> Need {
        Need::Copy { left: 1, parts: vec![None], otherwise: None }
    }

    fn five() -> Members {
        members(&[("a", "1"), ("a", "2"), ("b", "3"), ("b", "4"), ("c", "5")])
    }

    fn silent(members: &mut Members, worker_id: u64, silence_ms: i64) {
        members.by_id.get_mut(&worker_id).unwrap().silence_ms = silence_ms;
    }

    #[test]
    fn a_block_with_its_copies_needs_nothing() {
        let look = look(&block(&[1, 3], &[], 2), &five(), 1);
        assert_eq!(look, Look { wanted: 2, needed: 1, live: 2, surplus: 0, invalid: 0, need: Need::Nothing });
    }

    #[test]
    fn a_lost_worker_is_waited_for_and_then_done_without() {
        let mut members = five();
        silent(&mut members, 3, 50);
        let waited = look(&block(&[1, 3], &[], 2), &members, 1);
        assert_eq!((waited.live, waited.need), (1, Need::Nothing));
        silent(&mut members, 3, 71);
        assert_eq!(look(&block(&[1, 3], &[], 2), &members, 1).need, one_more());
        assert_eq!(look(&block(&[1, 3, 4], &[], 2), &members, 1).need, Need::Nothing, "it is named until it is back");
        silent(&mut members, 3, 2_000);
        let drop = Need::Drop { part: None, victims: vec![3], keepers: vec![1, 4], names_alone: true };
        assert_eq!(look(&block(&[1, 3, 4], &[], 2), &members, 1).need, drop, "or forgotten");
        assert_eq!(look(&block(&[1, 3], &[], 2), &members, 1).need, one_more());
        let gone = look(&block(&[3], &[], 2), &members, 1);
        assert_eq!((gone.live, gone.need), (0, Need::Nothing), "nobody can give it");
    }

    #[test]
    fn a_damaged_copy_does_not_count_and_goes_when_there_are_others() {
        assert_eq!(look(&block(&[1, 3], &[3], 2), &five(), 1).need, one_more());
        let drop = Need::Drop { part: None, victims: vec![3], keepers: vec![1, 4], names_alone: false };
        assert_eq!(look(&block(&[1, 3, 4], &[3], 2), &five(), 1).need, drop);
        assert_eq!(look(&block(&[3], &[3], 1), &five(), 1).need, Need::Nothing, "the last one is kept as it is");
    }

    #[test]
    fn a_worker_that_is_emptied_gives_until_others_have_what_it_has() {
        let mut members = five();
        members.by_id.get_mut(&1).unwrap().draining = true;
        assert_eq!(look(&block(&[1], &[], 1), &members, 1).need, one_more());
        let look = look(&block(&[1, 2], &[], 1), &members, 1);
        let drop = Need::Drop { part: None, victims: vec![1], keepers: vec![2], names_alone: false };
        assert_eq!((look.surplus, look.need), (1, drop));
    }

    #[test]
    fn more_copies_than_wanted_are_dropped_but_not_for_one_that_is_away() {
        let mut members = five();
        let drop = Need::Drop { part: None, victims: vec![1], keepers: vec![2, 3], names_alone: false };
        assert_eq!(look(&block(&[1, 2, 3], &[], 2), &members, 1).need, drop);
        silent(&mut members, 1, 50);
        assert_eq!(look(&block(&[1, 2, 3], &[], 2), &members, 1).need, Need::Nothing);
        silent(&mut members, 2, 50);
        assert_eq!(look(&block(&[1, 2, 3], &[], 2), &members, 1).need, Need::Nothing);
    }
}

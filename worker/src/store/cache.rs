//! Open files, the most recently used ones: opening costs a path look-up, and descriptors are few.

use parking_lot::Mutex;
use std::collections::HashMap;
use std::hash::Hash;

/// Up to `capacity` values; the least recently used one makes room.
pub struct Cache<K, V> {
    capacity: usize,
    state: Mutex<State<K, V>>,
}

struct State<K, V> {
    values: HashMap<K, (V, u64)>,
    tick: u64,
}

impl<K: Copy + Eq + Hash, V: Clone> Cache<K, V> {
    pub fn new(capacity: usize) -> Self {
        Self { capacity, state: Mutex::new(State { values: HashMap::new(), tick: 0 }) }
    }

    pub fn get(&self, key: K) -> Option<V> {
        let mut state = self.state.lock();
        state.tick += 1;
        let tick = state.tick;
        let (value, used) = state.values.get_mut(&key)?;
        *used = tick;
        Some(value.clone())
    }

    pub fn insert(&self, key: K, value: V) {
        let mut state = self.state.lock();
        if state.values.len() >= self.capacity
            && let Some(oldest) = state.values.iter().min_by_key(|(_, (_, used))| *used).map(|(&key, _)| key)
        {
            state.values.remove(&oldest);
        }
        state.tick += 1;
        let tick = state.tick;
        state.values.insert(key, (value, tick));
    }

    pub fn remove(&self, key: K) {
        self.state.lock().values.remove(&key);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_least_recently_used_makes_room() {
        let cache = Cache::new(2);
        cache.insert(1, 'a');
        cache.insert(2, 'b');
        assert_eq!(cache.get(1), Some('a'));
        cache.insert(3, 'c');
        assert_eq!((cache.get(1), cache.get(2), cache.get(3)), (Some('a'), None, Some('c')));
        cache.remove(1);
        assert_eq!(cache.get(1), None);
    }
}

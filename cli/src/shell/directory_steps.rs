//! The directories that a run of keys passes through.

use bytes::Bytes;

/// Finds the directories that a sorted run of keys passes through: each once, parents first.
#[derive(Default)]
pub struct DirectorySteps {
    inside: Vec<u8>,
}

impl DirectorySteps {
    /// The directories, without `prefix` before them and with a slash after them, that begin with this key.
    pub fn enter(&mut self, key_under_prefix: &[u8]) -> Vec<Bytes> {
        let end = key_under_prefix.iter().rposition(|&b| b == b'/').map_or(0, |slash| slash + 1);
        let folder = &key_under_prefix[..end];
        let shared = folder.iter().zip(&self.inside).take_while(|(a, b)| a == b).count();
        let entered = (shared..folder.len())
            .filter(|&i| folder[i] == b'/')
            .map(|i| Bytes::copy_from_slice(&folder[..=i]))
            .collect();
        self.inside = folder.to_vec();
        entered
    }
}
#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_sorted_run_of_keys_enters_each_directory_once() {
        let mut steps = DirectorySteps::default();
        let entered: Vec<Vec<Bytes>> =
            ["a", "a.", "a/", "a/b/c", "a/b/d", "a/bc/e", "b//x", "b/c"].map(|key| steps.enter(key.as_bytes())).into();
        let expected: [&[&str]; 8] = [&[], &[], &["a/"], &["a/b/"], &[], &["a/bc/"], &["b/", "b//"], &[]];
        for (entered, expected) in entered.iter().zip(expected) {
            assert_eq!(entered, expected);
        }
    }
}

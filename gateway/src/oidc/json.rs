//! JSON from strangers.

use serde::de::DeserializeOwned;

/// An object as a structure. Without this check an array of its fields' values would do as well.
pub(super) fn object<T: DeserializeOwned>(json: &[u8]) -> Option<T> {
    if !json.trim_ascii_start().starts_with(b"{") {
        return None;
    }
    serde_json::from_slice(json).ok()
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde::Deserialize;

    #[derive(Debug, PartialEq, Deserialize)]
    struct Pair {
        left: u8,
        right: Option<u8>,
    }

    #[test]
    fn an_object_is_read_and_nothing_else() {
        assert_eq!(object(b" {\"left\":1}"), Some(Pair { left: 1, right: None }));
        for json in ["[1,2]", "", " ", "{", "{\"left\":1}}", "{\"left\":1,\"left\":2}", "null", "\"left\""] {
            assert_eq!(object::<Pair>(json.as_bytes()), None, "{json}");
        }
    }
}

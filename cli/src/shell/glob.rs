//! `*` in paths: any run of bytes within one segment.

/// Whether `name` is what `pattern` describes.
pub fn matches(pattern: &[u8], name: &[u8]) -> bool {
    let (mut at_pattern, mut at_name) = (0, 0);
    // Where the last star was, and up to where of the name it reaches so far.
    let mut star: Option<(usize, usize)> = None;
    while at_name < name.len() {
        if pattern.get(at_pattern) == Some(&b'*') {
            star = Some((at_pattern, at_name));
            at_pattern += 1;
        } else if pattern.get(at_pattern) == Some(&name[at_name]) {
            at_pattern += 1;
            at_name += 1;
        } else if let Some((star_pattern, star_name)) = star {
            star = Some((star_pattern, star_name + 1));
            at_pattern = star_pattern + 1;
            at_name = star_name + 1;
        } else {
            return false;
        }
    }
    pattern[at_pattern..].iter().all(|&b| b == b'*')
}

/// The bytes before the first star.
pub fn literal_start(pattern: &[u8]) -> &[u8] {
    let end = pattern.iter().position(|&b| b == b'*').unwrap_or(pattern.len());
    &pattern[..end]
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_star_stands_for_any_run_of_bytes() {
        for (pattern, name) in
            [("*", ""), ("*", "abc"), ("a*c", "ac"), ("a*c", "abbc"), ("*.t*t", "x.tat.txt"), ("ab", "ab")]
        {
            assert!(matches(pattern.as_bytes(), name.as_bytes()), "{pattern} {name}");
        }
        for (pattern, name) in [("", "a"), ("a*c", "abcd"), ("a", ""), ("*b", "a"), ("a*a", "a")] {
            assert!(!matches(pattern.as_bytes(), name.as_bytes()), "{pattern} {name}");
        }
        assert_eq!(literal_start(b"part-*-x*"), b"part-");
    }

    #[test]
    fn many_stars_do_not_take_exponential_time() {
        let pattern = "*a".repeat(200);
        assert!(!matches(pattern.as_bytes(), &[b'a'; 199]));
        assert!(!matches(format!("{pattern}b").as_bytes(), &[b'a'; 1024]));
    }
}

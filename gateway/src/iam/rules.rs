//! What names, paths and other texts may be, as IAM's service model states it.
//! <https://docs.aws.amazon.com/IAM/latest/UserGuide/reference_iam-quotas.html>

use crate::query_api::{NAME_PATTERN, TextRule, is_name};

const NAME: TextRule = TextRule { length: 1..=128, pattern: NAME_PATTERN, matches: is_name };

pub const USER_NAME: TextRule = TextRule { length: 1..=64, ..NAME };
pub const GROUP_NAME: TextRule = NAME;
pub const ROLE_NAME: TextRule = TextRule { length: 1..=64, ..NAME };
pub const POLICY_NAME: TextRule = NAME;

/// IAM makes ids of at least 16 characters; an operator may have given a shorter one.
pub const ACCESS_KEY_ID: TextRule = TextRule {
    length: 3..=128,
    pattern: "[\\w.@-]+",
    matches: |text| text.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"_.@-".contains(&byte)),
};

/// Of users, groups and roles.
pub const PATH: TextRule = TextRule {
    length: 1..=512,
    pattern: "(\\u002F)|(\\u002F[\\u0021-\\u007E]+\\u002F)",
    matches: |text| {
        text == "/" || text.len() > 2 && is_enclosed(text) && text.bytes().all(|byte| byte.is_ascii_graphic())
    },
};

pub const POLICY_PATH: TextRule = TextRule {
    length: 1..=512,
    pattern: "((/[A-Za-z0-9\\.,\\+@=_-]+)*)/",
    matches: |text| is_enclosed(text) && !text.contains("//") && text.split('/').all(is_name),
};

pub const PATH_PREFIX: TextRule = TextRule {
    length: 1..=512,
    pattern: "\\u002F[\\u0021-\\u007F]*",
    matches: |text| text.starts_with('/') && text.bytes().all(|byte| (0x21..=0x7f).contains(&byte)),
};

pub const POLICY_DESCRIPTION: TextRule = TextRule { length: 0..=1000, pattern: "", matches: |_| true };

pub const ROLE_DESCRIPTION: TextRule = TextRule {
    length: 0..=1000,
    pattern: "[\\u0009\\u000A\\u000D\\u0020-\\u007E\\u00A1-\\u00FF]*",
    matches: |text| text.chars().all(|c| matches!(c, '\t' | '\n' | '\r' | ' '..='~' | '\u{a1}'..='\u{ff}')),
};

/// `v1`, `v2` and so on.
pub const VERSION_ID: TextRule = TextRule {
    length: 2..=16,
    pattern: "v[1-9][0-9]*(\\.[A-Za-z0-9-]*)?",
    matches: |text| text.strip_prefix('v').is_some_and(|number| number.starts_with(|c: char| ('1'..='9').contains(&c))),
};

pub const CLIENT_ID: TextRule = TextRule { length: 1..=255, pattern: "", matches: |_| true };

/// An issuer: with a host, and without user, query or fragment. Clear text is for an issuer on this machine alone.
pub const PROVIDER_URL: TextRule =
    TextRule { length: 1..=255, pattern: "https://[host][:port][/path]", matches: is_provider_url };

fn is_provider_url(text: &str) -> bool {
    let Ok(uri) = text.parse::<http::Uri>() else { return false };
    let Some(host) = uri.host().filter(|host| !host.is_empty()) else { return false };
    let is_local = matches!(host, "127.0.0.1" | "localhost" | "[::1]");
    let has_scheme = uri.scheme_str() == Some("https") || uri.scheme_str() == Some("http") && is_local;
    let has_user = uri.authority().is_some_and(|authority| authority.as_str().contains('@'));
    has_scheme && !has_user && !text.contains(['?', '#'])
}

/// A SHA-1 in hexadecimal.
pub const THUMBPRINT: TextRule = TextRule {
    length: 40..=40,
    pattern: "[0-9A-Fa-f]+",
    matches: |text| text.bytes().all(|byte| byte.is_ascii_hexdigit()),
};

fn is_enclosed(text: &str) -> bool {
    text.starts_with('/') && text.ends_with('/')
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(rule: &TextRule, allowed: &[&str], refused: &[&str]) {
        for text in allowed {
            assert!(rule.check("x", text).is_ok(), "{text:?}");
        }
        for text in refused {
            assert!(rule.check("x", text).is_err(), "{text:?}");
        }
    }

    #[test]
    fn names_have_their_lengths() {
        let (short, long) = ("n".repeat(64), "n".repeat(128));
        check(
            &USER_NAME,
            &["a", "A.b+c=d,e@f-g_h", &short],
            &["", "a/b", "a b", "a*", "é", "..%", &(short.clone() + "n")],
        );
        check(&GROUP_NAME, &[&long], &[&(long.clone() + "n")]);
    }

    #[test]
    fn paths_begin_and_end_with_a_slash() {
        let long = format!("/{}/", "p".repeat(510));
        check(&PATH, &["/", "/a/", "/a/b*c/", "/a//b/", &long], &["", "a", "/a", "a/", "//", "/a b/", "/é/"]);
        check(&PATH, &[], &[&format!("/{}/", "p".repeat(511))]);
        check(&POLICY_PATH, &["/", "/a/", "/a.b/c-d/"], &["", "//", "/a", "/a*/", "/a//b/", "a/"]);
        check(&PATH_PREFIX, &["/", "/a", "/a/b"], &["", "a", "/ "]);
    }

    #[test]
    fn an_issuer_is_reached_over_tls_or_is_on_this_machine() {
        check(
            &PROVIDER_URL,
            &[
                "https://issuer.example",
                "https://issuer.example:8443/tenant/a",
                "http://127.0.0.1:80",
                "http://localhost/x",
            ],
            &[
                "",
                "issuer.example",
                "/a",
                "http://issuer.example",
                "http://127.0.0.1.example/",
                "https://",
                "https://a@b",
                "https://a/?b",
                "https://a/#b",
                "https://a b",
                "ftp://a",
                "https://é",
            ],
        );
    }

    #[test]
    fn other_texts_are_as_the_model_says() {
        check(&ACCESS_KEY_ID, &["AKIA0123456789ABCDEF", "key"], &["ke", "a b", "a/b"]);
        check(&ROLE_DESCRIPTION, &["", "Reads\n£"], &["日本", "\u{7f}", &"d".repeat(1001)]);
        check(&VERSION_ID, &["v1", "v12"], &["v", "1", "v0", "v01", "va", "V1"]);
        check(&THUMBPRINT, &[&"aB".repeat(20)], &[&"a".repeat(39), &"a".repeat(41), &"g".repeat(40)]);
    }
}

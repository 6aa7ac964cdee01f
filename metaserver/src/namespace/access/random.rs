//! Ids and secrets that nobody can guess.

use weir_service::clock::Clock;

/// RFC 4648, 6.
const BASE32: &[u8; 32] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZ234567";
const SECRET_CHARACTERS: &[u8; 64] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";

/// What a secret has, in characters.
const SECRET_CHARS: usize = 40;

/// What an id is of: how it begins.
/// <https://docs.aws.amazon.com/IAM/latest/UserGuide/reference_identifiers.html#identifiers-unique-ids>
#[derive(Clone, Copy, Debug)]
pub(super) enum IdKind {
    User,
    Group,
    ManagedPolicy,
    Role,
    AccessKey,
}

/// A new id. Those of keys have 80 random bits, the others 85: none comes twice.
pub(super) fn id(clock: &dyn Clock, kind: IdKind) -> String {
    let (prefix, count) = match kind {
        IdKind::User => ("AIDA", 17),
        IdKind::Group => ("AGPA", 17),
        IdKind::ManagedPolicy => ("ANPA", 17),
        IdKind::Role => ("AROA", 17),
        IdKind::AccessKey => ("AKIA", 16),
    };
    let mut id = prefix.to_owned();
    id.extend(characters(clock, BASE32, count));
    id
}

/// A new secret, of 240 random bits.
pub(super) fn secret(clock: &dyn Clock) -> String {
    characters(clock, SECRET_CHARACTERS, SECRET_CHARS).collect()
}

/// Each character is as likely as any other: the alphabet's length divides 256.
fn characters<const N: usize>(
    clock: &dyn Clock,
    alphabet: &'static [u8; N],
    count: usize,
) -> impl Iterator<Item = char> + use<N> {
    const { assert!(256 % N == 0) };
    let mut random = vec![0; count];
    clock.random(&mut random);
    random.into_iter().map(|byte| char::from(alphabet[usize::from(byte) % N]))
}

#[cfg(test)]
mod tests {
    use super::*;
    use weir_service::clock::SystemClock;

    #[test]
    fn ids_have_the_form_of_aws_and_differ() {
        for (kind, prefix, length) in [
            (IdKind::User, "AIDA", 21),
            (IdKind::Group, "AGPA", 21),
            (IdKind::ManagedPolicy, "ANPA", 21),
            (IdKind::Role, "AROA", 21),
            (IdKind::AccessKey, "AKIA", 20),
        ] {
            let one = id(&SystemClock, kind);
            assert!(one.starts_with(prefix) && one.len() == length, "{one}");
            assert!(one.bytes().all(|byte| BASE32.contains(&byte)), "{one}");
            assert_ne!(one, id(&SystemClock, kind));
        }
    }

    #[test]
    fn secrets_have_forty_characters_and_differ() {
        let one = secret(&SystemClock);
        assert!(one.len() == 40 && one.bytes().all(|byte| SECRET_CHARACTERS.contains(&byte)), "{one}");
        assert_ne!(one, secret(&SystemClock));
    }
}

//! Checksums of objects made of parts.
//! <https://docs.aws.amazon.com/AmazonS3/latest/userguide/checking-object-integrity-upload.html>

use crate::error::Error;
use bytes::Bytes;
use md5::{Digest as _, Md5};
use sha1::Sha1;
use sha2::Sha256;
use weir_proto::v1::{Checksum, ChecksumAlgorithm as Algorithm, ChecksumType as Kind};

/// Bytes of an algorithm's value.
pub(crate) fn value_bytes(algorithm: Algorithm) -> usize {
    match algorithm {
        // A checksum of no algorithm is no checksum: nothing has this length.
        Algorithm::None => usize::MAX,
        Algorithm::Crc32 | Algorithm::Crc32c => 4,
        Algorithm::Crc64nvme => 8,
        Algorithm::Sha1 => 20,
        Algorithm::Sha256 => 32,
    }
}

/// What an upload's parts and object get, from what its client asked for: CRC64NVME of the full object, when it asked
/// for nothing.
///
/// # Errors
/// [`Error::Invalid`]: S3 does not have this type for this algorithm.
pub(crate) fn of_upload(algorithm: Algorithm, kind: Kind) -> Result<(Algorithm, Kind), Error> {
    use {Algorithm as A, Kind as K};
    match (algorithm, kind) {
        (A::None, K::Default) => Ok((A::Crc64nvme, K::FullObject)),
        (A::None, _) => Err(Error::invalid("checksum_type", "it needs an algorithm")),
        (A::Crc64nvme, K::Default | K::FullObject) => Ok((algorithm, K::FullObject)),
        (A::Crc64nvme, K::Composite) => Err(Error::invalid("checksum_type", "CRC64NVME is FULL_OBJECT only")),
        (A::Crc32 | A::Crc32c, K::FullObject) => Ok((algorithm, K::FullObject)),
        (A::Sha1 | A::Sha256, K::FullObject) => {
            Err(Error::invalid("checksum_type", "SHA checksums are COMPOSITE only"))
        }
        (_, K::Default | K::Composite) => Ok((algorithm, K::Composite)),
    }
}

/// The checksum of an object, from its parts' checksums and sizes in bytes, in order. The values have the algorithm's
/// length.
pub(crate) fn of_parts<'a>(algorithm: Algorithm, kind: Kind, parts: impl Iterator<Item = (&'a [u8], u64)>) -> Checksum {
    let value = if kind == Kind::FullObject { combined(algorithm, parts) } else { composite(algorithm, parts) };
    Checksum { algorithm: algorithm.into(), r#type: kind.into(), value }
}

/// MD5 of the parts' MD5s: what a multipart ETag begins with.
pub(crate) fn md5_of_md5s<'a>(parts: impl Iterator<Item = &'a [u8]>) -> Bytes {
    let mut digest = Md5::new();
    parts.for_each(|md5| digest.update(md5));
    Bytes::copy_from_slice(&digest.finalize())
}

fn composite<'a>(algorithm: Algorithm, parts: impl Iterator<Item = (&'a [u8], u64)>) -> Bytes {
    let all: Vec<u8> = parts.flat_map(|(value, _)| value.iter().copied()).collect();
    match algorithm {
        Algorithm::None => Bytes::new(),
        Algorithm::Sha1 => Bytes::copy_from_slice(&Sha1::digest(&all)),
        Algorithm::Sha256 => Bytes::copy_from_slice(&Sha256::digest(&all)),
        Algorithm::Crc32 => crc_bytes(crc_fast::checksum(crc_fast::CrcAlgorithm::Crc32IsoHdlc, &all), 4),
        Algorithm::Crc32c => crc_bytes(crc_fast::checksum(crc_fast::CrcAlgorithm::Crc32Iscsi, &all), 4),
        Algorithm::Crc64nvme => crc_bytes(crc_fast::checksum(crc_fast::CrcAlgorithm::Crc64Nvme, &all), 8),
    }
}

fn crc_bytes(crc: u64, length: usize) -> Bytes {
    Bytes::copy_from_slice(&crc.to_be_bytes()[8 - length..])
}

fn combined<'a>(algorithm: Algorithm, parts: impl Iterator<Item = (&'a [u8], u64)>) -> Bytes {
    let Some(polynomial) = Polynomial::of(algorithm) else { return Bytes::new() };
    let mut crc = 0;
    // Parts mostly have one size: what a size does to the CRC before it is worked out once.
    let mut shift = (0, polynomial.one());
    for (value, size_bytes) in parts {
        if shift.0 != size_bytes {
            shift = (size_bytes, polynomial.power_of_x8(size_bytes));
        }
        let next = value.iter().fold(0, |number, &byte| number << 8 | u64::from(byte));
        crc = polynomial.multiply(crc, shift.1) ^ next;
    }
    crc_bytes(crc, polynomial.bits as usize / 8)
}

/// The ring in which a CRC is a remainder. Bit `bits - 1` is the coefficient of x⁰: the CRCs of S3 are reflected.
///
/// The CRC of A followed by B is the CRC of A times x to the number of B's bits, plus the CRC of B. `crc-fast` can do the
/// same for one pair, at a price that ten thousand parts would feel.
struct Polynomial {
    bits: u32,
    reflected: u64,
}

impl Polynomial {
    fn of(algorithm: Algorithm) -> Option<Self> {
        match algorithm {
            Algorithm::Crc32 => Some(Self { bits: 32, reflected: 0xEDB8_8320 }),
            Algorithm::Crc32c => Some(Self { bits: 32, reflected: 0x82F6_3B78 }),
            Algorithm::Crc64nvme => Some(Self { bits: 64, reflected: 0x9A6C_9329_AC4B_C9B5 }),
            Algorithm::None | Algorithm::Sha1 | Algorithm::Sha256 => None,
        }
    }

    fn one(&self) -> u64 {
        1 << (self.bits - 1)
    }

    fn multiply(&self, a: u64, mut b: u64) -> u64 {
        let mut product = 0;
        for bit in (0..self.bits).rev() {
            if a >> bit & 1 == 1 {
                product ^= b;
            }
            b = if b & 1 == 1 { b >> 1 ^ self.reflected } else { b >> 1 };
        }
        product
    }

    /// x to the power of eight times `exponent`.
    fn power_of_x8(&self, mut exponent: u64) -> u64 {
        let mut square = self.one() >> 8;
        let mut power = self.one();
        while exponent > 0 {
            if exponent & 1 == 1 {
                power = self.multiply(power, square);
            }
            square = self.multiply(square, square);
            exponent >>= 1;
        }
        power
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crc_fast::CrcAlgorithm;
    use proptest::prelude::*;

    const CRCS: [(Algorithm, CrcAlgorithm, usize); 3] = [
        (Algorithm::Crc32, CrcAlgorithm::Crc32IsoHdlc, 4),
        (Algorithm::Crc32c, CrcAlgorithm::Crc32Iscsi, 4),
        (Algorithm::Crc64nvme, CrcAlgorithm::Crc64Nvme, 8),
    ];

    proptest! {
        #[test]
        fn the_crc_of_the_whole_is_combined_from_those_of_its_parts(parts: Vec<Vec<u8>>) {
            for (algorithm, crc, length) in CRCS {
                let values: Vec<_> =
                    parts.iter().map(|part| (crc_bytes(crc_fast::checksum(crc, part), length), part.len() as u64)).collect();
                let whole = crc_bytes(crc_fast::checksum(crc, &parts.concat()), length);
                let combined = of_parts(algorithm, Kind::FullObject, values.iter().map(|(value, size)| (&value[..], *size)));
                // No part at all is not an object.
                prop_assert!(parts.is_empty() || combined.value == whole);
            }
        }

        #[test]
        fn large_sizes_combine_as_crc_fast_combines_them(a: u32, b: u32, size in 0u64..5 << 30) {
            for (algorithm, crc, length) in CRCS {
                let expected = crc_fast::checksum_combine(crc, a.into(), b.into(), size);
                let values = [(crc_bytes(a.into(), length), 1), (crc_bytes(b.into(), length), size)];
                let combined = of_parts(algorithm, Kind::FullObject, values.iter().map(|(value, size)| (&value[..], *size)));
                prop_assert_eq!(&combined.value, &crc_bytes(expected, length));
            }
        }
    }

    #[test]
    fn a_composite_checksum_is_of_the_parts_checksums() {
        let (a, b) = (Sha256::digest(b"a"), Sha256::digest(b"b"));
        let checksum = of_parts(Algorithm::Sha256, Kind::Composite, [(&a[..], 1), (&b[..], 1)].into_iter());
        assert_eq!(checksum.value, Sha256::digest([a, b].concat())[..]);
        assert_eq!(checksum.r#type(), Kind::Composite);
    }

    #[test]
    fn types_go_with_algorithms_as_in_s3() {
        use {Algorithm as A, Kind as K};
        for (algorithm, kind, expected) in [
            (A::None, K::Default, Some((A::Crc64nvme, K::FullObject))),
            (A::None, K::Composite, None),
            (A::Crc32, K::Default, Some((A::Crc32, K::Composite))),
            (A::Crc32c, K::FullObject, Some((A::Crc32c, K::FullObject))),
            (A::Crc64nvme, K::Default, Some((A::Crc64nvme, K::FullObject))),
            (A::Crc64nvme, K::Composite, None),
            (A::Sha1, K::Default, Some((A::Sha1, K::Composite))),
            (A::Sha256, K::FullObject, None),
        ] {
            assert_eq!(of_upload(algorithm, kind).ok(), expected, "{algorithm:?} {kind:?}");
        }
    }
}

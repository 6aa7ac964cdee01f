//! Bodies whose chunks, and trailer, are signed each after the one before it.
//! <https://docs.aws.amazon.com/AmazonS3/latest/API/sigv4-streaming.html>,
//! <https://docs.aws.amazon.com/AmazonS3/latest/API/sigv4-streaming-trailers.html>

use super::v4::Seed;
use super::{hmac_sha256, sha256_hex};

/// A chunk: its data, and the signature that is sent with it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Chunk {
    pub data: Vec<u8>,
    pub signature: String,
}

/// A signed body before it is framed: the last chunk has no data. Each field may be made wrong.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SignedBody {
    pub chunks: Vec<Chunk>,
    pub trailer: Vec<(String, String)>,
    /// None: a body of a kind that has no trailer.
    pub trailer_signature: Option<String>,
}

impl SignedBody {
    /// A right one, in chunks of so many bytes. `trailer` is None for the kind that has none.
    pub fn new(seed: &Seed, data: &[u8], chunk_bytes: usize, trailer: Option<&[(&str, &str)]>) -> Self {
        let mut signature = seed.signature.clone();
        let mut chunks = Vec::new();
        for data in data.chunks(chunk_bytes).chain([&b""[..]]) {
            signature = chunk_signature(seed, &signature, data);
            chunks.push(Chunk { data: data.to_vec(), signature: signature.clone() });
        }
        let owned = |(name, value): &(&str, &str)| ((*name).to_owned(), (*value).to_owned());
        Self {
            chunks,
            trailer: trailer.unwrap_or_default().iter().map(owned).collect(),
            trailer_signature: trailer.map(|trailer| trailer_signature(seed, &signature, trailer)),
        }
    }

    /// As it is sent.
    pub fn framed(&self) -> Vec<u8> {
        let mut out = Vec::new();
        for chunk in &self.chunks {
            out.extend_from_slice(format!("{:x};chunk-signature={}\r\n", chunk.data.len(), chunk.signature).as_bytes());
            // The line of the last chunk is followed by the trailer, not by data.
            if !chunk.data.is_empty() {
                out.extend_from_slice(&chunk.data);
                out.extend_from_slice(b"\r\n");
            }
        }
        for (name, value) in &self.trailer {
            out.extend_from_slice(format!("{name}:{value}\r\n").as_bytes());
        }
        if let Some(signature) = &self.trailer_signature {
            out.extend_from_slice(format!("x-amz-trailer-signature:{signature}\r\n").as_bytes());
        }
        out.extend_from_slice(b"\r\n");
        out
    }
}

fn chunk_signature(seed: &Seed, previous: &str, data: &[u8]) -> String {
    sign(seed, "AWS4-HMAC-SHA256-PAYLOAD", &[previous, &sha256_hex(b""), &sha256_hex(data)])
}

fn trailer_signature(seed: &Seed, previous: &str, trailer: &[(&str, &str)]) -> String {
    let lines: String = trailer.iter().map(|(name, value)| format!("{name}:{value}\n")).collect();
    sign(seed, "AWS4-HMAC-SHA256-TRAILER", &[previous, &sha256_hex(lines.as_bytes())])
}

fn sign(seed: &Seed, algorithm: &str, lines: &[&str]) -> String {
    let head = [algorithm, &seed.time, &seed.scope].join("\n");
    let to_sign = format!("{head}\n{}", lines.join("\n"));
    hex::encode(hmac_sha256(&seed.key, &[to_sign.as_bytes()]))
}

#[cfg(test)]
mod tests {
    //! The examples of the pages above: 65 KiB of `a` in chunks of 64 KiB.

    use super::*;
    use crate::framing;
    use crate::sign::v4::tests::example_signer;
    use crate::sign::{Draft, v4::Seed};

    const CHUNK_BYTES: usize = 65_536;

    /// Of the two examples each signs one header that the other does not.
    fn seed(kind: &str, (name, value): (&str, &str)) -> Seed {
        let mut draft = Draft::new("PUT", "s3.amazonaws.com", "/examplebucket/chunkObject.txt")
            .with_header("x-amz-storage-class", "REDUCED_REDUNDANCY")
            .with_header("content-encoding", "aws-chunked")
            .with_header("x-amz-decoded-content-length", "66560")
            .with_header(name, value)
            .with_header("x-amz-content-sha256", kind);
        example_signer().sign_header(&mut draft, kind)
    }

    fn signatures(body: &SignedBody) -> Vec<&str> {
        body.chunks.iter().map(|chunk| chunk.signature.as_str()).collect()
    }

    #[test]
    fn signatures_of_chunks_are_those_that_aws_publishes() {
        let seed = seed(framing::SIGNED, ("content-length", "66824"));
        assert_eq!(seed.signature, "4f232c4386841ef735655705268965c44a0e4690baa4adea153f7db9fa80a0a9");
        let body = SignedBody::new(&seed, &[b'a'; 66_560], CHUNK_BYTES, None);
        assert_eq!(
            signatures(&body),
            [
                "ad80c730a21e5b8d04586a2213dd63b9a0e99e0e2307b0ade35a65485a288648",
                "0055627c9e194cb4542bae2aa5492e3c1575bbb81b612b7d234b86a503ef5497",
                "b6c6ea8a5354eaf15b3cb7646744f4275b71ea724fed81ceb9323e279d449df9",
            ]
        );
        assert_eq!(body.framed().len(), 66_824);
    }

    #[test]
    fn the_signature_of_a_trailer_is_the_one_that_aws_publishes() {
        let seed = seed(framing::SIGNED_TRAILER, ("x-amz-trailer", "x-amz-checksum-crc32c"));
        assert_eq!(seed.signature, "106e2a8a18243abcf37539882f36619c00e2dfc72633413f02d3b74544bfeb8e");
        let body = SignedBody::new(&seed, &[b'a'; 66_560], CHUNK_BYTES, Some(&[("x-amz-checksum-crc32c", "sOO8/Q==")]));
        assert_eq!(
            signatures(&body),
            [
                "b474d8862b1487a5145d686f57f013e54db672cee1c953b3010fb58501ef5aa2",
                "1c1344b170168f8e65b41376b44b20fe354e373826ccbbe2c1d40a8cae51e5c7",
                "2ca2aba2005185cf7159c6277faf83795951dd77a3a99e6e65d5c9f85863f992",
            ]
        );
        assert_eq!(
            body.trailer_signature.as_deref(),
            Some("d81f82fc3505edab99d459891051a732e8730629a2e4a59689829ca17fe2e435")
        );
    }
}

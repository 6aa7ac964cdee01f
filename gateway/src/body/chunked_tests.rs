use super::*;
use crate::body::fuzzing::{SIGNATURE, encode};
use proptest::prelude::*;

/// Decoded data and trailers.
type Decoded = (Vec<u8>, Vec<(String, String)>);

/// Decodes frames; what came out, and the trailers.
fn decode(kind: StreamingKind, declared: u64, frames: impl IntoIterator<Item = Bytes>) -> Result<Decoded, BodyError> {
    let mut decoder = ChunkDecoder::new(kind, declared, None);
    let mut data = Vec::new();
    for mut frame in frames {
        while let Some(piece) = decoder.next(&mut frame, 64)? {
            assert!(!piece.is_empty() && piece.len() <= 64);
            data.extend_from_slice(&piece);
        }
    }
    let trailers = decoder.finish()?.to_vec();
    Ok((data, trailers))
}

fn whole(kind: StreamingKind, declared: u64, body: &str) -> Result<Vec<u8>, BodyError> {
    decode(kind, declared, [Bytes::from(body.to_owned())]).map(|(data, _)| data)
}

/// The body of AWS's documentation: 66,560 letters `a` in chunks of 64 KiB and 1 KiB.
fn documented_body(end: &str) -> String {
    let second = "0055662a53a2b2b0c3a2b2b5a4c5a8f2f1c9a0a2a3b1d1c6f0e4e8a6d7b9c0d1";
    let last = "b6c6ea8a5354eaf15b3cb7646744f4275b71ea724fed81ceb9323e279d449df9";
    format!(
        "10000;chunk-signature={SIGNATURE}\r\n{}\r\n400;chunk-signature={second}\r\n{}\r\n0;chunk-signature={last}\r\n{end}",
        "a".repeat(65_536),
        "a".repeat(1_024),
    )
}

#[test]
fn the_example_of_the_documentation_decodes() {
    let (data, trailers) = decode(StreamingKind::Signed, 66_560, [documented_body("\r\n").into()]).unwrap();
    assert_eq!(data, vec![b'a'; 66_560]);
    assert!(trailers.is_empty());
}

#[test]
fn the_example_with_a_signed_trailer_decodes() {
    let signature = "63bddb248ad2590c92712055f51b8e78ab024eead08276b24f010b0efd74843f";
    for end in [
        format!("x-amz-checksum-crc32c:sOO8/Q==\r\nx-amz-trailer-signature:{signature}\r\n\r\n"),
        // As minio-go writes it.
        format!("x-amz-checksum-crc32c:sOO8/Q==\n\r\nx-amz-trailer-signature:{signature}\r\n\r\n"),
    ] {
        let body = documented_body(&end);
        let (data, trailers) = decode(StreamingKind::SignedTrailer, 66_560, [body.into()]).unwrap();
        assert_eq!(data.len(), 66_560);
        assert_eq!(trailers, [("x-amz-checksum-crc32c".to_owned(), "sOO8/Q==".to_owned())]);
    }
}

#[test]
fn unsigned_trailers_decode_as_clients_write_them() {
    for end in ["\r\n\r\n", "\r\n", "\n\r\n\r\n", "\n\r\n"] {
        let body = format!("3\r\nabc\r\n0\r\nX-Amz-Checksum-CRC32: NSRBwg=={end}");
        let (data, trailers) = decode(StreamingKind::UnsignedTrailer, 3, [body.into()]).unwrap();
        assert_eq!(data, b"abc");
        assert_eq!(trailers, [("x-amz-checksum-crc32".to_owned(), "NSRBwg==".to_owned())]);
    }
}

#[test]
fn an_empty_body_is_its_last_chunk_alone() {
    assert_eq!(whole(StreamingKind::Signed, 0, &format!("0;chunk-signature={SIGNATURE}\r\n\r\n")).unwrap(), b"");
    assert_eq!(whole(StreamingKind::UnsignedTrailer, 0, "0\r\n\r\n").unwrap(), b"");
    assert_eq!(whole(StreamingKind::UnsignedTrailer, 0, "0\r\n").unwrap(), b"");
}

#[test]
fn a_body_without_its_last_chunk_is_incomplete() {
    for body in ["", "3", "3\r\n", "3\r\nab", "3\r\nabc", "3\r\nabc\r\n", "3\r\nabc\r\n0"] {
        let error = whole(StreamingKind::UnsignedTrailer, 3, body).unwrap_err();
        assert!(matches!(error, BodyError::Incomplete { .. }), "{body:?}: {error:?}");
    }
}

#[test]
fn fewer_or_more_bytes_than_declared_are_refused() {
    let body = "3\r\nabc\r\n0\r\n\r\n";
    let short = whole(StreamingKind::UnsignedTrailer, 4, body).unwrap_err();
    assert!(matches!(short, BodyError::Incomplete { received: 3, .. }), "{short:?}");
    let long = whole(StreamingKind::UnsignedTrailer, 2, body).unwrap_err();
    assert_eq!(long, BodyError::LongerThanDeclared { declared: 2 });
}

#[test]
fn a_chunk_size_that_is_huge_negative_or_no_number_is_refused() {
    let huge = whole(StreamingKind::UnsignedTrailer, 3, "ffffffffffffffff\r\nabc\r\n0\r\n\r\n").unwrap_err();
    assert_eq!(huge, BodyError::LongerThanDeclared { declared: 3 });
    for size in ["-1", "-3", "+3", "", " 3", "3 ", "0x3", "g", "10000000000000000", "3,"] {
        let error = whole(StreamingKind::UnsignedTrailer, 3, &format!("{size}\r\nabc\r\n0\r\n\r\n")).unwrap_err();
        assert!(matches!(error, BodyError::MalformedChunk { .. }), "{size:?}: {error:?}");
    }
}

#[test]
fn a_line_between_chunks_is_bounded_however_it_comes() {
    let extension = format!("3;{}\r\nabc\r\n0\r\n\r\n", "x".repeat(1 << 20));
    let error = whole(StreamingKind::UnsignedTrailer, 3, &extension).unwrap_err();
    assert!(matches!(error, BodyError::MalformedChunk { .. }), "{error:?}");
    let drops = extension.into_bytes().into_iter().map(|byte| Bytes::from(vec![byte]));
    let error = decode(StreamingKind::UnsignedTrailer, 3, drops).unwrap_err();
    assert!(matches!(error, BodyError::MalformedChunk { .. }), "{error:?}");
    // Up to the limit it is taken: unknown extensions of unsigned chunks mean nothing.
    let line = format!("3;{}\r\n", "x".repeat(LINE_MAX_BYTES - 4));
    assert_eq!(line.len(), LINE_MAX_BYTES);
    assert_eq!(whole(StreamingKind::UnsignedTrailer, 3, &format!("{line}abc\r\n0\r\n\r\n")).unwrap(), b"abc");
}

#[test]
fn a_chunk_that_is_longer_than_its_size_is_refused() {
    for body in ["3\r\nabcd\r\n0\r\n\r\n", "3\r\nabc0\r\n\r\n", "3\r\nabc\n0\r\n\r\n", "3\nabc\r\n0\r\n\r\n"] {
        let error = whole(StreamingKind::UnsignedTrailer, 3, body).unwrap_err();
        assert!(matches!(error, BodyError::MalformedChunk { .. }), "{body:?}: {error:?}");
    }
}

#[test]
fn bytes_after_the_end_are_refused() {
    for end in ["x", "\r\nx", "\r\n\r\n", "0\r\n\r\n", "GET / HTTP/1.1\r\n"] {
        let body = format!("3\r\nabc\r\n0\r\n\r\n{end}");
        let error = whole(StreamingKind::UnsignedTrailer, 3, &body).unwrap_err();
        assert!(matches!(error, BodyError::MalformedChunk { .. }), "{end:?}: {error:?}");
    }
    let body = format!("0;chunk-signature={SIGNATURE}\r\nx-amz-checksum-crc32:NSRBwg==\r\n\r\n");
    let error = whole(StreamingKind::Signed, 0, &body).unwrap_err();
    assert!(matches!(error, BodyError::MalformedChunk { .. }), "{error:?}");
}

#[test]
fn signed_chunks_need_well_formed_signatures() {
    for line in [
        "3",
        "3;",
        "3;chunk-signature=",
        "3;chunk-signature=abc",
        &format!("3;chunk-signature={}", "g".repeat(64)),
        &format!("3;chunk-signature={SIGNATURE}0"),
        &format!("3;signature={SIGNATURE}"),
    ] {
        let body = format!("{line}\r\nabc\r\n0;chunk-signature={SIGNATURE}\r\n\r\n");
        let error = whole(StreamingKind::Signed, 3, &body).unwrap_err();
        assert!(matches!(error, BodyError::MalformedChunk { .. }), "{line:?}: {error:?}");
    }
}

#[test]
fn broken_trailers_are_refused() {
    let signed = format!("0;chunk-signature={SIGNATURE}\r\n");
    for (kind, body) in [
        (StreamingKind::SignedTrailer, format!("{signed}x-amz-checksum-crc32:NSRBwg==\r\n\r\n")),
        (StreamingKind::SignedTrailer, format!("{signed}\r\n")),
        (StreamingKind::SignedTrailer, format!("{signed}x-amz-trailer-signature:abc\r\n\r\n")),
        (StreamingKind::SignedTrailer, format!("{signed}x-amz-trailer-signature:{SIGNATURE}\r\na:b\r\n\r\n")),
        (StreamingKind::UnsignedTrailer, format!("0\r\nx-amz-trailer-signature:{SIGNATURE}\r\n\r\n")),
        (StreamingKind::UnsignedTrailer, "0\r\nno colon\r\n\r\n".to_owned()),
        (StreamingKind::UnsignedTrailer, format!("0\r\n{}\r\n", "a:b\r\n".repeat(TRAILER_MAX_LINES + 1))),
    ] {
        let error = whole(kind, 0, &body).unwrap_err();
        assert!(matches!(error, BodyError::MalformedTrailer { .. }), "{body:?}: {error:?}");
    }
    let not_text = [Bytes::from_static(b"0\r\n\xff\xfe:b\r\n\r\n")];
    let error = decode(StreamingKind::UnsignedTrailer, 0, not_text).unwrap_err();
    assert!(matches!(error, BodyError::MalformedTrailer { .. }), "{error:?}");
}

/// Writes down what it is asked to verify.
struct Recorder(std::sync::Arc<parking_lot::Mutex<Vec<String>>>, usize);

impl ChunkVerifier for Recorder {
    fn data(&mut self, data: &[u8]) {
        self.1 += data.len();
    }

    fn seal(&mut self, seal: ChunkSeal<'_>, signature: &str) -> Result<(), BodyError> {
        let what = match seal {
            ChunkSeal::Chunk => format!("{} bytes", std::mem::take(&mut self.1)),
            ChunkSeal::Trailer(lines) => String::from_utf8_lossy(lines).into_owned(),
        };
        self.0.lock().push(format!("{what} {}", &signature[..2]));
        if signature.starts_with("ff") { Err(BodyError::ChunkSignatureMismatch) } else { Ok(()) }
    }
}

#[test]
fn a_verifier_sees_every_chunk_with_its_signature_and_the_trailer() {
    let signature = |start: &str| format!("{start}{}", "0".repeat(62));
    let body = |last: &str| {
        format!(
            "3;chunk-signature={}\r\nabc\r\n0;chunk-signature={}\r\nA: b \r\nx-amz-trailer-signature:{}\r\n\r\n",
            signature("01"),
            signature("02"),
            signature(last)
        )
    };
    for (last, outcome) in [("03", None), ("ff", Some(BodyError::ChunkSignatureMismatch))] {
        let seen = std::sync::Arc::default();
        let verifier = Box::new(Recorder(std::sync::Arc::clone(&seen), 0));
        let mut decoder = ChunkDecoder::new(StreamingKind::SignedTrailer, 3, Some(verifier));
        let mut failure = None;
        for byte in body(last).into_bytes() {
            failure = failure.or(decoder.next(&mut Bytes::from(vec![byte]), 64).err());
        }
        assert_eq!(failure, outcome);
        assert_eq!(seen.lock()[..2], ["3 bytes 01", "0 bytes 02"]);
        assert_eq!(seen.lock()[2], format!("a:b\n {last}"));
    }
}

proptest! {
    #[test]
    fn however_the_frames_are_split_the_same_bytes_come_out(
        data in prop::collection::vec(any::<u8>(), 0..600),
        sizes in prop::collection::vec(1_usize..200, 1..6),
        frames in prop::collection::vec(1_usize..120, 1..20),
        kind in prop::sample::select(vec![
            StreamingKind::Signed,
            StreamingKind::SignedTrailer,
            StreamingKind::UnsignedTrailer,
        ]),
    ) {
        let body = Bytes::from(encode(&data, &sizes, kind));
        let mut pieces = Vec::new();
        let mut rest = body.clone();
        for size in frames.iter().copied().cycle() {
            if rest.is_empty() {
                break;
            }
            pieces.push(rest.split_to(size.min(rest.len())));
        }
        let (decoded, trailers) = decode(kind, data.len() as u64, pieces).unwrap();
        prop_assert_eq!(&decoded, &data);
        prop_assert_eq!(trailers.len(), usize::from(kind.has_trailer()));
        // Cut off anywhere before its last chunk's line ends, it is never taken for whole.
        let end = body.len() - if kind.is_signed() { 120 } else { 36 }.min(body.len());
        let cut = body.slice(..end);
        if kind == StreamingKind::UnsignedTrailer {
            prop_assert!(decode(kind, data.len() as u64, [cut]).is_err());
        }
    }

    #[test]
    fn no_input_makes_the_decoder_panic_or_give_more_than_declared(
        input in prop::collection::vec(prop::sample::select(b"0123af;:\r\nx=-".to_vec()), 0..200),
        declared in 0_u64..20,
    ) {
        for kind in [StreamingKind::Signed, StreamingKind::SignedTrailer, StreamingKind::UnsignedTrailer] {
            if let Ok((data, _)) = decode(kind, declared, [Bytes::from(input.clone())]) {
                prop_assert_eq!(data.len() as u64, declared);
            }
        }
    }
}

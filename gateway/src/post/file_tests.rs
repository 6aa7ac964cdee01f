use super::*;
use crate::post::form::tests::{end, form, headers, part, pieces, read};
use crate::post::{Form, FormError};
use std::time::Duration;

fn with_rest(rest: &[u8]) -> Vec<u8> {
    let whole = form(&[("key", "k")], b"content");
    [&whole[..whole.len() - end().len()], rest].concat()
}

async fn refusal(rest: &[u8]) -> Option<BodyError> {
    match read(&with_rest(rest), usize::MAX).await {
        Ok((_, file)) => {
            assert_eq!(file, b"content");
            None
        }
        Err(FormError::Body(error)) => Some(error),
        Err(other) => panic!("{other}"),
    }
}

#[tokio::test]
async fn buttons_and_an_epilogue_may_follow_the_file() {
    assert_eq!(refusal(&end()).await, None);
    assert_eq!(refusal(&[part("name=\"submit\"", b"Upload"), end()].concat()).await, None);
    assert_eq!(refusal(&[part("name=\"upload\"; filename=\"x\"", b"\r\n\r\n--x"), end()].concat()).await, None);
    assert_eq!(refusal(&[end(), b"epilogue".repeat(100)].concat()).await, None);
}

#[tokio::test]
async fn a_second_file_is_refused() {
    for name in ["file", "FILE"] {
        let second = part(&format!("name=\"{name}\"; filename=\"b\""), b"second");
        assert_eq!(refusal(&[second, end()].concat()).await, Some(BodyError::SeveralFiles));
    }
    let large = part("name=\"file\"", &[7; 100_000]);
    assert_eq!(refusal(&[part("name=\"submit\"", b""), large, end()].concat()).await, Some(BodyError::SeveralFiles));
}

#[tokio::test]
async fn a_field_that_says_something_may_not_follow_the_file() {
    for name in ["policy", "Key", "X-Amz-Signature", "x-amz-meta-a", "acl", "Content-Type", "success_action_status"] {
        let late = part(&format!("name=\"{name}\""), b"v");
        let refused = refusal(&[late, end()].concat()).await.unwrap();
        assert!(refused.to_string().contains("comes after the file"), "{name}: {refused}");
    }
}

#[tokio::test]
async fn what_follows_the_file_is_bounded_and_well_formed() {
    let long = part("name=\"submit\"", &[b'v'; REST_MAX_BYTES]);
    for rest in [
        [long, end()].concat(),
        [end(), vec![b'e'; REST_MAX_BYTES]].concat(),
        part("name=\"submit\"", b"v"),
        b"--94311491561680\r\n".to_vec(),
        b"--9431149156168-\r\n".to_vec(),
        [&b"--9431149156168\r\n\r\nno name\r\n"[..], &end()].concat(),
    ] {
        let refused = refusal(&rest).await;
        assert!(matches!(refused, Some(BodyError::MalformedForm { .. })), "{refused:?}");
    }
}

#[tokio::test]
async fn content_that_looks_like_a_boundary_is_content() {
    for content in
        ["\r\n--943114915616", "\r\n--9431149156167\r\n", "--9431149156168", "\r\r\n-", "\n--9431149156168--\n"]
    {
        for size in [1, 2, 3, 1000] {
            let (_, file) = read(&form(&[], content.as_bytes()), size).await.unwrap();
            assert_eq!(file, content.as_bytes());
        }
    }
}

#[tokio::test]
async fn a_declared_length_tells_how_long_the_file_is_at_least() {
    let body = form(&[("key", "k")], &[0; 100_000]);
    let whole = http_body_util::Full::new(Bytes::from(body.clone()));
    let known = Form::read(&headers(), whole, Duration::from_secs(5)).await.unwrap();
    assert!((100_000 - REST_MAX_BYTES as u64 - 20..=100_000).contains(&known.file.least_bytes()));
    let unknown = Form::read(&headers(), pieces(&body, 1000), Duration::from_secs(5)).await.unwrap();
    assert_eq!(unknown.file.least_bytes(), 0);
}

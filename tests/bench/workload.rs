//! The workloads. Each worker has a connection of its own and runs one operation after the other until the time is up.

use crate::args::{Args, Workload};
use crate::connection::{BenchError, Body, Connection};
use crate::meter::Tally;
use bytes::Bytes;
use http::Method;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Instant;

/// Objects that ranges are read from.
pub const RANGE_OBJECT_BYTES: u64 = 64 << 20;

const PAGE_ENTRIES: usize = 1000;
const PARTS_PER_UPLOAD: u32 = 4;

/// What the workers of one workload share.
pub struct Plan {
    pub args: Args,
    pub workload: Workload,
    pub size: u64,
    pub body: Body,
    /// Keys are `prefix/number`.
    pub prefix: String,
    pub objects: u64,
    pub next: AtomicU64,
    pub until: Instant,
}

impl Plan {
    pub fn key_path(&self, number: u64) -> String {
        format!("/{}/{}/{number:08}", self.args.bucket, self.prefix)
    }

    fn next_number(&self) -> u64 {
        self.next.fetch_add(1, Ordering::Relaxed)
    }

    /// A number that jumps about among the objects, the same in every run.
    fn some_number(&self) -> u64 {
        self.next_number().wrapping_mul(0x9E37_79B9_7F4A_7C15) % self.objects.max(1)
    }
}

/// Bytes that do not compress, the same in every run.
pub fn noise(length: u64) -> Bytes {
    let mut state = 0x2545_F491_4F6C_DD1Du64;
    let words = (0..length.div_ceil(8)).flat_map(|_| {
        state ^= state << 13;
        state ^= state >> 7;
        state ^= state << 17;
        state.to_le_bytes()
    });
    Bytes::from_iter(words).slice(..usize::try_from(length).unwrap_or(usize::MAX))
}

/// Runs one worker until the plan's time is up or, for deletes, until nothing is left.
pub async fn run_worker(plan: Arc<Plan>) -> Result<Tally, BenchError> {
    let mut connection = Connection::open(&plan.args).await?;
    let mut tally = Tally::default();
    while Instant::now() < plan.until {
        let began = Instant::now();
        let (bytes, items) = match plan.workload {
            Workload::Put => put(&mut connection, &plan, plan.next_number()).await?,
            Workload::Get => get(&mut connection, &plan).await?,
            Workload::Head => head(&mut connection, &plan).await?,
            Workload::Range => range(&mut connection, &plan).await?,
            Workload::List => list(&mut connection, &plan).await?,
            Workload::Delete => {
                let number = plan.next_number();
                if number >= plan.objects {
                    break;
                }
                let path = plan.key_path(number);
                connection.send(Method::DELETE, &path, &[], &Body::empty(), false).await?;
                (0, 1)
            }
            Workload::Multipart => {
                multipart(&plan, &mut tally).await?;
                continue;
            }
            Workload::Table => break,
        };
        tally.add(began, bytes, items);
    }
    Ok(tally)
}

pub async fn put(connection: &mut Connection, plan: &Plan, number: u64) -> Result<(u64, u64), BenchError> {
    connection.send(Method::PUT, &plan.key_path(number), &[], &plan.body, false).await?;
    Ok((plan.size, 1))
}

async fn get(connection: &mut Connection, plan: &Plan) -> Result<(u64, u64), BenchError> {
    let path = plan.key_path(plan.some_number());
    let answer = connection.send(Method::GET, &path, &[], &Body::empty(), false).await?;
    expect_length(Method::GET, path, answer.length_bytes, plan.size)
}

async fn head(connection: &mut Connection, plan: &Plan) -> Result<(u64, u64), BenchError> {
    connection.send(Method::HEAD, &plan.key_path(plan.some_number()), &[], &Body::empty(), false).await?;
    Ok((0, 1))
}

async fn range(connection: &mut Connection, plan: &Plan) -> Result<(u64, u64), BenchError> {
    let number = plan.next_number();
    let path = plan.key_path(number % plan.objects.max(1));
    let ranges = (RANGE_OBJECT_BYTES / plan.size).max(1);
    let first = number.wrapping_mul(0x9E37_79B9_7F4A_7C15) % ranges * plan.size;
    let header = ("range", format!("bytes={first}-{}", first + plan.size - 1));
    let answer = connection.send(Method::GET, &path, &[header], &Body::empty(), false).await?;
    expect_length(Method::GET, path, answer.length_bytes, plan.size)
}

fn expect_length(method: Method, path: String, got: u64, expected: u64) -> Result<(u64, u64), BenchError> {
    if got == expected { Ok((got, 1)) } else { Err(BenchError::Length { method, path, got, expected }) }
}

/// One page from a place of its own; counts its entries.
async fn list(connection: &mut Connection, plan: &Plan) -> Result<(u64, u64), BenchError> {
    let last_start = plan.objects.saturating_sub(PAGE_ENTRIES as u64);
    let start = plan.some_number().min(last_start);
    let path = format!(
        "/{}/?list-type=2&max-keys={PAGE_ENTRIES}&prefix={prefix}%2F&start-after={prefix}%2F{start:08}",
        plan.args.bucket,
        prefix = plan.prefix
    );
    let answer = connection.send(Method::GET, &path, &[], &Body::empty(), true).await?;
    let entries = answer.body.windows(10).filter(|window| window == b"<Contents>").count();
    Ok((answer.length_bytes, entries as u64))
}

/// One upload, its parts sent at the same time over connections of their own; each part is an operation.
async fn multipart(plan: &Arc<Plan>, tally: &mut Tally) -> Result<(), BenchError> {
    let path = plan.key_path(plan.next_number());
    let mut connection = Connection::open(&plan.args).await?;
    let answer = connection.send(Method::POST, &format!("{path}?uploads="), &[], &Body::empty(), true).await?;
    let text = String::from_utf8_lossy(&answer.body).into_owned();
    let upload_id = between(&text, "<UploadId>", "</UploadId>")
        .ok_or_else(|| BenchError::Missing("CreateMultipartUpload".into(), "UploadId"))?
        .to_owned();
    let parts = (1..=PARTS_PER_UPLOAD).map(|number| {
        let (plan, path) = (plan.clone(), format!("{path}?partNumber={number}&uploadId={upload_id}"));
        tokio::spawn(async move {
            let mut connection = Connection::open(&plan.args).await?;
            let began = Instant::now();
            let answer = connection.send(Method::PUT, &path, &[], &plan.body, false).await?;
            let etag = answer.headers.get("etag").and_then(|value| value.to_str().ok());
            let etag = etag.ok_or_else(|| BenchError::Missing("UploadPart".into(), "ETag"))?.to_owned();
            Ok::<_, BenchError>((number, etag, began))
        })
    });
    let mut document = String::from("<CompleteMultipartUpload>");
    for part in parts.collect::<Vec<_>>() {
        let (number, etag, began) =
            part.await.map_err(|_| BenchError::Missing("UploadPart".into(), "a worker that lived"))??;
        tally.add(began, plan.size, 1);
        document += &format!("<Part><PartNumber>{number}</PartNumber><ETag>{etag}</ETag></Part>");
    }
    document += "</CompleteMultipartUpload>";
    let body = Body::new(document.into(), plan.args.payload);
    connection.send(Method::POST, &format!("{path}?uploadId={upload_id}"), &[], &body, false).await?;
    Ok(())
}

pub fn between<'a>(text: &'a str, before: &str, after: &str) -> Option<&'a str> {
    let rest = &text[text.find(before)? + before.len()..];
    Some(&rest[..rest.find(after)?])
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn noise_has_the_length_asked_for() {
        for length in [0, 1, 7, 8, 4096] {
            assert_eq!(noise(length).len() as u64, length);
        }
    }

    #[test]
    fn between_finds_what_stands_between_two_texts() {
        assert_eq!(between("<a>1</a>", "<a>", "</a>"), Some("1"));
        assert_eq!(between("<a>1", "<a>", "</a>"), None);
    }
}

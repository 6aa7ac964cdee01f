//! The command line.

use clap::{Parser, ValueEnum};

/// Measures an S3 endpoint.
#[derive(Clone, Debug, Parser)]
#[command(name = "weir-bench")]
pub struct Args {
    /// Where the endpoint is; plain HTTP.
    #[arg(long, default_value = "http://127.0.0.1:39999")]
    pub endpoint: String,

    #[arg(long, env = "AWS_ACCESS_KEY_ID", default_value = "bench")]
    pub access_key: String,

    #[arg(long, env = "AWS_SECRET_ACCESS_KEY", default_value = "bench-secret", hide_env_values = true)]
    pub secret_key: String,

    #[arg(long, default_value = "us-east-1")]
    pub region: String,

    /// Made if it is not there, and emptied of what the run put into it.
    #[arg(long, default_value = "weir-bench")]
    pub bucket: String,

    /// Which workloads to run, in order; `table` stands for every row of the README's table.
    #[arg(long, value_enum, value_delimiter = ',', default_value = "table")]
    pub workload: Vec<Workload>,

    /// Bytes of an object (or of a part, or of a range), with KiB, MiB or GiB. The table has sizes of its own.
    #[arg(long, value_parser = parse_size, default_value = "4KiB")]
    pub size: u64,

    /// Requests in flight. The table has its own.
    #[arg(long, default_value_t = 32)]
    pub concurrency: usize,

    /// How long each workload runs.
    #[arg(long, default_value_t = 10)]
    pub seconds: u64,

    /// Objects that GET, HEAD, range and list workloads find in the bucket.
    #[arg(long, default_value_t = 1000)]
    pub objects: usize,

    /// How bodies are signed.
    #[arg(long, value_enum, default_value_t = Payload::Sha256)]
    pub payload: Payload,

    /// The server's process: its CPU seconds and peak memory are read from /proc.
    #[arg(long)]
    pub pid: Option<u32>,

    /// Prints rows of a Markdown table instead of text.
    #[arg(long)]
    pub markdown: bool,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum Workload {
    Put,
    Get,
    Head,
    /// Ranged GET out of 64 MiB objects.
    Range,
    /// Pages of 1,000.
    List,
    Delete,
    /// Uploads of four parts each, sent at the same time.
    Multipart,
    Table,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum Payload {
    /// The body's SHA-256 is signed, and the server verifies it.
    Sha256,
    /// UNSIGNED-PAYLOAD.
    Unsigned,
}

fn parse_size(text: &str) -> Result<u64, String> {
    let units = [("KiB", 1u64 << 10), ("MiB", 1 << 20), ("GiB", 1 << 30), ("", 1)];
    let (unit, factor) = units.into_iter().find(|(unit, _)| text.ends_with(unit)).unwrap_or(("", 1));
    let number = text.trim_end_matches(unit).trim();
    let number: u64 = number.parse().map_err(|_| format!("{text:?} is not a size like 4096, 4KiB or 64MiB"))?;
    number.checked_mul(factor).ok_or_else(|| format!("{text:?} is too large"))
}

//! Requests of published and recorded vectors, as they go over the wire.

use super::SignedHead;
#[cfg(test)]
use crate::route::Query;
use http::{HeaderMap, Method};
#[cfg(test)]
use http::{HeaderName, HeaderValue};

/// The secret of most of AWS's examples.
#[cfg(test)]
pub const SECRET: &str = "wJalrXUtnFEMI/K7MDENG/bPxRfiCYEXAMPLEKEY";
/// The secret of AWS's test suite, and of what was recorded.
pub const SUITE_SECRET: &str = "wJalrXUtnFEMI/K7MDENG+bPxRfiCYEXAMPLEKEY";

/// The head of a request.
#[derive(Clone, Debug)]
pub struct Vector {
    pub name: String,
    pub method: Method,
    pub path: String,
    pub query: String,
    pub headers: HeaderMap,
}

#[cfg(test)]
impl Vector {
    /// Heads with an empty line after each; before its request line each has one with its name.
    pub fn all(text: &str) -> Vec<Self> {
        text.split("\n\n").map(str::trim).filter(|block| !block.is_empty()).map(Self::one).collect()
    }

    fn one(block: &str) -> Self {
        let mut lines = block.lines();
        let name = lines.next().unwrap().trim_start_matches("# ").to_owned();
        let (method, target) = lines.next().unwrap().split_once(' ').unwrap();
        let (path, query) = target.split_once('?').unwrap_or((target, ""));
        let mut headers = HeaderMap::new();
        for line in lines {
            let (name, value) = line.split_once(':').unwrap();
            let value = HeaderValue::from_bytes(value.trim_start().as_bytes()).unwrap();
            headers.append(name.parse::<HeaderName>().unwrap(), value);
        }
        let method = method.parse().unwrap();
        Self { name, method, path: path.to_owned(), query: query.to_owned(), headers }
    }

    pub fn parsed_query(&self) -> Query {
        Query::parse(&self.query).unwrap()
    }
}

impl Vector {
    pub fn head(&self) -> SignedHead<'_> {
        SignedHead {
            method: &self.method,
            path: &self.path,
            query: &self.query,
            headers: &self.headers,
            host: "not-the-host.test",
            trusts_original_accept_encoding: false,
        }
    }
}

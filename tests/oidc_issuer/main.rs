//! An issuer of OpenID Connect tokens on a loopback port, for tests: well-behaved until it is told not to be.
//!
//! It prints its URL, and then answers each line of JSON on its standard input with a line:
//!
//! | line | answer |
//! |---|---|
//! | `{"mint": {"alg": …, "kid": …, "header": {…}, "claims": {…}}}` | a token; see [`mint`] |
//! | `{"configuration": BEHAVIOUR}`, `{"keys": BEHAVIOUR}` | `ok`; see [`serve::Behaviour`] |
//! | `"rotate"` | `ok`: the key `ec` is another from now on, and is called by the next name: `ec-1`, `ec-2`, … |
//! | `"asked"` | how many times the keys were asked for |
//!
//! With `--tls FILE` it serves HTTPS, under a certificate of an authority of its own, whose certificate it writes to the
//! file. It ends with its standard input.

mod keys;
mod mint;
mod serve;
mod tls;

use clap::Parser;
use keys::Keys;
use serde::Deserialize;
use serve::{Behaviour, Issuer};
use std::io::{self, BufRead as _};
use std::path::PathBuf;
use std::sync::Arc;
use tokio::net::TcpListener;

#[derive(Parser)]
struct Arguments {
    /// Serves HTTPS, and writes the authority's certificate to this file.
    #[arg(long, value_name = "FILE")]
    tls: Option<PathBuf>,
}

#[derive(Deserialize)]
#[serde(rename_all = "snake_case")]
enum Order {
    Mint(mint::Order),
    Configuration(Behaviour),
    Keys(Behaviour),
    Rotate,
    Asked,
}

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let arguments = Arguments::parse();
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    let listener = runtime.block_on(TcpListener::bind("127.0.0.1:0"))?;
    let acceptor = arguments.tls.as_deref().map(tls::acceptor).transpose()?;
    let scheme = if acceptor.is_some() { "https" } else { "http" };
    let issuer = Arc::new(Issuer::new(format!("{scheme}://{}", listener.local_addr()?), Keys::new()?));
    println!("{}", issuer.url);
    let serving = issuer.clone();
    std::thread::spawn(move || runtime.block_on(serving.serve(listener, acceptor)));
    for line in io::stdin().lock().lines() {
        let answer = match serde_json::from_str(&line?) {
            Ok(order) => answer(&issuer, order),
            Err(error) => format!("error: {error}"),
        };
        println!("{answer}");
    }
    Ok(())
}

fn answer(issuer: &Issuer, order: Order) -> String {
    match order {
        Order::Mint(order) => {
            let keys = issuer.keys();
            return mint::mint(&keys, &order).unwrap_or_else(|error| format!("error: {error}"));
        }
        Order::Configuration(behaviour) => issuer.set_configuration(behaviour),
        Order::Keys(behaviour) => issuer.set_keys(behaviour),
        Order::Rotate => {
            if let Err(error) = issuer.keys().rotate() {
                return format!("error: {error}");
            }
        }
        Order::Asked => return issuer.asked().to_string(),
    }
    "ok".to_owned()
}

//! A running issuer of OpenID Connect tokens: `oidc_issuer/` of this crate, in a process of its own.

use serde_json::{Value, json};
use std::io::{BufRead as _, BufReader, Write as _};
use std::path::Path;
use std::process::{Child, ChildStdin, ChildStdout, Command, Stdio};

/// Dropping it ends the process.
pub struct OidcIssuer {
    child: Child,
    orders: ChildStdin,
    answers: BufReader<ChildStdout>,
    url: String,
}

impl OidcIssuer {
    /// Starts one that serves plain HTTP. `program` is `env!("CARGO_BIN_EXE_weir-oidc-issuer")`, which only tests know.
    pub fn start(program: &str) -> Self {
        Self::spawn(Command::new(program))
    }

    /// Starts one that serves HTTPS, and writes the certificate of its authority to a file.
    pub fn start_tls(program: &str, authority_file: &Path) -> Self {
        let mut command = Command::new(program);
        command.arg("--tls").arg(authority_file);
        Self::spawn(command)
    }

    fn spawn(mut command: Command) -> Self {
        let mut child = command.stdin(Stdio::piped()).stdout(Stdio::piped()).spawn().expect("the issuer starts");
        let orders = child.stdin.take().expect("its standard input is a pipe");
        let answers = BufReader::new(child.stdout.take().expect("its standard output is a pipe"));
        let mut issuer = Self { child, orders, answers, url: String::new() };
        issuer.url = issuer.line();
        issuer
    }

    /// What its tokens name as `iss`.
    pub fn url(&self) -> &str {
        &self.url
    }

    /// A token with these claims.
    pub fn mint(&mut self, algorithm: &str, key_id: Option<&str>, claims: &Value) -> String {
        self.mint_with(&json!({"alg": algorithm, "kid": key_id, "claims": claims}))
    }

    /// A token with more of its header chosen.
    pub fn mint_with(&mut self, order: &Value) -> String {
        self.order(&json!({ "mint": order }))
    }

    /// How it serves its configuration from now on.
    pub fn serve_configuration(&mut self, behaviour: &Value) {
        assert_eq!(self.order(&json!({ "configuration": behaviour })), "ok");
    }

    /// How it serves its keys from now on.
    pub fn serve_keys(&mut self, behaviour: &Value) {
        assert_eq!(self.order(&json!({ "keys": behaviour })), "ok");
    }

    /// Replaces the key `ec` by `ec-1`, that by `ec-2`, and so on.
    pub fn rotate(&mut self) {
        assert_eq!(self.order(&json!("rotate")), "ok");
    }

    /// How many times its keys were asked for.
    pub fn asked(&mut self) -> u64 {
        self.order(&json!("asked")).parse().expect("it is a number")
    }

    /// # Panics
    /// When the issuer does not understand the order.
    fn order(&mut self, order: &Value) -> String {
        writeln!(self.orders, "{order}").expect("the issuer takes orders");
        let answer = self.line();
        assert!(!answer.starts_with("error"), "{order}: {answer}");
        answer
    }

    fn line(&mut self) -> String {
        let mut line = String::new();
        self.answers.read_line(&mut line).expect("the issuer answers");
        line.trim_end().to_owned()
    }
}

impl Drop for OidcIssuer {
    fn drop(&mut self) {
        // It may have ended already.
        self.child.kill().ok();
        self.child.wait().ok();
    }
}

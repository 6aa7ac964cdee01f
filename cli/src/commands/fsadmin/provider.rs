//! `weir fsadmin provider`

use crate::shell::error::ShellError;
use crate::shell::format::{printable, utc_time};
use crate::shell::output::Output;
use crate::shell::usage::Help;
use crate::shell::{Exit, Shell};
use clap::{Args, Subcommand};
use weir_proto::v1::change_access_request::Change;
use weir_proto::v1::{DeleteOidcProvider, OidcProvider, PutOidcProvider};

pub const HELP: Help = Help {
    name: "provider",
    usage: "provider add|rm|ls",
    about: "Manages issuers of OpenID Connect tokens, with which roles can be taken:\n  provider add <url> --client-id <id>... \
            [--thumbprint <digits>...] [--replace]\n  provider rm <url>\n  provider ls",
};

#[derive(Debug, Args)]
#[command(about = HELP.about)]
pub struct ProviderArgs {
    #[command(subcommand)]
    action: Action,
}

#[derive(Debug, Subcommand)]
enum Action {
    Add {
        /// As the tokens name it: https://…
        url: String,
        /// Whom its tokens are for. Several are allowed.
        #[arg(long = "client-id", value_name = "id", required = true)]
        client_ids: Vec<String>,
        /// SHA-1 of a certificate of the issuer. Several are allowed.
        #[arg(long = "thumbprint", value_name = "digits")]
        thumbprints: Vec<String>,
        /// It is there already, and gets these client ids and thumbprints.
        #[arg(long)]
        replace: bool,
    },
    Rm {
        url: String,
    },
    Ls,
}

pub async fn run(args: &ProviderArgs, shell: &Shell, out: &mut Output) -> Result<Exit, ShellError> {
    match &args.action {
        Action::Add { url, client_ids, thumbprints, replace } => {
            let provider = OidcProvider {
                url: url.clone(),
                client_ids: client_ids.clone(),
                thumbprints: thumbprints.clone(),
                created_ms: 0,
            };
            let change = PutOidcProvider { provider: Some(provider), create: !replace };
            shell.change_access(Change::PutOidcProvider(change)).await?;
            out.say(format_args!("{} provider {url}", if *replace { "Replaced" } else { "Added" }))?;
        }
        Action::Rm { url } => {
            let name = url.split_once("://").map_or(url.as_str(), |(_, name)| name).to_owned();
            shell.change_access(Change::DeleteOidcProvider(DeleteOidcProvider { name })).await?;
            out.say(format_args!("Removed provider {url}"))?;
        }
        Action::Ls => {
            for provider in shell.directory().await?.providers {
                out.say(line(&provider))?;
            }
        }
    }
    Ok(Exit::DONE)
}

fn line(provider: &OidcProvider) -> String {
    let client_ids = provider.client_ids.join(",");
    format!("{}  {}  {}", provider.url, utc_time(provider.created_ms), printable(client_ids.as_bytes()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_line_says_who_issues_for_whom() {
        let provider = OidcProvider {
            url: "https://id.example.com".into(),
            client_ids: vec!["one".into(), "two".into()],
            thumbprints: Vec::new(),
            created_ms: 1_795_319_839_562,
        };
        assert_eq!(line(&provider), "https://id.example.com  2026-11-22 03:57:19  one,two");
    }
}

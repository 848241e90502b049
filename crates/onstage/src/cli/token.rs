//! `onstage token`: bearer tokens for programs, made, listed and removed.
//! A token is shown once, when it is made; the server keeps only its hash.

use super::{caller::Caller, exit::Failure, print, push::words, when};
use crate::client::Client;
use onstage_core::{Error, Result, config::Span};
use serde_json::json;

const TOKENS_MAX: usize = 1_000;

/// Create, list and remove tokens for programs
#[derive(Debug, clap::Args)]
pub(super) struct Args {
    #[command(subcommand)]
    verb: Verb,
}

#[derive(Debug, clap::Subcommand)]
enum Verb {
    /// Make a token; it is shown this once
    Create {
        /// What it is for
        #[arg(long)]
        name: String,
        /// After how long it ends, like `30d` (never when absent)
        #[arg(long, value_name = "SPAN")]
        expires: Option<Span>,
    },
    /// List the tokens
    Ls,
    /// Remove a token: programs that use it are refused from now on
    Rm {
        /// Its id or name
        #[arg(value_name = "ID|NAME")]
        which: String,
    },
}

pub(super) async fn run(caller: &Caller, args: Args) -> Result<(), Failure> {
    let client = caller.client()?;
    match args.verb {
        Verb::Create { name, expires } => create(caller, &client, &name, expires).await,
        Verb::Ls => list(caller, &client).await,
        Verb::Rm { which } => {
            let id = find(&client, &which).await?;
            client.delete(&format!("/v1/tokens/{id}")).await?;
            print::say(&format!("token `{which}` is removed"));
            Ok(())
        }
    }
}

async fn create(
    caller: &Caller,
    client: &Client,
    name: &str,
    expires: Option<Span>,
) -> Result<(), Failure> {
    let mut body = json!({"name": name});
    if let Some(Span(span)) = expires {
        body["expires_in_s"] = span.as_secs().into();
    }
    let token = client.post("/v1/tokens", &body).await?;
    if caller.json {
        return print::json(&token);
    }
    print::say("keep it safe: it is shown this once and may do everything you may");
    print::line(words(&token, "token"))
}

async fn list(caller: &Caller, client: &Client) -> Result<(), Failure> {
    let tokens = client.list("/v1/tokens?limit=200", TOKENS_MAX).await?;
    if caller.json {
        return print::json_list(&tokens);
    }
    let rows = tokens
        .iter()
        .map(|token| {
            vec![
                words(token, "id").to_owned(),
                words(token, "name").to_owned(),
                when::ago(&token["created_at"], caller.now()),
                when::ago(&token["last_used_at"], caller.now()),
                words(token, "expires_at").to_owned(),
            ]
        })
        .collect();
    print::table(&["id", "name", "made", "used", "ends"], rows)
}

async fn find(client: &Client, which: &str) -> Result<String> {
    let tokens = client.list("/v1/tokens?limit=200", TOKENS_MAX).await?;
    let fits: Vec<&str> = tokens
        .iter()
        .filter(|token| token["id"] == which || token["name"] == which)
        .map(|token| words(token, "id"))
        .collect();
    match fits.as_slice() {
        [one] => Ok((*one).to_owned()),
        [] => Err(Error::not_found(format!("there is no token `{which}`"))
            .hint("`onstage token ls` lists them")),
        several => Err(
            Error::invalid(format!("{} tokens are called `{which}`", several.len()))
                .hint(format!("say which by its id: {}", several.join(", "))),
        ),
    }
}

//! `sign-in`: a one-time link for a user, or for staff, printed once.

use super::local::{LocalChange, carry_out_with};
use super::{DataArgument, Failure};
use crate::domain::token_text::TokenSecret;
use crate::entropy::Entropy;
use crate::http::site::Site;
use clap::Args;
use serde_json::json;

/// Where a server listens unless told otherwise.
const SITE_DEFAULT: &str = "http://127.0.0.1:8080";

/// Arguments of `sign-in`.
#[derive(Debug, Args)]
#[group(id = "whom", required = true, multiple = false, args = ["user", "staff"])]
pub struct SignInArguments {
    #[command(flatten)]
    data: DataArgument,
    /// The user's number.
    #[arg(value_name = "USER")]
    user: Option<u64>,
    /// Staff: the number of an operator or auditor token. The session acts with its role, and ends with it.
    #[arg(long, value_name = "TOKEN")]
    staff: Option<u64>,
    /// Where browsers reach the service; that of the running server unless said.
    #[arg(long, value_name = "URL", value_parser = super::site)]
    public_url: Option<Site>,
    /// Print JSON.
    #[arg(long)]
    json: bool,
}

pub(super) fn run(arguments: &SignInArguments) -> Result<(), Failure> {
    let secret = TokenSecret::of_link(&Entropy::system().bytes_32());
    let change = LocalChange::SignIn { user: arguments.user, staff: arguments.staff, digest: secret.digest().to_hex() };
    let (carried, more) = carry_out_with(&arguments.data.dir(), &change)?;
    let told = arguments.public_url.as_ref().and_then(Site::told);
    let site = told.or_else(|| more["site"].as_str()).unwrap_or(SITE_DEFAULT);
    let url = format!("{site}/sign-in/{}", secret.reveal_once());
    if arguments.json {
        say!("{}", json!({ "url": url, "id": carried.subject, "position": carried.position }));
    } else {
        say!("Works once, for 15 minutes:\n{url}");
        say!("Recorded at position {}.", carried.position.unwrap_or_default());
    }
    Ok(())
}

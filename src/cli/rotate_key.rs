//! `rotate-key`: another key for the log, from the machine itself.

use super::local::{LocalChange, carry_out_with};
use super::{DataArgument, Failure};
use crate::domain::log_keys::{OVERLAP_SECONDS_DEFAULT, OVERLAP_SECONDS_MAX};
use clap::Args;
use serde_json::json;

const SECONDS_A_DAY: u64 = 24 * 60 * 60;

/// Arguments of `rotate-key`.
#[derive(Debug, Args)]
pub struct RotateKeyArguments {
    #[command(flatten)]
    data: DataArgument,
    /// Days for which the key of today goes on signing beside the new one. 0 where others may have it.
    #[arg(long, value_name = "N", default_value_t = OVERLAP_SECONDS_DEFAULT / SECONDS_A_DAY,
        value_parser = clap::value_parser!(u64).range(..=OVERLAP_SECONDS_MAX / SECONDS_A_DAY))]
    overlap_days: u64,
    /// Print JSON.
    #[arg(long)]
    json: bool,
}

pub(super) fn run(arguments: &RotateKeyArguments) -> Result<(), Failure> {
    let change = LocalChange::RotateKey { overlap_seconds: arguments.overlap_days * SECONDS_A_DAY };
    let (carried, told) = carry_out_with(&arguments.data.dir(), &change)?;
    let (vkey, signs_until) = (told["log_vkey"].as_str().unwrap_or_default(), &told["signs_until"]);
    if arguments.json {
        say!("{}", json!({ "log_vkey": vkey, "position": carried.position, "old_signs_until": signs_until }));
        return Ok(());
    }
    say!("Verifier key from here on, for auditors: {vkey}");
    if let (Some(position), Some(until)) = (carried.position, signs_until.as_str()) {
        say!("Recorded at position {position}. The key before signs beside it until {until}.");
    }
    say!("log.key has changed: put it where its backup is.");
    Ok(())
}

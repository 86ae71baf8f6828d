//! `doctor`: is everything around a ledger as a healthy one's?

use super::output::out;
use super::{DataArgument, Failure, control};
use crate::audit::doctor::{self, Check, Level};
use crate::clock::Clock;
use clap::Args;
use serde_json::{Value, json};
use std::io::Write;

/// Arguments of `doctor`.
#[derive(Debug, Args)]
pub struct DoctorArguments {
    #[command(flatten)]
    data: DataArgument,
    /// Print JSON.
    #[arg(long)]
    json: bool,
}

pub(super) fn run(arguments: &DoctorArguments) -> Result<(), Failure> {
    let dir = arguments.data.dir();
    let checks = doctor::examine(&dir, control::knock(&dir)?, Clock::system().now());
    let count = |level: Level| checks.iter().filter(|check| check.level == level).count();
    let (problems, warnings) = (count(Level::Problem), count(Level::Warning));
    let mut out = out();
    if arguments.json {
        let listed: Vec<Value> = checks.iter().map(to_json).collect();
        writeln!(out, "{}", json!({ "checks": listed, "problems": problems, "warnings": warnings }))?;
    } else {
        for check in &checks {
            writeln!(out, "{:<8} {:<16} {}", check.level.name(), check.name, check.what)?;
            if !check.todo.is_empty() {
                writeln!(out, "{:<25} to do: {}", "", check.todo)?;
            }
        }
    }
    out.flush()?;
    match problems {
        0 => Ok(()),
        1 => Err(Failure::Finding("1 problem".to_owned())),
        more => Err(Failure::Finding(format!("{more} problems"))),
    }
}

fn to_json(check: &Check) -> Value {
    let todo = (!check.todo.is_empty()).then_some(&check.todo);
    json!({ "name": check.name, "level": check.level.name(), "what": check.what, "to_do": todo })
}

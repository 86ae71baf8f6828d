//! `routes`: looks at a scope map before a gateway relies on it.

use super::Failure;
use crate::domain::scope_map::{DNSIMPLE_V2, Needs, Resource, ScopeMap, parse};
use clap::{Args, Subcommand};
use serde_json::{Value, json};
use std::path::{Path, PathBuf};

/// Arguments of `routes`.
#[derive(Debug, Args)]
pub struct RoutesArguments {
    #[command(subcommand)]
    command: RoutesCommand,
}

#[derive(Debug, Subcommand)]
enum RoutesCommand {
    /// Check a scope map: every fault with its line.
    ///
    /// Example: token-ledger routes check gateway.toml
    Check {
        /// The map.
        file: PathBuf,
    },
    /// Say which route a request takes, and which scope it needs.
    ///
    /// Example: token-ledger routes explain GET /v2/7/zones/example.com
    Explain {
        /// Method, as in GET.
        method: String,
        /// Path, as it would stand in the request line.
        path: String,
        /// The map. Default: the built-in one of DNSimple's API v2.
        #[arg(long, value_name = "FILE")]
        map: Option<PathBuf>,
        /// Print JSON.
        #[arg(long)]
        json: bool,
    },
}

pub(super) fn run(arguments: &RoutesArguments) -> Result<(), Failure> {
    match &arguments.command {
        RoutesCommand::Check { file } => check(file),
        RoutesCommand::Explain { method, path, map, json } => {
            let map = match map {
                Some(file) => read(file)?,
                None => parse_named(DNSIMPLE_V2, "the built-in map")?,
            };
            explain(&map, method, path, *json)
        }
    }
}

fn check(file: &Path) -> Result<(), Failure> {
    let map = read(file)?;
    say!("{}: {} routes, {} scope groups of its own; no fault", map.name, map.routes.len(), map.groups.len());
    Ok(())
}

fn read(file: &Path) -> Result<ScopeMap, Failure> {
    let text = std::fs::read_to_string(file)
        .map_err(|error| Failure::Finding(format!("cannot read {}: {error}", file.display())))?;
    parse_named(&text, &file.display().to_string())
}

fn parse_named(text: &str, name: &str) -> Result<ScopeMap, Failure> {
    parse::parse(text).map_err(|faults| {
        let told: Vec<String> = faults.iter().map(|fault| format!("{name}: {fault}")).collect();
        Failure::Finding(format!("the scope map has {} fault(s)\n{}", told.len(), told.join("\n")))
    })
}

fn explain(map: &ScopeMap, method: &str, path: &str, as_json: bool) -> Result<(), Failure> {
    let required = map.find(method, path).map_err(|why| Failure::Finding(format!("undecidable: {why}")))?;
    let route = required.route;
    if as_json {
        let answer: Value = json!({
            "map": map.name,
            "line": route.line,
            "methods": route.methods,
            "path": route.template.as_str(),
            "account": required.account.map(|account| account.0),
            "scope": required.scope(),
            "listed": is_listed(&route.needs),
        });
        say!("{answer}");
        return Ok(());
    }
    say!("route    {} {} (line {} of {})", route.methods.join(", "), route.template.as_str(), route.line, map.name);
    match required.account {
        Some(account) => say!("account  {}", account.0),
        None => say!("account  the token's own"),
    }
    say!("scope    {}", required.scope().unwrap_or_else(|| "none: any token that works".to_owned()));
    if is_listed(&route.needs) {
        say!("listed   any grant in the group will do: the API shows only what the token may see");
    }
    Ok(())
}

fn is_listed(needs: &Needs) -> bool {
    matches!(needs, Needs::Scope { resource: Resource::Listed, .. })
}

//! The load generator (wrk) and what it reports.

use crate::AnyError;
use std::io::{Read, Write};
use std::net::TcpStream;
use std::path::Path;
use std::process::Command;
use std::time::Duration;

/// Figures of one run.
#[derive(Clone, Copy, Debug, Default)]
pub struct Run {
    /// Answers a second.
    pub requests_a_second: f64,
    /// Half of the answers were faster.
    pub p50_micros: f64,
    /// All but one in a hundred were faster.
    pub p99_micros: f64,
    /// Processor time of the server for a request.
    pub cpu_micros: f64,
    /// Events that shared a commit.
    pub events_a_commit: f64,
}

/// Runs wrk and reads its report. Every answer must be a success: a bench of errors measures nothing.
pub fn wrk(port: u16, connections: u32, seconds: u64, token_file: &Path) -> Result<Run, AnyError> {
    wrk_paced(port, connections, seconds, token_file, 0)
}

/// Like [`wrk`]; each connection waits so many milliseconds between an answer and its next request.
pub fn wrk_paced(port: u16, connections: u32, seconds: u64, token_file: &Path, delay_ms: u32) -> Result<Run, AnyError> {
    let script = Path::new(env!("CARGO_MANIFEST_DIR")).join("bearer.lua");
    let output = Command::new("wrk")
        .arg(format!("-t{}", connections.min(2)))
        .arg(format!("-c{connections}"))
        .arg(format!("-d{seconds}s"))
        .args(["--latency", "-s"])
        .arg(script)
        .arg(format!("http://127.0.0.1:{port}/v2/whoami"))
        .env("TOKENFILE", token_file)
        .env("URLPATH", "/v2/whoami")
        .env("DELAYMS", delay_ms.to_string())
        .output()
        .map_err(|error| format!("wrk: {error} (Debian package wrk)"))?;
    let text = String::from_utf8_lossy(&output.stdout);
    if text.contains("Non-2xx") || text.contains("Socket errors") {
        return Err(format!("wrk met errors:\n{text}").into());
    }
    let after = |label: &str| {
        let line = text.lines().find(|line| line.trim_start().starts_with(label))?;
        line.split_whitespace().nth(1).map(str::to_owned)
    };
    let read = |label: &str| after(label).ok_or_else(|| format!("wrk said no {label}:\n{text}"));
    Ok(Run {
        requests_a_second: read("Requests/sec:")?.parse()?,
        p50_micros: micros(&read("50%")?)?,
        p99_micros: micros(&read("99%")?)?,
        ..Run::default()
    })
}

fn micros(text: &str) -> Result<f64, AnyError> {
    for (unit, factor) in [("us", 1.0), ("ms", 1e3), ("s", 1e6)] {
        if let Some(number) = text.strip_suffix(unit) {
            return Ok(number.parse::<f64>()? * factor);
        }
    }
    Err(format!("not a time: {text}").into())
}

/// Commits and events so far, from the service's metrics; none of the floor.
pub fn counts(port: u16) -> Option<(u64, u64)> {
    let mut stream = TcpStream::connect(("127.0.0.1", port)).ok()?;
    stream.set_read_timeout(Some(Duration::from_secs(5))).ok()?;
    stream.write_all(b"GET /metrics HTTP/1.1\r\nHost: bench\r\nConnection: close\r\n\r\n").ok()?;
    let mut text = String::new();
    stream.read_to_string(&mut text).ok()?;
    let value = |name: &str| {
        let line = text.lines().find(|line| line.starts_with(name))?;
        line.split_whitespace().nth(1)?.parse().ok()
    };
    Some((value("token_ledger_commits_total")?, value("token_ledger_events_total")?))
}

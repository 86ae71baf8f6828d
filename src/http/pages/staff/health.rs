//! The log's health: head, checkpoint, seal, recording gaps, disk and clock; and what is known of its last verification.

use super::{Answered, page};
use crate::audit::gaps::{gaps, last_start};
use crate::audit::receipts::Published;
use crate::domain::time::Timestamp;
use crate::http::App;
use crate::http::audit;
use crate::http::entry::Asked;
use crate::http::pages::page::Page;
use crate::http::pages::reply::shown;
use crate::http::pages::viewer::Viewer;
use crate::http::pages::words::{self, Time};
use crate::ledger::Readiness;
use askama::Template;
use base64::Engine;
use base64::engine::general_purpose::STANDARD;

/// Days that gaps are told of.
const GAP_DAYS: u64 = 90;
const DAY_SECONDS: u64 = 86_400;

#[derive(Template)]
#[template(path = "staff_health.html")]
struct HealthPage {
    page: Page,
    origin: String,
    log_vkey: String,
    head: String,
    root: String,
    last_at: Time,
    ago: String,
    checkpoint: Option<Checkpoint>,
    seal: Option<(String, Time)>,
    started: Option<(u64, Time)>,
    gaps: Vec<String>,
    gap_days: u64,
    refusals: Vec<String>,
    warnings: Vec<String>,
    disk_free: String,
    low_water: String,
    ballast: String,
    is_low: bool,
    clock: String,
}

struct Checkpoint {
    note: String,
    size: String,
    behind: u64,
}

/// What the log itself tells.
struct OfLog {
    root: String,
    started: Option<(u64, Time)>,
    gaps: Vec<String>,
}

pub(super) async fn answer(app: &App, asked: &Asked, viewer: &Viewer) -> Answered {
    let of_log = audit::beside_the_desk(app, |archive| {
        let from = Timestamp(archive.now().0.saturating_sub(GAP_DAYS * DAY_SECONDS * 1_000_000));
        let range = archive.range(Some(from), None)?;
        Ok(OfLog {
            root: STANDARD.encode(archive.root_at(archive.head())?),
            started: last_start(archive)?.map(|(position, at)| (position.0, Time(at))),
            gaps: gaps(archive, range)?,
        })
    })
    .await?;
    let page = page("Log health", viewer, asked);
    let Readiness { refusals, warnings } = app.ledger.readiness();
    let published = app.ledger.checkpoint().and_then(|note| Published::of(&note));
    let (space, clock) = (app.ledger.space(), app.ledger.clock_state());
    let clock = match (clock.is_behind, clock.step) {
        (true, _) => "behind the log: uses and creations wait until it is set right".to_owned(),
        (_, Some(step)) => format!("off by {} seconds since {}", step.by / 1_000_000, Time(step.seen_at).plain()),
        _ => "as it should be".to_owned(),
    };
    let health = app
        .ledger
        .view(|view| {
            let state = &view.projections.state;
            HealthPage {
                page,
                origin: state.origin.clone(),
                log_vkey: state.log_vkey.clone(),
                head: words::number(state.head.0),
                root: of_log.root,
                last_at: Time(state.last_recorded_at),
                ago: words::distance(state.last_recorded_at, view.now),
                checkpoint: published.map(|published| Checkpoint {
                    behind: state.head.0.saturating_sub(published.size.0),
                    size: words::number(published.size.0),
                    note: published.note,
                }),
                seal: state.last_seal.map(|seal| (words::number(seal.at.0), Time(seal.recorded_at))),
                started: of_log.started,
                gaps: of_log.gaps,
                gap_days: GAP_DAYS,
                refusals,
                warnings,
                disk_free: mebibytes(space.free()),
                low_water: mebibytes(space.low_water()),
                ballast: mebibytes(space.ballast_kept()),
                is_low: space.is_low(),
                clock,
            }
        })
        .await;
    Ok(shown(&health))
}

fn mebibytes(bytes: u64) -> String {
    format!("{} MiB", words::number(bytes / (1 << 20)))
}

//! An operator takes over what the wall clock says.

use super::{Answered, authorize_change, submit};
use crate::domain::command::Change;
use crate::domain::event::ManagementOperation;
use crate::http::App;
use crate::http::answer;
use crate::http::entry::Asked;
use crate::http::problem::Problem;
use serde_json::json;
use warp::http::StatusCode;

/// Steps up to this are none (60 s).
const STEP_MICROS: i64 = 60_000_000;

pub(super) async fn accept(app: &App, asked: &Asked) -> Answered {
    let digest = authorize_change(app, asked, ManagementOperation::AcceptClock).await?;
    let (clock, state) = (app.ledger.clock(), app.ledger.clock_state());
    let (now, wall) = (clock.now(), clock.wall());
    if !state.is_behind && wall.micros_since(now).abs() <= STEP_MICROS {
        let detail = "the wall clock is not off by more than 60 s: there is nothing to accept";
        return Err(Box::new(Problem::new(StatusCode::CONFLICT, "clock-as-expected", "Nothing to accept", detail)));
    }
    let kept = app.ledger.view(|view| view.now).await;
    let seen_at = state.step.map_or(kept, |step| step.seen_at);
    let carried = submit(app, asked, digest, Change::StepClock { seen_at, kept, wall, followed: true }).await?;
    let data = json!({
        "kept": kept.to_micros_text(),
        "wall": wall.to_micros_text(),
        "step_microseconds": wall.micros_since(kept),
    });
    let mut reply = answer::json(StatusCode::OK, &json!({ "data": data }));
    answer::add_position(&mut reply, carried.position);
    Ok(reply)
}

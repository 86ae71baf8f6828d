//! An operator takes over what the wall clock says.

use super::idempotency::{Sent, mark_repeated};
use super::{Answered, authorize_change, submit};
use crate::domain::command::Change;
use crate::domain::event::ManagementOperation;
use crate::http::App;
use crate::http::answer;
use crate::http::entry::Asked;
use serde_json::json;
use warp::http::StatusCode;

/// Answers with both clocks as they are then. Whatever body was sent is not read.
pub(super) async fn accept(app: &App, asked: &Asked) -> Answered {
    let actor = authorize_change(app, asked, ManagementOperation::AcceptClock).await?;
    let key = Sent::read(asked)?.of(app, asked, &[]);
    let (clock, state) = (app.ledger.clock(), app.ledger.clock_state());
    let kept = if state.is_behind { app.ledger.view(|view| view.now).await } else { clock.now() };
    let seen_at = state.step.map_or(kept, |step| step.seen_at);
    let change = Change::StepClock { seen_at, kept, wall: clock.wall(), followed: true };
    let carried = submit(app, asked, actor, key.guard(change)).await?;
    let now = app.ledger.view(|view| view.now).await;
    let data = json!({ "now": now.to_micros_text(), "wall": clock.wall().to_micros_text() });
    let mut reply = answer::json(StatusCode::OK, &json!({ "data": data }));
    answer::add_position(&mut reply, carried.position);
    if carried.repeated {
        mark_repeated(&mut reply);
    }
    Ok(reply)
}

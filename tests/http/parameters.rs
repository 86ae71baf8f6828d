//! What can be said in the query of a change: nothing but what the document says. Who misspells `dry_run`, or asks for it
//! where nothing can be tried, must not have the change carried out.

use crate::contract::MANY;
use crate::house::House;
use crate::matrix::Spares;
use crate::matrix_table::Object::Own;
use crate::wire::Ask;
use token_ledger::http::operations::{OPERATIONS, Operation};

/// Each in turn: unknown everywhere, and no way to say it anywhere.
const SAID: [&str; 3] = ["zz=1", "dry-run=true", "dry_run=perhaps"];

/// With a body that would be accepted.
fn change(house: &House, spares: &Spares, (template, method, operation): (&str, &str, Operation), said: &str) -> Ask {
    let ask = Ask::new(method, format!("{}?{said}", spares.path((template, method), Own)));
    let ask = match (operation, spares.body(operation, Own)) {
        (Operation::ReportUses, Some(body)) => ask.header("Content-Type", MANY).bytes(body.to_string()),
        (_, Some(body)) => ask.json(&body),
        (_, None) => ask,
    };
    match operation {
        Operation::Authorize | Operation::ReportUses => ask.bearer(&house.gateway.text),
        _ => ask.bearer(&house.operator),
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn no_change_is_carried_out_that_says_what_is_no_parameter_of_it() {
    let house = House::new().await;
    let mut faults = Vec::new();
    let changes = OPERATIONS.iter().filter(|(path, method, _)| path.starts_with("/v1/") && *method != "GET");
    for (number, line) in changes.enumerate() {
        let spares = Spares::make(&house, number, line.2).await;
        let head = house.head();
        for said in SAID {
            let told = house.ask(change(&house, &spares, *line, said)).await;
            if told.status != 400 || house.head() != head {
                faults.push(format!(
                    "{} {}?{said}: {}, log from {head} to {}",
                    line.1,
                    line.0,
                    told.status,
                    house.head()
                ));
                break;
            }
        }
        spares.close_reviews(&house).await;
        house.advance(60);
    }
    assert!(faults.is_empty(), "{}", faults.join("\n"));
}

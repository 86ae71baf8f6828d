//! Lists come whole, or as much of them as was asked for.

use crate::desk::Desk;
use serde_json::Value;

fn ids(list: &Value, member: &str) -> Vec<u64> {
    list["data"].as_array().unwrap().iter().map(|item| item[member].as_u64().unwrap()).collect()
}

/// Account 1 with 205 imported tokens, numbers 2 to 206: more than two pages of the service.
fn with_tokens() -> Desk {
    let desk = Desk::with_account();
    let line =
        |number: u32| format!("{{\"name\":\"robot {number}\",\"access\":\"full\",\"digest\":\"{number:064x}\"}}\n");
    let file = desk.aside("tokens.ndjson");
    std::fs::write(&file, (1..=205).map(line).collect::<String>()).unwrap();
    desk.json(&["tokens", "import", "--account", "1", "--file", file.to_str().unwrap()]);
    desk
}

#[test]
fn numbered_pages_are_one_list() {
    let desk = with_tokens();
    let list = ["tokens", "list", "--account", "1"];
    let all = desk.json(&list);
    assert_eq!(ids(&all, "id"), (2..=206).collect::<Vec<_>>());
    assert_eq!((&all["pagination"]["total_entries"], &all["pagination"]["total_pages"]), (&205.into(), &1.into()));
    let rows = desk.run(&list).expect(0).stdout;
    assert_eq!(rows.matches("robot ").count(), 205);
    for (limit, last) in [("1", 2), ("100", 101), ("150", 151), ("205", 206), ("9000", 206)] {
        let cut = desk.json(&[&list[..], &["--limit", limit]].concat());
        assert_eq!(ids(&cut, "id"), (2..=last).collect::<Vec<_>>(), "--limit {limit}");
        assert_eq!(cut["pagination"]["total_entries"], 205);
    }
    desk.run(&[&list[..], &["--limit", "150"]].concat()).expect(0).says("150 of 205");
    let page = desk.json(&[&list[..], &["--page", "3", "--per-page", "50"]].concat());
    assert_eq!(ids(&page, "id"), (102..=151).collect::<Vec<_>>());
    assert_eq!((&page["pagination"]["current_page"], &page["pagination"]["total_pages"]), (&3.into(), &5.into()));
    desk.run(&[&list[..], &["--page", "3", "--limit", "2"]].concat()).expect(2);
    desk.run(&[&list[..], &["--limit", "0"]].concat()).expect(2).says("--limit");
}

#[test]
fn the_log_is_one_list_in_both_orders() {
    let desk = Desk::with_account();
    // Each of these is two records at most; the service's pages have 1,000.
    let line = |number: u32| format!("{{\"name\":\"robot\",\"access\":\"full\",\"digest\":\"{number:064x}\"}}\n");
    let file = desk.aside("tokens.ndjson");
    std::fs::write(&file, (1..=1_100).map(line).collect::<String>()).unwrap();
    desk.json(&["tokens", "import", "--account", "1", "--file", file.to_str().unwrap()]);
    let all = desk.json(&["events", "list"]);
    let head = all["head"]["position"].as_u64().unwrap();
    assert!(head > 1_100, "{head}");
    assert_eq!(ids(&all, "position"), (1..=head).collect::<Vec<_>>());
    assert_eq!(all["next"], Value::Null);
    let descending = desk.json(&["events", "list", "--order", "desc"]);
    assert_eq!(ids(&descending, "position"), (1..=head).rev().collect::<Vec<_>>());
    let some = desk.json(&["events", "list", "--after", "3", "--limit", "1005"]);
    assert_eq!(ids(&some, "position"), (4..=1_008).collect::<Vec<_>>());
    assert_eq!(some["next"], 1_008);
    desk.run(&["events", "list", "--limit", "2"]).expect(0).says("--after 2 goes on");
    let imported = desk.json(&["events", "list", "--type", "TokenImported", "--account", "1", "--limit", "3"]);
    assert_eq!(imported["data"].as_array().unwrap().len(), 3);
    let none = desk.json(&["events", "list", "--to", "2001-01-01T00:00:00Z"]);
    assert_eq!(none["data"], Value::Array(Vec::new()));
    desk.run(&["events", "list", "--resource", "a.example", "--outcome", "ok", "--token", "2"])
        .expect(0)
        .says("Events: none");
    desk.run(&["events", "list", "--from", "yesterday"]).expect(2).says("--from").says("must be a time");
    desk.run(&["events", "list", "--type", "Nothing"]).expect(1).says("is not an event type");
}

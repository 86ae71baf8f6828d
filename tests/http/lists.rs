//! Lists of the guarded API: pages, order, filters, and what a token may see of them.

use crate::house::{House, grants};
use serde_json::{Value, json};

async fn list(house: &House, token: &str, rest: &str) -> (Vec<String>, Value) {
    let body = house.get(token, format!("/v2/{}/{rest}", house.teams)).await.expect(200).json();
    let names = body["data"].as_array().unwrap().iter().map(|entry| entry["name"].as_str().unwrap().to_owned());
    (names.collect(), body["pagination"].clone())
}

fn pagination(page: u64, per_page: u64, entries: u64, pages: u64) -> Value {
    json!({ "current_page": page, "per_page": per_page, "total_entries": entries, "total_pages": pages })
}

#[tokio::test(flavor = "multi_thread")]
async fn pages_are_cut_and_counted() {
    let house = House::new().await;
    let all = ["example.com", "example.net", "example.org", "xn--bcher-kva.example"];
    let rows = [
        ("zones", &all[..], pagination(1, 30, 4, 1)),
        ("domains", &all[..], pagination(1, 30, 4, 1)),
        ("zones?per_page=3", &all[..3], pagination(1, 3, 4, 2)),
        ("zones?per_page=3&page=2", &all[3..], pagination(2, 3, 4, 2)),
        ("zones?per_page=4&page=2", &[], pagination(2, 4, 4, 1)),
        ("zones?page=999999999", &[], pagination(999_999_999, 30, 4, 1)),
        ("zones?page=18446744073709551615&per_page=100", &[], pagination(u64::MAX, 100, 4, 1)),
        ("zones?per_page=100", &all[..], pagination(1, 100, 4, 1)),
        ("zones?per_page=101", &all[..], pagination(1, 100, 4, 1)),
        ("zones?per_page=100000", &all[..], pagination(1, 100, 4, 1)),
        ("zones?unknown=ignored", &all[..], pagination(1, 30, 4, 1)),
        ("zones?name_like=absent", &[], pagination(1, 30, 0, 1)),
    ];
    for (path, names, pages) in rows {
        let wanted = (names.iter().map(|name| (*name).to_owned()).collect::<Vec<_>>(), pages);
        assert_eq!(list(&house, &house.full.text, path).await, wanted, "{path}");
    }
    for (query, field) in [
        ("page=0", "page"),
        ("page=-1", "page"),
        ("per_page=0", "per_page"),
        ("per_page=x", "per_page"),
        ("page=", "page"),
    ] {
        let told = house.get(&house.full.text, format!("/v2/{}/zones?{query}", house.teams)).await.expect(400);
        assert_eq!(told.json()["errors"][field], json!(["must be a number from 1 on"]), "{query}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn order_and_filters_are_dnsimples() {
    let house = House::new().await;
    let later = json!({ "kind": "domain", "name": "late.example", "expires_at": "2030-01-01T00:00:00Z" });
    let sooner =
        json!({ "kind": "domain", "name": "soon.example", "expires_at": "2027-01-01T00:00:00Z", "registrant_id": 7 });
    house.resource(house.teams, later).await;
    house.resource(house.teams, sooner).await;
    let [com, net, org, bucher, late, soon] =
        ["example.com", "example.net", "example.org", "xn--bcher-kva.example", "late.example", "soon.example"];
    #[rustfmt::skip]
    let rows = [
        ("domains",                                   vec![com, net, org, late, soon, bucher]),
        ("domains?sort=name:desc",                    vec![bucher, soon, late, org, net, com]),
        ("domains?sort=id",                           vec![com, net, org, bucher, late, soon]),
        ("domains?sort=id:desc",                      vec![soon, late, bucher, org, net, com]),
        ("domains?sort=expiration,name:desc",         vec![soon, late, bucher, org, net, com]),
        ("domains?sort=expiration:asc,id:asc",        vec![soon, late, com, net, org, bucher]),
        ("domains?name_like=EXAMPLE.",                vec![com, net, org]),
        ("domains?name_like=.example",                vec![late, soon, bucher]),
        ("domains?registrant_id=7&sort=id:desc",      vec![soon, bucher, org, net, com]),
        ("domains?registrant_id=8",                   vec![]),
        ("zones?sort=id:desc&name_like=example.n",    vec![net]),
    ];
    for (path, wanted) in rows {
        assert_eq!(list(&house, &house.full.text, path).await.0, wanted, "{path}");
    }
    for (path, fault) in [
        ("zones?sort=expiration", "can't sort by expiration"),
        ("domains?sort=colour", "can't sort by colour"),
        ("domains?sort=name:up", "must be asc or desc"),
        ("domains/example.com/certificates?sort=name", "can't sort by name"),
    ] {
        let told = house.get(&house.full.text, format!("/v2/{}/{path}", house.teams)).await.expect(400);
        assert_eq!(told.json()["errors"]["sort"], json!([fault]), "{path}");
    }
    let told = house.get(&house.full.text, format!("/v2/{}/domains?registrant_id=x", house.teams)).await.expect(400);
    assert_eq!(told.json()["errors"]["registrant_id"], json!(["must be a number"]));
}

#[tokio::test(flavor = "multi_thread")]
async fn certificates_come_newest_first() {
    let house = House::new().await;
    for name in ["a.example.com", "z.example.com"] {
        house.resource(house.teams, json!({ "kind": "certificate", "name": "example.com", "common_name": name })).await;
    }
    let names = list(&house, &house.full.text, "domains/example.com/certificates").await.0;
    assert_eq!(names, ["z", "a", "www"]);
    let names = list(&house, &house.full.text, "domains/example.com/certificates?sort=common_name:asc").await.0;
    assert_eq!(names, ["a", "www", "z"]);
    assert!(list(&house, &house.full.text, "domains/example.net/certificates").await.0.is_empty());
}

#[tokio::test(flavor = "multi_thread")]
async fn a_list_shows_what_the_grants_cover_and_counts_only_that() {
    let house = House::new().await;
    let scoped = &house.scoped.text;
    assert_eq!(
        list(&house, scoped, "zones").await,
        (vec!["example.com".into(), "example.net".into()], pagination(1, 30, 2, 1))
    );
    assert_eq!(
        list(&house, scoped, "zones?per_page=1&page=2").await,
        (vec!["example.net".into()], pagination(2, 1, 2, 2))
    );
    assert_eq!(list(&house, scoped, "domains").await.0, ["example.com"]);
    assert_eq!(list(&house, &house.graces.text, "zones").await.0, ["example.com"]);
    let empty = grants(&[("zones", "read_only", json!([]))]);
    let empty = house.account_token(house.teams, json!({ "name": "empty", "access": empty })).await;
    assert_eq!(list(&house, &empty.text, "zones").await, (vec![], pagination(1, 30, 0, 1)));
    let none = house.account_token(house.teams, json!({ "name": "none", "access": { "grants": [] } })).await;
    house.get(&none.text, format!("/v2/{}/zones", house.teams)).await.expect(403);
    let every = grants(&[("zones", "full_access", json!("all"))]);
    let every = house.account_token(house.teams, json!({ "name": "every", "access": every })).await;
    assert_eq!(list(&house, &every.text, "zones").await.0.len(), 4);
    house.resource(house.teams, json!({ "kind": "zone", "name": "new.example" })).await;
    assert_eq!(list(&house, &every.text, "zones").await.0.len(), 5, "all is also what is added later");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_name_that_comes_back_is_covered_again() {
    let house = House::new().await;
    let path = format!("/v2/{}/zones/example.net", house.teams);
    let zone = house.get(&house.scoped.text, &path).await.expect(200).data()["id"].clone();
    house.delete(format!("/v1/accounts/{}/resources/{zone}", house.teams)).await.expect(204);
    house.get(&house.scoped.text, &path).await.expect(404);
    house.get(&house.scoped.text, format!("/v2/{}/zones/{zone}", house.teams)).await.expect(403);
    assert_eq!(list(&house, &house.scoped.text, "zones").await.0, ["example.com"]);
    house.resource(house.teams, json!({ "kind": "zone", "name": "Example.NET." })).await;
    house.get(&house.scoped.text, &path).await.expect(200);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_user_token_follows_its_memberships_at_once() {
    let house = House::new().await;
    let member = format!("/v1/accounts/{}/members/{}", house.teams, house.linus);
    let zones = format!("/v2/{}/zones", house.teams);
    let token = &house.linus_own.text;
    house.get(token, &zones).await.expect(404);
    house
        .put(&member, json!({ "access": grants(&[("zones", "read_only", json!(["example.org"]))]) }))
        .await
        .expect(201);
    assert_eq!(list(&house, token, "zones").await.0, ["example.org"]);
    house.put(&member, json!({ "access": "full" })).await.expect(200);
    assert_eq!(list(&house, token, "zones").await.0.len(), 4);
    house.delete(&member).await.expect(204);
    house.get(token, &zones).await.expect(404);
}

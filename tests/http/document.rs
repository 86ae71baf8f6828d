//! The API document, read.

use serde_json::{Map, Value};
use std::sync::OnceLock;

/// The document's methods of a path, in the order HTTP lists them nowhere.
const METHODS: [&str; 8] = ["get", "put", "post", "delete", "options", "head", "patch", "trace"];

/// An operation as the document describes it.
#[derive(Clone, Copy, Debug)]
pub struct Described {
    pub path: &'static str,
    pub method: &'static str,
    pub operation: &'static Value,
}

pub fn document() -> &'static Value {
    static DOCUMENT: OnceLock<Value> = OnceLock::new();
    DOCUMENT.get_or_init(|| serde_saphyr::from_str(include_str!("../../schema/openapi.yaml")).unwrap())
}

pub fn object(value: &Value) -> &Map<String, Value> {
    value.as_object().unwrap_or_else(|| panic!("not an object: {value}"))
}

/// Every operation of the document.
pub fn operations() -> impl Iterator<Item = Described> {
    object(&document()["paths"]).iter().flat_map(|(path, item)| {
        METHODS.iter().filter_map(|method| Some(Described { path, method, operation: item.get(method)? }))
    })
}

/// What a value stands for, once its reference is followed.
pub fn resolve(value: &'static Value) -> &'static Value {
    let Some(reference) = value.get("$ref").and_then(Value::as_str) else { return value };
    let pointer = reference.strip_prefix('#').unwrap_or_else(|| panic!("{reference} leads out of the document"));
    resolve(document().pointer(pointer).unwrap_or_else(|| panic!("{reference} leads nowhere")))
}

//! OAuth as people see it: the page that asks whether an application may act for them, and what an account registered and
//! authorised.

pub mod applications;
pub mod authorize;
mod request;

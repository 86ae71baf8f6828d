//! OAuth 2.0 as DNSimple speaks it: the authorization code grant, with PKCE. Here is what clients ask; what people see is
//! in the pages, and what gateways ask in [`gateway_api::oauth`](super::gateway_api::oauth).

pub mod exchange;

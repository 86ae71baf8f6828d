//! The one style sheet and the one script, out of the binary, each at a path that names its content: so a browser keeps
//! them for ever, and asks anew when they change.

use crate::http::answer::{self, Reply};
use crate::http::problem::Problem;
use sha2::{Digest, Sha256};
use std::sync::LazyLock;
use warp::http::{HeaderValue, header};

/// A file that pages refer to.
#[derive(Debug)]
pub struct Asset {
    file: String,
    content_type: &'static str,
    content: &'static str,
}

impl Asset {
    fn new(name: &str, extension: &str, content_type: &'static str, content: &'static str) -> Self {
        let digest = Sha256::digest(content.as_bytes());
        let hash: String = digest[..8].iter().map(|byte| format!("{byte:02x}")).collect();
        Self { file: format!("{name}-{hash}.{extension}"), content_type, content }
    }

    /// Bytes of its content.
    pub fn length(&self) -> usize {
        self.content.len()
    }

    /// Where it is served.
    pub fn path(&self) -> String {
        format!("/assets/{}", self.file)
    }
}

/// The style sheet.
pub static STYLE: LazyLock<Asset> =
    LazyLock::new(|| Asset::new("ledger", "css", "text/css; charset=utf-8", include_str!("assets/ledger.css")));
/// The script. Pages work without it.
pub static SCRIPT: LazyLock<Asset> =
    LazyLock::new(|| Asset::new("ledger", "js", "text/javascript; charset=utf-8", include_str!("assets/ledger.js")));
/// The sign in the browser's tab.
pub static ICON: LazyLock<Asset> =
    LazyLock::new(|| Asset::new("ledger", "svg", "image/svg+xml", include_str!("assets/ledger.svg")));

/// The file of this name, for everybody.
pub fn answer(file: &str) -> Result<Reply, Box<Problem>> {
    let all = [&STYLE, &SCRIPT, &ICON];
    let found = all.into_iter().find(|asset| asset.file == file);
    let asset = found.ok_or_else(|| Box::new(Problem::not_found("there is no such file")))?;
    let mut reply = answer::text(asset.content_type, asset.content.to_owned());
    let kept = HeaderValue::from_static("public, max-age=31536000, immutable");
    reply.headers_mut().insert(header::CACHE_CONTROL, kept);
    Ok(reply)
}

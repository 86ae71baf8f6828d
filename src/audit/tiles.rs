//! Tiles and entry bundles of a published size by their C2SP tlog-tiles names. What the size does not imply is not there.

use crate::domain::ids::Position;
use crate::log::LogError;
use crate::log::merkle::{TILE_WIDTH, TileId, parse_path};
use crate::log::reader::LogReader;
use crate::log::tree_at::{TreeAt, entry_bundle};

/// The hash tile `<L>/<N>[.p/<W>]`; none if a log of this size has none of that name.
pub fn hash_tile(log: &LogReader, size: Position, name: &str) -> Result<Option<Vec<u8>>, LogError> {
    let Some((id, width)) = within(size, parse_path(name)) else { return Ok(None) };
    TreeAt::new(log, size)?.tile(id, width)
}

/// The entry bundle `<N>[.p/<W>]`, cut as the tiles of leaf hashes are; none if a log of this size has none of that name.
pub fn entries(log: &LogReader, size: Position, name: &str) -> Result<Option<Vec<u8>>, LogError> {
    let Some((id, width)) = within(size, parse_path(&format!("0/{name}"))) else { return Ok(None) };
    entry_bundle(log, id.index, width).map(Some)
}

fn within(size: Position, named: Option<(TileId, Option<u16>)>) -> Option<(TileId, u16)> {
    let (id, width) = named?;
    let width = width.unwrap_or(TILE_WIDTH as u16);
    (width <= id.width_at(size.0)).then_some((id, width))
}

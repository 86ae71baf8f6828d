//! One log, folded in every way there is: live, from its beginning, and from a snapshot at each position.

use crate::world::World;
use std::path::Path;
use token_ledger::audit::compare::replay_to;
use token_ledger::audit::verify::{Options, verify};
use token_ledger::domain::ids::Position;
use token_ledger::ledger::{DataDir, LogReader};
use token_ledger::projections::chunks::{Chunks, take_chunk};
use token_ledger::projections::snapshot::Views;
use token_ledger::projections::{Projections, rebuild};

/// The live projections are what a replay from the first record gives.
pub async fn check_live(world: &World) {
    let live = world.ledger.examine(Projections::freeze).await;
    assert_eq!(live.position, world.ledger.head(), "a view waits for everything that is committed");
    assert_eq!(live, replay(world.ledger.dir(), live.position), "live and replayed projections are the same");
}

fn replay(dir: &DataDir, through: Position) -> Projections {
    replay_to(dir, through, &mut |_| {}).unwrap()
}

/// A stopped ledger's log: verified, and its snapshots, stored or not, are ways to the same projections.
pub fn check_log(path: &Path) {
    let dir = DataDir::new(path);
    let log = LogReader::open(&dir).unwrap();
    let head = log.head().unwrap();
    let replayed = replay(&dir, head);

    let (stored, passed_over) = Views::open_existing(&dir).unwrap().unwrap().load(&log).unwrap();
    assert!(passed_over.is_empty(), "{passed_over:?}");
    assert_eq!(stored.as_ref(), Some(&replayed), "a stop leaves a snapshot of the whole log");
    assert_eq!(rebuild::load(&dir).unwrap().projections, replayed);

    let mut at = Projections::default();
    for position in 0..head.0 {
        rebuild::replay_into(&dir, &mut at, Position(position), &mut |_| {}).unwrap();
        let mut restored = Projections::default();
        Chunks::of(&at).for_each(|chunk| take_chunk(&mut restored, &chunk.unwrap()).unwrap());
        assert_eq!(restored, at, "a snapshot at {position} holds everything");
        rebuild::replay_into(&dir, &mut restored, head, &mut |_| {}).unwrap();
        assert_eq!(restored, replayed, "from a snapshot at {position} on");
    }

    let report = verify(&dir, Options::default(), &mut |_, _| {}).unwrap();
    assert!(report.is_clean(), "{:?}", report.findings);
    assert!(report.snapshots_checked.contains(&head), "{:?}", report.snapshots_checked);
}

/// Takes away everything that the log gives again.
pub fn remove_views(path: &Path) {
    let views = DataDir::new(path).views();
    for suffix in ["", "-wal", "-shm"] {
        let mut file = views.clone().into_os_string();
        file.push(suffix);
        match std::fs::remove_file(&file) {
            Err(error) if error.kind() != std::io::ErrorKind::NotFound => panic!("{error}"),
            _ => {}
        }
    }
}

//! One stored sample of every event, read by today's code for ever.

use std::path::PathBuf;

use super::*;

fn samples() -> Vec<WorkEvent> {
    let mut log = Log::new();
    let mut events = vec![];
    for command in [
        request_of(1, stat(true)),
        request(2),
        claim("stad-1", 1),
        start(1, 1),
        defer(1, 1, NOW_MS + 60_000),
        revoke(1),
        wake(Some(1)),
        cancel(1),
        claim("stad-2", 4),
        start(2, 2),
        finish(2, 2),
    ] {
        events.extend(log.run(&command).unwrap());
    }
    // Of each kind the last one shows most.
    WorkEvent::NAMES
        .iter()
        .map(|name| {
            let last = events.iter().rev().find(|event| event.name() == *name);
            last.unwrap_or_else(|| panic!("no {name} in the sample history"))
                .clone()
        })
        .collect()
}

#[test]
fn every_event_has_a_stored_sample_that_reads_and_writes_alike() {
    let folder = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../../schemas/samples/events");
    for event in samples() {
        let file = folder.join(format!("{}.json", event.name()));
        let written = serde_json::to_string_pretty(&event).unwrap() + "\n";
        let stored = std::fs::read_to_string(&file)
            .unwrap_or_else(|_| panic!("{} should hold:\n{written}", file.display()));
        assert_eq!(
            serde_json::from_str::<WorkEvent>(&stored).unwrap(),
            event,
            "{}",
            file.display()
        );
        assert_eq!(stored, written, "{}", file.display());
    }
}

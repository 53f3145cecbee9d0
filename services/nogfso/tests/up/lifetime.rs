//! Who owns a data folder, and what survives what.

use std::fs::{self, File};
use std::os::unix::fs::PermissionsExt;

use nogfso_testkit::{Signal, wait_until_blocking};
use rustix::process::{Pid, kill_process};

use crate::place::{DEADLINE, Place, context, kill, runs};

#[test]
fn a_stop_ends_the_server_too_and_frees_the_folder() {
    let place = Place::new();
    for signal in [Signal::INT, Signal::TERM, Signal::HUP] {
        let mut up = place.ready(&[]);
        let server = place.server();
        up.signal(signal);
        assert!(up.exit_status(DEADLINE).success());
        assert!(!runs(server), "the server has ended before nogfso did");
        let lock = File::open(place.data().join("lock")).unwrap();
        lock.try_lock().unwrap();
    }
}

#[test]
fn a_stop_during_the_start_leaves_no_server() {
    let place = Place::new();
    let mut up = place.up(&[]);
    let pid_file = place.data().join("nats.pid");
    wait_until_blocking("a server", DEADLINE, || {
        fs::read_to_string(&pid_file).is_ok_and(|text| !text.is_empty())
    });
    let server = place.server();
    up.signal(Signal::INT);
    assert!(up.exit_status(DEADLINE).success());
    assert!(!runs(server));
}

#[test]
fn a_second_signal_forces_the_stop() {
    let place = Place::new();
    let mut up = place.ready(&[]);
    let server = place.server();
    kill_process(server, Signal::STOP).unwrap();
    up.signal(Signal::INT);
    up.wait_for_line("stopping", DEADLINE);
    up.signal(Signal::INT);
    up.wait_for_line("forced to stop", DEADLINE);
    assert_eq!(up.exit_status(DEADLINE).code(), Some(1));
    assert!(!runs(server));
}

#[test]
fn the_ready_message_names_a_context_that_only_its_owner_reads() {
    let place = Place::new();
    let up = place.ready(&["--user", "alice"]);
    let line = up.find_line("export NATS_CONTEXT=").unwrap();
    let path = place.data().canonicalize().unwrap().join("context.json");
    assert_eq!(
        line,
        format!("export NATS_CONTEXT='{}'", path.display()),
        "the path has spaces"
    );
    assert_eq!(context(&path)["inbox_prefix"], "_INBOX_operator");
    for name in [
        "context.json",
        "context-alice.json",
        "nats.conf",
        "secrets/service",
        "secrets/operator",
        "secrets/user-alice",
    ] {
        let mode = fs::metadata(place.data().join(name)).unwrap().permissions();
        assert_eq!(mode.mode() & 0o777, 0o600, "{name}");
    }
}

#[test]
fn a_second_nogfso_on_the_folder_is_refused() {
    let place = Place::new();
    let mut first = place.ready(&[]);
    let server = place.server();
    let mut second = place.up(&[]);
    let line = second.wait_for_line("is in use by the nogfso", DEADLINE);
    assert!(line.contains(&first.id().to_string()), "{line}");
    assert_eq!(second.exit_status(DEADLINE).code(), Some(1));
    assert!(first.try_exit_status().is_none());
    assert!(runs(server));
}

#[test]
fn a_server_that_survived_keeps_the_folder_and_the_next_start_attaches() {
    let place = Place::new();
    let mut first = place.ready(&[]);
    let server = place.server();
    first.signal(Signal::KILL);
    first.exit_status(DEADLINE);
    assert!(runs(server));
    let lock = File::open(place.data().join("lock")).unwrap();
    assert!(lock.try_lock().is_err(), "the server holds the lock");
    drop(lock);

    let mut second = place.ready(&[]);
    assert_eq!(place.server(), server);
    assert!(second.find_line("attached to the NATS server").is_some());
    second.signal(Signal::INT);
    assert!(second.exit_status(DEADLINE).success());
    assert!(
        !runs(server),
        "a server that was attached to is stopped too"
    );
}

#[test]
fn a_survivor_with_other_settings_is_replaced() {
    let place = Place::new();
    let mut first = place.ready(&[]);
    let server = place.server();
    first.signal(Signal::KILL);
    first.exit_status(DEADLINE);

    let _second = place.ready(&["--user", "alice"]);
    assert!(!runs(server));
    assert_ne!(place.server(), server);
    assert!(runs(place.server()));
}

#[test]
fn a_survivor_that_hangs_is_killed_and_replaced() {
    let place = Place::new();
    let mut first = place.ready(&[]);
    let server = place.server();
    first.signal(Signal::KILL);
    first.exit_status(DEADLINE);
    kill_process(server, Signal::STOP).unwrap();

    let _second = place.ready(&[]);
    assert!(!runs(server));
    assert_ne!(place.server(), server);
}

#[test]
fn a_server_that_dies_is_restarted_whoever_had_started_it() {
    let place = Place::new();
    let mut first = place.ready(&[]);
    for _ in 0..2 {
        replaced_after_its_death(&place);
    }
    first.signal(Signal::KILL);
    first.exit_status(DEADLINE);

    let mut second = place.ready(&[]);
    assert!(second.find_line("attached to the NATS server").is_some());
    for _ in 0..2 {
        replaced_after_its_death(&place);
    }
    second.signal(Signal::INT);
    assert!(second.exit_status(DEADLINE).success());
}

#[test]
fn an_address_that_is_taken_is_named() {
    let place = Place::new();
    let other = Place::new();
    let _first = place.ready(&[]);
    let mut second = other.up_at(place.port.number(), &[]);
    second.wait_for_line("cannot listen on 127.0.0.1", DEADLINE);
    assert_eq!(second.exit_status(DEADLINE).code(), Some(1));
}

#[test]
fn a_lock_held_by_something_else_is_no_server() {
    let place = Place::new();
    let mut first = place.ready(&[]);
    first.signal(Signal::INT);
    first.exit_status(DEADLINE);
    let lock = File::open(place.data().join("lock")).unwrap();
    lock.try_lock().unwrap();
    let mut second = place.up(&[]);
    second.wait_for_line("not by the NATS server of this folder", DEADLINE);
    assert_eq!(second.exit_status(DEADLINE).code(), Some(1));
}

fn replaced_after_its_death(place: &Place) {
    let server = place.server();
    kill(server);
    wait_until_blocking("another server", DEADLINE, || {
        let text = fs::read_to_string(place.data().join("nats.pid")).ok()?;
        let pid = Pid::from_raw(text.trim().parse().ok()?)?;
        (pid != server && runs(pid)).then_some(())
    });
}

//! The disk of the server is full.
//!
//! What a server of 2.15 does then, seen here: the publish that meets the full disk gets no answer, nor does any later one on that
//! stream, also when there is room again, until the server is restarted; reads and questions are answered all the while.
//! So an operator frees space, then restarts the NATS server; nogfso needs nothing.

use std::fs::File;
use std::io::Write;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::{Duration, Instant};

use nogfso::accounts::Accounts;
use serde_json::{Value, json};

use super::{REGISTRY, adopt, assert_all_is_well, id_of, last_sequences};
use crate::end_to_end::asking::Asks;
use crate::loaded::asking::one_try;
use crate::loaded::broker::Broker;
use crate::loaded::fleet::{Fleet, connect};
use crate::loaded::{HOST, begin, on_a_runtime};

const DISK: &str = "size=48m";
/// Blocks of the server that are begun have some room yet.
const COMMANDS_MAX: usize = 500;
/// How soon a caller hears of it who is the first to meet it, and who comes later.
const FIRST: Duration = Duration::from_millis(5_900);
const LATER: Duration = Duration::from_secs(1);
const LATER_COUNT: usize = 20;

/// A small disk of its own; gone with this value.
struct Disk(PathBuf);

impl Disk {
    /// Puts it in the place of `folder`. What the system says if it may not.
    fn mount(folder: &Path) -> Result<Self, String> {
        let mut command = Command::new("mount");
        command
            .args(["-t", "tmpfs", "-o", DISK, "tmpfs"])
            .arg(folder);
        let output = command.output().map_err(|error| error.to_string())?;
        if output.status.success() {
            Ok(Self(folder.to_owned()))
        } else {
            Err(String::from_utf8_lossy(&output.stderr).into_owned())
        }
    }

    fn ballast(&self) -> PathBuf {
        self.0.join("ballast")
    }

    /// Leaves no byte free.
    fn fill(&self) {
        let mut file = File::create(self.ballast()).expect("the disk can be written");
        for size in [1 << 16, 1 << 12, 1] {
            while file.write_all(&vec![0; size]).is_ok() {}
        }
    }

    fn free(&self) {
        std::fs::remove_file(self.ballast()).expect("the ballast is there");
    }
}

impl Drop for Disk {
    fn drop(&mut self) {
        // The server may still have files open there.
        Command::new("umount")
            .arg("--lazy")
            .arg(&self.0)
            .status()
            .ok();
    }
}

#[test]
fn a_full_disk_is_told_soon_and_forgotten_when_there_is_room() {
    let mut disk = Err(String::new());
    let on_a_small_disk = |accounts: &Accounts| {
        let mut broker = Broker::one(accounts);
        let Broker::One(server) = &mut broker else {
            unreachable!("one was asked for");
        };
        server.kill();
        let folder = server.store_dir();
        std::fs::remove_dir_all(&folder).expect("the temporary folder can be written");
        std::fs::create_dir(&folder).expect("the temporary folder can be written");
        disk = Disk::mount(&folder);
        server.restart();
        broker
    };
    let mut fleet = Fleet::start_with(&[], on_a_small_disk);
    let disk = match disk {
        Ok(disk) => disk,
        Err(reason) => {
            eprintln!(
                "SKIPPED: what a full disk does, because no small disk can be mounted: {reason}"
            );
            return;
        }
    };
    on_a_runtime(begin(&fleet));
    let repo = id_of(&adopt(&fleet, "a repo", 3));
    disk.fill();
    on_a_runtime(refused(&mut fleet));

    disk.free();
    fleet.server().restart();
    let began = Instant::now();
    fleet.ctl(&["stat", "--wait=60s", &repo]).ok();
    adopt(&fleet, "another repo", 3);
    println!(
        "all goes on {:?} after the restart of the server",
        began.elapsed()
    );
    fleet.look_after();
    assert!(fleet.ended.is_empty(), "{:?}", fleet.ended);
    assert_all_is_well(&fleet);
}

/// Asks until the disk is full for commands, and looks at the answers from then on.
async fn refused(fleet: &mut Fleet) {
    let nats = connect(fleet.broker.urls(), &fleet.accounts.operator)
        .await
        .expect("the server takes the operator");
    let init_root = async |name: String| {
        let asked = json!({"registry": REGISTRY, "global_root": name, "host": HOST});
        let began = Instant::now();
        let answer = one_try(&nats, "fso.cmd.root.init", asked.to_string().as_bytes()).await;
        (answer.expect("a gateway answers"), began.elapsed())
    };
    let mut first = None;
    for n in 0..COMMANDS_MAX {
        if let (Err(error), took) = init_root(format!("/full/{n}")).await {
            first = Some((error, took));
            break;
        }
    }
    let (error, took) = first.expect("a full disk takes no command");
    eprintln!("the first to meet it hears after {took:?}: {error}");
    assert!(took < FIRST, "{took:?}");
    let stored = last_sequences(fleet);
    let (mut at_once, mut answers) = (0, Vec::new());
    for n in 0..LATER_COUNT {
        let (answer, took) = init_root(format!("/fuller/{n}")).await;
        let error = answer.expect_err("a full disk takes no command");
        assert!(took < FIRST, "{took:?}: {error}");
        at_once += usize::from(took < LATER && is_clear(&error));
        answers.push((took, error));
    }
    eprintln!("{at_once} of {LATER_COUNT} who come later hear it within {LATER:?}");
    // Now and then one is let through to see whether it is over, and each gateway learns for itself.
    assert!(at_once > LATER_COUNT / 2, "{answers:#?}");
    assert_eq!(last_sequences(fleet), stored, "nothing was appended");
    let asked = json!({"registry": REGISTRY}).to_string();
    let roots = one_try(&nats, "fso.get.roots", asked.as_bytes()).await;
    assert!(matches!(roots, Some(Ok(_))), "{roots:?}");
}

/// Whether it says that nothing was stored, and what is to be done.
fn is_clear(error: &Value) -> bool {
    let message = error["message"].as_str().unwrap_or_default();
    error["code"] == "unavailable" && message.contains("restart the NATS server")
}

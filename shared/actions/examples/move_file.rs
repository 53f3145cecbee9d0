//! Moves a file to where it may be on another disk: copy, give the copy its name, and only then remove the original.
//!
//! Until the original is removed all can be undone; that job is the point of no return. A file system keeps no word of what
//! was undone, so a copy that a replaced worker still makes is kept away by the pause before an undo alone.

#![expect(
    clippy::print_stdout,
    reason = "an example shows what it has on the terminal"
)]

use std::io;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};

use nogfso_actions::{
    Action, Handled, Impossible, Job, JobCx, JobError, JobExt, JobResult, JobState, NotNeeded,
    RegistryBuilder, Rollback, RollbackCause,
};
use serde::{Deserialize, Serialize};
use tokio::fs;

/// What the jobs share: the directory that they work in.
struct Root(PathBuf);

/// What is asked for.
#[derive(Debug, Clone, Serialize, Deserialize)]
struct Request {
    from: String,
    to: String,
}

/// What the jobs work with, below the root.
#[derive(Debug, Clone, Serialize, Deserialize)]
struct Move {
    from: PathBuf,
    to: PathBuf,
    /// Where the copy lies until all is done; nobody else uses this name.
    copy: PathBuf,
}

/// Refuses what could not work, and chooses the name of the copy once for all attempts of the jobs to come.
struct Prepare;

impl Job<Root> for Prepare {
    type Input = Request;
    type Output = Move;
    type Undo = NotNeeded;
    const NAME: &'static str = "prepare";

    async fn execute(&self, cx: &JobCx<'_, Root>, request: Request) -> JobResult<Move> {
        let root = &cx.resources().0;
        let key = cx.idempotency_key().short();
        let request = Move {
            copy: root.join(format!("{}.{key}", request.to)),
            from: root.join(request.from),
            to: root.join(request.to),
        };
        if !fs::try_exists(&request.from).await? {
            return Err(JobError::terminal_no_effect("there is no such file"));
        }
        Ok(request)
    }
}

struct Copy;

impl Job<Root> for Copy {
    type Input = Move;
    type Output = ();
    type Undo = Handled;
    const NAME: &'static str = "copy";

    async fn execute(&self, _: &JobCx<'_, Root>, request: Move) -> JobResult<()> {
        fs::copy(&request.from, &request.copy).await?;
        Ok(())
    }
}

impl Rollback<Root> for Copy {
    async fn rollback(
        &self,
        _: &JobCx<'_, Root>,
        _: &RollbackCause,
        state: JobState<Move, ()>,
    ) -> JobResult<()> {
        remove(&state.into_input().copy).await
    }
}

/// Gives the copy its name beside the one it has, by which a repeat and the undo know it from the file of somebody else.
struct Publish;

impl Job<Root> for Publish {
    type Input = Move;
    type Output = ();
    type Undo = Handled;
    const NAME: &'static str = "publish";

    async fn execute(&self, _: &JobCx<'_, Root>, request: Move) -> JobResult<()> {
        match fs::hard_link(&request.copy, &request.to).await {
            Err(error) if error.kind() == io::ErrorKind::AlreadyExists => {
                match is_same(&request.copy, &request.to).await? {
                    true => Ok(()),
                    false => Err(JobError::terminal("the target is taken")),
                }
            }
            linked => Ok(linked?),
        }
    }
}

impl Rollback<Root> for Publish {
    async fn rollback(
        &self,
        _: &JobCx<'_, Root>,
        _: &RollbackCause,
        state: JobState<Move, ()>,
    ) -> JobResult<()> {
        let request = state.into_input();
        match is_same(&request.copy, &request.to).await? {
            true => remove(&request.to).await,
            false => Ok(()),
        }
    }
}

struct RemoveOriginal;

impl Job<Root> for RemoveOriginal {
    type Input = Move;
    type Output = ();
    type Undo = Impossible;
    const NAME: &'static str = "remove-original";

    async fn execute(&self, _: &JobCx<'_, Root>, request: Move) -> JobResult<()> {
        remove(&request.from).await
    }
}

struct RemoveSpareName;

impl Job<Root> for RemoveSpareName {
    type Input = Move;
    type Output = ();
    type Undo = NotNeeded;
    const NAME: &'static str = "remove-spare-name";

    async fn execute(&self, _: &JobCx<'_, Root>, request: Move) -> JobResult<()> {
        remove(&request.copy).await
    }
}

/// Removes a file; one that is gone is as good as removed.
async fn remove(file: &Path) -> JobResult<()> {
    match fs::remove_file(file).await {
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(()),
        removed => Ok(removed?),
    }
}

/// Whether both names are there and mean one file.
async fn is_same(one: &Path, other: &Path) -> io::Result<bool> {
    let mut found = vec![];
    for file in [one, other] {
        match fs::metadata(file).await {
            Ok(metadata) => found.push((metadata.dev(), metadata.ino())),
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(false),
            Err(error) => return Err(error),
        }
    }
    Ok(found[0] == found[1])
}

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let mut builder = RegistryBuilder::new();
    let move_file = Action::define("move-file")
        .then(Prepare)
        .then(Copy.step().tap())
        .then(Publish.step().tap())
        .then(RemoveOriginal.step().tap())
        // The file is moved; a name too many is not worth waking somebody.
        .then(RemoveSpareName.step().ignore_errors(()).tap())
        .build()?;
    let key = builder.register(move_file)?;
    let registry = builder.build();
    let plan = registry.plan_for_start(key.action())?;
    println!("{} runs:", key.action());
    for planned in &plan.jobs {
        println!("  {} (undo: {:?})", planned.job, planned.undo);
    }
    Ok(())
}

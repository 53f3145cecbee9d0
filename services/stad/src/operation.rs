//! What is done on disk: init and stat, each with a probe that finds out what an earlier run left.
//!
//! Everything here blocks; [`FileDisk`](crate::disk::FileDisk) runs it on a thread of its own. That nobody else touches the shadow is the caller's matter.

use std::fmt::Write as _;
use std::num::NonZeroUsize;
use std::path::{Path, PathBuf};
use std::sync::atomic::AtomicBool;

use nogfso_domain::operation::{ErrorText, PathProblem, Problems};
use nogfso_domain::work::{Counts, FailureCode, MtimeRange, Order, Outcome, Report, WorkResult};
use nogfso_faults::{Point, reach};
use nogfso_ids::{Author, RepoId};
use nogfso_shadow::{CreateError, CreateShadow, StatError, StatReport, StatRequest};

use crate::disk::{Job, Meter, Ran};

/// What this worker does everywhere alike.
#[derive(Debug, Clone)]
pub(crate) struct Means {
    pub(crate) shadow_root: PathBuf,
    pub(crate) trim_host_root: Option<PathBuf>,
    pub(crate) committer: Author,
    pub(crate) threads: NonZeroUsize,
}

/// What an earlier run left of a shadow.
#[derive(Debug, Clone, PartialEq, Eq)]
enum Probe {
    Missing,
    Complete,
    /// Something else is there; what its uuid file says.
    Foreign(String),
}

/// Carries the job out. Repeating it is harmless, also after a run that died at any point.
pub(crate) fn run(means: &Means, job: &Job, meter: &Meter, cancel: &AtomicBool) -> Ran {
    match &job.request.order {
        Order::Init {} => init(means, job, meter, cancel),
        Order::Stat {
            mtime_range,
            confirm_emptied,
        } => {
            let Some(shadow) = &job.shadow_path else {
                return not_ready("the repo has no shadow yet");
            };
            if !shadow.starts_with(&means.shadow_root) {
                return not_ready("the shadow lies outside the shadow root of this worker");
            }
            match probe(shadow, job.repo) {
                Ok(Probe::Complete) => {
                    let range = match mtime_range {
                        MtimeRange::No => nogfso_shadow::MtimeRange::No,
                        MtimeRange::Also => nogfso_shadow::MtimeRange::Also,
                        MtimeRange::Only => nogfso_shadow::MtimeRange::Only,
                    };
                    stat(
                        means,
                        job,
                        shadow,
                        (range, *confirm_emptied),
                        (meter, cancel),
                    )
                }
                Ok(Probe::Missing) => failed(FailureCode::ShadowBroken, "the shadow is missing"),
                Ok(Probe::Foreign(found)) => failed(
                    FailureCode::ShadowBroken,
                    &format!("the shadow is not that of the repo: it says {found:?}"),
                ),
                Err(error) => failed(FailureCode::Io, &error.to_string()),
            }
        }
    }
}

fn init(means: &Means, job: &Job, meter: &Meter, cancel: &AtomicBool) -> Ran {
    // Probes by itself: a complete shadow is adopted, an incomplete one is removed.
    let created = nogfso_shadow::create(&CreateShadow {
        shadow_root: &means.shadow_root,
        trim_host_root: means.trim_host_root.as_deref(),
        host_path: &job.host_path,
        repo: job.repo,
        tracking: job.tracking,
        author: &job.request.author,
        committer: &means.committer,
        now: job.now,
    });
    let shadow = match created {
        Ok(created) => created.path,
        Err(error) => return failed(create_code(&error), &chain(&error)),
    };
    reach(Point::StadShadowStands);
    let Some(shadow_text) = shadow.to_str() else {
        return failed(FailureCode::Denied, "the path of the shadow is not UTF-8");
    };
    match stat(
        means,
        job,
        &shadow,
        (nogfso_shadow::MtimeRange::No, false),
        (meter, cancel),
    ) {
        Ran::Ended(WorkResult::Done(report)) => Ran::Ended(WorkResult::Done(Report {
            shadow_path: Some(shadow_text.to_owned()),
            ..report
        })),
        other @ (Ran::Ended(WorkResult::Failed { .. } | WorkResult::Cancelled {})
        | Ran::BrokenOff) => other,
    }
}

fn stat(
    means: &Means,
    job: &Job,
    shadow: &Path,
    (mtime_range, confirm_emptied): (nogfso_shadow::MtimeRange, bool),
    (meter, cancel): (&Meter, &AtomicBool),
) -> Ran {
    let request = StatRequest {
        shadow,
        realdir: &job.host_path,
        author: &job.request.author,
        committer: &means.committer,
        now: job.now,
        mtime_range,
        confirm_emptied,
        threads: means.threads,
    };
    match nogfso_shadow::stat(&request, meter, cancel) {
        Ok(report) => Ran::Ended(WorkResult::Done(told(&report))),
        Err(StatError::Cancelled) => Ran::BrokenOff,
        Err(error) => failed(stat_code(&error), &chain(&error)),
    }
}

fn probe(shadow: &Path, repo: RepoId) -> std::io::Result<Probe> {
    match std::fs::read_to_string(shadow.join(".git/fso/uuid")) {
        Ok(found) if found.trim_end() == repo.to_string() => Ok(Probe::Complete),
        Ok(found) => Ok(Probe::Foreign(found.trim_end().to_owned())),
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => Ok(Probe::Missing),
        Err(error) => Err(error),
    }
}

fn told(report: &StatReport) -> Report {
    let problems = report
        .problems
        .first
        .iter()
        .map(|problem| {
            PathProblem::new(&problem.path.to_string_lossy(), &problem.reason.to_string())
        })
        .collect();
    Report {
        outcome: match report.outcome {
            nogfso_shadow::Outcome::Unchanged => Outcome::Unchanged,
            nogfso_shadow::Outcome::Immutable => Outcome::Immutable,
            nogfso_shadow::Outcome::Committed => Outcome::Committed,
        },
        shadow_path: None,
        old_ref: Some(report.old.to_string()),
        new_ref: Some(report.new.to_string()),
        counts: Counts {
            added: report.added,
            modified: report.modified,
            removed: report.removed,
            files: report.totals.files,
            dirs: report.totals.dirs,
            links: report.totals.links,
            others: report.totals.others,
            bytes: report.totals.bytes,
        },
        problems: Problems::new(problems, report.problems.count),
    }
}

pub(crate) fn not_ready(message: &str) -> Ran {
    failed(FailureCode::NotReady, message)
}

fn failed(code: FailureCode, message: &str) -> Ran {
    Ran::Ended(WorkResult::Failed {
        code,
        message: ErrorText::new(message),
        problems: Problems::default(),
    })
}

fn create_code(error: &CreateError) -> FailureCode {
    match error {
        CreateError::UnsupportedTracking(_) => FailureCode::Unsupported,
        CreateError::Placement(_) => FailureCode::Denied,
        CreateError::NotADirectory(_) => FailureCode::RealdirMissing,
        CreateError::Occupied { .. } => FailureCode::ShadowBroken,
        CreateError::Io { .. } | CreateError::Ref(_) => FailureCode::Io,
    }
}

fn stat_code(error: &StatError) -> FailureCode {
    match error {
        StatError::NoBranch { .. } | StatError::Odb(_) => FailureCode::ShadowBroken,
        StatError::UnsupportedTracking => FailureCode::Unsupported,
        StatError::Missing(_) | StatError::NotADirectory(_) => FailureCode::RealdirMissing,
        StatError::OtherDevice { .. } => FailureCode::RealdirMoved,
        StatError::Emptied(_) => FailureCode::RealdirEmptied,
        StatError::Read { .. } | StatError::Write(_) | StatError::Ref(_) => FailureCode::Io,
        StatError::Cancelled => FailureCode::Internal,
    }
}

/// The error with its causes, as one line.
fn chain(error: &dyn std::error::Error) -> String {
    let mut text = error.to_string();
    let mut cause = error.source();
    while let Some(source) = cause {
        // Writing to a string cannot fail.
        let _written = write!(text, ": {source}");
        cause = source.source();
    }
    text
}

#[cfg(test)]
mod tests {
    //! A job that is cancelled leaves its shadow as it was, and one that is repeated goes on from there.

    use std::num::NonZeroUsize;

    use nogfso_domain::work::{Phase, Request};
    use nogfso_ids::{RequestId, SubdirTracking, UnixMillis};
    use nogfso_shadow::Moment;

    use super::*;

    fn author() -> Author {
        Author::try_new("Alice", "alice@example.org").unwrap()
    }

    fn means(folder: &Path) -> Means {
        Means {
            shadow_root: folder.join("shadow"),
            trim_host_root: None,
            committer: author(),
            threads: NonZeroUsize::MIN,
        }
    }

    fn job(folder: &Path, order: Order, shadow_path: Option<PathBuf>) -> Job {
        Job {
            epoch: 1,
            repo: RepoId::from_uuid(RequestId::derived_from("repo").uuid()),
            host_path: folder.join("data"),
            shadow_path,
            tracking: SubdirTracking::EnterSubdirs,
            request: Request {
                request: RequestId::derived_from("request"),
                order,
                author: author(),
                at: UnixMillis(0),
                phase: Phase::Started { epoch: 1 },
                starts: 1,
                deaths: 0,
            },
            now: Moment {
                unix_s: 1_800_000_000,
                offset_s: 0,
            },
        }
    }

    #[test]
    fn a_cancelled_init_records_nothing_and_a_repeat_goes_on_from_there() {
        let folder = tempfile::tempdir().unwrap();
        std::fs::create_dir(folder.path().join("shadow")).unwrap();
        std::fs::create_dir(folder.path().join("data")).unwrap();
        std::fs::write(folder.path().join("data/file"), "x").unwrap();
        let init = job(folder.path(), Order::Init {}, None);
        let means = means(folder.path());
        let cancelled = run(&means, &init, &Meter::default(), &AtomicBool::new(true));
        assert_eq!(cancelled, Ran::BrokenOff);
        let meter = Meter::default();
        let Ran::Ended(WorkResult::Done(report)) =
            run(&means, &init, &meter, &AtomicBool::new(false))
        else {
            panic!("the repeat failed");
        };
        assert_eq!(report.outcome, Outcome::Committed);
        assert_eq!(meter.read(), (1, 1));
    }

    #[test]
    fn a_shadow_outside_the_shadow_root_is_not_touched() {
        let folder = tempfile::tempdir().unwrap();
        let order = Order::Stat {
            mtime_range: MtimeRange::No,
            confirm_emptied: false,
        };
        let elsewhere = folder.path().join("elsewhere/x.fso");
        let stat = job(folder.path(), order, Some(elsewhere));
        let ran = run(
            &means(folder.path()),
            &stat,
            &Meter::default(),
            &AtomicBool::new(false),
        );
        let Ran::Ended(result) = ran else {
            panic!("broken off");
        };
        assert_eq!(result.failure().unwrap().code, FailureCode::NotReady);
    }
}

//! Whether a directory of this host may become a repo (spec stad 8.3): which prefix, which limits, what it holds.

use std::num::NonZeroUsize;
use std::path::{Path, PathBuf};
use std::sync::atomic::AtomicBool;

use nogfso_contract::host::{MayInit, MayInitReply};
use nogfso_contract::presence::{InitLimits, PathLimit};
use nogfso_contract::{Code, Failure};
use nogfso_ids::GlobalPath;
use nogfso_shadow::adoption::{AdoptionError, Limits, check};

/// What decides whether a directory may become a repo.
#[derive(Debug, Clone)]
pub(crate) struct Adoption {
    pub(crate) prefixes: Vec<GlobalPath>,
    pub(crate) limits: InitLimits,
    pub(crate) shadow_root: PathBuf,
    pub(crate) threads: NonZeroUsize,
}

impl Adoption {
    /// Answers the question. Blocks for as long as it counts; `cancel` ends that.
    pub(crate) fn answer(
        &self,
        question: &MayInit,
        cancel: &AtomicBool,
    ) -> Result<MayInitReply, Failure> {
        let path = &question.global_path;
        let mut prefixes = self.prefixes.iter();
        if !self.prefixes.is_empty() && !prefixes.any(|prefix| path.is_equal_or_below(prefix)) {
            let prefixes: Vec<_> = self.prefixes.iter().map(GlobalPath::as_str).collect();
            let message = format!("not below a prefix of the worker: {}", prefixes.join(", "));
            return Err(Failure::field("global_path", message));
        }
        let realdir = Path::new(question.host_path.as_str());
        let overlaps =
            realdir.starts_with(&self.shadow_root) || self.shadow_root.starts_with(realdir);
        if overlaps {
            let reason = format!(
                "path `{}` is below shadow root `{}`, or the other way round",
                realdir.display(),
                self.shadow_root.display()
            );
            return Ok(MayInitReply::Denied { reason });
        }
        let limits = self.limits_of(path);
        match check(
            realdir,
            question.subdir_tracking,
            limits,
            self.threads,
            cancel,
        ) {
            Ok(survey) => Ok(MayInitReply::Allowed {
                files: survey.files,
                bytes: survey.bytes,
            }),
            Err(AdoptionError::Denied(denial)) => Ok(MayInitReply::Denied {
                reason: denial.to_string(),
            }),
            Err(error @ AdoptionError::UnsupportedTracking(_)) => {
                Err(Failure::new(Code::Unsupported, error.to_string()))
            }
            Err(AdoptionError::Cancelled) => Err(Failure::new(
                Code::Unavailable,
                "the worker stopped counting; try again",
            )),
        }
    }

    /// An exact repo limit, else the first prefix limit that matches, else the general one.
    fn limits_of(&self, path: &GlobalPath) -> Limits {
        let exact = self.limits.repos.iter().find(|limit| limit.path == *path);
        let prefix = || {
            self.limits
                .prefixes
                .iter()
                .find(|limit| path.is_equal_or_below(&limit.path))
        };
        let of = |limit: &PathLimit| Limits {
            files_max: limit.files_max,
            bytes_max: limit.bytes_max,
        };
        exact.or_else(prefix).map_or(
            Limits {
                files_max: self.limits.files_max,
                bytes_max: self.limits.bytes_max,
            },
            of,
        )
    }
}

#[cfg(test)]
mod tests {
    //! The order of the checks, and which limit counts.

    use nogfso_ids::{HostPath, SubdirTracking};

    use super::*;

    fn path(text: &str) -> GlobalPath {
        text.parse().unwrap()
    }

    fn limit(text: &str, files_max: u64) -> PathLimit {
        PathLimit {
            path: path(text),
            files_max,
            bytes_max: 0,
        }
    }

    fn adoption(limits: InitLimits) -> Adoption {
        Adoption {
            prefixes: vec![path("/ex/data")],
            limits,
            shadow_root: PathBuf::from("/shadows/all"),
            threads: NonZeroUsize::MIN,
        }
    }

    fn ask(adoption: &Adoption, global: &str, host: &str) -> Result<MayInitReply, Failure> {
        let question = MayInit {
            global_path: path(global),
            host_path: HostPath::parse(host).unwrap(),
            subdir_tracking: SubdirTracking::EnterSubdirs,
        };
        adoption.answer(&question, &AtomicBool::new(false))
    }

    #[test]
    fn a_prefix_is_compared_by_components() {
        let adoption = adoption(InitLimits::default());
        let failure = ask(&adoption, "/ex/data2", "/tmp").unwrap_err();
        assert_eq!(failure.code, Code::InvalidField);
        assert_eq!(failure.details.field.as_deref(), Some("global_path"));
    }

    #[test]
    fn what_is_no_directory_is_denied_with_the_reason() {
        let adoption = adoption(InitLimits::default());
        let reply = ask(&adoption, "/ex/data/a", "/does/not/exist").unwrap();
        let MayInitReply::Denied { reason } = reply else {
            panic!("{reply:?}");
        };
        assert_eq!(reason, "`/does/not/exist` is not a directory");
    }

    #[test]
    fn shadows_and_what_holds_them_are_never_adopted() {
        let adoption = adoption(InitLimits::default());
        for host in ["/shadows/all/x", "/shadows/all", "/shadows"] {
            let reply = ask(&adoption, "/ex/data/a", host).unwrap();
            assert!(matches!(reply, MayInitReply::Denied { .. }), "{host}");
        }
    }

    #[test]
    fn a_value_equal_to_the_limit_is_allowed_and_one_above_is_not() {
        let folder = tempfile::tempdir().unwrap();
        std::fs::write(folder.path().join("a"), "xy").unwrap();
        let host = folder.path().to_str().unwrap();
        let at = |files_max| {
            let limits = InitLimits {
                files_max,
                ..InitLimits::default()
            };
            ask(&adoption(limits), "/ex/data/a", host).unwrap()
        };
        assert_eq!(at(2), MayInitReply::Allowed { files: 2, bytes: 2 });
        assert_eq!(
            at(1),
            MayInitReply::Denied {
                reason: format!("more than 1 files below `{host}`")
            }
        );
    }

    #[test]
    fn the_repo_counts_before_the_first_prefix_and_that_before_all() {
        let adoption = adoption(InitLimits {
            files_max: 1,
            bytes_max: 0,
            prefixes: vec![limit("/ex/data/p", 2), limit("/ex/data/p/q", 3)],
            repos: vec![limit("/ex/data/p/q", 4)],
        });
        for (global, files_max) in [
            ("/ex/data/x", 1),
            ("/ex/data/p", 2),
            ("/ex/data/p/q/r", 2),
            ("/ex/data/p/q", 4),
        ] {
            assert_eq!(adoption.limits_of(&path(global)).files_max, files_max);
        }
    }
}

//! Where the shadow of a real directory lies.

use std::path::{Component, Path, PathBuf};

use nogfso_ids::RepoId;

/// Why no shadow can be placed for a host path.
#[derive(Debug, thiserror::Error)]
pub enum PlacementError {
    /// The path is relative or has `.` or `..` components.
    #[error("malformed host path {0:?}: it must be absolute, without `.` and `..`")]
    Malformed(PathBuf),
    /// A shadow of a shadow is never made.
    #[error("path `{}` is below shadow root `{}`", host_path.display(), shadow_root.display())]
    BelowShadowRoot {
        /// The path of the real directory.
        host_path: PathBuf,
        /// The directory of all shadows.
        shadow_root: PathBuf,
    },
}

/// The path of the shadow of `repo`, whose real directory is `host_path`.
///
/// It is the shadow root, the host path without `trim_host_root` (if it is that or below), and `<repo>.fso`. Paths are
/// compared by components: `/data2` is not below `/data`. Looks at no file.
///
/// # Errors
///
/// Returns a [`PlacementError`] if the host path is malformed or not outside the shadow root.
pub fn shadow_path(
    shadow_root: &Path,
    trim_host_root: Option<&Path>,
    host_path: &Path,
    repo: RepoId,
) -> Result<PathBuf, PlacementError> {
    let mut components = host_path.components();
    let clean = components.next() == Some(Component::RootDir)
        && components.all(|part| matches!(part, Component::Normal(_)));
    if !clean {
        return Err(PlacementError::Malformed(host_path.to_owned()));
    }
    if host_path.starts_with(shadow_root) {
        return Err(PlacementError::BelowShadowRoot {
            host_path: host_path.to_owned(),
            shadow_root: shadow_root.to_owned(),
        });
    }
    let root = Path::new("/");
    let kept = host_path
        .strip_prefix(trim_host_root.unwrap_or(root))
        .or_else(|_| host_path.strip_prefix(root))
        .map_err(|_| PlacementError::Malformed(host_path.to_owned()))?;
    Ok(shadow_root.join(kept).join(format!("{repo}.fso")))
}

#[cfg(test)]
mod tests {
    use super::*;

    const UUID: &str = "0b5e7c3a-6f0e-4c1e-9d52-1f4d2a8c7b11";

    fn path(trim: Option<&str>, host_path: &str) -> Result<PathBuf, PlacementError> {
        let repo = RepoId::parse(UUID).unwrap();
        shadow_path(
            Path::new("/nogfso/shadow"),
            trim.map(Path::new),
            Path::new(host_path),
            repo,
        )
    }

    #[test]
    fn the_host_path_is_kept_below_the_shadow_root() {
        let expected = format!("/nogfso/shadow/data/ag-alice/exp1/{UUID}.fso");
        assert_eq!(
            path(None, "/data/ag-alice/exp1").unwrap(),
            Path::new(&expected)
        );
    }

    #[test]
    fn the_trim_root_is_left_out_by_whole_components() {
        let trimmed = format!("/nogfso/shadow/ag-alice/exp1/{UUID}.fso");
        assert_eq!(
            path(Some("/data"), "/data/ag-alice/exp1").unwrap(),
            Path::new(&trimmed)
        );
        let other = format!("/nogfso/shadow/data2/exp1/{UUID}.fso");
        assert_eq!(
            path(Some("/data"), "/data2/exp1").unwrap(),
            Path::new(&other)
        );
    }

    #[test]
    fn paths_below_the_shadow_root_are_refused_by_whole_components() {
        for below in ["/nogfso/shadow", "/nogfso/shadow/data"] {
            assert!(matches!(
                path(None, below),
                Err(PlacementError::BelowShadowRoot { .. })
            ));
        }
        assert!(path(None, "/nogfso/shadow2").is_ok());
    }

    #[test]
    fn paths_that_are_not_clean_are_refused() {
        for malformed in ["data", "/data/../etc", ""] {
            assert!(matches!(
                path(None, malformed),
                Err(PlacementError::Malformed(_))
            ));
        }
    }
}

//! How a process is made to stand still at a point, and how it is let go: files in a folder that a test shares with it.
//!
//! The whole process stops, as a machine does that froze: its other tasks too, so that no lease is confirmed meanwhile.

use std::io;
use std::path::{Path, PathBuf};
use std::sync::OnceLock;
use std::time::Duration;

use rustix::process::{Signal, getpid, kill_process};

use crate::Point;

/// The environment variable that names the folder. Without it, nothing ever stands still.
pub const HALT_FOLDER: &str = "NOGFSO_HALT_FOLDER";
/// Between two looks after the stop; it is far longer than a stop takes to reach all threads.
const LOOK_PAUSE: Duration = Duration::from_millis(1);

/// The points of processes that share a folder, seen by a test.
#[derive(Debug, Clone)]
pub struct Halts {
    folder: PathBuf,
}

impl Halts {
    /// The points of the processes that are told of `folder`, which exists.
    #[must_use]
    pub fn new(folder: &Path) -> Self {
        Self {
            folder: folder.to_owned(),
        }
    }

    /// Makes the first process that comes to `point` stand still there, and no later one.
    ///
    /// # Errors
    ///
    /// Fails if the folder cannot be written.
    pub fn arm(&self, point: Point) -> io::Result<()> {
        for end in ["reached", "go"] {
            match std::fs::remove_file(self.file(point, end)) {
                Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(error),
                Ok(()) | Err(_) => {}
            }
        }
        std::fs::write(self.file(point, "armed"), "")
    }

    /// Whether a process has come to `point`. It may be about to stop still.
    #[must_use]
    pub fn is_reached(&self, point: Point) -> bool {
        self.file(point, "reached").exists()
    }

    /// Lets the process go on; one that was stopped must be continued by its signal, too.
    ///
    /// # Errors
    ///
    /// Fails if the folder cannot be written.
    pub fn let_go(&self, point: Point) -> io::Result<()> {
        std::fs::write(self.file(point, "go"), "")
    }

    fn file(&self, point: Point, end: &str) -> PathBuf {
        self.folder.join(format!("{}.{end}", point.name()))
    }

    /// Takes the point for this process; only one succeeds, however many come by.
    fn take(&self, point: Point) -> bool {
        std::fs::rename(self.file(point, "armed"), self.file(point, "reached")).is_ok()
    }
}

#[expect(
    clippy::disallowed_methods,
    reason = "what tests plant is no setting, and this crate is empty in a product"
)]
fn of_process() -> Option<&'static Halts> {
    static HALTS: OnceLock<Option<Halts>> = OnceLock::new();
    let read = || Some(Halts::new(Path::new(&std::env::var_os(HALT_FOLDER)?)));
    HALTS.get_or_init(read).as_ref()
}

pub(crate) fn reach(point: Point) {
    let Some(halts) = of_process() else {
        return;
    };
    if !halts.take(point) {
        return;
    }
    kill_process(getpid(), Signal::STOP).expect("a process may stop itself");
    // Another thread may be the one that takes the signal, and this one must not slip past before that.
    while !halts.file(point, "go").exists() {
        std::thread::sleep(LOOK_PAUSE);
    }
}

#[cfg(test)]
mod tests {
    //! The list of points is complete and without doubles; a point is taken once.

    use std::collections::BTreeSet;

    use super::*;
    use crate::{Errand, Service};

    #[test]
    fn names_tell_the_service_and_no_two_points_have_one() {
        let names: BTreeSet<_> = Point::ALL.iter().map(|point| point.name()).collect();
        assert_eq!(names.len(), Point::ALL.len());
        for point in Point::ALL {
            let service = match point.service() {
                Service::Gateway => "gateway-",
                Service::Regd => "regd-",
                Service::Stad => "stad-",
            };
            assert!(point.name().starts_with(service), "{point:?}");
            assert!(point.errands().contains(&Errand::Adopt), "{point:?}");
        }
    }

    #[test]
    fn only_an_armed_point_is_taken_and_only_once() {
        let folder = std::env::temp_dir().join(format!("nogfso-halts-{}", std::process::id()));
        std::fs::create_dir_all(&folder).unwrap();
        let halts = Halts::new(&folder);
        let (point, other) = (Point::StadLocked, Point::StadLocks);
        assert!(!halts.take(point) && !halts.is_reached(point));
        halts.arm(point).unwrap();
        assert!(!halts.take(other));
        assert!(halts.take(point) && halts.is_reached(point));
        assert!(!halts.take(point));
        halts.arm(point).unwrap();
        assert!(!halts.is_reached(point) && halts.take(point));
        std::fs::remove_dir_all(&folder).unwrap();
    }

    #[test]
    fn who_was_told_of_no_folder_passes() {
        reach(Point::StadLocked);
    }
}

//! Visits a tree of directories with several threads: each directory on the way down and again on the way up.
//!
//! Decides the order (depth first, so that little is unfinished at a time) and when to stop; what a directory is and
//! what is to be done there is the visitor's. Needs no stack for depth, except a little to drop the places of a walk
//! that was stopped, which is why [`DEPTH_MAX`] stands here.

use std::ffi::CString;
use std::num::NonZeroUsize;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};

use crate::directory::Place;

/// More threads than this do not make a walk faster.
pub(crate) const THREADS_MAX: usize = 64;

/// How deep below its start a visitor may go, in directories. Git itself refuses trees of more than 2,048 levels.
pub(crate) const DEPTH_MAX: usize = 2_000;

/// What is done at each directory.
pub(crate) trait Visitor: Sync {
    /// What a directory that is to be visited brings along.
    type Task: Send;
    /// A directory whose subdirectories are not all done.
    type Pending: Send;
    /// What a directory that is done hands to the one above.
    type Outcome: Send;
    /// What each thread has for itself.
    type Worker;
    /// Why a walk ends early.
    type Stop: Send;

    /// Prepares a thread.
    fn worker(&self) -> Result<Self::Worker, Self::Stop>;

    /// Visits a directory on the way down.
    fn enter(
        &self,
        worker: &mut Self::Worker,
        place: &Arc<Place>,
        task: Self::Task,
    ) -> Result<Entered<Self::Pending, Self::Task>, Self::Stop>;

    /// Takes the outcome of the subdirectory that was given out as `slot`.
    fn returned(&self, pending: &mut Self::Pending, slot: usize, outcome: Self::Outcome);

    /// Visits a directory on the way up, when all its subdirectories have returned.
    fn leave(
        &self,
        worker: &mut Self::Worker,
        pending: Self::Pending,
    ) -> Result<Self::Outcome, Self::Stop>;
}

/// A directory that was entered, and what is to be visited before it is left.
pub(crate) struct Entered<P, T> {
    pub(crate) pending: P,
    pub(crate) below: Vec<Below<T>>,
}

/// A subdirectory to be visited.
pub(crate) struct Below<T> {
    pub(crate) name: CString,
    pub(crate) slot: usize,
    pub(crate) task: T,
}

/// Visits `start` and everything that its visits ask for, and returns the outcome of `start`.
///
/// # Errors
///
/// Returns the first stop; the walk then ends with the directories at hand.
pub(crate) fn descend<V: Visitor>(
    visitor: &V,
    threads: NonZeroUsize,
    start: Arc<Place>,
    task: V::Task,
) -> Result<V::Outcome, V::Stop> {
    let walk = Walk {
        visitor,
        queue: Mutex::new(Queue {
            jobs: vec![Job {
                place: start,
                above: None,
                task,
            }],
            busy: 0,
            end: None,
        }),
        changed: Condvar::new(),
    };
    let others = threads.get().min(THREADS_MAX) - 1;
    std::thread::scope(|scope| {
        for _ in 0..others {
            scope.spawn(|| walk.work());
        }
        walk.work();
    });
    let queue = walk
        .queue
        .into_inner()
        .unwrap_or_else(PoisonError::into_inner);
    queue.end.expect("a walk ends with an outcome or a stop")
}

struct Walk<'v, V: Visitor> {
    visitor: &'v V,
    queue: Mutex<Queue<V>>,
    changed: Condvar,
}

/// The jobs are a stack; it is as long as the directories on the way down are wide.
struct Queue<V: Visitor> {
    jobs: Vec<Job<V>>,
    busy: usize,
    end: Option<Result<V::Outcome, V::Stop>>,
}

struct Job<V: Visitor> {
    place: Arc<Place>,
    above: Option<(Arc<Node<V>>, usize)>,
    task: V::Task,
}

struct Node<V: Visitor> {
    pending: Mutex<Option<V::Pending>>,
    waits_for: AtomicUsize,
    above: Mutex<Option<(Arc<Node<V>>, usize)>>,
}

impl<V: Visitor> Walk<'_, V> {
    fn work(&self) {
        let mut worker = match self.visitor.worker() {
            Ok(worker) => worker,
            Err(stop) => return self.finish(Err(stop)),
        };
        while let Some(job) = self.next_job() {
            let _busy = Busy(self);
            match self.run(&mut worker, job) {
                Ok(None) => {}
                Ok(Some(outcome)) => self.finish(Ok(outcome)),
                Err(stop) => self.finish(Err(stop)),
            }
        }
    }

    fn next_job(&self) -> Option<Job<V>> {
        let mut queue = self.lock_queue();
        loop {
            if queue.end.is_some() {
                return None;
            }
            if let Some(job) = queue.jobs.pop() {
                queue.busy += 1;
                return Some(job);
            }
            if queue.busy == 0 {
                return None;
            }
            queue = self
                .changed
                .wait(queue)
                .unwrap_or_else(PoisonError::into_inner);
        }
    }

    /// Runs one job and everything that becomes ready to be left by it; returns the outcome of the start.
    fn run(&self, worker: &mut V::Worker, job: Job<V>) -> Result<Option<V::Outcome>, V::Stop> {
        let Entered { pending, below } = self.visitor.enter(worker, &job.place, job.task)?;
        if !below.is_empty() {
            self.give_out(&job.place, pending, job.above, below);
            return Ok(None);
        }
        let mut outcome = self.visitor.leave(worker, pending)?;
        let mut above = job.above;
        while let Some((node, slot)) = above {
            let done = {
                let mut pending = node.pending.lock().unwrap_or_else(PoisonError::into_inner);
                let waiting = pending
                    .as_mut()
                    .expect("a directory is left after its last subdirectory");
                self.visitor.returned(waiting, slot, outcome);
                if node.waits_for.fetch_sub(1, Ordering::AcqRel) > 1 {
                    return Ok(None);
                }
                pending.take().expect("it was just used")
            };
            outcome = self.visitor.leave(worker, done)?;
            above = node
                .above
                .lock()
                .unwrap_or_else(PoisonError::into_inner)
                .take();
        }
        Ok(Some(outcome))
    }

    fn give_out(
        &self,
        place: &Arc<Place>,
        pending: V::Pending,
        above: Option<(Arc<Node<V>>, usize)>,
        below: Vec<Below<V::Task>>,
    ) {
        let node = Arc::new(Node {
            pending: Mutex::new(Some(pending)),
            waits_for: AtomicUsize::new(below.len()),
            above: Mutex::new(above),
        });
        let mut queue = self.lock_queue();
        for Below { name, slot, task } in below {
            queue.jobs.push(Job {
                place: place.below(name),
                above: Some((Arc::clone(&node), slot)),
                task,
            });
        }
        drop(queue);
        self.changed.notify_all();
    }

    fn finish(&self, end: Result<V::Outcome, V::Stop>) {
        let mut queue = self.lock_queue();
        queue.end.get_or_insert(end);
        queue.jobs.clear();
        drop(queue);
        self.changed.notify_all();
    }

    fn lock_queue(&self) -> MutexGuard<'_, Queue<V>> {
        self.queue.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Marks a thread as at work, also if it panics: the others must not wait for it then.
struct Busy<'w, 'v, V: Visitor>(&'w Walk<'v, V>);

impl<V: Visitor> Drop for Busy<'_, '_, V> {
    fn drop(&mut self) {
        let mut queue = self.0.lock_queue();
        queue.busy -= 1;
        if queue.busy == 0 {
            self.0.changed.notify_all();
        }
    }
}

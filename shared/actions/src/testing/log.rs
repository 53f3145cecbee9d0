//! The journal as one process sees it: it may lose answers, refuse, and be the last thing that the process touches.

use std::sync::Arc;

use async_trait::async_trait;
use nogfso_journal::log::{
    Consumer, ConsumerProgress, ConsumerSpec, Following, From, PublishFault, Published, ReadFault,
    Record, Stored,
};
use nogfso_journal::memory::MemoryLog;
use nogfso_journal::{Commit, Log};
use nogfso_kernel::{Position, StreamSpec};
use tokio::time::sleep;

use super::fault::{At, Fault};
use super::gate::Gate;
use super::injector::Injector;
use crate::deployment::DeploymentEvent as Event;

pub(super) struct FaultyLog {
    pub(super) inner: MemoryLog,
    /// The subject of the deployment.
    pub(super) subject: String,
    pub(super) injector: Arc<Injector>,
    pub(super) gate: Arc<Gate>,
}

/// A job, and where it comes by.
type Point = (usize, At);

/// The points before and after the commit of an event.
fn points(event: &Event) -> Option<(usize, Option<At>, Option<At>)> {
    match event {
        Event::JobStarted { at, .. } => Some((
            at.index,
            Some(At::BeforeStartRecord),
            Some(At::AfterStartRecord),
        )),
        Event::JobPrepared { at, .. } => Some((
            at.index,
            Some(At::BeforePreparedRecord),
            Some(At::AfterPreparedRecord),
        )),
        Event::JobDataPut { at, .. } => Some((
            at.index,
            Some(At::BeforeDataRecord),
            Some(At::AfterDataRecord),
        )),
        Event::JobSucceeded { at, .. } | Event::JobAttemptFailed { at, .. } => Some((
            at.index,
            Some(At::BeforeOutcomeRecord),
            Some(At::AfterOutcomeRecord),
        )),
        // What comes after it is the undo itself.
        Event::JobRollbackStarted { at, .. } => {
            Some((at.index, Some(At::BeforeRollbackRecord), None))
        }
        Event::JobRollbackSucceeded { at, .. } | Event::JobRollbackAttemptFailed { at, .. } => {
            Some((
                at.index,
                Some(At::BeforeUndoneRecord),
                Some(At::AfterRollbackRecord),
            ))
        }
        Event::DeploymentRequested(_)
        | Event::DeploymentClaimed { .. }
        | Event::DeploymentReleased { .. }
        | Event::DeploymentDue {}
        | Event::JobErrorLogged { .. }
        | Event::JobAttemptLost { .. }
        | Event::RollbackStarted { .. }
        | Event::JobRollbackSkipped { .. }
        | Event::CancelRequested { .. }
        | Event::PauseRequested { .. }
        | Event::DeploymentPaused { .. }
        | Event::DeploymentResumed { .. }
        | Event::DeploymentParked { .. }
        | Event::OutcomeForced { .. }
        | Event::PlanRebound { .. }
        | Event::RetryForced { .. }
        | Event::DeadlineChanged { .. }
        | Event::NoteAdded { .. }
        | Event::DeploymentSucceeded {}
        | Event::DeploymentRolledBack { .. }
        | Event::DeploymentAbandoned { .. } => None,
    }
}

impl FaultyLog {
    /// The points before and after the commit of that message.
    fn points_of(&self, record: &Record) -> (Vec<Point>, Vec<Point>) {
        if record.subject != self.subject || !self.injector.looks_into_records() {
            return (vec![], vec![]);
        }
        let Ok(commit) = Commit::<Event>::decode(&record.payload, Position::START) else {
            return (vec![], vec![]);
        };
        let recorded = commit.recorded();
        let points = recorded.iter().filter_map(|one| points(&one.event));
        let (mut before, mut after) = (vec![], vec![]);
        for (index, first, then) in points {
            before.extend(first.map(|at| (index, at)));
            after.extend(then.map(|at| (index, at)));
        }
        (before, after)
    }

    /// Returns a fault that only the journal can have.
    async fn pass(&self, points: &[Point]) -> Option<Fault> {
        let mut of_journal = None;
        for &(index, at) in points {
            match self.injector.pass(index, at) {
                Some(Fault::CrashWorker) => self.gate.die().await,
                Some(Fault::LoseLease) => self.gate.stand_still(true).await,
                Some(Fault::KeepRunningAsZombie) => self.gate.stand_still(false).await,
                Some(Fault::Delay(delay)) => sleep(delay).await,
                Some(fault @ (Fault::LoseAck | Fault::RejectAppend)) => of_journal = Some(fault),
                Some(
                    Fault::Error(_)
                    | Fault::Terminal(_)
                    | Fault::Panic
                    | Fault::Hang
                    | Fault::RunTwice
                    | Fault::CorruptPayload,
                )
                | None => {}
            }
        }
        of_journal
    }
}

#[async_trait]
impl Log for FaultyLog {
    async fn ensure_streams(&self, streams: &[StreamSpec]) -> Result<(), ReadFault> {
        self.inner.ensure_streams(streams).await
    }

    async fn publish(&self, record: &Record) -> Result<Published, PublishFault> {
        let (before, after) = self.points_of(record);
        if self.pass(&before).await == Some(Fault::RejectAppend) {
            let reason = "the explorer has it refused once".to_owned();
            return Err(PublishFault::Unavailable { reason });
        }
        let published = self.inner.publish(record).await?;
        if self.pass(&after).await == Some(Fault::LoseAck) {
            let reason = "the explorer has the answer lost".to_owned();
            return Err(PublishFault::Unknown { reason });
        }
        Ok(published)
    }

    async fn read(&self, subject: &str, after: Position) -> Result<Vec<Stored>, ReadFault> {
        self.inner.read(subject, after).await
    }

    async fn leader_last(&self, subject: &str) -> Result<Option<Stored>, ReadFault> {
        self.inner.leader_last(subject).await
    }

    async fn find_last(
        &self,
        stream: &'static str,
        filter: &str,
    ) -> Result<Option<Stored>, ReadFault> {
        self.inner.find_last(stream, filter).await
    }

    async fn follow(
        &self,
        stream: &'static str,
        filter: &str,
        from: From,
    ) -> Result<Following, ReadFault> {
        self.inner.follow(stream, filter, from).await
    }

    async fn consumer(&self, spec: &ConsumerSpec) -> Result<Arc<dyn Consumer>, ReadFault> {
        self.inner.consumer(spec).await
    }

    async fn consumer_progress(
        &self,
        stream: &'static str,
        durable: &str,
    ) -> Result<Option<ConsumerProgress>, ReadFault> {
        self.inner.consumer_progress(stream, durable).await
    }

    async fn purge(&self, subject: &str, keep_from: Option<Position>) -> Result<(), ReadFault> {
        self.inner.purge(subject, keep_from).await
    }
}

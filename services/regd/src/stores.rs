//! The aggregates that facts are carried between, and how a command of regd is given.

use std::sync::Arc;

use nogfso_domain::main_list::MainList;
use nogfso_domain::registry::Registry;
use nogfso_domain::repo::Repo;
use nogfso_domain::work::{WorkLane, WorkRefusal};
use nogfso_journal::reaction::{Parked, ReactError, Wake};
use nogfso_journal::store::By;
use nogfso_journal::{Cause, Environment, ExecuteError, Log, Store};
use nogfso_kernel::Aggregate;

/// Who acts.
pub(crate) const ACTOR: &str = "svc:regd";

pub(crate) struct Stores {
    pub(crate) main: Store<MainList>,
    pub(crate) registry: Store<Registry>,
    pub(crate) repo: Store<Repo>,
    pub(crate) work: Store<WorkLane>,
}

/// What every reaction works with.
#[derive(Clone)]
pub(crate) struct Carry {
    pub(crate) stores: Arc<Stores>,
    pub(crate) parked: Parked,
}

impl Stores {
    pub(crate) fn new(log: &Arc<dyn Log>, environment: &Environment) -> Arc<Self> {
        Arc::new(Self {
            main: Store::new(Arc::clone(log), environment.clone()),
            registry: Store::new(Arc::clone(log), environment.clone()),
            repo: Store::new(Arc::clone(log), environment.clone()),
            work: Store::new(Arc::clone(log), environment.clone()),
        })
    }
}

/// A command that `wake` gave rise to.
pub(crate) fn because(wake: &Wake) -> By {
    let cause = Cause {
        subject: wake.subject.clone(),
        position: wake.position,
    };
    By {
        cause: (!wake.is_alarm).then_some(cause),
        ..By::actor(ACTOR)
    }
}

/// What a command on a lane that was not carried out is to a reaction. A full lane empties by itself.
pub(crate) fn failed_on_lane(error: ExecuteError<WorkLane>) -> ReactError {
    if let ExecuteError::Refused(full @ WorkRefusal::Busy) = error {
        return ReactError::transient(full);
    }
    failed(error)
}

/// What a command that was not carried out is to a reaction: a refusal never passes by itself.
pub(crate) fn failed<A: Aggregate>(error: ExecuteError<A>) -> ReactError {
    match error {
        ExecuteError::Load(error) => error.into(),
        passing @ (ExecuteError::Busy
        | ExecuteError::Unavailable { .. }
        | ExecuteError::Unknown { .. }) => ReactError::transient(passing),
        staying @ (ExecuteError::Refused(_)
        | ExecuteError::VersionConflict { .. }
        | ExecuteError::Rejected { .. }) => ReactError::permanent(staying),
    }
}

impl Carry {
    /// Does `work` for one item of an aggregate; what fails for good is parked alone, so that the others go on.
    pub(crate) async fn item(
        &self,
        reaction: &'static str,
        wake: &Wake,
        item: &str,
        work: impl Future<Output = Result<(), ReactError>>,
    ) -> Result<(), ReactError> {
        if self
            .parked
            .is_passed_over(reaction, &wake.subject, Some(item))
            .await?
        {
            return Ok(());
        }
        match work.await {
            Ok(()) => {
                self.parked
                    .remove(reaction, &wake.subject, Some(item))
                    .await
            }
            Err(ReactError::Permanent { reason }) => {
                self.parked
                    .park(
                        reaction,
                        &wake.subject,
                        Some(item),
                        wake.position.0,
                        &reason,
                    )
                    .await
            }
            Err(passing @ (ReactError::Transient { .. } | ReactError::Newer { .. })) => {
                Err(passing)
            }
        }
    }
}

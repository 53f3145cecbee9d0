//! results: what a worker did is carried to the repo (design 4, 5 rule 8), and what it put off is woken in time.
//!
//! A lane numbers its results, and the repo ignores those that are not newer than what it knows; so a result is not carried
//! twice, an error that an operator cleared does not come back, and an instance that is slow does no harm.

use std::collections::HashMap;
use std::sync::{Mutex, PoisonError};

use async_trait::async_trait;
use nogfso_contract::subjects::{self, Named};
use nogfso_domain::operation::{ErrorCode, Operation};
use nogfso_domain::repo::{Carried, ClearBy, RepoCommand, RepoError};
use nogfso_domain::work::{Answered, Failure, Report, WorkResult};
use nogfso_faults::{Mutant, Point, Rule, is_planted, met, reach};
use nogfso_ids::{HostPath, RequestId, UnixMillis};
use nogfso_journal::reaction::{ReactError, Reaction, Wake};
use nogfso_kernel::Position;

use crate::deferred::Deferred;
use crate::stores::{Carry, because, failed};

/// The name of the reaction; its durable consumer tells how far results were carried.
pub(crate) const NAME: &str = "results";
/// How many results are remembered as carried, to spare another look at the repo for each later commit of their lane.
const CARRIED_RESULTS_MAX: usize = 100_000;

pub(crate) struct Results {
    carry: Carry,
    carried: Mutex<HashMap<(String, Operation), (RequestId, u64)>>,
    deferred: Deferred,
}

impl Results {
    pub(crate) fn new(carry: Carry) -> Self {
        Self {
            carry,
            carried: Mutex::default(),
            deferred: Deferred::default(),
        }
    }

    fn was_carried(&self, wake: &Wake, operation: Operation, answered: &Answered) -> bool {
        let carried = self.carried.lock().unwrap_or_else(PoisonError::into_inner);
        let last = carried.get(&(wake.subject.clone(), operation));
        last == Some(&(answered.request, answered.number))
    }

    fn note_carried(&self, wake: &Wake, operation: Operation, answered: &Answered) {
        let mut carried = self.carried.lock().unwrap_or_else(PoisonError::into_inner);
        if carried.len() >= CARRIED_RESULTS_MAX {
            carried.clear();
        }
        let result = (answered.request, answered.number);
        carried.insert((wake.subject.clone(), operation), result);
    }

    async fn carry_to(
        &self,
        repo: &str,
        wake: &Wake,
        answered: &Answered,
    ) -> Result<(), ReactError> {
        for command in commands(answered)? {
            let command = if is_planted(Mutant::ErrorCarriedTwice) {
                told_by_delivery(command, wake)
            } else {
                command
            };
            let always_says_something = match command {
                RepoCommand::SetError { .. } | RepoCommand::ConfirmShadow { .. } => true,
                RepoCommand::Init { .. } | RepoCommand::ClearError { .. } => false,
            };
            reach(Point::RegdCarries);
            let outcome = self
                .carry
                .stores
                .repo
                .execute(repo, &command, &because(wake))
                .await
                .map_err(failed)?;
            if always_says_something && outcome.appended.is_empty() {
                met(Rule::CarriedBefore);
            }
            reach(Point::RegdCarriedOne);
        }
        reach(Point::RegdCarried);
        Ok(())
    }
}

/// The mistake to tell a result by its delivery, not by the request that it answers.
fn told_by_delivery(command: RepoCommand, wake: &Wake) -> RepoCommand {
    match command {
        RepoCommand::SetError {
            operation, error, ..
        } => RepoCommand::SetError {
            operation,
            error: RepoError {
                request: RequestId::derived_from(&wake.position.to_string()),
                ..error
            },
            result_number: wake.position.0,
        },
        other @ (RepoCommand::Init { .. }
        | RepoCommand::ConfirmShadow { .. }
        | RepoCommand::ClearError { .. }) => other,
    }
}

/// What a result is to the repo.
fn commands(answered: &Answered) -> Result<Vec<RepoCommand>, ReactError> {
    let operation = answered.order.operation();
    let result = Carried {
        request: answered.request,
        number: answered.number,
    };
    let mut commands = vec![];
    if let (Operation::Init, WorkResult::Done(Report { shadow_path, .. })) =
        (operation, &answered.result)
    {
        let path = shadow_path
            .as_deref()
            .ok_or_else(|| ReactError::permanent("an init that names no shadow"))?;
        let shadow_path = HostPath::parse(path).map_err(ReactError::permanent)?;
        commands.push(RepoCommand::ConfirmShadow {
            shadow_path,
            result,
        });
    }
    // What the first stat of an init left aside is a later stat's to make good.
    let slot = match (&answered.result, operation) {
        (WorkResult::Done(_), Operation::Init) => Operation::Stat,
        (WorkResult::Done(_) | WorkResult::Failed { .. } | WorkResult::Cancelled {}, operation) => {
            operation
        }
    };
    match (answered.result.failure(), &answered.result) {
        (Some(failure), _) => {
            let error = repo_error(&failure, answered)?;
            commands.push(RepoCommand::SetError {
                operation: slot,
                error,
                result_number: answered.number,
            });
        }
        (None, WorkResult::Done(_)) => {
            commands.push(RepoCommand::ClearError {
                by: ClearBy::Success {
                    operation: slot,
                    result,
                    failed_before: if slot == operation {
                        answered.failed_before
                    } else {
                        0
                    },
                },
            });
        }
        (None, WorkResult::Failed { .. } | WorkResult::Cancelled {}) => {}
    }
    Ok(commands)
}

fn repo_error(failure: &Failure<'_>, answered: &Answered) -> Result<RepoError, ReactError> {
    Ok(RepoError {
        code: ErrorCode::parse(failure.code.as_str()).map_err(ReactError::permanent)?,
        message: failure.message.clone(),
        time: UnixMillis(answered.at_ms),
        request: answered.request,
        problems: failure.problems.clone(),
    })
}

#[async_trait]
impl Reaction for Results {
    fn name(&self) -> &'static str {
        NAME
    }

    async fn react(&self, wake: &Wake) -> Result<Position, ReactError> {
        let Some(Named::Work(registry, _, _, id)) = subjects::parse(&wake.subject) else {
            return Err(ReactError::permanent("not the subject of work"));
        };
        reach(Point::RegdResultsWoken);
        let loaded = self
            .carry
            .stores
            .work
            .load(&wake.subject, wake.position)
            .await?;
        let repo = subjects::repo(&registry, id);
        for (operation, answered) in &loaded.state.backlog.last {
            // Inside, so that an entry that another instance parked is still removed, and what is parked is not noted.
            let carried = async {
                if self.was_carried(wake, *operation, answered) {
                    return Ok(());
                }
                self.carry_to(&repo, wake, answered).await?;
                self.note_carried(wake, *operation, answered);
                Ok(())
            };
            self.carry
                .item(NAME, wake, &operation.to_string(), carried)
                .await?;
        }
        self.deferred
            .attend(&self.carry.stores, NAME, wake, &loaded.state)
            .await?;
        Ok(loaded.position())
    }
}

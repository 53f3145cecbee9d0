//! Requests for work: made, waited for, taken back.

use nogfso_contract::command::{CancelRequest, RequestCancelled, Stat, StatAccepted};
use nogfso_contract::query::{RequestInfo, RequestState};
use nogfso_contract::{Code, Details, Failure};
use nogfso_domain::repo::KnownRepo;
use nogfso_domain::work::{Order, WorkCommand, WorkRefusal, WorkResult};
use nogfso_faults::{Point, reach};
use nogfso_ids::{Lane, RepoId, RequestId, UnixMillis};
use nogfso_journal::ExecuteError;

use super::by;
use crate::Gateway;
use crate::caller::Caller;
use crate::refusal;
use crate::routes::Handle;

impl Handle for Stat {
    async fn handle(self, gateway: &Gateway, caller: &Caller) -> Result<StatAccepted, Failure> {
        reach(Point::GatewayReceived);
        let by = by(caller, &self, None, self.command_id.as_ref())?;
        let author = match self.author.clone() {
            Some(author) => author,
            None => caller.author()?,
        };
        let mut found = gateway.known_repo(self.repo).await?;
        if found.repo.shadow_path().is_none() {
            let has_shadow = |repo: &KnownRepo| repo.shadow_path().is_some();
            found = gateway.stores.known_repo_if(self.repo, has_shadow).await?;
        }
        if found.repo.shadow_path().is_none() {
            return Err(Failure::new(
                Code::Precondition,
                format!(
                    "repo {} has no shadow yet; wait for it, or see its error with fso.get.repo",
                    self.repo
                ),
            ));
        }
        let cause = match &self.command_id {
            Some(id) => format!("{}/{}/{}", caller.actor(), self.repo, id),
            None => gateway.environment.fresh().to_string(),
        };
        let order = Order::Stat {
            mtime_range: self.mtime_range,
            confirm_emptied: self.confirm_emptied,
        };
        let asked = RequestId::derived_from(&cause);
        let command = WorkCommand::Request {
            request: asked,
            order: order.clone(),
            author,
            at: UnixMillis(gateway.environment.now_ms()),
        };
        let subject = found.work_subject(self.repo, Lane::Main);
        reach(Point::GatewayAppends);
        let outcome = gateway
            .stores
            .work
            .execute(&subject, &command, &by)
            .await
            .map_err(refusal::execute)?;
        reach(Point::GatewayAppended);
        let work = &outcome.after.state;
        let known = work.request(asked).is_some() || work.finished(asked).is_some();
        let request = if known {
            asked
        } else {
            work.equal_waiting(&order).unwrap_or(asked)
        };
        let ended = match self.wait {
            Some(wait) => Some(ended_well(
                gateway
                    .wait_for_end(&subject, self.repo, request, wait.duration())
                    .await?,
            )?),
            None => None,
        };
        Ok(StatAccepted {
            repo: self.repo,
            request,
            ended,
        })
    }
}

impl Handle for CancelRequest {
    async fn handle(self, gateway: &Gateway, caller: &Caller) -> Result<RequestCancelled, Failure> {
        let by = by(caller, &self, None, self.command_id.as_ref())?;
        let found = gateway.known_repo(self.repo).await?;
        let command = WorkCommand::Cancel {
            request: self.request,
        };
        for lane in [Lane::Main, Lane::Sha] {
            let subject = found.work_subject(self.repo, lane);
            let outcome = match gateway.stores.work.execute(&subject, &command, &by).await {
                Err(ExecuteError::Refused(WorkRefusal::UnknownRequest(_))) => continue,
                answer => answer.map_err(refusal::execute)?,
            };
            let work = &outcome.after.state;
            if let Some(request) = gateway.request_info(&subject, work, self.request) {
                return Ok(RequestCancelled { request });
            }
        }
        Err(unknown_request(self.repo, self.request))
    }
}

/// What to answer about a request that ended: a failure is one for the caller who waited.
pub(crate) fn ended_well(ended: RequestInfo) -> Result<RequestInfo, Failure> {
    let details = |work_code: Option<String>| Details {
        request: Some(ended.request.to_string()),
        work_code,
        ..Details::default()
    };
    match &ended.result {
        Some(WorkResult::Cancelled {}) => Err(Failure {
            code: Code::Cancelled,
            message: format!("{} was cancelled", ended.operation),
            details: details(None),
        }),
        Some(result) => match result.failure() {
            None => Ok(ended),
            Some(failure) => Err(Failure {
                code: Code::WorkFailed,
                message: describe(&ended, &failure),
                details: details(Some(failure.code.as_str().to_owned())),
            }),
        },
        None => without_result(ended),
    }
}

/// A request that ended a while ago: how, is still known, but not why.
fn without_result(ended: RequestInfo) -> Result<RequestInfo, Failure> {
    let code = match ended.state {
        RequestState::Failed => Code::WorkFailed,
        RequestState::Cancelled => Code::Cancelled,
        RequestState::Waiting
        | RequestState::Deferred
        | RequestState::Running
        | RequestState::Done => return Ok(ended),
    };
    Err(Failure {
        code,
        message: format!(
            "{} ended without success: {:?}",
            ended.operation, ended.state
        ),
        details: Details {
            request: Some(ended.request.to_string()),
            ..Details::default()
        },
    })
}

fn describe(ended: &RequestInfo, failure: &nogfso_domain::work::Failure<'_>) -> String {
    let first = failure.problems.paths().first();
    let path = first.map(|problem| format!("; first {}: {}", problem.path(), problem.reason()));
    format!(
        "{} failed: {}{}",
        ended.operation,
        failure.message,
        path.unwrap_or_default()
    )
}

pub(crate) fn unknown_request(repo: RepoId, request: RequestId) -> Failure {
    Failure {
        code: Code::NotFound,
        ..Failure::field("request", format!("repo {repo} knows no request {request}"))
    }
}

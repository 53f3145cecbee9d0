//! Questions about one repo and the work on it.

use std::time::Duration;

use nogfso_contract::query::{
    GetRepo, GetRequest, RepoErrorInfo, RepoInfo, RequestInfo, RequestState, WorkInfo,
};
use nogfso_contract::{Code, Details, Failure};
use nogfso_domain::operation::Operation;
use nogfso_domain::repo::RepoError;
use nogfso_domain::work::{Answered, End, Finished, Phase, Request, Work, WorkResult};
use nogfso_ids::{Instance, Lane, RepoId, RequestId, UnixMillis};
use nogfso_kernel::Position;

use crate::Gateway;
use crate::caller::Caller;
use crate::command::{ended_well, unknown_request};
use crate::refusal;
use crate::routes::Handle;
use crate::stores::{FoundRepo, load_newest};
use crate::watch::unless_passing;

impl Handle for GetRepo {
    async fn handle(self, gateway: &Gateway, _: &Caller) -> Result<RepoInfo, Failure> {
        let found = gateway.known_repo(self.repo).await?;
        let repo = &found.repo;
        let errors: Vec<RepoErrorInfo> = repo
            .errors()
            .map(|(operation, error)| error_info(operation, error))
            .collect();
        Ok(RepoInfo {
            repo: self.repo,
            vid: found.loaded.vid.to_string(),
            registry: repo.registry.clone(),
            global_path: repo.global_path.clone(),
            file: repo.file_location(),
            shadow: repo.shadow_location(),
            storage_tier: repo.tier().to_string(),
            subdir_tracking: repo.subdir_tracking,
            error: errors.first().map(|error| error.message.clone()),
            errors,
            work: gateway.work_info(self.repo, &found).await?,
        })
    }
}

impl Handle for GetRequest {
    async fn handle(self, gateway: &Gateway, _: &Caller) -> Result<RequestInfo, Failure> {
        let found = gateway.known_repo(self.repo).await?;
        for lane in [Lane::Main, Lane::Sha] {
            let subject = found.work_subject(self.repo, lane);
            let loaded = load_newest(&gateway.stores.work, &subject).await?;
            let Some(info) = gateway.request_info(&subject, &loaded.state, self.request) else {
                continue;
            };
            return match self.wait {
                None => Ok(info),
                Some(wait) => ended_well(
                    gateway
                        .wait_for_end(&subject, self.repo, self.request, wait.duration())
                        .await?,
                ),
            };
        }
        Err(unknown_request(self.repo, self.request))
    }
}

impl Gateway {
    async fn work_info(&self, id: RepoId, found: &FoundRepo) -> Result<WorkInfo, Failure> {
        let mut info = WorkInfo::default();
        for lane in [Lane::Main, Lane::Sha] {
            let subject = found.work_subject(id, lane);
            let loaded = self
                .stores
                .work
                .load(&subject, Position::START)
                .await
                .map_err(refusal::load)?;
            let work = &loaded.state;
            let holder = self.holder(work, &subject);
            let requests = work.backlog.requests.iter();
            info.requests
                .extend(requests.map(|request| unfinished(request, holder.as_ref())));
            info.held_by = info.held_by.or(holder);
            info.last.extend(work.backlog.last.values().map(answered));
        }
        Ok(info)
    }

    /// Who works on what is due, or keeps others from it: by a claim, or by the lock without one, such as a process that stands
    /// still between the two.
    fn holder(&self, work: &Work, subject: &str) -> Option<Instance> {
        let claim = work.claim.as_ref().map(|claim| claim.instance.clone());
        let is_waited_for = !work.backlog.requests.is_empty();
        claim.or_else(|| {
            let now_ms = self.environment.now_ms();
            is_waited_for.then(|| self.workers.lock_holder(subject, now_ms))?
        })
    }

    /// Where a request stands; `None` if the work does not know it.
    pub(crate) fn request_info(
        &self,
        subject: &str,
        work: &Work,
        request: RequestId,
    ) -> Option<RequestInfo> {
        if let Some(known) = work.request(request) {
            let holder = self.holder(work, subject);
            return Some(unfinished(known, holder.as_ref()));
        }
        let last = work
            .backlog
            .last
            .values()
            .find(|answered| answered.request == request);
        last.map(answered)
            .or_else(|| work.finished(request).map(finished))
    }

    /// Waits for the end of a request.
    ///
    /// # Errors
    ///
    /// Fails when the time is over; the request goes on.
    pub(crate) async fn wait_for_end(
        &self,
        subject: &str,
        repo: RepoId,
        request: RequestId,
        patience: Duration,
    ) -> Result<RequestInfo, Failure> {
        let mut waiting = self.watch.wait(subject, patience)?;
        let mut seen: Option<RequestInfo> = None;
        loop {
            let loaded = self
                .stores
                .work
                .load(subject, waiting.least())
                .await
                .map_err(refusal::load);
            if let Some(loaded) = unless_passing(loaded.map(Some))? {
                let info = match self.request_info(subject, &loaded.state, request) {
                    Some(info) => info,
                    None => {
                        let newest = load_newest(&self.stores.work, subject).await?;
                        self.request_info(subject, &newest.state, request)
                            .ok_or_else(|| unknown_request(repo, request))?
                    }
                };
                if info.state.is_final() {
                    return Ok(info);
                }
                seen = Some(info);
            }
            if !waiting.next().await {
                // Who has the lock may have become known without news in the journal.
                let now_ms = self.environment.now_ms();
                let locked_by = || self.workers.lock_holder(subject, now_ms);
                let seen = seen.map(|seen| RequestInfo {
                    held_by: seen.held_by.clone().or_else(locked_by),
                    ..seen
                });
                return Err(self.still_open(repo, request, seen));
            }
        }
    }

    fn still_open(&self, repo: RepoId, request: RequestId, seen: Option<RequestInfo>) -> Failure {
        let standing = match seen {
            Some(RequestInfo {
                held_by: Some(instance),
                ..
            }) => format!("held by {instance}"),
            Some(RequestInfo {
                reason: Some(reason),
                ..
            }) => format!("waits: {reason}"),
            Some(_) | None => "waits for a worker".to_owned(),
        };
        Failure {
            code: Code::TimedOut,
            message: format!(
                "request {request} goes on ({standing}); ask fso.get.request to wait for it"
            ),
            details: Details {
                request: Some(request.to_string()),
                repo: Some(repo.to_string()),
                ..Details::default()
            },
        }
    }
}

fn error_info(operation: Operation, error: &RepoError) -> RepoErrorInfo {
    RepoErrorInfo {
        operation,
        code: error.code.to_string(),
        message: error.message.to_string(),
        time: error.time.to_string(),
        request: error.request,
        paths: error.problems.paths().to_vec(),
        path_count: error.problems.path_count(),
    }
}

fn unfinished(request: &Request, holder: Option<&Instance>) -> RequestInfo {
    let holder = || holder.cloned();
    let (state, reason, held_by) = match &request.phase {
        Phase::Waiting {} => (RequestState::Waiting, None, holder()),
        Phase::Deferred { reason, .. } => (RequestState::Deferred, Some(reason.to_string()), None),
        Phase::Started { .. } => (RequestState::Running, None, holder()),
        Phase::Cancelling { .. } => (
            RequestState::Running,
            Some("is being cancelled".to_owned()),
            holder(),
        ),
    };
    RequestInfo {
        request: request.request,
        operation: request.order.operation(),
        order: Some(request.order.clone()),
        state,
        reason,
        held_by,
        time: request.at.to_string(),
        result: None,
    }
}

fn answered(answered: &Answered) -> RequestInfo {
    RequestInfo {
        request: answered.request,
        operation: answered.order.operation(),
        order: Some(answered.order.clone()),
        state: match &answered.result {
            WorkResult::Done(_) => RequestState::Done,
            WorkResult::Failed { .. } => RequestState::Failed,
            WorkResult::Cancelled {} => RequestState::Cancelled,
        },
        reason: None,
        held_by: None,
        time: UnixMillis(answered.at_ms).to_string(),
        result: Some(answered.result.clone()),
    }
}

fn finished(finished: &Finished) -> RequestInfo {
    RequestInfo {
        request: finished.request,
        operation: finished.operation,
        order: None,
        state: match finished.end {
            End::Done => RequestState::Done,
            End::Failed => RequestState::Failed,
            End::Cancelled => RequestState::Cancelled,
        },
        reason: None,
        held_by: None,
        time: UnixMillis(finished.at_ms).to_string(),
        result: None,
    }
}

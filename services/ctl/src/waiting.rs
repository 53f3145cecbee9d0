//! Waiting for work to end, while gateways come and go.
//!
//! A wait is many short questions, so that one whose gateway died is only asked again. What is waited for goes on by itself;
//! leaving the wait changes nothing.

use std::time::Duration;

use nogfso_contract::query::{GetEvents, GetRepo, GetRequest, RepoInfo, RequestInfo, RequestState};
use nogfso_contract::{Code, Details, Failure, Page, Wait};
use nogfso_domain::operation::Operation;
use nogfso_domain::work::WorkResult;
use nogfso_ids::{RepoId, RequestId};
use tokio::time::{Instant, sleep};

use crate::console::Console;
use crate::gateway::Gateway;
use crate::meter::Meter;
use crate::trouble::Trouble;

/// For how long a gateway may not know yet what another one has accepted.
const HEARSAY_MAX: Duration = Duration::from_secs(5);
/// How long one question waits at the gateway.
const ONE_WAIT: Duration = Duration::from_secs(5);
/// How much longer its answer may take.
const ONE_WAIT_SLACK: Duration = Duration::from_secs(3);
/// How long to wait before the same is asked again.
pub(crate) const ASK_AGAIN_PAUSE: Duration = Duration::from_millis(200);
const BUSY_PAUSE_MAX: Duration = Duration::from_secs(10);

/// Waits for the end of a request, at most `patience`.
pub(crate) async fn request_ended(
    gateway: &Gateway,
    repo: RepoId,
    request: RequestId,
    patience: Duration,
) -> Result<RequestInfo, Trouble> {
    let begun = Instant::now();
    let deadline = begun + patience;
    loop {
        match request_now(gateway, repo, request, deadline).await {
            Ok(info) if info.state.is_final() => return Ok(info),
            Ok(_) => pause(ASK_AGAIN_PAUSE, deadline).await,
            Err(trouble) if trouble.is_passing() => pause(pause_after(&trouble), deadline).await,
            Err(trouble) if is(Code::NotFound, &trouble) && begun.elapsed() < HEARSAY_MAX => {
                pause(ASK_AGAIN_PAUSE, deadline).await;
            }
            Err(trouble) => return Err(trouble),
        }
        if deadline <= Instant::now() {
            return Err(not_in_time(repo, Some(request), patience));
        }
    }
}

/// Where the request stands after one wait.
async fn request_now(
    gateway: &Gateway,
    repo: RepoId,
    request: RequestId,
    deadline: Instant,
) -> Result<RequestInfo, Trouble> {
    let wait = Some(one_wait(deadline));
    let waited = GetRequest {
        repo,
        request,
        wait,
    };
    match gateway.ask_within(&waited, one_patience(gateway)).await {
        // One who waits is told a failure in place of the request; one who only looks is shown both.
        Err(trouble) if is(Code::WorkFailed, &trouble) || is(Code::Cancelled, &trouble) => {
            let look = GetRequest {
                wait: None,
                ..waited
            };
            Ok(gateway.ask(&look).await?.value)
        }
        answer => Ok(answer?.value),
    }
}

/// Waits for the shadow repo of a repo that was just accepted, at most `patience`.
///
/// The repo's own history may begin a little later than the registry has accepted it.
pub(crate) async fn shadow_made(
    gateway: &Gateway,
    repo: RepoId,
    patience: Duration,
) -> Result<String, Trouble> {
    let deadline = Instant::now() + patience;
    let mut after = None;
    let mut request = None;
    loop {
        match gateway.ask(&GetRepo { repo }).await {
            Ok(info) => {
                request = init_request(&info.value).or(request);
                if let Some(shadow) = made(&info.value)? {
                    return Ok(shadow);
                }
                after = next_event(gateway, repo, after, one_wait(deadline)).await?;
            }
            Err(trouble) if trouble.is_passing() || is(Code::NotFound, &trouble) => {}
            Err(trouble) => return Err(trouble),
        }
        pause(ASK_AGAIN_PAUSE, deadline).await;
        if deadline <= Instant::now() {
            return Err(not_in_time(repo, request, patience));
        }
    }
}

/// Shows the progress of `work` until it ends or the operator leaves it with Ctrl-C.
pub(crate) async fn attended<T>(
    console: &mut Console,
    meter: &mut Meter,
    reattach: String,
    work: impl Future<Output = Result<T, Trouble>>,
) -> Result<T, Trouble> {
    tokio::pin!(work);
    loop {
        tokio::select! {
            biased;
            ended = &mut work => {
                meter.clear();
                return ended;
            }
            interrupted = tokio::signal::ctrl_c() => {
                meter.clear();
                interrupted?;
                return Err(Trouble::Detached { reattach });
            }
            progress = meter.next() => meter.show(&progress, console),
        }
    }
}

/// The failure that a request ended with, if it did.
pub(crate) fn succeeded(repo: RepoId, info: &RequestInfo) -> Result<(), Trouble> {
    let stored = info.result.as_ref().and_then(WorkResult::failure);
    let (code, work_code, reason) = match (info.state, stored) {
        (RequestState::Cancelled, _) => (Code::Cancelled, None, "was cancelled".to_owned()),
        (RequestState::Failed | RequestState::Done, Some(failure)) => {
            let reason = format!("failed: {}", failure.message);
            (Code::WorkFailed, Some(failure.code.to_string()), reason)
        }
        (RequestState::Failed, None) => (Code::WorkFailed, None, "failed".to_owned()),
        (RequestState::Done, None)
        | (RequestState::Waiting | RequestState::Deferred | RequestState::Running, _) => {
            return Ok(());
        }
    };
    Err(Trouble::Answered(Box::new(Failure {
        code,
        message: format!("{} {reason}", info.operation),
        details: Details {
            request: Some(info.request.to_string()),
            repo: Some(repo.to_string()),
            work_code,
            ..Details::default()
        },
    })))
}

/// Waits before the same is asked again after `trouble`.
pub(crate) fn pause_after(trouble: &Trouble) -> Duration {
    let Trouble::Answered(failure) = trouble else {
        return ASK_AGAIN_PAUSE;
    };
    let retry_after_ms = failure.details.retry_after_ms;
    retry_after_ms
        .map_or(ASK_AGAIN_PAUSE, Duration::from_millis)
        .min(BUSY_PAUSE_MAX)
}

/// How long one waiting question waits at the gateway, and how long its answer may take.
pub(crate) fn one_watch(gateway: &Gateway) -> (Wait, Duration) {
    (wait_of(ONE_WAIT), one_patience(gateway))
}

fn one_patience(gateway: &Gateway) -> Duration {
    ONE_WAIT + gateway.timeout().min(ONE_WAIT_SLACK)
}

fn one_wait(deadline: Instant) -> Wait {
    wait_of(
        deadline
            .saturating_duration_since(Instant::now())
            .min(ONE_WAIT),
    )
}

fn wait_of(time: Duration) -> Wait {
    Wait::try_from(format!("{}ms", time.as_millis())).expect("one wait is less than an hour")
}

async fn pause(time: Duration, deadline: Instant) {
    sleep(time.min(deadline.saturating_duration_since(Instant::now()))).await;
}

fn is(code: Code, trouble: &Trouble) -> bool {
    matches!(trouble, Trouble::Answered(failure) if failure.code == code)
}

fn init_request(repo: &RepoInfo) -> Option<RequestId> {
    let mut requests = repo.work.requests.iter().chain(&repo.work.last);
    requests
        .find(|info| info.operation == Operation::Init)
        .map(|info| info.request)
}

fn made(repo: &RepoInfo) -> Result<Option<String>, Trouble> {
    if let Some(shadow) = &repo.shadow {
        return Ok(Some(shadow.clone()));
    }
    let Some(error) = repo
        .errors
        .iter()
        .find(|error| error.operation == Operation::Init)
    else {
        return Ok(None);
    };
    Err(Trouble::Answered(Box::new(Failure {
        code: Code::WorkFailed,
        message: format!("init failed: {}", error.message),
        details: Details {
            request: Some(error.request.to_string()),
            repo: Some(repo.repo.to_string()),
            work_code: Some(error.code.clone()),
            ..Details::default()
        },
    })))
}

/// Waits until something happened to the repo after `after`, and says up to where.
async fn next_event(
    gateway: &Gateway,
    repo: RepoId,
    after: Option<String>,
    wait: Wait,
) -> Result<Option<String>, Trouble> {
    let call = GetEvents {
        repo: Some(repo),
        after: after.clone(),
        limit: Page::default(),
        wait: Some(wait),
        ..GetEvents::default()
    };
    match gateway.ask_within(&call, one_patience(gateway)).await {
        Ok(page) => Ok(page.value.next.or(after)),
        Err(trouble) if trouble.is_passing() || is(Code::NotFound, &trouble) => Ok(after),
        Err(trouble) => Err(trouble),
    }
}

fn not_in_time(repo: RepoId, request: Option<RequestId>, patience: Duration) -> Trouble {
    Trouble::Answered(Box::new(Failure {
        code: Code::TimedOut,
        message: format!("not finished within {} s", patience.as_secs_f64()),
        details: Details {
            request: request.map(|request| request.to_string()),
            repo: Some(repo.to_string()),
            ..Details::default()
        },
    }))
}

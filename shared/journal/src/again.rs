//! Asking again what may be answered later.
//!
//! Whoever begins beside a server that is away, elects or is busy would only be started again. So it waits for as long as it
//! is wanted, and says for what: dropping the wait ends it at once, and a limit is the matter of who has one.

use std::fmt::Display;
use std::time::Duration;

use tokio::time::sleep;

/// The pause after the first attempt that failed; each later one is twice as long.
const PAUSE_FIRST: Duration = Duration::from_millis(250);
/// The longest pause: a server that is back is noticed so soon, and one that is not fills no log.
const PAUSE_MAX: Duration = Duration::from_secs(2);

/// Makes attempts until one succeeds, or fails with something that `may_pass` does not let pass. Each that fails before is a
/// warning that it "cannot `what` yet".
///
/// # Errors
///
/// That of the last attempt.
pub async fn again<T, E: Display, F>(
    what: &str,
    may_pass: impl Fn(&E) -> bool,
    mut attempt: impl FnMut() -> F,
) -> Result<T, E>
where
    F: Future<Output = Result<T, E>>,
{
    let mut pause = PAUSE_FIRST;
    loop {
        match attempt().await {
            Err(fault) if may_pass(&fault) => {
                tracing::warn!(%fault, "cannot {what} yet");
                sleep(pause).await;
                pause = (pause * 2).min(PAUSE_MAX);
            }
            ended => return ended,
        }
    }
}

#[cfg(test)]
mod tests {
    //! What passes is asked again, with pauses that rise to a bound; what does not is told at once.

    use std::cell::RefCell;

    use tokio::time::Instant;

    use super::*;

    #[tokio::test(start_paused = true)]
    async fn pauses_rise_to_a_bound_while_a_fault_may_pass() {
        let began = Instant::now();
        let asked_ms = RefCell::new(vec![]);
        let answer = again(
            "do it",
            |_: &&str| true,
            async || {
                asked_ms.borrow_mut().push(began.elapsed().as_millis());
                let is_back = began.elapsed() > Duration::from_secs(8);
                if is_back { Ok(7) } else { Err("away") }
            },
        );
        assert_eq!(answer.await, Ok(7));
        let asked_ms = asked_ms.into_inner();
        assert_eq!(asked_ms, [0, 250, 750, 1_750, 3_750, 5_750, 7_750, 9_750]);
    }

    #[tokio::test(start_paused = true)]
    async fn a_fault_that_stays_is_told_at_once() {
        let began = Instant::now();
        let answer = again(
            "do it",
            |fault| *fault != "refused",
            async || Err::<(), _>("refused"),
        );
        assert_eq!(answer.await, Err("refused"));
        assert_eq!(began.elapsed(), Duration::ZERO);
    }
}

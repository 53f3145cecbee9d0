//! The test kit for those who write jobs and actions; behind the feature `testing`.
//!
//! - [`given`] runs one job, step, hook or undo on chosen resources, without a journal.
//! - [`FakeWorld`] stands for the other side: it counts effects by idempotency key.
//! - [`Explorer`] runs a whole action again and again, each time with one fault at one point, and says where an effect was
//!   lost, doubled, or left behind without being listed.
//! - [`timeline`] shows the journal of a deployment to people.
//!
//! ```
//! use nogfso_actions::testing::{FakeWorld, given};
//! use nogfso_actions::{Job, JobCx, JobResult, NotNeeded};
//!
//! struct Greet;
//!
//! impl Job<FakeWorld> for Greet {
//!     type Input = String;
//!     type Output = String;
//!     type Undo = NotNeeded;
//!     const NAME: &'static str = "greet";
//!
//!     async fn execute(&self, cx: &JobCx<'_, FakeWorld>, name: String) -> JobResult<String> {
//!         cx.resources().effect(cx.idempotency_key())?;
//!         Ok(format!("hello {name}"))
//!     }
//! }
//!
//! # #[tokio::main(flavor = "current_thread")]
//! # async fn main() {
//! given(FakeWorld::new())
//!     .input("world".to_owned())
//!     .execute(&Greet)
//!     .await
//!     .then_output("hello world".to_owned())
//!     .then(|world| assert_eq!(world.remaining().len(), 1));
//! # }
//! ```

mod case;
mod check;
mod course;
mod explorer;
mod fault;
mod gate;
mod given;
mod injector;
mod lease;
mod log;
mod process;
mod report;
mod scripted;
mod seed;
mod step;
mod then;
mod timeline;
mod world;

pub use case::{Case, Ending, Injection};
pub use explorer::{Explorer, Zombies};
pub use fault::{At, Fault};
pub use given::{Given, cause, given};
pub use report::{FAILURES_KEPT_MAX, Failure, Report};
pub use then::Then;
pub use timeline::timeline;
pub use world::{FakeWorld, WorldRefusal};

#[cfg(test)]
mod tests;

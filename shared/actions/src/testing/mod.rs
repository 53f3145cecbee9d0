//! The test kit for those who write jobs and actions; behind the feature `testing`.
//!
//! - [`given`] runs one job, step, hook or undo on chosen resources, without a journal.
//! - [`FakeWorld`] stands for the other side: it counts effects by idempotency key.
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

mod given;
mod scripted;
mod then;
mod world;

pub use given::{Given, cause, given};
pub use then::Then;
pub use world::{FakeWorld, WorldRefusal};

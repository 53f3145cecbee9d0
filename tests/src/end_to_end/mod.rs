//! The product as its users meet it: processes on a real NATS server, the command lines, and what stands on the disk.
//!
//! What one crate can show is tested there; here stands what only all parts together show, so it is little. All paths have
//! spaces in them, all waits a deadline. The acceptance scenarios of the operators' specification are found here:
//!
//! | scenario | test |
//! | --- | --- |
//! | 1, 3, 18 | [`adopting::the_services_are_there_soon_and_stop_in_order`] |
//! | 2, 4 | [`adopting::a_registry_and_a_root_are_begun_once`] |
//! | 6, 7, 8, 9, 11, 12 | [`adopting::a_directory_is_adopted_and_seen_everywhere`] |
//! | 17 | [`adopting::an_id_that_was_asked_for_stands_in_the_shadow`] |
//! | 21, 22 | [`limits::too_many_files_are_refused_until_there_are_fewer`] |
//! | 23, 24 | [`limits::too_many_bytes_are_refused_until_there_are_fewer`] |
//! | 25, 27 | [`recording::what_cannot_be_read_is_an_error_until_it_is_cleared_by_its_text`] |
//! | 28 | [`recording::a_stat_that_is_waited_for_fails_and_a_later_success_clears_its_error`] |
//! | 32 | [`recording::a_stat_without_a_change_makes_no_commit`] |
//! | 45 | [`crashes::the_worker_may_be_killed_at_any_moment`] |

mod adopting;
mod all_in_one;
pub(crate) mod asking;
mod bad_input;
mod crashes;
mod lanes;
mod limits;
mod recording;
mod stock;
mod waiting;
pub(crate) mod world;

use std::time::Duration;

/// Far above what anything here takes, for a machine that is busy.
pub(crate) const DEADLINE: Duration = Duration::from_secs(60);
/// What the specification calls soon.
const SOON: Duration = Duration::from_secs(5);
/// How long claims and looks last without a sign of life; short, so that crashes are noticed within a test.
const ACK_WAIT_MS: &str = "2000";

pub(crate) const HOST: &str = "files.example.com";
pub(crate) const REGISTRY: &str = "exreg";
pub(crate) const GLOBAL_ROOT: &str = "/example/org data";
const AUTHOR: &str = "--author=A. U. Thor <author@example.com>";

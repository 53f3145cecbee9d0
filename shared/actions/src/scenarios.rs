//! Every scenario of spec section 5, and the tests that show it.

use std::collections::BTreeMap;
use std::path::Path;

use Shown::{By, Missing, Partly};

/// Where a scenario is shown.
enum Shown {
    /// By these tests.
    By(&'static [&'static str]),
    /// In part, and what is left.
    Partly(&'static [&'static str], &'static str),
    /// Nowhere yet, and why.
    Missing(&'static str),
}

/// How many scenarios each group has.
const GROUPS: &[(char, u32)] = &[
    ('A', 14),
    ('B', 14),
    ('C', 13),
    ('D', 14),
    ('E', 22),
    ('F', 12),
    ('G', 16),
    ('V', 9),
    ('S', 5),
    ('M', 9),
    ('Z', 4),
];

#[rustfmt::skip]
const SCENARIOS: &[(&str, Shown)] = &[
    ("A1", By(&["tests::definition::an_action_of_three_jobs_has_three_entries_in_order"])),
    ("A2", By(&["refused::AnActionWithoutJobs"])),
    ("A3", By(&["tests::definition::an_action_that_cannot_be_is_refused"])),
    ("A4", By(&[
        "refused::AJobWithoutExecute",
        "refused::AJobWithoutTypes",
        "refused::AJobWithoutWordOfItsUndo",
    ])),
    ("A5", By(&["refused::AJobThatTakesSomethingElse"])),
    ("A6", By(&["tests::definition::a_job_and_its_renamed_twin_run_in_one_action"])),
    ("A7", By(&[
        "tests::definition::an_extension_adds_hooks_or_replaces_them_and_leaves_its_base_as_it_was",
        "tests::undo::an_extension_brings_another_undo",
    ])),
    ("A8", By(&[
        "tests::definition::an_extension_adds_hooks_or_replaces_them_and_leaves_its_base_as_it_was",
        "tests::definition::an_extension_without_hooks_that_replaces_them_leaves_none",
    ])),
    ("A9", By(&["tests::definition::a_taken_name_is_refused_and_the_first_stays"])),
    ("A10", By(&["tests::definition::application_and_action_are_found_as_two_names_and_never_for_each_other"])),
    ("A11", By(&[
        "tests::definition::application_and_action_are_found_as_two_names_and_never_for_each_other",
        "run::tests::forward::an_application_has_its_own_action_of_the_same_name",
    ])),
    ("A12", By(&["tests::definition::an_action_starts_by_name_only_if_it_is_there_and_takes_the_input"])),
    ("A13", By(&["tests::definition::a_retired_revision_runs_and_does_not_start"])),
    ("A14", By(&["tests::definition::the_manifest_is_the_one_in_the_repository"])),
    ("B1", By(&[
        "tests::forward::each_job_runs_its_pre_hook_execute_and_post_hook_in_this_order",
        "run::tests::forward::each_job_runs_its_hooks_and_what_they_make_is_recorded",
    ])),
    ("B2", By(&["run::tests::forward::what_each_job_was_given_and_what_it_kept_can_be_asked_afterwards"])),
    ("B3", By(&["tests::forward::hooks_feed_each_other_and_then_execute"])),
    ("B4", By(&["tests::forward::a_failing_pre_hook_ends_the_attempt_there"])),
    ("B5", By(&["tests::forward::a_job_on_raw_json_may_return_null_only_for_null"])),
    ("B6", By(&["tests::forward::a_job_on_raw_json_may_return_null_only_for_null"])),
    ("B7", By(&[
        "deployment::tests::forward::a_job_that_passes_its_input_on_stores_none",
        "tests::forward::steps_that_pass_on_hand_the_next_job_what_they_got",
    ])),
    ("B8", By(&["run::tests::forward::what_a_job_passed_on_reaches_the_next_after_a_crash"])),
    ("B9", By(&[
        "deployment::tests::forward::what_is_asked_for_is_requested_once",
        "run::tests::forward::the_same_start_twice_is_one_deployment_and_another_one_is_refused",
    ])),
    ("B10", By(&[
        "deployment::tests::refusals::an_id_that_is_taken_is_refused_to_another_request",
        "run::tests::forward::the_same_start_twice_is_one_deployment_and_another_one_is_refused",
    ])),
    ("B11", By(&["run::tests::forward::a_deployment_whose_handle_is_dropped_ends_all_the_same"])),
    ("B12", By(&["run::tests::forward::a_large_output_lies_outside_the_journal_and_reaches_the_next_job_unchanged"])),
    ("B13", By(&[
        "deployment::tests::forward::no_job_starts_before_its_time_and_the_wait_is_given_back",
        "run::tests::forward::nothing_starts_before_its_time_though_all_workers_are_replaced",
    ])),
    ("B14", By(&["run::tests::forward::a_job_reads_the_output_of_an_earlier_one_also_after_a_restart"])),
    ("C1", By(&[
        "deployment::tests::lost::a_take_over_marks_the_open_attempt_lost_and_starts_the_next",
        "run::tests::crashes::a_job_that_was_under_way_runs_again_and_what_was_done_before_it_does_not",
    ])),
    ("C2", By(&["run::tests::crashes::the_first_job_resumes_with_the_stored_input"])),
    ("C3", By(&[
        "run::tests::crashes::a_crash_at_any_point_of_any_job_leaves_each_effect_once",
        "run::tests::crashes::a_crash_before_the_start_is_recorded_leaves_no_trace",
    ])),
    ("C4", By(&["run::tests::crashes::a_lost_answer_to_the_success_of_a_job_runs_nothing_twice"])),
    ("C5", By(&["run::tests::crashes::a_job_whose_success_is_stored_does_not_run_again"])),
    ("C6", By(&[
        "deployment::tests::forward::the_last_frame_ends_the_deployment",
        "run::tests::crashes::nothing_runs_after_the_success_of_the_last_job_is_stored",
    ])),
    ("C7", By(&["run::tests::crashes::what_a_lost_attempt_kept_is_there_for_the_next_and_for_the_undo"])),
    ("C8", By(&[
        "deployment::tests::lost::a_take_over_between_attempts_loses_nothing",
        "run::tests::crashes::a_wait_for_a_retry_lasts_through_a_crash_and_a_drain",
    ])),
    ("C9", By(&[
        "deployment::tests::lost::attempts_lost_in_a_row_park_as_a_crash_loop",
        "run::tests::crashes::a_job_that_kills_its_worker_each_time_parks_and_the_others_go_on",
    ])),
    ("C10", By(&[
        "deployment::tests::forward::a_worker_without_the_code_starts_nothing_and_ends_nothing",
        "run::tests::versions::without_its_code_a_deployment_waits_untouched_and_a_person_is_told",
    ])),
    ("C11", By(&[
        "deployment::tests::lost::a_stored_value_that_does_not_load_parks_and_never_rolls_back",
        "run::tests::crashes::a_stored_value_that_does_not_decode_parks_and_nothing_is_undone",
    ])),
    ("C12", Partly(&[
        "run::tests::crashes::a_delivery_that_was_lost_on_the_way_comes_again_within_an_ack_wait",
    ], "a delivery that nobody answers comes again; an alarm that the server loses is made up for by nothing yet, as the sweep of design 5.8 has no counterpart for deployments")),
    ("C13", By(&["run::tests::workers::two_hundred_deployments_are_spread_over_three_workers_of_which_one_restarts"])),
    ("D1", By(&["tests::errors::a_handler_that_succeeds_is_the_success_of_the_job"])),
    ("D2", By(&["tests::errors::a_handler_that_passes_the_error_on_makes_it_final_and_records_it_once"])),
    ("D3", By(&["tests::errors::a_handler_that_fails_otherwise_leaves_both_errors_in_the_log"])),
    ("D4", By(&["tests::errors::ignored_errors_pass_on_the_fallback_or_the_input_and_are_recorded"])),
    ("D5", By(&[
        "tests::errors::handlers_of_hooks_and_of_execute_each_answer_for_their_own_part",
        "run::tests::errors::handlers_of_hooks_and_execute_leave_an_entry_each_and_the_last_one_decides",
    ])),
    ("D6", By(&[
        "deployment::tests::retries::some_failures_are_never_tried_again",
        "run::tests::errors::a_panic_is_kept_with_its_text_undone_and_no_matter_for_a_handler",
    ])),
    ("D7", By(&[
        "deployment::tests::retries::a_failure_is_tried_again_after_a_growing_delay",
        "run::tests::retries::a_job_that_fails_twice_is_tried_again_after_growing_delays_and_has_one_effect",
    ])),
    ("D8", By(&[
        "deployment::tests::retries::retries_that_are_used_up_roll_back",
        "run::tests::retries::retries_that_are_used_up_roll_back_for_that_cause",
    ])),
    ("D9", By(&[
        "deployment::tests::retries::retries_that_are_used_up_park_where_the_policy_says_so_and_a_reset_starts_anew",
        "run::tests::retries::retries_that_are_used_up_park_and_a_reset_goes_on",
    ])),
    ("D10", By(&["deployment::tests::retries::some_failures_are_never_tried_again"])),
    ("D11", By(&[
        "deployment::tests::retries::a_delay_that_the_job_asks_for_is_kept_however_long",
        "run::tests::retries::a_job_that_asks_for_an_hour_gets_it_and_holds_no_worker_meanwhile",
    ])),
    ("D12", By(&["run::tests::retries::a_job_that_hangs_is_told_aborted_after_the_grace_and_tried_again"])),
    ("D13", By(&["run::tests::errors::the_error_log_is_asked_for_whole_by_job_and_by_deployment"])),
    ("D14", By(&[
        "deployment::tests::retries::after_twenty_failures_one_start_stands_for_ever_more_attempts_and_all_are_counted",
        "run::tests::retries::a_thousand_failures_are_counted_and_leave_a_short_journal",
    ])),
    ("E1", By(&[
        "deployment::tests::rollback::undo_runs_from_the_failed_job_down",
        "run::tests::rollback::undo_runs_from_the_failed_job_down_and_the_waiter_gets_the_cause",
    ])),
    ("E2", By(&[
        "deployment::tests::rollback::a_job_that_leaves_nothing_behind_is_skipped",
        "run::tests::rollback::a_job_that_leaves_nothing_behind_is_passed_over_on_the_way_back",
    ])),
    ("E3", By(&["run::tests::rollback::an_undo_reads_what_execute_kept_and_keeps_something_itself"])),
    ("E4", By(&[
        "tests::undo::an_undo_gets_input_output_data_and_the_cause",
        "run::tests::rollback::undo_runs_from_the_failed_job_down_and_the_waiter_gets_the_cause",
    ])),
    ("E5", By(&[
        "deployment::tests::rollback::an_undo_that_keeps_failing_parks_before_the_earlier_ones",
        "run::tests::rollback::an_undo_that_keeps_failing_parks_before_the_earlier_ones_and_a_reset_ends_clean",
    ])),
    ("E6", By(&[
        "deployment::tests::rollback::a_parked_undo_that_is_resumed_with_a_reset_ends_clean",
        "run::tests::rollback::an_undo_that_keeps_failing_parks_before_the_earlier_ones_and_a_reset_ends_clean",
    ])),
    ("E7", By(&[
        "deployment::tests::rollback::an_undo_that_an_operator_declares_done_is_no_residue",
        "run::tests::rollback::an_undo_that_a_person_declares_done_is_no_residue_and_the_note_is_kept",
    ])),
    ("E8", By(&[
        "deployment::tests::rollback::an_undo_that_is_passed_over_parks_at_the_end",
        "run::tests::rollback::an_undo_that_keeps_failing_is_passed_over_where_the_action_says_so",
    ])),
    ("E9", By(&[
        "deployment::tests::rollback::an_undo_that_panics_is_tried_again",
        "run::tests::rollback::an_undo_that_panics_is_tried_again_and_nobody_hears_of_success",
    ])),
    ("E10", By(&[
        "deployment::tests::lost::a_take_over_of_an_undo_starts_no_job_again",
        "run::tests::rollback::a_crash_during_an_undo_repeats_that_one_and_no_job",
    ])),
    ("E11", By(&["run::tests::rollback::a_crash_during_an_undo_repeats_that_one_and_no_job"])),
    ("E12", By(&["run::tests::rollback::the_cause_is_the_same_before_and_after_a_restart"])),
    ("E13", By(&[
        "deployment::tests::retries::a_failure_without_effect_leaves_its_job_out_of_the_rollback",
        "run::tests::undo::a_job_that_says_that_it_did_nothing_is_not_undone",
    ])),
    ("E14", By(&[
        "deployment::tests::retries::the_promise_of_no_effect_is_not_believed_after_an_attempt_with_an_unknown_one",
        "run::tests::undo::that_promise_is_not_believed_after_a_lost_attempt",
    ])),
    ("E15", By(&[
        "deployment::tests::rollback::a_deployment_that_never_began_is_rolled_back_without_any_code",
        "run::tests::undo::what_is_cancelled_before_its_first_job_ends_without_any_code",
    ])),
    ("E16", By(&[
        "deployment::tests::rollback::past_the_pivot_nothing_is_undone_until_a_person_decides",
        "run::tests::undo::past_the_pivot_a_person_decides_and_what_cannot_be_undone_is_residue",
    ])),
    ("E17", By(&[
        "deployment::tests::rollback::an_operator_rolls_back_across_a_job_without_way_back_which_is_residue",
        "run::tests::undo::past_the_pivot_a_person_decides_and_what_cannot_be_undone_is_residue",
    ])),
    ("E18", By(&[
        "deployment::tests::rollback::a_value_that_is_missing_for_an_undo_parks_it",
        "run::tests::undo::a_value_that_is_gone_when_it_is_needed_for_an_undo_parks_and_is_not_passed_over",
    ])),
    ("E19", By(&[
        "deployment::tests::rollback::a_job_whose_hooks_failed_before_execute_is_not_undone",
        "run::tests::undo::a_job_whose_hooks_fail_before_execute_is_not_undone",
    ])),
    ("E20", By(&[
        "deployment::tests::rollback::a_job_that_once_got_past_its_hooks_is_undone_with_what_they_made",
        "run::tests::undo::a_job_that_once_got_past_its_hooks_is_undone_with_what_they_made",
    ])),
    ("E21", By(&[
        "tests::undo::an_undo_gets_what_execute_had_and_not_what_hooks_made_of_it",
        "run::tests::undo::an_undo_gets_what_execute_was_given_and_returned_whatever_hooks_made_of_it",
    ])),
    ("E22", By(&[
        "tests::undo::an_undo_after_a_failed_post_hook_gets_a_completed_job",
        "run::tests::undo::an_undo_after_a_failed_post_hook_gets_a_completed_job_also_after_a_crash",
    ])),
    ("F1", By(&[
        "run::tests::fencing::of_two_workers_that_get_one_request_one_claims_it",
        "run::tests::fencing::of_two_claims_on_one_version_one_is_stored",
    ])),
    ("F2", By(&[
        "deployment::tests::forward::a_frame_of_a_void_epoch_is_refused",
        "run::tests::fencing::a_worker_that_wakes_after_another_has_finished_drops_its_result",
    ])),
    ("F3", By(&[
        "deployment::tests::lost::the_undo_of_a_job_that_may_still_run_waits_until_it_cannot",
        "run::tests::fencing::an_undo_waits_until_a_paused_worker_must_have_stopped_and_closes_the_key",
    ])),
    ("F4", By(&[
        "deployment::tests::explore::every_run_of_two_workers_keeps_all_invariants",
        "run::tests::fencing::an_undo_waits_until_a_paused_worker_must_have_stopped_and_closes_the_key",
    ])),
    ("F5", By(&[
        "deployment::tests::explore::an_undo_that_only_deletes_leaks_without_the_quiet_period",
        "testing::tests::found::an_undo_that_only_deletes_leaks_without_a_quiet_period",
        "run::tests::fencing::an_undo_waits_until_a_paused_worker_must_have_stopped_and_closes_the_key",
    ])),
    ("F6", By(&["run::tests::fencing::a_worker_that_cannot_renew_its_lease_stops_before_it_ends"])),
    ("F7", By(&[
        "run::tests::crashes::a_lost_answer_to_the_success_of_a_job_runs_nothing_twice",
        "run::tests::journal::odd_answers_by_chance_run_no_job_twice",
    ])),
    ("F8", By(&[
        "run::tests::crashes::a_lost_answer_to_the_success_of_a_job_runs_nothing_twice",
        "run::tests::journal::odd_answers_by_chance_run_no_job_twice",
    ])),
    ("F9", By(&[
        "run::tests::journal::a_read_that_lags_decides_nothing",
        "run::tests::journal::odd_answers_by_chance_run_no_job_twice",
    ])),
    ("F10", By(&[
        "deployment::tests::explore::every_run_of_two_workers_keeps_all_invariants",
        "run::tests::fencing::a_cancellation_between_decision_and_commit_is_seen",
    ])),
    ("F11", By(&[
        "deployment::tests::commands::a_journal_whose_end_was_lost_is_parked_to_be_looked_at",
        "run::tests::journal::a_journal_that_lost_its_end_is_held_until_a_person_takes_it_as_it_is",
    ])),
    ("F12", By(&[
        "deployment::tests::strict::each_event_follows_where_it_has_a_place_and_nowhere_else",
        "run::tests::journal::an_event_that_cannot_follow_holds_its_deployment_and_no_other",
    ])),
    ("G1", By(&[
        "deployment::tests::commands::a_cancelled_deployment_rolls_back_once_the_running_attempt_has_ended",
        "run::tests::steering::a_cancelled_job_is_told_and_undone_with_all_before_it",
    ])),
    ("G2", By(&[
        "deployment::tests::commands::a_success_in_the_grace_period_is_recorded_and_undone",
        "run::tests::steering::a_success_in_the_grace_period_is_recorded_and_undone",
    ])),
    ("G3", By(&[
        "deployment::tests::commands::cancelling_again_or_during_the_rollback_adds_nothing",
        "run::tests::steering::cancelling_what_is_being_undone_changes_nothing",
    ])),
    ("G4", By(&[
        "deployment::tests::commands::cancelling_what_has_ended_is_refused",
        "run::tests::steering::what_has_ended_and_what_is_past_its_pivot_is_not_cancelled",
    ])),
    ("G5", By(&[
        "deployment::tests::commands::cancelling_what_is_parked_sends_it_back",
        "run::tests::steering::cancelling_what_is_parked_sends_it_back",
    ])),
    ("G6", By(&[
        "deployment::tests::commands::cancelling_past_the_pivot_is_refused",
        "run::tests::steering::what_has_ended_and_what_is_past_its_pivot_is_not_cancelled",
    ])),
    ("G7", By(&[
        "deployment::tests::commands::a_pause_takes_effect_between_attempts_and_a_resume_goes_on_there",
        "run::tests::steering::a_pause_lasts_through_a_restart_of_all_workers_and_goes_on_at_the_same_job",
    ])),
    ("G8", By(&[
        "deployment::tests::commands::a_deadline_that_passes_rolls_back",
        "run::tests::steering::a_deadline_that_passes_during_a_job_stops_it_and_rolls_back",
    ])),
    ("G9", By(&[
        "deployment::tests::commands::a_rollback_has_no_deadline",
        "run::tests::steering::a_rollback_has_no_deadline",
    ])),
    ("G10", By(&[
        "deployment::tests::commands::whatever_is_unfinished_can_be_abandoned_and_leaves_its_residue",
        "run::tests::operators::what_is_abandoned_is_told_to_stop_and_leaves_its_residue",
    ])),
    ("G11", By(&[
        "run::tests::operators::a_fork_begins_with_the_results_of_its_source_and_keys_of_its_own",
        "run::tests::operators::a_parked_deployment_is_forked_and_stays_as_it_is",
    ])),
    ("G12", By(&[
        "deployment::tests::commands::a_forced_success_hands_its_output_to_the_next_job",
        "run::tests::operators::a_forced_output_must_be_of_the_right_type_and_reaches_the_next_job",
    ])),
    ("G13", By(&[
        "deployment::tests::refusals::only_what_stands_is_resumed_forced_or_skipped",
        "run::tests::operators::a_forced_output_must_be_of_the_right_type_and_reaches_the_next_job",
    ])),
    ("G14", By(&["run::tests::operators::a_batch_lists_what_it_would_do_and_then_keeps_its_pace"])),
    ("G15", By(&["run::tests::operators::a_deployment_of_large_values_is_cancelled_and_abandoned_without_loading_them"])),
    ("G16", By(&["run::tests::operators::a_parking_is_told_once_with_its_reason_error_and_cures"])),
    ("V1", By(&["run::tests::versions::an_old_deployment_goes_on_with_its_own_jobs"])),
    ("V2", By(&["run::tests::versions::without_its_code_a_deployment_waits_untouched_and_a_person_is_told"])),
    ("V3", By(&["run::tests::versions::old_and_new_workers_together_each_run_what_they_can"])),
    ("V4", By(&[
        "run::tests::versions::a_stored_value_is_lifted_to_what_the_code_takes",
        "run::tests::versions::what_newer_code_writes_for_an_old_plan_names_its_version",
    ])),
    ("V5", By(&[
        "deployment::tests::rebinding::later_jobs_may_be_others",
        "run::tests::versions::a_plan_with_other_later_jobs_can_take_the_place_of_the_old_one",
    ])),
    ("V6", By(&[
        "deployment::tests::rebinding::what_was_begun_must_be_the_same",
        "run::tests::versions::a_plan_that_differs_in_what_was_begun_is_refused",
    ])),
    ("V7", By(&["run::tests::versions::an_old_deployment_is_undone_as_its_own_revision_undoes"])),
    ("V8", By(&[
        "run::tests::journal::fields_that_this_build_does_not_know_are_passed_over",
        "run::tests::journal::an_event_of_a_newer_build_is_left_to_one_and_parks_nothing",
    ])),
    ("V9", By(&["run::tests::versions::without_its_code_a_deployment_can_be_paused_and_bound_to_a_plan_that_is_known"])),
    ("S1", Missing("the storage functions beside `ensure` are not written")),
    ("S2", Missing("the storage functions beside `ensure` are not written")),
    ("S3", Missing("the storage functions beside `ensure` are not written")),
    ("S4", By(&["run::tests::listing::the_list_shows_what_each_journal_says_and_is_the_same_made_anew"])),
    ("S5", Missing("the storage functions beside `ensure` are not written")),
    ("M1", By(&["deployment::tests::properties::no_sequence_of_events_makes_the_fold_panic"])),
    ("M2", By(&["deployment::tests::properties::what_is_decided_folds_and_a_repeat_adds_nothing"])),
    ("M3", By(&["deployment::tests::explore::every_run_of_two_workers_keeps_all_invariants"])),
    ("M4", By(&["deployment::tests::explore::a_journal_that_lost_its_end_leaks_unless_that_is_noticed"])),
    ("M5", By(&["deployment::tests::explore::an_undo_that_only_deletes_leaks_without_the_quiet_period"])),
    ("M6", By(&["deployment::tests::explore::every_run_of_two_workers_keeps_all_invariants"])),
    ("M7", Missing("deployments are folded without snapshots; paging is shown by the suite of the store")),
    ("M8", By(&[
        "deployment::tests::explore::every_run_of_three_workers_keeps_all_invariants",
        "run::tests::journal::odd_answers_by_chance_run_no_job_twice",
    ])),
    ("M9", Missing("needs real servers")),
    ("Z1", By(&["testing::tests::found::a_job_that_is_not_idempotent_is_reported_with_job_point_and_seed"])),
    ("Z2", By(&["testing::tests::found::an_undo_that_no_fault_reaches_is_reported"])),
    ("Z3", By(&["testing::tests::found::an_undo_that_fails_when_it_runs_twice_is_reported"])),
    ("Z4", By(&["testing::tests::explored::thirty_eight_jobs_are_explored_in_seconds"])),
];

/// Whether the sources of this crate have a test of that path; a struct is a doc test.
fn is_test(path: &str) -> bool {
    let Some((module, name)) = path.rsplit_once("::") else {
        return false;
    };
    let file = module.replace("::", "/");
    let sources = Path::new(env!("CARGO_MANIFEST_DIR")).join("src");
    let candidates = [format!("{file}.rs"), format!("{file}/mod.rs")];
    let text = candidates
        .iter()
        .find_map(|file| std::fs::read_to_string(sources.join(file)).ok());
    let Some(text) = text else {
        return false;
    };
    let lines: Vec<&str> = text.lines().collect();
    let is_marked = |at: usize| {
        let before = &lines[at.saturating_sub(3)..at];
        before.iter().any(|line| line.contains("test"))
    };
    lines.iter().enumerate().any(|(at, line)| {
        let is_function = line.contains(&format!("fn {name}("));
        let is_refused = module == "refused" && line.contains(&format!("{name},"));
        (is_function && is_marked(at)) || is_refused
    })
}

#[test]
fn every_scenario_of_the_spec_is_accounted_for() {
    let mut known: BTreeMap<&str, &Shown> = BTreeMap::new();
    for (id, shown) in SCENARIOS {
        assert!(known.insert(id, shown).is_none(), "{id} stands twice");
    }
    let expected: Vec<String> = GROUPS
        .iter()
        .flat_map(|(group, count)| (1..=*count).map(move |number| format!("{group}{number}")))
        .collect();
    for id in &expected {
        assert!(known.contains_key(id.as_str()), "{id} is not accounted for");
    }
    assert_eq!(known.len(), expected.len(), "no other scenario is named");
}

#[test]
fn every_test_that_is_named_is_there() {
    for (id, shown) in SCENARIOS {
        let (tests, reason) = match shown {
            By(tests) => (*tests, None),
            Partly(tests, reason) => (*tests, Some(reason)),
            Missing(reason) => (&[][..], Some(reason)),
        };
        assert_eq!(tests.is_empty(), matches!(shown, Missing(_)), "{id}");
        assert!(reason.is_none_or(|reason| !reason.is_empty()), "{id}");
        for test in tests {
            assert!(is_test(test), "{id}: there is no test {test}");
        }
    }
    assert!(!is_test("run::tests::forward::inline"));
    assert!(!is_test("run::tests::nowhere::nothing"));
}

//! Which scenarios of the spec (section 5) are shown here, as far as they are about decisions, and by which test.

use std::collections::BTreeSet;

/// A scenario, and a test that shows it.
const COVERED: &[(&str, &str)] = &[
    (
        "B7",
        "deployment::tests::forward::a_job_that_passes_its_input_on_stores_none",
    ),
    (
        "B9",
        "deployment::tests::forward::what_is_asked_for_is_requested_once",
    ),
    (
        "B10",
        "deployment::tests::refusals::an_id_that_is_taken_is_refused_to_another_request",
    ),
    (
        "B13",
        "deployment::tests::forward::no_job_starts_before_its_time_and_the_wait_is_given_back",
    ),
    (
        "C1",
        "deployment::tests::lost::a_take_over_marks_the_open_attempt_lost_and_starts_the_next",
    ),
    (
        "C6",
        "deployment::tests::forward::the_last_frame_ends_the_deployment",
    ),
    (
        "C8",
        "deployment::tests::lost::a_take_over_between_attempts_loses_nothing",
    ),
    (
        "C9",
        "deployment::tests::lost::attempts_lost_in_a_row_park_as_a_crash_loop",
    ),
    (
        "C10",
        "deployment::tests::forward::a_worker_without_the_code_starts_nothing_and_ends_nothing",
    ),
    (
        "C11",
        "deployment::tests::lost::a_stored_value_that_does_not_load_parks_and_never_rolls_back",
    ),
    (
        "D6",
        "deployment::tests::retries::some_failures_are_never_tried_again",
    ),
    (
        "D7",
        "deployment::tests::retries::a_failure_is_tried_again_after_a_growing_delay",
    ),
    (
        "D8",
        "deployment::tests::retries::retries_that_are_used_up_roll_back",
    ),
    (
        "D9",
        "deployment::tests::retries::retries_that_are_used_up_park_where_the_policy_says_so_and_a_reset_starts_anew",
    ),
    (
        "D10",
        "deployment::tests::retries::some_failures_are_never_tried_again",
    ),
    (
        "D11",
        "deployment::tests::retries::a_delay_that_the_job_asks_for_is_kept_however_long",
    ),
    (
        "D14",
        "deployment::tests::retries::after_twenty_failures_one_start_stands_for_ever_more_attempts_and_all_are_counted",
    ),
    (
        "E1",
        "deployment::tests::rollback::undo_runs_from_the_failed_job_down",
    ),
    (
        "E2",
        "deployment::tests::rollback::a_job_that_leaves_nothing_behind_is_skipped",
    ),
    (
        "E5",
        "deployment::tests::rollback::an_undo_that_keeps_failing_parks_before_the_earlier_ones",
    ),
    (
        "E6",
        "deployment::tests::rollback::a_parked_undo_that_is_resumed_with_a_reset_ends_clean",
    ),
    (
        "E7",
        "deployment::tests::rollback::an_undo_that_an_operator_declares_done_is_no_residue",
    ),
    (
        "E8",
        "deployment::tests::rollback::an_undo_that_is_passed_over_parks_at_the_end",
    ),
    (
        "E9",
        "deployment::tests::rollback::an_undo_that_panics_is_tried_again",
    ),
    (
        "E10",
        "deployment::tests::lost::a_take_over_of_an_undo_starts_no_job_again",
    ),
    (
        "E13",
        "deployment::tests::retries::a_failure_without_effect_leaves_its_job_out_of_the_rollback",
    ),
    (
        "E14",
        "deployment::tests::retries::the_promise_of_no_effect_is_not_believed_after_an_attempt_with_an_unknown_one",
    ),
    (
        "E15",
        "deployment::tests::rollback::a_deployment_that_never_began_is_rolled_back_without_any_code",
    ),
    (
        "E16",
        "deployment::tests::rollback::past_the_pivot_nothing_is_undone_until_a_person_decides",
    ),
    (
        "E17",
        "deployment::tests::rollback::an_operator_rolls_back_across_a_job_without_way_back_which_is_residue",
    ),
    (
        "E18",
        "deployment::tests::rollback::a_value_that_is_missing_for_an_undo_parks_it",
    ),
    (
        "E19",
        "deployment::tests::rollback::a_job_whose_hooks_failed_before_execute_is_not_undone",
    ),
    (
        "E20",
        "deployment::tests::rollback::a_job_that_once_got_past_its_hooks_is_undone_with_what_they_made",
    ),
    (
        "E22",
        "deployment::tests::rollback::undo_runs_from_the_failed_job_down",
    ),
    (
        "F2",
        "deployment::tests::forward::a_frame_of_a_void_epoch_is_refused",
    ),
    (
        "F3",
        "deployment::tests::lost::the_undo_of_a_job_that_may_still_run_waits_until_it_cannot",
    ),
    (
        "F4",
        "deployment::tests::explore::every_run_of_two_workers_keeps_all_invariants",
    ),
    (
        "F5",
        "deployment::tests::explore::an_undo_that_only_deletes_leaks_without_the_quiet_period",
    ),
    (
        "F10",
        "deployment::tests::explore::every_run_of_two_workers_keeps_all_invariants",
    ),
    (
        "F11",
        "deployment::tests::commands::a_journal_whose_end_was_lost_is_parked_to_be_looked_at",
    ),
    (
        "F12",
        "deployment::tests::strict::each_event_follows_where_it_has_a_place_and_nowhere_else",
    ),
    (
        "G1",
        "deployment::tests::commands::a_cancelled_deployment_rolls_back_once_the_running_attempt_has_ended",
    ),
    (
        "G2",
        "deployment::tests::commands::a_success_in_the_grace_period_is_recorded_and_undone",
    ),
    (
        "G3",
        "deployment::tests::commands::cancelling_again_or_during_the_rollback_adds_nothing",
    ),
    (
        "G4",
        "deployment::tests::commands::cancelling_what_has_ended_is_refused",
    ),
    (
        "G5",
        "deployment::tests::commands::cancelling_what_is_parked_sends_it_back",
    ),
    (
        "G6",
        "deployment::tests::commands::cancelling_past_the_pivot_is_refused",
    ),
    (
        "G7",
        "deployment::tests::commands::a_pause_takes_effect_between_attempts_and_a_resume_goes_on_there",
    ),
    (
        "G8",
        "deployment::tests::commands::a_deadline_that_passes_rolls_back",
    ),
    (
        "G9",
        "deployment::tests::commands::a_rollback_has_no_deadline",
    ),
    (
        "G10",
        "deployment::tests::commands::whatever_is_unfinished_can_be_abandoned_and_leaves_its_residue",
    ),
    (
        "G12",
        "deployment::tests::commands::a_forced_success_hands_its_output_to_the_next_job",
    ),
    (
        "G13",
        "deployment::tests::refusals::only_what_stands_is_resumed_forced_or_skipped",
    ),
    (
        "V5",
        "deployment::tests::rebinding::later_jobs_may_be_others",
    ),
    (
        "V6",
        "deployment::tests::rebinding::what_was_begun_must_be_the_same",
    ),
    (
        "M1",
        "deployment::tests::properties::no_sequence_of_events_makes_the_fold_panic",
    ),
    (
        "M2",
        "deployment::tests::properties::what_is_decided_folds_and_a_repeat_adds_nothing",
    ),
    (
        "M3",
        "deployment::tests::explore::every_run_of_two_workers_keeps_all_invariants",
    ),
    (
        "M4",
        "deployment::tests::explore::a_journal_that_lost_its_end_leaks_unless_that_is_noticed",
    ),
    (
        "M5",
        "deployment::tests::explore::an_undo_that_only_deletes_leaks_without_the_quiet_period",
    ),
    (
        "M6",
        "deployment::tests::explore::every_run_of_two_workers_keeps_all_invariants",
    ),
    (
        "M8",
        "deployment::tests::explore::every_run_of_three_workers_keeps_all_invariants",
    ),
];

fn text_of(module: &str) -> &'static str {
    match module {
        "commands" => include_str!("commands.rs"),
        "explore" => include_str!("explore/mod.rs"),
        "forward" => include_str!("forward.rs"),
        "lost" => include_str!("lost.rs"),
        "properties" => include_str!("properties.rs"),
        "rebinding" => include_str!("rebinding.rs"),
        "refusals" => include_str!("refusals.rs"),
        "retries" => include_str!("retries.rs"),
        "rollback" => include_str!("rollback.rs"),
        "strict" => include_str!("strict.rs"),
        other => panic!("{other} is no module of these tests"),
    }
}

#[test]
fn every_scenario_names_a_test_and_stands_once() {
    let mut seen = BTreeSet::new();
    for (id, test) in COVERED {
        assert!(seen.insert(id), "{id} stands twice");
        let path = test.strip_prefix("deployment::tests::").unwrap();
        let (module, name) = path.split_once("::").unwrap();
        let is_there = text_of(module).contains(&format!("fn {name}("));
        assert!(is_there, "{id}: there is no {test}");
    }
}

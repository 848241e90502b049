//! The conformance suite of the `Store` port: one named test per case and store, so that no store can leave one out.
//! A case knows only the port; what a store adds that outlives its process (two openings, reopening) is in `durable`.

mod aliases;
mod bench;
mod catalog;
mod claims;
mod datasets;
mod durable;
mod events;
mod feedback;
mod files;
mod jobs;
mod leases;
mod live;
pub(super) mod make;
pub(super) mod outbox;
mod people;
pub(super) mod places;
mod predictions;
pub(super) mod schedules;
mod shares;
mod state;
mod submissions;
mod tasks;
mod trainings;
mod uploads;
mod usage;

/// Expands every case into a test over each kind of store, empty at its start.
macro_rules! every_store {
    ($($area:ident { $($case:ident),+ $(,)? })+) => {
        every_store! { @memory $($area { $($case)+ })+ }
        every_store! { @sqlite $($area { $($case)+ })+ }
        every_store! { @postgres $($area { $($case)+ })+ }
        every_store! { @mysql $($area { $($case)+ })+ }
    };
    (@$place:ident $($area:ident { $($case:ident)+ })+) => {
        mod $place {
            use crate::store::suite;
            $(mod $area { $(
                #[tokio::test]
                async fn $case() {
                    let place = super::suite::places::$place().await;
                    let store = place.open().await;
                    if !super::suite::EMPTY.contains(&stringify!($area)) {
                        super::suite::make::models(&*store).await;
                    }
                    super::suite::$area::$case(&*store).await;
                }
            )+ })+
        }
    };
}

/// Areas whose cases make their own models; elsewhere those of `make` are there.
const EMPTY: [&str; 4] = ["aliases", "catalog", "live", "schedules"];

every_store! {
    catalog {
        a_model_is_made_once,
        models_are_listed_by_name_in_pages,
        a_change_needs_the_newest_revision,
        versions_are_numbered_per_model,
        the_same_version_is_added_once,
        a_failed_or_deleted_version_is_built_again_under_its_number,
        a_version_moves_only_forward,
        building_versions_come_oldest_first,
        the_revision_changes_with_every_change,
        deleting_a_model_takes_what_is_its_own,
        a_model_with_open_jobs_stays,
        a_model_with_much_of_its_own_goes_as_well,
        concurrent_pushes_get_different_numbers,
    }
    aliases {
        aliases_come_back_as_they_were_set,
        an_alias_points_at_a_version_that_is_there,
        what_an_alias_points_at_is_not_deleted,
        of_an_alias_and_a_deletion_at_once_one_is_refused,
    }
    live {
        a_ready_version_of_the_model_goes_live,
        what_is_live_is_not_deleted,
        of_going_live_and_a_deletion_at_once_one_is_refused,
        nothing_is_left_of_a_model_that_is_gone,
        of_a_submission_and_the_end_of_its_model_one_is_refused,
    }
    submissions {
        a_job_comes_back_as_it_was_submitted,
        a_job_submitted_running_is_leased_at_once,
        the_same_key_and_body_is_the_same_job,
        the_same_key_and_another_body_is_refused,
        keys_of_two_scopes_do_not_meet,
        a_key_is_forgotten_after_a_day,
        many_submissions_of_one_key_make_one_job,
        many_submissions_at_once_are_all_kept,
        the_same_id_is_refused,
    }
    jobs {
        lists_are_filtered_and_in_pages,
        lists_are_ordered_by_time_whatever_the_ids,
        dead_jobs_are_listed,
        ended_jobs_that_may_have_left_blobs_are_listed_by_their_end,
        a_waiting_kind_is_seen,
        demand_counts_due_and_running_jobs,
        places_in_the_queue_are_counted,
        running_jobs_are_watched_by_their_beat,
        a_finished_job_is_deleted_with_what_hangs_on_it,
        an_open_job_is_not_deleted,
        unknown_jobs_are_said_to_be_unknown,
        cancelling_ends_what_waits_and_tells_what_runs,
    }
    claims {
        due_jobs_are_claimed_oldest_first,
        a_job_that_waits_for_nothing_is_due_by_every_clock,
        a_job_is_not_claimed_before_its_time,
        only_jobs_of_the_version_are_claimed,
        concurrent_claims_get_each_job_once,
        people_take_turns_however_much_each_has_queued,
        many_are_claimed_from_all_alike,
        urgent_jobs_come_first_among_ones_own,
        a_turn_is_not_lost_while_nothing_is_due,
        places_in_the_queue_count_turns,
    }
    leases {
        a_beat_keeps_phase_and_progress,
        every_end_of_a_run_is_kept,
        a_lost_lease_writes_nothing,
        a_second_end_is_refused,
        many_ends_have_one_answer_each,
        an_expired_run_goes_back_to_the_queue,
        a_beat_saves_a_run_from_its_reaper,
        a_chunk_is_committed_once,
        of_two_ends_at_once_one_counts,
        a_lease_on_a_deleted_job_is_lost,
    }
    outbox {
        news_come_in_the_order_of_what_happened,
        what_waits_for_an_earlier_message_takes_no_place,
        only_what_is_wanted_is_told,
        a_message_whose_sender_died_is_taken_again,
        dead_messages_are_listed_and_sent_again,
        a_page_of_dead_messages_cuts_no_job_in_two,
        the_end_of_a_training_is_told,
        many_senders_take_each_message_once,
        what_a_job_says_is_gathered_and_told,
        what_is_said_while_a_message_is_on_its_way_is_told_next,
        who_is_away_meanwhile_is_told_the_end_all_the_same,
        what_gathers_holds_nothing_up,
        messages_go_with_their_job,
    }
    shares {
        helpers_are_taken_in_where_there_is_use_for_them,
        every_row_is_shared_out_once,
        what_a_gone_helper_had_is_free_again,
        helpers_go_with_the_run,
        a_cancel_reaches_helpers,
    }
    schedules {
        a_schedule_comes_back_is_changed_and_removed,
        a_change_of_a_schedule_needs_the_newest_revision,
        schedules_are_listed_by_model_and_in_pages,
        the_soonest_come_first_and_paused_ones_not_at_all,
        schedules_go_with_their_model,
        of_many_who_hold_a_schedule_one_does,
    }
    events {
        events_are_numbered_from_one_without_gaps,
        events_are_read_after_a_number,
        a_lost_lease_appends_nothing,
        concurrent_writers_share_the_numbers,
        events_of_unknown_jobs_are_refused,
    }
    trainings {
        trainings_have_a_queue_of_their_own,
        the_last_checkpoints_are_kept,
        the_end_of_a_training_makes_its_version,
        a_training_without_a_model_makes_nothing,
    }
    tasks {
        a_task_registers_once,
        beats_count_and_need_the_incarnation,
        the_first_end_stays,
        tasks_that_ended_long_ago_are_forgotten,
        tasks_are_listed_in_pages,
    }
    predictions {
        a_record_comes_back_and_is_overwritten,
        a_group_is_written_together,
        lists_are_filtered_and_in_pages,
        lists_are_ordered_by_time_whatever_the_ids,
        a_deleted_one_is_gone,
        runs_are_counted_once_each,
        parts_are_forgotten_but_of_what_has_feedback,
    }
    people {
        a_credential_is_found_by_its_secret,
        a_doubled_credential_is_refused,
        a_login_link_is_taken_once,
        tokens_are_not_taken,
        credentials_are_listed_by_kind,
        use_and_removal_are_kept,
        expired_credentials_are_swept,
    }
    feedback {
        a_person_has_one_feedback_per_prediction,
        feedback_is_filtered_and_in_pages,
        an_id_of_anothers_feedback_is_refused,
    }
    files {
        a_file_is_added_listed_and_removed,
        a_doubled_file_is_refused,
    }
    uploads {
        parts_come_in_any_order_and_again,
        a_complete_upload_takes_no_more_parts,
        idle_uploads_are_found_and_removed,
    }
    datasets {
        versions_are_numbered_and_found,
        the_newest_bytes_again_are_no_new_version,
        equal_bytes_are_kept_until_the_last_version_goes,
        every_blob_goes_with_its_last_version,
        a_number_is_never_given_twice,
        datasets_and_versions_are_listed_in_pages,
        what_a_job_refers_to_stays_as_long_as_the_job,
        concurrent_uploads_get_different_numbers,
    }
    usage {
        usage_adds_up,
        usage_is_told_apart_and_filtered,
    }
    state {
        values_are_put_got_and_deleted,
        counters_add_up,
        concurrent_additions_are_all_counted,
        what_is_not_a_number_is_not_added_to,
        items_are_sorted_and_below_their_prefix,
        spaces_do_not_meet,
        too_large_keys_and_values_are_refused,
    }
}

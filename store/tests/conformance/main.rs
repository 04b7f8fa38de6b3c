//! The conformance suite: every case runs against every engine. A local `redis-server` (≥ 7.0) is started once, plain
//! and as a Cluster of one node; each test has a key prefix or a directory of its own.
//!
//! What the traits' documentation says is the specification; each sentence has a case. Run one engine with
//! `cargo test -p store --test conformance redis::`.

#![expect(clippy::unwrap_used, clippy::expect_used, reason = "tests")]

mod down;
mod engine;
mod model;
mod support;

mod accounts;
mod attachments;
mod bus;
mod changes;
mod crash;
mod crowd;
mod deletions;
mod edits;
mod ending;
mod history;
mod inbox;
mod invites;
mod log;
mod mails;
mod marks;
mod membership;
mod mentions;
mod notify;
mod notify_settings;
mod ops;
mod people;
mod persistence;
mod presence;
mod push;
mod reactions;
mod repeats;
mod replies;
mod requests;
mod retention;
mod roles;
mod rooms;
mod secrets;
mod sessions;
mod updates;
mod user_log;
mod users;
mod views;
mod walk;

/// One `#[test]` for each case and engine: `embedded::users::…`, `redis::users::…`, `cluster::users::…`.
macro_rules! conformance {
    ($($cases:tt)*) => {
        cases! { embedded Embedded $($cases)* }
        cases! { redis Redis $($cases)* }
        cases! { cluster Cluster $($cases)* }
    };
}

macro_rules! cases {
    ($name:ident $engine:ident $($module:ident { $($case:ident,)* })*) => {
        mod $name {
            $(mod $module {
                $(#[test]
                fn $case() {
                    crate::engine::run(crate::engine::Engine::$engine, crate::$module::$case);
                })*
            })*
        }
    };
}

conformance! {
    users {
        an_account_is_kept_as_it_was_given,
        a_name_and_an_address_are_taken_in_any_case,
        case_is_that_of_ascii_alone,
        a_refused_signup_leaves_nothing_behind,
        of_many_signups_of_one_name_at_once_exactly_one_wins,
        of_many_signups_of_one_address_at_once_exactly_one_wins,
        a_user_of_another_product_is_made_once,
        a_user_of_another_product_whose_name_is_taken_is_not_made,
        a_patch_changes_what_it_names_and_no_more,
        patches_of_two_fields_at_once_both_stay,
        an_avatar_takes_the_place_of_the_one_before,
        a_password_is_changed_by_who_knows_the_old_hash_and_all_other_sessions_end,
        search_goes_by_the_bytes_of_the_folded_name,
    }
    accounts {
        an_administrator_is_one_until_that_is_taken_back,
        a_ban_ends_all_sessions_with_one_step_and_no_other_begins,
        who_is_banned_no_more_logs_in_again,
        a_login_and_a_ban_at_once_leave_no_session,
    }
    people {
        contacts_are_one_way_and_in_order_of_id,
        a_list_of_people_is_bounded,
        who_watches_is_told_that_access_changed_and_only_where_it_did,
        how_others_stand_to_a_viewer_is_told_in_order,
        whom_somebody_wrote_to_is_kept_one_way_and_told_once,
        who_blocks_whom_is_told_of_many_at_once,
        a_block_is_told_to_its_owner_alone,
        nothing_is_said_in_a_direct_room_while_one_blocks_the_other,
        a_room_that_is_made_later_is_blocked_too,
        a_block_and_the_making_of_the_room_at_once_end_blocked,
        blocks_of_both_at_once_end_as_their_lists_say,
    }
    requests {
        a_request_waits_until_it_is_accepted,
        a_request_that_is_taken_back_or_declined_waits_no_more,
        who_has_one_in_their_contacts_need_not_be_asked,
        who_is_blocked_waits_for_ever_and_is_not_seen,
        a_block_ends_what_waits_between_the_two,
        requests_are_bounded,
        two_who_ask_each_other_at_once_are_contacts,
        asking_and_declining_at_once_leave_both_lists_agreeing,
    }
    notify_settings {
        settings_that_change_are_told_to_all_devices_and_others_are_not,
        settings_are_kept_and_replaced_as_a_whole,
        what_users_want_of_a_room_is_read_together,
        a_channel_is_switched_off_and_nothing_else_changes,
    }
    push {
        a_subscription_is_kept_once_as_it_was_given,
        subscriptions_of_a_user_are_bounded,
        an_endpoint_is_one_users,
        the_key_for_pushes_is_made_once,
    }
    sessions {
        a_session_is_kept_until_it_ends,
        sessions_are_listed_by_their_login_while_they_live,
        of_more_sessions_than_are_kept_those_not_used_for_the_longest_end,
        whatever_ends_a_session_publishes_it,
        a_ticket_is_given_once_and_in_time,
        who_arrives_is_shown_their_rooms_and_where_their_own_log_stands_while_the_session_lasts,
        the_valid_refresh_token_rotates,
        a_replayed_refresh_token_ends_the_session,
        within_the_grace_the_refresh_token_before_is_exchanged_again,
        what_never_was_a_refresh_token_of_the_session_ends_nothing,
        of_many_uses_of_one_refresh_token_at_once_the_answer_of_one_is_valid,
        a_login_with_what_is_not_the_password_any_more_begins_no_session,
        an_expired_session_is_gone,
        rotating_moves_the_end_of_a_session,
    }
    deletions {
        a_deleted_account_is_gone_with_the_first_step,
        its_name_and_address_are_free_and_stay_the_next_ones,
        nothing_is_kept_about_a_deleted_user,
        of_many_deletions_of_one_account_at_once_one_begins,
        who_comes_while_their_account_is_deleted_has_no_session_and_is_no_member,
        a_guest_is_idle_who_is_not_connected_and_was_not_seen,
        a_guest_who_is_back_stays_and_so_does_an_account,
    }
    attachments {
        an_upload_is_its_uploader_s_until_it_is_claimed,
        uploads_are_claimed_all_or_none_and_again_by_the_same_claim_alone,
        of_many_claims_of_one_upload_at_once_one_wins,
        what_no_message_has_is_bounded_for_each_user,
        a_message_has_its_attachments_wherever_it_is_read,
        a_repeat_is_of_the_same_attachments,
        a_deleted_message_s_files_are_orphans_and_their_names_are_gone,
        what_retention_removes_leaves_its_files_as_orphans,
        a_deleted_room_leaves_all_its_files_as_orphans,
        the_sweep_knows_what_was_sent_from_what_was_not,
        dropped_uploads_cannot_be_claimed_and_go_with_the_next_sweep,
    }
    secrets {
        a_secret_is_good_until_it_ends_or_is_taken,
        a_reset_ends_all_sessions_and_every_other_reset,
        who_verifies_changes_nothing_but_that,
        of_many_uses_of_one_secret_at_once_one_counts,
        a_secret_is_its_owner_s_its_kind_s_and_its_address_s,
        a_taken_secret_does_not_come_back,
        of_more_secrets_than_are_kept_those_that_end_first_go,
    }
    roles {
        a_role_is_one_change_and_leaves_the_membership_as_it_is,
        a_room_that_is_passed_on_has_one_owner,
        what_was_decided_by_other_roles_is_not_done,
        a_kick_is_one_change_told_to_the_member_who_may_come_back,
        who_is_banned_stays_out_until_the_ban_is_lifted,
        bans_of_a_room_are_bounded,
        an_owner_who_leaves_passes_the_room_on_in_the_same_step,
        an_admin_who_went_or_is_none_any_more_inherits_nothing,
        whoever_leaves_at_once_a_room_has_one_owner,
        a_direct_room_has_no_owner,
    }
    updates {
        a_patch_changes_what_it_names_and_is_one_change,
        a_change_decided_by_another_role_is_not_made,
        a_public_room_is_found_by_its_new_name_alone,
        of_many_changes_at_once_each_counts_and_the_last_is_found,
        messages_are_kept_as_the_room_says_now,
    }
    invites {
        an_invite_lets_in_until_it_is_withdrawn,
        an_invite_is_made_by_who_has_the_role_and_once,
        an_invite_lets_in_only_while_its_maker_may_invite,
        of_many_who_redeem_at_once_as_many_come_in_as_it_is_for,
        one_user_who_redeems_many_times_at_once_uses_it_once,
        an_expired_invite_lets_nobody_in_and_goes,
        who_is_banned_does_not_come_in_by_an_invite,
        invites_of_a_room_are_bounded_and_used_up_ones_make_place,
        a_room_s_salt_is_its_own_and_stays,
    }
    ending {
        a_deleted_room_is_not_there_from_the_first_moment,
        who_is_no_member_deletes_a_room_where_no_role_is_asked_for,
        the_lists_of_many_members_follow_step_by_step,
        whatever_happens_at_the_same_moment_a_deleted_room_is_gone,
        a_page_of_public_rooms_goes_on_after_a_room_that_is_gone,
    }
    rooms {
        a_room_is_kept_as_it_was_given,
        a_handle_is_taken_in_any_case,
        of_many_rooms_of_one_handle_at_once_exactly_one_wins,
        a_direct_room_opened_by_both_at_once_is_one,
        a_room_that_is_there_is_left_as_it_is,
        only_its_members_are_told_of_a_new_room,
        public_rooms_are_listed_by_folded_name_then_id,
        a_name_that_is_another_rooms_name_and_more_does_not_mix_with_it,
    }
    membership {
        a_join_is_one_change_and_told_to_the_joiner,
        a_leave_is_one_change_and_told_to_the_leaver,
        joining_and_leaving_twice_or_nowhere_is_an_error,
        coming_back_is_a_new_membership,
        the_last_one_to_leave_leaves_an_empty_room,
        a_room_never_has_more_members_than_it_may,
        of_many_joins_of_one_user_at_once_one_counts,
        joins_and_leaves_at_once_leave_both_sides_agreeing,
        members_come_in_pages_in_order_of_joining,
        a_user_s_rooms_come_in_order_of_id,
        whoever_watches_is_told_when_a_users_list_of_rooms_changes,
    }
    views {
        unread_is_what_came_after_the_read_mark,
        a_read_mark_only_moves_forward_and_no_further_than_the_head,
        only_a_member_can_mark_a_room_that_is_there,
        sending_reads_the_room,
        marks_at_once_end_at_the_highest,
        a_deleted_message_is_not_unread,
        who_joins_later_has_nothing_unread,
        a_room_left_is_not_seen_and_starts_anew_on_return,
        the_last_message_is_the_newest_in_its_current_state,
        the_last_message_is_shown_to_those_who_may_see_it,
        many_rooms_are_seen_at_once_in_the_order_asked,
    }
    log {
        a_message_is_kept_as_it_was_sent,
        a_message_that_is_not_there_is_none,
        only_a_member_can_send_to_a_room_that_is_there,
        a_repeated_key_gives_the_first_result,
        a_key_belongs_to_its_author_and_room,
        a_key_with_another_message_is_a_conflict,
        a_repeat_is_answered_before_every_other_check,
        of_many_appends_with_one_key_at_once_one_is_a_message,
        appends_at_once_are_numbered_without_gap_or_double,
        a_deletion_is_one_change_and_leaves_no_content,
        what_another_wrote_is_deleted_by_who_has_the_role,
        deleting_twice_or_nothing_is_no_change,
    }
    edits {
        an_edit_is_one_change_and_leaves_nothing_of_the_old_text,
        the_same_content_again_is_no_change,
        an_edit_is_refused_to_strangers_and_of_what_is_not_there,
        of_many_edits_at_once_the_last_change_is_the_text,
    }
    reactions {
        a_reaction_is_one_change_told_with_its_count,
        giving_twice_is_once_and_no_change,
        taking_back_the_last_one_removes_the_emoji,
        more_than_twenty_emojis_are_refused,
        only_a_member_can_react_to_a_message_that_is_there,
        a_deletion_takes_the_reactions_with_it,
        the_first_are_listed_and_all_are_counted,
        what_a_user_gave_is_told_in_order,
    }
    replies {
        a_reply_raises_the_count_and_its_deletion_lowers_it,
        replies_come_oldest_first_in_pages,
        a_reply_to_what_is_not_there_is_only_kept,
        replies_at_once_are_all_counted,
    }
    mentions {
        a_mention_counts_until_it_is_read,
        own_messages_are_neither_unread_nor_mentions,
        everybody_and_a_name_in_one_message_count_once,
        a_deleted_mention_does_not_count,
        an_edit_that_adds_a_name_counts_only_while_unread,
        a_mention_of_a_non_member_is_not_kept,
        who_comes_back_is_not_mentioned_by_what_was_said_before,
    }
    marks {
        what_is_read_is_delivered_but_not_the_other_way_round,
        marks_that_move_reach_the_followers_and_no_log,
        marks_at_once_of_two_kinds_end_right,
        typing_reaches_the_followers_and_no_log,
    }
    repeats {
        asking_for_an_append_writes_nothing,
        a_repeat_gives_the_first_result_whatever_came_after,
    }
    retention {
        all_but_the_newest_go,
        what_is_too_old_goes,
        one_call_removes_about_so_many_and_no_more,
        counts_and_pages_go_on_across_the_floor,
        a_message_that_is_gone_is_not_there,
        who_resumes_across_the_floor_gets_every_change,
    }
    user_log {
        every_kind_of_entry_is_told_in_order,
        what_changes_nothing_is_no_entry,
        pages_are_dense_and_a_position_not_in_the_log_is_a_reset,
        entries_at_once_are_numbered_without_gap_or_double,
        a_long_user_log_is_trimmed,
        a_notification_is_told_as_it_is_now_or_as_nothing,
    }
    history {
        the_newest_come_first,
        before_is_exclusive_and_goes_back,
        after_is_exclusive_and_goes_forward,
        around_has_half_on_either_side,
        the_message_asked_for_is_in_the_page_around_it_however_large_its_neighbours_are,
        nothing_older_than_is_visible_is_shown,
        an_empty_room_has_an_empty_page,
        a_page_ends_before_it_is_too_large,
        deleted_messages_keep_their_place,
    }
    changes {
        every_kind_of_change_is_told_in_order,
        pages_are_dense_and_say_whether_there_is_more,
        a_position_that_is_not_in_the_log_is_a_reset,
        a_page_of_changes_ends_before_it_is_too_large,
        a_long_log_is_trimmed_and_a_full_inbox_says_so,
    }
    bus {
        a_room_s_events_are_its_change_log,
        only_what_is_followed_arrives,
        unfollowing_stops_the_events,
        every_follower_gets_every_event,
        what_is_published_after_following_arrives,
        many_topics_are_followed_at_once,
        events_cross_from_one_process_to_another,
        events_of_appends_at_once_come_in_order,
        what_an_event_tells_can_be_read,
        an_inbox_ends_when_the_store_closes,
    }
    presence {
        a_user_never_seen_has_the_default,
        devices_come_change_and_go,
        the_last_connection_s_end_is_seen_and_due_after_the_grace,
        the_end_of_a_connection_in_focus_is_due_as_the_last_one_s,
        a_user_is_due_at_the_earliest_of_what_was_noted,
        each_due_user_is_given_to_one_caller,
        who_looks_offline_is_not_seen_to_come_and_go,
        what_a_user_chose_stays,
        the_first_connection_of_who_chose_nothing_is_published_with_it,
        a_change_is_published_once_and_only_a_change,
        a_state_that_changed_meanwhile_is_not_published,
        of_many_publishers_of_one_state_exactly_one_sends,
        a_dead_process_s_connections_are_removed,
        a_beat_tells_whether_the_lease_was_lost,
        who_is_told_of_last_seen_is_kept_and_watchers_look_again,
        many_reapers_at_once_do_it_once,
    }
    notify {
        a_room_is_due_some_time_after_its_first_new_message,
        a_finished_room_leaves_the_queue_until_there_is_more,
        each_due_room_is_given_to_one_taker,
        a_lease_of_zero_hides_a_room_from_nobody,
        a_repeated_message_makes_no_room_due,
        the_last_outcome_is_kept_for_each_member,
        a_briefing_is_what_the_single_reads_give,
        a_room_is_concluded_with_its_outcomes,
        an_outcome_goes_with_its_member,
        a_job_is_claimed_as_it_was_enqueued,
        jobs_are_enqueued_once,
        a_job_to_retry_is_due_again_then_and_not_before,
        a_dead_consumer_s_job_goes_to_another,
        each_job_is_claimed_by_one_consumer,
        states_are_told_in_order_of_user,
    }
    mails {
        what_comes_while_a_mail_waits_goes_with_it_and_what_comes_later_with_the_next,
        each_user_and_room_has_a_mail_of_its_own,
        a_mail_that_ended_unsealed_holds_nothing_up,
        who_gathers_at_once_begins_one_mail,
    }
    inbox {
        reading_is_told_to_all_devices_once,
        an_item_is_kept_and_published_as_it_was_given,
        the_newest_come_first_in_pages,
        a_later_item_takes_the_place_of_an_unread_one_of_its_key,
        reading_is_told_once,
        the_oldest_go_when_there_are_too_many,
    }
    ops {
        instances_come_least_loaded_first,
        an_instance_that_is_not_put_again_ends,
        an_instance_is_asked_to_stop_unless_it_is_the_last_of_its_service,
        of_two_who_are_asked_to_stop_at_once_one_stays,
        a_bucket_gives_what_it_has,
        a_bucket_fills_up_to_its_burst,
        what_is_given_back_is_there_again_and_never_over_the_burst,
        takers_at_once_share_a_bucket,
        a_public_key_is_found_until_it_ends,
        an_api_key_is_kept_until_it_is_revoked,
        a_backup_is_complete_when_it_is_said_to_be,
        health_warns_of_a_configuration_that_loses_data,
        sweeping_a_quiet_store_does_nothing,
        sweeping_disturbs_nothing_that_is_going_on,
    }
    crash {
        a_signup_cut_off_leaves_an_account_or_nothing,
        a_join_or_leave_cut_off_is_done_or_not_from_both_sides,
        a_room_s_making_cut_off_leaves_a_room_or_nothing,
        an_append_cut_off_and_repeated_is_one_message,
    }
    down {
        every_operation_of_a_store_that_is_down_is_unavailable,
    }
    crowd {
        whatever_many_do_at_once_the_log_is_whole,
        reactions_of_many_to_one_message_count_right,
        edits_and_deletions_at_once_leave_a_dense_log,
    }
    walk {
        every_answer_is_the_model_s,
    }
}

// Only an embedded store can be closed and opened again by a test: a Redis outlives its clients.
cases! {
    embedded_only Embedded
    persistence {
        a_closed_store_is_the_same_when_opened_again,
        a_store_dropped_without_closing_is_the_same,
        the_files_of_a_running_store_hold_what_was_acknowledged,
        a_store_is_open_once,
    }
}

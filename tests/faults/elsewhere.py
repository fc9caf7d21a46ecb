"""Rows of the lists of faults and attacks that other tests hold: which, and where."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Elsewhere:
    """One row: its id in the list, what must hold, and the tests that require it, by file."""

    id: str
    what: str
    tests: Mapping[str, tuple[str, ...]]


HTTP = "tests/unit/sdk_helpers/test_http_helper.py"
PAGING = "tests/unit/sdk_helpers/test_paging_helper.py"
FILES = "tests/unit/sdk_helpers/test_files_helper.py"
POSTGRES = "tests/contract/test_postgres_faults.py"
CONTRACT = "tests/contract/test_postgres_contract.py"
UPLOAD = "tests/unit/test_file_upload.py"
PRINTED = "tests/cli/test_secrets_and_control_characters.py"
CONFIGURATION = "tests/cli/test_configuration.py"
PACKAGE = "tests/cli/test_package.py"
INIT = "tests/cli/test_init.py"
RESET = "tests/cli/test_reset.py"
SHOW = "tests/cli/test_show.py"
OPTIONS = "tests/cli/test_debug_options.py"
ENDINGS = "tests/cli/test_debug_endings.py"
LOG = "tests/unit/test_log.py"
KILLS = "tests/sync/test_kill_at_random.py"
MODEL = "tests/sync/test_reference_model.py"
EXAMPLES = "tests/examples/test_examples.py"
TLS = "tests/contract/test_postgres_tls.py"
CURSORS = "tests/unit/sdk_helpers/test_cursors_helper.py"
EVERY_DESTINATION = "headwater/testing/contract.py"
RESYNC = "tests/sync/test_full_resync.py"
OLD = "tests/sync/test_project_of_format_1.py"
SINGER = "tests/singer/test_singer_target.py"
TARGET = "tests/singer/test_target_headwater.py"
STATE = "tests/unit/test_state.py"
AUTH = "tests/unit/sdk_helpers/test_auth_helper.py"

ELSEWHERE = (
    Elsewhere(
        "F1",
        "a long segment in a copy of the file: kill -9 at random",
        {KILLS: ("test_rows_and_state_are_of_one_checkpoint_after_every_kill",)},
    ),
    Elsewhere(
        "F1",
        "a Singer target, killed at random: DuckDB, Postgres",
        {TARGET: ("test_after_any_kill_a_tap_that_resumes_from_the_last_state_loses_and_doubles_nothing",)},
    ),
    Elsewhere(
        "F12",
        "a state with what JSON has not",
        {STATE: ("test_what_json_has_not_is_refused", "test_a_state_with_nan_equals_its_copy")},
    ),
    Elsewhere(
        "F17",
        "a commit whose answer is lost is looked up",
        {POSTGRES: ("test_a_commit_whose_answer_is_lost_is_looked_up",)},
    ),
    Elsewhere(
        "F18", "the server's disk is full", {POSTGRES: ("test_a_full_disk_is_told_and_what_was_committed_stays",)}
    ),
    Elsewhere(
        "F18",
        "a lock is held too long, and a transaction waits too long for rows",
        {
            POSTGRES: (
                "test_a_locked_table_is_waited_for_only_so_long",
                "test_a_transaction_that_waited_too_long_for_rows_says_what_to_do",
            )
        },
    ),
    Elsewhere(
        "F26",
        "names that differ in case or at their end, many columns, wider keys",
        {
            EVERY_DESTINATION: (
                "test_names_that_differ_in_case_are_two_unless_the_destination_folds_case",
                "test_long_names_are_kept_apart_or_refused",
                "test_a_table_may_have_many_columns",
                "test_a_widened_key_still_names_its_rows",
            )
        },
    ),
    Elsewhere(
        "F26",
        "another primary key than the table was loaded with",
        {
            RESYNC: ("test_a_changed_primary_key_is_refused_and_a_full_resync_takes_it",),
            SINGER: ("test_a_table_that_was_loaded_otherwise_is_refused_with_a_way_out_that_works",),
        },
    ),
    Elsewhere(
        "F29",
        "values at the edges of every type, NUL in text",
        {EVERY_DESTINATION: ("test_every_value_comes_back_as_it_was_written", "test_text_may_hold_nul")},
    ),
    Elsewhere(
        "F33",
        "a project that was left before formats had numbers",
        {OLD: ("test_rows_and_state_of_an_old_project_are_kept_and_gone_on_with",)},
    ),
    Elsewhere(
        "F27", "any order of operations equals a model of dicts", {MODEL: ("test_duckdb_ends_where_the_model_ends",)}
    ),
    Elsewhere(
        "F28",
        "every example, killed after each checkpoint",
        {EXAMPLES: ("test_example_killed_after_any_checkpoint_goes_on_to_the_same_tables",)},
    ),
    Elsewhere(
        "F22",
        "a source answers 429, 5xx, a torn body, or redirects in a circle",
        {
            HTTP: (
                "test_redirects_in_a_circle_end",
                "test_retry_after_in_both_forms",
                "test_a_body_that_is_not_one_whole_json_value_is_an_error_after_the_retries",
                "test_a_connection_that_breaks_before_the_answer_is_tried_again",
            ),
            PAGING: ("test_a_torn_page_is_read_again_and_never_taken_for_an_empty_one",),
        },
    ),
    Elsewhere(
        "F23",
        "a page that comes twice, a next page elsewhere",
        {
            PAGING: (
                "test_a_next_url_on_another_host_is_refused",
                "test_the_same_page_for_ever_is_noticed_at_the_second",
                "test_a_cursor_that_repeats_is_an_error",
                "test_empty_pages_without_end_are_an_error",
                "test_an_offset_over_rows_that_move_is_exact_or_an_error_when_pages_overlap",
            )
        },
    ),
    Elsewhere(
        "F25",
        "rows that share a time over a page boundary, rows that come late, the night of the clock change",
        {
            PAGING: ("test_rows_that_share_a_time_over_a_page_boundary_come_once_each",),
            CURSORS: (
                "test_a_sync_asks_from_the_mark_less_the_lookback",
                "test_rows_inside_the_lookback_do_not_move_the_mark_back",
                "test_the_night_of_the_clock_change_has_its_25_hours",
            ),
        },
    ),
    Elsewhere(
        "F35", "nobody reads what is printed", {OPTIONS: ("test_a_reader_that_goes_away_does_not_stop_the_sync",)}
    ),
    Elsewhere(
        "A3",
        "no request, and no credential, goes to another host",
        {
            HTTP: (
                "test_a_redirect_to_another_host_is_refused",
                "test_a_redirect_to_what_is_no_http_url_is_refused",
                "test_a_host_that_is_allowed_gets_no_credentials",
                "test_a_key_in_the_query_does_not_follow_to_another_host",
                "test_an_absolute_url_on_another_host_is_refused",
            )
        },
    ),
    Elsewhere(
        "A1",
        "any text is the name of a schema, a table, a key and a column",
        {EVERY_DESTINATION: ("test_any_text_is_a_name",)},
    ),
    Elsewhere(
        "A5",
        "no name of a file or table leads out of its folder",
        {
            UPLOAD: (
                "test_a110_no_path_leads_out_of_the_folder",
                "test_no_name_of_a_table_leads_out_of_the_folder_either",
                "test_a_link_in_the_folder_leads_nowhere",
            ),
            INIT: ("test_init_writes_through_no_link_out_of_the_folder",),
            RESET: ("test_reset_follows_no_link_out_of_the_project",),
        },
    ),
    Elsewhere(
        "A6",
        "nothing that is printed steers a terminal",
        {
            PRINTED: (
                "test_no_secret_and_no_control_character_comes_out",
                "test_show_spells_out_what_would_steer_a_terminal",
            )
        },
    ),
    Elsewhere(
        "B1",
        "an archive is read within limits; links in it are refused",
        {
            FILES: (
                "test_a_bomb_is_stopped_at_the_limit",
                "test_the_limit_counts_all_members_of_a_zip_together",
                "test_a_name_that_leads_out_is_refused_before_anything_is_written",
                "test_a_link_in_a_zip_is_refused",
            )
        },
    ),
    Elsewhere(
        "B2",
        "what goes into a package, and what never does",
        {
            PACKAGE: (
                "test_what_is_in_a_package_and_what_is_not",
                "test_links_are_refused_and_nothing_is_written",
            )
        },
    ),
    Elsewhere(
        "B9",
        "SQL of `headwater show` reads this file and nothing else",
        {SHOW: ("test_a_query_reads_this_file_and_nothing_else",)},
    ),
    Elsewhere(
        "D1",
        "a crash report is its owner's",
        {ENDINGS: ("test_a_crash_report_holds_everything_and_only_the_owner_reads_it",)},
    ),
    Elsewhere(
        "D2",
        "a password comes from the environment, never from a command line",
        {POSTGRES: ("test_a_password_comes_from_the_environment",)},
    ),
    Elsewhere(
        "D2",
        "a crash leaves no core dump",
        {ENDINGS: ("test_a_crash_leaves_no_image_of_the_process_with_its_secrets",)},
    ),
    Elsewhere(
        "F7",
        "a connector that hangs is ended; its last checkpoint stays",
        {ENDINGS: ("test_a_connector_that_hangs_is_ended_and_its_last_checkpoint_stays",)},
    ),
    Elsewhere(
        "S1",
        "a URL without its secrets is all that is printed",
        {CONTRACT: ("test_a_url_that_cannot_be_used_is_refused_without_its_password",)},
    ),
    Elsewhere(
        "S1",
        "a secret comes out nowhere, in no spelling, whatever fails",
        {
            CONFIGURATION: ("test_no_command_shows_the_secret_whatever_fails",),
            LOG: ("test_a_secret_is_taken_out_in_every_spelling",),
            POSTGRES: ("test_a_server_that_lets_nobody_in_says_why_but_not_the_password",),
        },
    ),
    Elsewhere(
        "S2",
        "passwords are encrypted where they lie; what was changed is refused",
        {
            CONFIGURATION: (
                "test_what_is_entered_is_what_the_connector_gets_and_the_password_is_encrypted",
                "test_a_value_that_cannot_be_decrypted_stops_the_sync",
            )
        },
    ),
    Elsewhere(
        "S3",
        "no configuration goes into a package or into git",
        {
            PACKAGE: ("test_what_is_in_a_package_and_what_is_not",),
            INIT: ("test_a_new_project_runs_here_and_under_the_official_package",),
        },
    ),
    Elsewhere(
        "F15",
        "a frozen sync is ended when its lease has run out",
        {POSTGRES: ("test_a_frozen_sync_is_ended_when_its_lease_has_run_out_and_fenced_when_it_thaws",)},
    ),
    Elsewhere(
        "F19",
        "a restored backup is noticed",
        {POSTGRES: ("test_a_restored_backup_is_noticed_and_gone_on_from_when_that_is_accepted",)},
    ),
    Elsewhere(
        "F24",
        "a rotated token is saved before it is used",
        {
            AUTH: (
                "test_the_new_token_is_saved_before_it_is_used",
                "test_a_crash_between_refresh_and_save_ends_in_the_clear_error",
                "test_a_dead_refresh_token_asks_a_person_to_authorise_again",
            )
        },
    ),
    Elsewhere(
        "E1",
        "a server without TLS, or with a certificate that is not its own, is refused",
        {
            TLS: (
                "test_a_server_without_tls_is_refused_until_someone_says_that_it_may",
                "test_a_server_in_the_network_has_to_prove_its_name",
                "test_a_certificate_that_has_expired_is_refused",
            )
        },
    ),
)

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
AUTH = "tests/unit/sdk_helpers/test_auth_helper.py"

ELSEWHERE = (
    Elsewhere(
        "F1",
        "a long segment in a copy of the file: kill -9 at random",
        {KILLS: ("test_rows_and_state_are_of_one_checkpoint_after_every_kill",)},
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
            )
        },
    ),
    Elsewhere(
        "F25",
        "rows that share a time over a page boundary",
        {PAGING: ("test_rows_that_share_a_time_over_a_page_boundary_come_once_each",)},
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
            )
        },
    ),
    Elsewhere(
        "E1",
        "a server without TLS, or with a certificate that is not its own, is refused",
        {
            TLS: (
                "test_a_server_without_tls_is_refused_until_someone_says_that_it_may",
                "test_a_certificate_that_has_expired_is_refused",
            )
        },
    ),
)

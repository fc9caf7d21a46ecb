"""`headwater debug` with a configuration and a state that come through pipes (rule A-124)."""

from __future__ import annotations

import os
import subprocess
import sys
import threading

from tests.cli.cli_project import CliProject, ended

UPDATE = """
op.upsert("orders", {"id": state.get("cursor", 0) + int(configuration["step"])})
op.checkpoint({"cursor": 7})
"""


def test_a124_process_substitution_of_the_shell_gives_configuration_and_state(project: CliProject) -> None:
    project.connector(UPDATE)
    command = "{} -m headwater debug --configuration <(echo '{}') --state <(sleep 0.2; echo '{}')"

    process = subprocess.run(
        ["bash", "-c", command.format(sys.executable, '{"step": "5"}', '{"cursor": 100}')],
        cwd=project.path, env=project.environment, capture_output=True, text=True, timeout=60, check=False,
    )  # fmt: skip

    assert (process.returncode, project.ids(), project.state) == (0, [105], {"cursor": 7})


def test_a124_a_named_pipe_in_the_place_of_configuration_json_is_read_when_its_writer_comes(
    project: CliProject,
) -> None:
    project.connector(UPDATE)
    path = project.path / "configuration.json"
    path.unlink()
    os.mkfifo(path)

    process = project.start("debug")
    try:
        writer = threading.Thread(target=path.write_text, args=('{"step": "5"}',), daemon=True)
        writer.start()  # it waits for the command to open the pipe
        outcome = ended(process, project)
    finally:
        process.kill()
        process.wait()

    assert (outcome.code, project.ids()) == (0, [5])


def test_a124_a_pipe_that_ends_without_a_word_is_no_json(project: CliProject) -> None:
    project.connector(UPDATE)

    process = subprocess.run(
        ["bash", "-c", f"{sys.executable} -m headwater debug --configuration <(true)"],
        cwd=project.path, env=project.environment, capture_output=True, text=True, timeout=60, check=False,
    )  # fmt: skip

    assert process.returncode == 1
    assert "is not JSON: Expecting value" in process.stdout + process.stderr

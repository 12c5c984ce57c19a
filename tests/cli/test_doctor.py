"""`tutormax doctor`, `roles` and `log` as commands: exit codes, marks, formats."""

import json
import subprocess
from collections.abc import Callable
from pathlib import Path

from tests.conftest import Finished
from tests.support.stderr import after_database_line
from tests.support.writers import kill_a_writer, writer


def test_a_mark_is_kept_and_guarded_and_written_down(tutormax: Callable[..., Finished]) -> None:
    marked = tutormax("doctor", "--mark", "production", "--format", "json")
    assert marked.exit_code == 0
    assert json.loads(marked.stdout)["environment"] == "production"
    refused = tutormax("doctor", "--mark", "development")
    assert refused.exit_code == 2 and "is marked production; nothing was changed" in refused.stderr
    name = refused.stderr.split("--confirm ")[1].split()[0]
    assert tutormax("doctor", "--mark", "staging", "--confirm", name).exit_code == 0
    log = json.loads(tutormax("log", "--limit", "2", "--format", "json").stdout)
    commands = [entry["command"] for entry in log["entries"]]
    assert commands == ["tutormax doctor --mark staging --confirm …", "tutormax doctor --mark production --format json"]


def test_check_exits_5_on_what_failed_and_names_what_mends_it(
    tutormax: Callable[..., Finished], tmp_path: Path
) -> None:
    assert tutormax("doctor", "--check").exit_code == 0
    env = tmp_path / ".env"
    env.write_text("DB_ECHO=false\n")
    env.chmod(0o644)
    seen = tutormax("doctor")
    assert seen.exit_code == 0
    assert f"chmod 600 {env}" in seen.stdout
    checked = tutormax("doctor", "--check", "--format", "csv")
    assert checked.exit_code == 5
    assert after_database_line(checked.stderr).startswith("error: 1 check(s) failed\n")
    assert "settings file,failed," in checked.stdout


def test_an_unreachable_server_is_shown_and_exits_3(tutormax: Callable[..., Finished]) -> None:
    url = "postgresql://nobody:s3cret-w0rd@127.0.0.1:1/none"
    done = tutormax("doctor", "--check", "--format", "json", DATABASE_URL=url)
    assert done.exit_code == 3
    states = [check["state"] for check in json.loads(done.stdout)["checks"]]
    assert (states[0], states[1], states[-1]) == ("failed", "not checked", "ok")
    assert "s3cret-w0rd" not in done.stdout + done.stderr


def test_roles_print_sql_and_need_a_schema(tutormax: Callable[..., Finished], tmp_path: Path) -> None:
    assert tutormax("roles", "-o", "roles.sql").exit_code == 0
    printed = (tmp_path / "roles.sql").read_text()
    assert printed.startswith("BEGIN;") and printed.endswith("COMMIT;\n")
    assert tutormax("migrate", "down", "base", "--yes").exit_code == 0
    assert tutormax("roles").exit_code == 1
    # The log outlives the schema.
    assert "tutormax migrate down base --yes" in tutormax("log").stdout


def test_unfinished_files_of_killed_commands_are_named_with_a_command_that_removes_them(
    database_url: str, tutormax: Callable[..., Finished], tmp_path: Path
) -> None:
    backups = tmp_path / "home" / "backups"
    backups.mkdir(parents=True)
    for target, what in ((tmp_path / "it's a.csv", "file"), (backups / "b.dump", "file"), (tmp_path / "out", "folder")):
        kill_a_writer(target, what)
    kill_a_writer(tmp_path / "home" / "promote", "temporary")

    def unfinished() -> list[dict[str, str]]:
        told = json.loads(tutormax("doctor", "--format", "json").stdout)
        return [each for each in told["checks"] if each["check"] == "unfinished files"]

    with writer(tmp_path / "used.csv", "file"):
        (found,) = unfinished()
        assert found["state"] == "warning" and "left by a killed command" in found["says"]
        assert subprocess.run(["sh", "-c", found["mend"]], cwd="/").returncode == 0
        assert {path.name for path in tmp_path.rglob(".*")} == {".used.csv.tutormax-tmp"}
        assert unfinished() == []

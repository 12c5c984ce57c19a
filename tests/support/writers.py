"""Processes that are in the middle of writing a file or a folder when they are killed."""

import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

WRITER = """
import os, sys, time
from pathlib import Path
from tutormax_cli.files.whole import temporary_file, whole_file, whole_folder
target, what = Path(sys.argv[1]), sys.argv[2]
def pause():
    print("writing", flush=True)
    time.sleep(60)
if what == "file":
    with whole_file(target, private=True) as unfinished:
        unfinished.path.write_text("half")
        pause()
elif what == "child":
    with whole_file(target, private=True) as unfinished:
        os.set_inheritable(unfinished.lock, True)
        if os.fork() == 0:
            os.execvp("sleep", ["sleep", "60"])
        pause()
elif what == "new":
    os.link = lambda *paths, link=os.link: (link(*paths), pause())
    with whole_file(target, private=True, replace=False) as unfinished:
        unfinished.path.write_text("complete")
elif what == "temporary":
    with temporary_file(target, hint="") as unfinished:
        unfinished.path.write_text("half")
        pause()
else:
    with whole_folder(target) as folder:
        (folder / "a.csv").write_text("half")
        pause()
"""


@contextmanager
def writer(target: Path, what: str) -> Iterator[subprocess.Popen[str]]:
    """Run a process that is in the middle of writing; it is killed at the end."""
    with subprocess.Popen(
        [sys.executable, "-c", WRITER, str(target), what], stdout=subprocess.PIPE, text=True, start_new_session=True
    ) as process:
        assert process.stdout is not None and process.stdout.readline() == "writing\n"
        try:
            yield process
        finally:
            os.killpg(process.pid, signal.SIGKILL)


def kill_a_writer(target: Path, what: str) -> None:
    """Leave behind what a writer leaves that is killed in the middle of its work."""
    with writer(target, what):
        pass

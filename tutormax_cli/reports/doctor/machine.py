"""Checks of this machine: who can read the settings and the embedded server's data, and whether there is room."""

import os
import shlex
import shutil
import stat
from pathlib import Path

from tutormax_cli.database.embedded.throwaway import leftovers, removal_command
from tutormax_cli.files import whole
from tutormax_cli.reports.doctor.findings import NOTHING, Finding, failed, listed, ok, warning
from tutormax_cli.settings import Settings

LITTLE_ROOM = 2 * 10**9
TOO_LITTLE_ROOM = 2 * 10**8
"""Bytes free on the embedded server's disk under which it is time to act, and under which it may stop any moment."""


def settings_file(path: Path) -> Finding:
    """Check who can read the `.env` file, which may contain the password."""
    if not path.exists():
        return ok("no .env here")
    mode = stat.S_IMODE(path.stat().st_mode)
    mend = f"chmod 600 {shlex.quote(str(path))}"
    if os.name == "posix" and mode & stat.S_IROTH:
        return failed(f"{path.name} can be read by every account of this machine (mode {mode:o})", mend)
    if os.name == "posix" and mode & stat.S_IRGRP:
        return warning(f"{path.name} can be read by its group (mode {mode:o})", mend)
    return ok(f"{path.name} is its owner's alone (mode {mode:o})")


def embedded_folders(settings: Settings) -> Finding:
    """Look who can enter the folders of the embedded server and of the backups."""
    folders = [settings.home / name for name in ("data", "run", "backups")]
    open_ones = [path for path in folders if path.is_dir() and stat.S_IMODE(path.stat().st_mode) & 0o077]
    if open_ones:
        paths = " ".join(shlex.quote(str(path)) for path in open_ones)
        return failed(f"others can enter {', '.join(path.name for path in open_ones)}", f"chmod 700 {paths}")
    return ok(f"only their owner can enter the folders in {settings.home}")


def disk_room(settings: Settings) -> Finding:
    """Look how much room the disk of the embedded server has."""
    free = shutil.disk_usage(settings.home).free
    says = f"{free / 1e9:,.1f} GB free where the embedded server keeps its data"
    mend = "make room, or name another folder in TUTORMAX_HOME"
    if free < TOO_LITTLE_ROOM:
        return failed(says, mend)
    return warning(says, mend) if free < LITTLE_ROOM else ok(says)


def throwaway_servers() -> Finding:
    """Look for throw-away servers that a killed command left behind; they take memory and disk space."""
    found = leftovers()
    if not found:
        return NOTHING
    return warning(f"left by a killed command: {listed([str(path) for path in found])}", removal_command(found[0]))


def stray_files(settings: Settings, folder: Path) -> Finding:
    """Look for unfinished files and folders that a killed command left behind; they may hold people's data."""
    places = dict.fromkeys(path.resolve() for path in (settings.home, settings.home / "backups", folder))
    found = [path for place in places if place.is_dir() for path in whole.stray_files(place)]
    if not found:
        return NOTHING
    command = " ".join(["rm -r --", *(shlex.quote(str(path)) for path in found)])
    return warning(f"left by a killed command: {listed([str(path) for path in found])}", command)

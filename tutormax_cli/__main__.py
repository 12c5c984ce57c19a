"""`python -m tutormax_cli` is the `tutormax` command."""

from typing import NoReturn

from tutormax_cli.interrupts import uninstall


def main() -> NoReturn:
    """Run the command line of this process. Ctrl-C ends it without a traceback even while it imports the rest."""
    uninstall()
    from tutormax_cli.cli.app import main as run

    run()


if __name__ == "__main__":
    main()

"""`python -m tutormax_cli` is the `tutormax` command."""

from tutormax_cli.cli.app import main

if __name__ == "__main__":
    main()

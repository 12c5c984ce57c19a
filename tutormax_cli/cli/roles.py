"""`tutormax roles`: who may do what in the database, as SQL or applied."""

from typing import Annotated

import typer

from tutormax_cli.cli.connect import database_session, settings
from tutormax_cli.cli.console import say, write_file
from tutormax_cli.cli.options import OutputOption


def roles(
    apply: Annotated[bool, typer.Option("--apply", help="Run the SQL instead of printing it.")] = False,
    yes: Annotated[
        bool, typer.Option("--yes", "-y", help="With --apply: even where some roles could then no longer connect.")
    ] = False,
    output: OutputOption = None,
) -> None:
    """Print the SQL of least-privilege roles for the database, or apply it.

    Three roles that cannot log in, to be granted to those of people and programs: DATABASE_owner owns and migrates,
    DATABASE_app reads and writes rows, DATABASE_readonly reads. What PUBLIC may do is revoked. Safe to repeat, and
    psql can run what is printed.
    """
    from tutormax_cli.database.connection import connect
    from tutormax_cli.database.revisions import require_head, schema_state
    from tutormax_cli.database.roles import roles_script

    if apply:
        _apply(yes)
        return
    with connect(settings()) as connection:
        require_head(schema_state(connection))
        script = f"BEGIN;\n\n{roles_script(connection)}\nCOMMIT;\n"
    if output is None:
        typer.echo(script, nl=False)
    else:
        write_file(output, script)
        say(f"written to {output}")


def _apply(cut_off: bool) -> None:
    from tutormax_cli.database.engine import driver_connection
    from tutormax_cli.database.roles import apply_roles

    with database_session(writes=True) as db:
        names = apply_roles(driver_connection(db.connection()), cut_off=cut_off)
        db.commit()
    say(f"applied: {names.owner} owns and migrates, {names.app} reads and writes rows, {names.readonly} reads")
    quoted = names.app.replace('"', '""')
    say(f'Next: grant them, in psql: GRANT "{quoted}" TO web')

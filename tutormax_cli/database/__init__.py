"""The library that other programs import: models, sessions and queries. The asyncio twin is `aio`.

Its names are those of `library`, which is imported when the first of them is asked for: who wants the embedded server
or an enum alone doesn't wait for SQLAlchemy.
"""

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from tutormax_cli.database.library import *  # noqa: F403
    from tutormax_cli.database.library import __all__ as __all__
else:

    def __getattr__(name: str) -> Any:
        """Give a name of the library (PEP 562); `import *` finds `__all__` this way too."""
        return getattr(import_module(f"{__name__}.library"), name)

    def __dir__() -> list[str]:
        """List the library's names, for completion."""
        return sorted({*globals(), *__getattr__("__all__")})

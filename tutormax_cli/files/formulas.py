"""Text cells that a spreadsheet would run as a formula, made harmless and back again.

A text that begins with one of the characters below, behind any number of apostrophes, gets one apostrophe more on the
way out and loses one on the way in. So every text comes back as it was, and no cell begins with such a character.
Cells of CSV and TSV only, and only those of text columns: numbers stay numbers.
"""

import re

_STARTS = r"[=+\-@\t\r\n\uFF0B\uFF0D\uFF1D\uFF20]"
"""What may begin a formula: = + - @, their full-width twins, and white space that a spreadsheet may take off."""

NEEDS_ARMOUR = f"^'*{_STARTS}"
"""The texts that get an apostrophe: a regular expression to Python and to PostgreSQL alike."""

ARMOURED = f"^'+{_STARTS}"
"""The cells that lose an apostrophe: a regular expression to Python and to PostgreSQL alike."""

_needs_armour = re.compile(NEEDS_ARMOUR)
_armoured = re.compile(ARMOURED)


def armour(text: str) -> str:
    """Make a text harmless as a cell; the inverse of `disarm`."""
    return f"'{text}" if _needs_armour.match(text) else text


def disarm(cell: str) -> str:
    """Give back the text that `armour` made harmless; a text that it never made is left as it is."""
    return cell[1:] if _armoured.match(cell) else cell

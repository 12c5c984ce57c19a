"""What is wrong with staged rows, found by sets: rules, repeated keys, keys that are taken, keys that point nowhere.

Each finding is written to the table of faults, with the row's file and line.
"""

from collections.abc import Mapping, Sequence

import psycopg
from sqlalchemy import ForeignKeyConstraint, Table

from tutormax_cli.database.names import quoted
from tutormax_cli.importing.faults import FOUND_LENGTH, Reason
from tutormax_cli.importing.layout import MADE_FROM, Mode, key_of, required
from tutormax_cli.importing.rules import Key, other_keys, primary, rules_of
from tutormax_cli.importing.staging import FAULTS, FILE, LINE, Staged, drop_bad, own


def make_ids(driver: psycopg.Connection, staged: Staged) -> None:
    """Make the ids that the files have none of, from what tells the rows apart: the same row, the same id."""
    key, table = key_of(staged.table), staged.table.name
    if not staged.without_ids or table not in MADE_FROM:
        return
    parts = ", ".join(f"{quoted(column)}::text" for column in MADE_FROM[table])
    prefix = key.removesuffix("_id")
    made = f"'{prefix}_' || md5(array_to_string(ARRAY[{parts}], chr(31), '-'))"
    driver.execute(f"UPDATE {staged.name} SET {quoted(key)} = {made} WHERE {quoted(key)} IS NULL".encode())


def complete(driver: psycopg.Connection, staged: Staged) -> None:
    """Give staged rows that change others the values that those have in columns which the files don't."""
    key = quoted(key_of(staged.table))
    absent = [quoted(column.name) for column in staged.table.columns if column.name not in staged.columns]
    absent = [column for column in absent if column != key]
    if absent:
        sets = ", ".join(f"{column} = t.{column}" for column in absent)
        driver.execute(
            f"UPDATE {staged.name} AS s SET {sets} FROM {own(driver, staged.table)} AS t"
            f" WHERE t.{key} = s.{key}".encode(),
            [],
        )


def drop_known(driver: psycopg.Connection, staged: Staged) -> int:
    """Take out the rows whose ids the database has, and give their number."""
    key = quoted(key_of(staged.table))
    return driver.execute(
        f"DELETE FROM {staged.name} AS s USING {own(driver, staged.table)} AS t WHERE t.{key} = s.{key}".encode(), []
    ).rowcount


def check(
    driver: psycopg.Connection, staged: Staged, mode: Mode, names: Sequence[str], parents: Mapping[str, Staged]
) -> None:
    """Find all that is wrong with staged rows and take those out; `names` are the files', `parents` staged before."""
    _check_values(driver, staged)
    for constraint in staged.table.foreign_key_constraints:
        _check_reference(driver, staged, constraint, parents)
    drop_bad(driver, staged)
    for key in (primary(staged.table), *other_keys(staged.table)):
        if _check_repeated(driver, staged, key, names):
            drop_bad(driver, staged)
        _check_taken(driver, staged, key, mode)
    drop_bad(driver, staged)


def _check_values(driver: psycopg.Connection, staged: Staged) -> None:
    """Check every rule in one pass over the rows, and look for the lines only where one is broken."""
    rules = list(rules_of(staged.table))
    needed = [column for column in required(staged.table) if column not in staged.columns]
    tests = [f"NOT ({rule.sql})" for rule in rules] + [f"{quoted(column)} IS NULL" for column in needed]
    counted = ", ".join(f"count(*) FILTER (WHERE {test})" for test in tests)
    broken = driver.execute(f"SELECT {counted} FROM {staged.name}".encode()).fetchone()
    assert broken is not None
    for position, (test, rows) in enumerate(zip(tests, broken, strict=True)):
        if not rows:
            continue
        if position < len(rules):
            rule = rules[position]
            _note(driver, staged, rule.column, rule.reason, _values(rule.columns), rule.expected, f"WHERE {test}")
        else:
            column = needed[position - len(rules)]
            expected = f"it in a row whose {key_of(staged.table)} is new"
            _note(driver, staged, column, Reason.MISSING, "'no such column'", expected, f"WHERE {test}")


def _values(columns: Sequence[str]) -> str:
    """Give SQL for what stands in some columns, each cut to a length that fits a line."""
    if len(columns) == 1:
        return f"left({quoted(columns[0])}::text, {FOUND_LENGTH})"
    values = [f"'{column} ' || left({quoted(column)}::text, {FOUND_LENGTH})" for column in columns]
    return f"concat_ws(', ', {', '.join(values)})"


def _note(
    driver: psycopg.Connection, staged: Staged, column: str, reason: Reason, found: str, expected: str, which: str
) -> int:
    """Note a fault of each row that the SQL `which` says, and give their number; `found` is SQL for what was found."""
    return driver.execute(
        f"INSERT INTO {FAULTS} SELECT %s, {FILE}, {LINE}, %s, %s, {found}, %s FROM {staged.name} AS s {which}".encode(),
        [staged.table.name, column, reason.value, expected],
    ).rowcount


def _check_reference(
    driver: psycopg.Connection, staged: Staged, constraint: ForeignKeyConstraint, parents: Mapping[str, Staged]
) -> None:
    """Find rows that refer to what is neither in the database nor among the rows that go in before them."""
    parent = constraint.referred_table
    pairs = [(quoted(element.parent.name), quoted(element.column.name)) for element in constraint.elements]
    match = " AND ".join(f"p.{theirs} = s.{ours}" for ours, theirs in pairs)
    places = [own(driver, parent), *([parents[parent.name].name] if parent.name in parents else [])]
    missing = [f"NOT EXISTS (SELECT 1 FROM {place} AS p WHERE {match})" for place in places]
    columns = [element.parent.name for element in constraint.elements]
    _note(
        driver,
        staged,
        columns[-1],
        Reason.NOWHERE,
        _values(columns),
        f"{' and '.join(element.column.name for element in constraint.elements)} of a row in {parent.name}",
        "WHERE " + " AND ".join([*(f"s.{ours} IS NOT NULL" for ours, _ in pairs), *missing]),
    )


def _check_repeated(driver: psycopg.Connection, staged: Staged, key: Key, names: Sequence[str]) -> int:
    """Find rows that share a key with one before them; both lines are named."""
    parts = ", ".join(key.expressions)
    present = " AND ".join(f"({part}) IS NOT NULL" for part in key.expressions)
    same = "it differs in case or composition alone from the one on " if key.loose else "the same stands on "
    return driver.execute(
        f"""
        INSERT INTO {FAULTS}
        SELECT %(target)s, {FILE}, {LINE}, %(column)s, %(reason)s, {_values([key.column])},
               'one of its own: {same}'
               || CASE WHEN first_file = {FILE} THEN '' ELSE (%(names)s::text[])[first_file + 1] || ' ' END
               || 'line ' || first_line
        FROM (
            SELECT *, row_number() OVER keys AS number, first_value({FILE}) OVER keys AS first_file,
                   first_value({LINE}) OVER keys AS first_line
            FROM {staged.name} WHERE {present}
            WINDOW keys AS (PARTITION BY {parts} ORDER BY {FILE}, {LINE})
        ) AS numbered
        WHERE number > 1
        """.encode(),
        {"target": staged.table.name, "column": key.column, "reason": Reason.REPEATED.value, "names": list(names)},
    ).rowcount


def _check_taken(driver: psycopg.Connection, staged: Staged, key: Key, mode: Mode) -> None:
    """Find rows whose key another row of the database has, which the files don't change."""
    id_ = quoted(key_of(staged.table))
    same_row = key == primary(staged.table)
    if same_row and mode is not Mode.INSERT:
        return
    parts = [f"{part} AS key{number}" for number, part in enumerate(key.expressions)]
    using = ", ".join(f"key{number}" for number in range(len(parts)))
    kept = (
        "" if same_row else f"AND t.id <> s.id AND NOT EXISTS (SELECT 1 FROM {staged.name} AS o WHERE o.{id_} = t.id)"
    )
    expected = "a new one (or --mode upsert, skip)" if same_row else "one that no other row has"
    _note(
        driver,
        staged,
        key.column,
        Reason.TAKEN,
        _values([key.column]),
        expected,
        f"""WHERE ({FILE}, {LINE}) IN (
            SELECT {FILE}, {LINE}
            FROM (SELECT {FILE}, {LINE}, {id_} AS id, {", ".join(parts)} FROM {staged.name}) AS s
            JOIN (SELECT {id_} AS id, {", ".join(parts)} FROM {own(driver, staged.table)}) AS t USING ({using})
            WHERE true {kept})""",
    )


def loose_doubles(driver: psycopg.Connection, table: Table) -> bool:
    """Tell whether rows of a table share a key that no constraint guards."""
    for key in other_keys(table):
        if key.loose:
            parts = ", ".join(key.expressions)
            query = f"SELECT EXISTS (SELECT 1 FROM {own(driver, table)} GROUP BY {parts} HAVING count(*) > 1)"
            row = driver.execute(query.encode(), []).fetchone()
            if row and row[0]:
                return True
    return False

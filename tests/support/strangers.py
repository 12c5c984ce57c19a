"""Functions and operators of a stranger, named like PostgreSQL's own, that count how often they run.

Each takes argument types that PostgreSQL's own doesn't have (name and varchar instead of text), so under a search_path
that names their schema they are chosen first.
"""

import psycopg

FUNCTIONS = {
    "quote_ident(name)": "text",
    "quote_ident(varchar)": "text",
    "quote_literal(varchar)": "text",
    "lower(varchar)": "text",
    "lower(name)": "text",
    "upper(varchar)": "text",
    "length(varchar)": "integer",
    "left(varchar, integer)": "text",
    "substring(varchar, text)": "text",
    "replace(varchar, text, text)": "text",
    "md5(varchar)": "text",
    "starts_with(varchar, varchar)": "boolean",
    "normalize(varchar, text)": "text",
    "array_position(text[], text)": "integer",
    "array_position(name[], name)": "integer",
    "array_position(varchar[], varchar)": "integer",
    "array_to_string(varchar[], text)": "text",
    "unnest(varchar[])": "varchar",
    "concat(varchar, varchar)": "text",
    "format(varchar, name)": "text",
    "format(varchar, varchar)": "text",
    "obj_description(oid, varchar)": "text",
    "has_table_privilege(oid, varchar)": "boolean",
    "has_schema_privilege(oid, varchar)": "boolean",
    "pg_has_role(oid, varchar)": "boolean",
    "pg_has_role(name, name, varchar)": "boolean",
    "current_setting(varchar)": "text",
    "date_trunc(varchar, timestamptz)": "timestamptz",
    "date_part(varchar, interval)": "double precision",
    "jsonb_path_query_first(jsonb, varchar)": "jsonb",
    "convert_to(varchar, varchar)": "bytea",
    "decode(varchar, varchar)": "bytea",
    "encode(bytea, varchar)": "text",
    "to_regclass(name)": "regclass",
    "pg_total_relation_size(oid)": "bigint",
    "pg_relation_size(oid)": "bigint",
    "format_type(oid, bigint)": "text",
    "pg_get_constraintdef(bigint)": "text",
}

OPERATORS = {
    "=": [("varchar", "varchar"), ("varchar", "text"), ("name", "varchar"), ("oid", "regclass"), ("varchar", "name")],
    "<>": [("varchar", "varchar"), ("varchar", "text"), ("name", "varchar")],
    "<": [("varchar", "varchar")],
    "~": [("varchar", "text"), ("varchar", "varchar")],
    "||": [("varchar", "varchar"), ("text", "varchar")],
    "->": [("jsonb", "varchar")],
    "->>": [("jsonb", "varchar")],
}

_RESULTS = {"||": "text", "->": "jsonb", "->>": "text"}


def plant(owner: psycopg.Connection, role: str) -> int:
    """Create what `role` would create in schema public, and return how many; the connection is a superuser's."""
    owner.execute(f'CREATE ROLE "{role}"'.encode())
    owner.execute("CREATE SCHEMA stranger")
    owner.execute(f'GRANT ALL ON SCHEMA stranger TO "{role}"'.encode())
    owner.execute("GRANT CREATE ON SCHEMA public TO PUBLIC")
    owner.execute(f'SET LOCAL ROLE "{role}"'.encode())
    owner.execute("CREATE SEQUENCE stranger.trap; GRANT ALL ON SEQUENCE stranger.trap TO PUBLIC")
    owner.execute("GRANT USAGE ON SCHEMA stranger TO PUBLIC")
    for signature, result in FUNCTIONS.items():
        _function(owner, f"public.{signature}", result)
    operators = [(name, *sides) for name, kinds in OPERATORS.items() for sides in kinds]
    for number, (name, left, right) in enumerate(operators):
        result = _RESULTS.get(name, "boolean")
        _function(owner, f"stranger.operator_{number}({left}, {right})", result)
        owner.execute(
            f"CREATE OPERATOR public.{name} (LEFTARG = {left}, RIGHTARG = {right},"
            f" FUNCTION = stranger.operator_{number})".encode()
        )
    owner.execute("RESET ROLE")
    return len(FUNCTIONS) + len(operators)


def _function(owner: psycopg.Connection, signature: str, result: str) -> None:
    owner.execute(
        f"CREATE FUNCTION {signature} RETURNS {result} LANGUAGE plpgsql AS"
        f" $$ BEGIN PERFORM pg_catalog.nextval('stranger.trap'); RETURN NULL::{result}; END $$".encode()
    )


def runs(driver: psycopg.Connection) -> int:
    """Return how often any of them ran, in transactions that were rolled back too."""
    row = driver.execute("SELECT CASE WHEN is_called THEN last_value ELSE 0 END FROM stranger.trap").fetchone()
    assert row is not None
    return int(row[0])

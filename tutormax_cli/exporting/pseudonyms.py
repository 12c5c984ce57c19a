"""Rows without names: people and what belongs to them under codes, what was written of them left out.

A code is an HMAC-SHA256 of the id under a secret key: the same in every table and every export made with one key, and
nothing to anybody without it. PostgreSQL computes it. Dates stay, so this is pseudonymisation and not anonymisation:
whoever knows when somebody worked can still find them.
"""

from collections.abc import Collection, Iterable
from dataclasses import replace

from sqlalchemy import Connection

from tutormax_cli.churn.components import EVIDENCE_DECIMALS, Component
from tutormax_cli.database.copy.wire import driver_of
from tutormax_cli.database.enums import TutorStatus
from tutormax_cli.database.names import quoted
from tutormax_cli.exporting.keys import PseudonymKey
from tutormax_cli.exporting.sources import RELATION, Kind, Source, SourceColumn, literal

CODED = {
    "tutor_id": "tutor",
    "student_id": "student",
    "session_id": "session",
    "feedback_id": "feedback",
    "metric_id": "metric",
    "prediction_id": "prediction",
    "intervention_id": "intervention",
    "event_id": "event",
    "assigned_to": "staff",
}
"""The columns that hold a code instead, in whichever table, and what the code begins with."""

LEFT_OUT = frozenset(
    {
        "location",
        "timezone",
        "education_level",
        "age",
        "improvement_areas",
        "free_text_feedback",
        "trigger_reason",
        "notes",
    }
)
"""The columns that are empty instead: free text, and what narrows down who somebody is."""

_KEPT = """
onboarding_date status subjects baseline_sessions_per_week behavioral_archetype churned_at created_at updated_at
grade_level subjects_interested
session_number scheduled_start actual_start duration_minutes subject session_type tutor_initiated_reschedule no_show
late_start_minutes engagement_score learning_objectives_met technical_issues
overall_rating is_first_session subject_knowledge_rating communication_rating patience_rating engagement_rating
helpfulness_rating would_recommend submitted_at
calculation_date window sessions_completed avg_rating first_session_success_rate reschedule_rate no_show_count
learning_objectives_met_pct response_time_avg_minutes performance_tier
prediction_date churn_score risk_level window_1day_probability window_7day_probability window_30day_probability
window_90day_probability model_version
intervention_type recommended_date due_date completed_date outcome
event_type event_timestamp
"""
KEPT = frozenset(_KEPT.split())
"""The columns that stay as they are: figures, dates, and words of a fixed vocabulary."""

NAMED = frozenset({"name", "email"})
"""The columns that are made of the person's code."""

KEPT_IN_PART = frozenset({"contributing_factors", "metadata"})
"""The columns that keep of a JSON object the figures that we know."""

_KEPT_FIGURES = ("response_minutes", "hours_before", "hours_per_week")
_KEPT_STATUSES = ("from", "to")
_CODE_BYTES = 10
"""Of the HMAC: two of a hundred million ids share a code with a chance of one in a hundred million."""


def pseudonymised(source: Source) -> Source:
    """Give a table's rows with codes for ids and without names and free text, in the order of the codes.

    The order of the ids would tell which code is whose. Needs `use_key` in the same transaction.
    """
    columns = ", ".join(
        f"{_expression(source, column.name, column.expression)} AS {quoted(column.name)}" for column in source.columns
    )
    # OFFSET 0 keeps the planner from writing a code's expression out wherever the code is used.
    relation = f"(SELECT {columns} FROM {source.relation} AS {RELATION} OFFSET 0)"
    return replace(source, columns=tuple(_masked(column) for column in source.columns), relation=relation)


def columns_in(sources: Iterable[Source], names: Collection[str]) -> list[str]:
    """List the columns of these names: `tutors.location`."""
    return [f"{source.name}.{column.name}" for source in sources for column in source.columns if column.name in names]


def use_key(connection: Connection, key: PseudonymKey) -> None:
    """Hand the key to the server until the end of the transaction; as a parameter, it is in no statement's text."""
    inner, outer = key.pads
    driver_of(connection).execute(
        "SELECT set_config(%s, %s, true), set_config(%s, %s, true)", [_INNER, inner.hex(), _OUTER, outer.hex()]
    )


_INNER, _OUTER = "tutormax.pseudonym_inner", "tutormax.pseudonym_outer"


def _masked(column: SourceColumn) -> SourceColumn:
    made_of_codes = column.name in CODED or column.name in NAMED
    return SourceColumn(column.name, Kind.WORD if made_of_codes else column.kind, quoted(column.name))


def _expression(source: Source, name: str, value: str) -> str:
    """Write the SQL of what stands in a column instead. Raises ValueError for a column that nobody has decided on."""
    if name in KEPT:
        return value
    if name in CODED:
        return _code(CODED[name], value)
    if name in LEFT_OUT:
        return f"CASE WHEN false THEN {value} END"  # NULL of the column's own type
    match name:
        case "name" | "email":
            (key,) = source.keys
            return _code(CODED[key], quoted(key)) + (" || '@example.invalid'" if name == "email" else "")
        case "contributing_factors":
            return _known_factors(value)
        case "metadata":
            return _known_metadata(value)
    raise ValueError(f"{source.name}.{name} is neither kept nor left out of a pseudonymised export")


def _code(kind: str, value: str) -> str:
    """Write the SQL of a code: NULL for NULL. The key is read once per statement, not once per row."""
    inner, outer = (f"(SELECT decode(current_setting('{name}'), 'hex'))" for name in (_INNER, _OUTER))
    hashed = f"sha256({outer} || sha256({inner} || convert_to('{kind}:' || {value}, 'UTF8')))"
    return f"'{kind}_' || encode(substring({hashed} FROM 1 FOR {_CODE_BYTES}), 'hex')"


def _known_metadata(value: str) -> str:
    """Write the SQL that keeps of an event's metadata the figures, statuses and session that we know."""
    kept = {name: _if(f"jsonb_typeof({value}->'{name}') = 'number'", f"{value}->'{name}'") for name in _KEPT_FIGURES}
    session = f"({value}->>'session_id')"
    statuses = ", ".join(literal(status) for status in TutorStatus)
    kept |= {name: _if(f"{value}->>'{name}' IN ({statuses})", f"{value}->'{name}'") for name in _KEPT_STATUSES}
    kept["session_id"] = f"to_jsonb({_code(CODED['session_id'], session)})"
    return _object(value, kept)


def _known_factors(value: str) -> str:
    """Write the SQL that keeps of a prediction's factors what reports read, unless a text or a key isn't ours."""
    texts = " || ".join(f'@ == "{component}"' for component in Component)
    evidence = {name for names in EVIDENCE_DECIMALS.values() for name in names}
    keys = " || ".join(f'@.key == "{key}"' for key in sorted({"component", "points", "evidence", *evidence}))
    foreign = " OR ".join(
        f"jsonb_path_exists({value}->'components', '$.** ? (@.type() == {test})')"
        for test in (f'"string" && !({texts})', f'"object").keyvalue() ? (!({keys})')
    )
    kept = {
        name: _if(f"jsonb_typeof({value}->'{name}') = '{kind}'", f"{value}->'{name}'")
        for name, kind in (("baseline", "number"), ("calibrated", "boolean"))
    }
    return _object(value, kept | {"components": _if(f"NOT ({foreign})", f"{value}->'components'")})


def _object(value: str, members: dict[str, str]) -> str:
    """Write the SQL of an object of those members that aren't NULL; NULL where there was none."""
    listed = ", ".join(f"'{name}', {member}" for name, member in members.items())
    return _if(f"{value} IS NOT NULL", f"jsonb_strip_nulls(jsonb_build_object({listed}))")


def _if(condition: str, value: str) -> str:
    return f"CASE WHEN {condition} THEN {value} END"

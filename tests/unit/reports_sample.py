"""One fixed report with every kind of column and names that mean harm."""

from datetime import UTC, datetime, timedelta, timezone

from tutormax_cli.reports.report import Column, Kind, Layout, Report, Section, Tone, record

HOSTILE = (
    "[red]x[/]",
    "\x1b[31mred\x1b]0;title\x07",
    "a\nb\tc\r\x9b2J\x7f",
    "吉田 健太郎🎓",
    "Zoe\u0308 \u202egnitorw\u202c",
    "שרה לוי | `x` <b> *y* [z](u)",
    "=HYPERLINK(1)",
)
TONES = {"Critical": Tone.BAD, "High": Tone.WARNING}
LEVEL = Column("level", "level", tones=TONES)

LEVELS = Section(
    "levels",
    (LEVEL, Column("tutors", "tutors", Kind.INT), Column("change", "7 d", Kind.TREND)),
    (("Critical", 9, 2), ("High", 21, -1), ("Medium", 1064, 0)),
    header=False,
)
EXPECTED = Section(
    "expected",
    (
        Column("days", "within", Kind.INT, labels={"7": "7 days", "30": "30 days"}),
        Column("n", "n", Kind.FLOAT, digits=0),
    ),
    ((7, 14.2), (30, 49.0)),
    title="Expected to leave within",
    header=False,
    beside=True,
)
QUEUE = Section(
    "queue",
    (
        Column("rank", "#", Kind.INT),
        Column("name", "tutor", flexible=True, min_width=14),
        Column("subjects", "subjects", Kind.LIST, priority=3),
        Column("score", "score", Kind.INT),
        Column("change", "7 d", Kind.CHANGE, absent="new"),
        LEVEL,
        Column("probability", "30 d", Kind.PERCENT, priority=1),
        Column("last", "last session", Kind.DATE, priority=2),
        Column("goes_with", "goes with", Kind.LIST, flexible=True, min_width=33, separator="; "),
        Column("nothing", "nothing", priority=4),
    ),
    tuple(
        (
            rank,
            name,
            ("mathematics", "physics")[: rank % 3],
            90 - 7 * rank,
            (21, None, -4, 0)[rank % 4],
            "Critical" if rank < 3 else "High",
            (0.84, 0.001, 0.9999, 1.0)[rank % 4],
            datetime(2026, 5, 22, 23, 30, tzinfo=timezone(timedelta(hours=-2))),
            ("3 sessions last week, usually 14", "logins 2, usually 9")[: rank % 3],
            None,
        )
        for rank, name in enumerate(HOSTILE, start=1)
    ),
)
SIZES = record(
    "sizes",
    [
        (Column("bytes", "size", Kind.BYTES), 4_300_000),
        (Column("took", "took", Kind.SECONDS), 75.2),
        (Column("rating", "rating", Kind.FLOAT), 4.456),
        (Column("at", "written", Kind.TIMESTAMP), datetime(2026, 5, 31, 22, 14, tzinfo=UTC)),
        (Column("locked", "locked", Kind.FLAG), False),
        (Column("owner", "owner"), None),
    ],
    title="Sizes",
)
WEEKS = record(
    "weeks",
    [
        (Column("sessions", "sessions", Kind.SPARK), (7, 7, 6, None, 3, 0)),
        (Column("rating", "rating", Kind.SPARK, bounds=(1, 5)), (5.0, 4.5, 3.0, 1.0)),
    ],
    title="Weeks",
    layout=Layout.LINE,
)
EMPTY = Section("silent", (Column("name", "tutor"),), (), title="Silent", if_empty="nobody")

SAMPLE = Report(
    "sample",
    "Sample [b]report[/]",
    facts=(
        (Column("as_of", "as of", Kind.DATE), datetime(2026, 6, 1, tzinfo=UTC)),
        (Column("model", "model"), "hazard-3f2a91"),
        (Column("calibrated", "", Kind.FLAG, labels={"yes": "calibrated", "no": "uncalibrated"}), False),
        (Column("until", "data to", Kind.TIMESTAMP), datetime(2026, 5, 31, 22, 14, tzinfo=UTC)),
    ),
    sections=(LEVELS, EXPECTED, QUEUE, SIZES, WEEKS, EMPTY),
    notes=("One tutor in full: tutormax risk-report --tutor tutor_00317",),
    main="queue",
)

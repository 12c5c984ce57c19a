"""What pupils write: things to improve, and remarks put together from parts that go with the rating."""

from itertools import product

AREAS = (
    "punctuality",
    "pace",
    "clearer explanations",
    "more practice problems",
    "homework feedback",
    "preparation",
    "patience",
    "keeping attention",
    "use of examples",
    "communication between sessions",
)
LATE_AREA = AREAS.index("punctuality")
AREA_LISTS: tuple[tuple[str, ...], ...] = tuple(
    (first,) if first == second else (first, second) for first, second in product(AREAS, AREAS)
)
"""One area, or two, at position len(AREAS) * first + second."""

_REMARKS: tuple[tuple[tuple[str, ...], tuple[str, ...], tuple[str, ...]], ...] = (
    (
        (
            "Very disappointing.",
            "This did not work for us at all.",
            "I expected far more.",
            "Not a good hour.",
            "We will look for someone else.",
            "Frustrating from the start.",
            "I left more confused than before.",
            "Honestly, a waste of time.",
        ),
        (
            "The tutor seemed to be somewhere else",
            "Nothing had been prepared",
            "My questions were brushed aside",
            "Half the time went by without any work",
            "We went over things I had long understood",
            "The explanations contradicted my textbook",
            "I was rushed through every problem",
            "The homework was never looked at",
        ),
        (
            "and I do not want to continue.",
            "and that is not what we pay for.",
            "and nobody apologised.",
            "although the test is next week.",
            "so I still cannot do the exercises.",
            "and it was not the first time.",
            "and I told my parents so.",
            "which is a pity.",
        ),
    ),
    (
        (
            "Not great this time.",
            "Below what I hoped for.",
            "So-so, rather less.",
            "This one dragged.",
            "I had trouble following.",
            "It started well but lost its way.",
            "Could have been much better.",
            "A weak session.",
        ),
        (
            "We got through only one exercise",
            "The pace was wrong for me",
            "Examples were missing",
            "It felt improvised",
            "I had to ask everything twice",
            "The tutor sounded tired",
            "We spent long on small talk",
            "The whiteboard was a mess",
        ),
        (
            "and the main topic was left out.",
            "so I am not sure what I learned.",
            "and I needed my notes from school anyway.",
            "but I will give it another try.",
            "which has been better before.",
            "and the time ran out.",
            "although I had sent my questions ahead.",
            "and I was glad when it ended.",
        ),
    ),
    (
        (
            "It was fine.",
            "An average session.",
            "Neither good nor bad.",
            "Okay overall.",
            "Some parts helped.",
            "A mixed hour.",
            "Decent.",
            "All right for a start.",
        ),
        (
            "The explanations were clear in the first half",
            "I understood the method",
            "We corrected my homework",
            "The topic was covered",
            "The tutor was friendly",
            "I got answers to most questions",
            "There was enough to practise",
            "We repeated last week",
        ),
        (
            "but it went a bit slowly.",
            "but I would like harder problems.",
            "but more examples would help.",
            "but it could be better organised.",
            "and I hope for more next time.",
            "though I still mix things up.",
            "though we skipped the part I asked for.",
            "but my attention drifted.",
        ),
    ),
    (
        (
            "Good session.",
            "I liked it.",
            "Helpful as usual.",
            "We made progress.",
            "Solid work today.",
            "Well explained.",
            "A useful hour.",
            "Nice and calm.",
        ),
        (
            "I can solve the easier ones alone now",
            "The steps were shown one by one",
            "We found where my mistakes come from",
            "The examples fitted my class",
            "The tutor took time for my questions",
            "We prepared the next test",
            "My essay got a real structure",
            "The summary at the end was good",
        ),
        (
            "and I feel better about it.",
            "and only the end was rushed.",
            "even though the topic is hard.",
            "and a little more practice would make it perfect.",
            "and I have a plan for the week.",
            "and it fits with school.",
            "so I will come again.",
            "and the hour passed quickly.",
        ),
    ),
    (
        (
            "Excellent!",
            "Best tutor I have had.",
            "So helpful.",
            "I finally get it.",
            "Really great session.",
            "Could not be happier.",
            "Always a pleasure.",
            "Wonderful, thank you.",
        ),
        (
            "Everything was explained until it clicked",
            "Hard problems look easy now",
            "My grade went up again",
            "The tutor knows exactly where I am stuck",
            "We laughed and still finished the whole sheet",
            "I got a trick that I will never forget",
            "The practice test went so well",
            "Even the proofs made sense",
        ),
        (
            "and I look forward to next week.",
            "and my parents noticed too.",
            "and I would recommend it to anyone.",
            "and I am not afraid of the exam any more.",
            "with endless patience.",
            "and we even had time for extras.",
            "which nobody managed before.",
            "and it was fun.",
        ),
    ),
)

TEXTS = tuple(
    f"{opening} {middle} {closing}"
    for openings, middles, closings in _REMARKS
    for opening, middle, closing in product(openings, middles, closings)
)
"""Remarks on a rating of 1 first, then 2 and so on, each rating with the same number."""
TEXTS_PER_RATING = len(TEXTS) // len(_REMARKS)

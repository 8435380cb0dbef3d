"""Rounds: the steps in which images are made, unrolled, as each round decides what the next makes.

A round writes the turns of planned generations, makes them, and looks at what came back. With the
fixed design the first round makes everything and the others have nothing to do. What comes after
the rounds reads all of them, one after the other.
"""

from pipeline.steps import Step
from stages.images import allocate, compare, embed, sample, search

SAMPLED = ("made.sampled", "made.sampled_2", "made.sampled_3")
"""Generated images, round by round."""

IMAGES = (*SAMPLED, "made.adopted")
"""The same, and what somebody else generated."""

MATCHES = ("made.matches", "made.matches_2", "made.matches_3")
"""Comparisons, round by round; the first has those of foreign images too."""


def turns(number: int) -> Step:
    """Return the step that decides what is made in a round.

    Args:
        number: of the round, from 1.
    """
    return Step(
        run=allocate.stage_of(number),
        reads={
            "prompts": ("made.prompts",),
            "signals": ("made.signals",),
            "matches": MATCHES[: number - 1],
        },
        writes=_named("made.turns", number),
        given="models",
    )


def later(number: int) -> tuple[Step, ...]:
    """Return the steps of a round after the first.

    Args:
        number: of the round, from 2.
    """
    made, vectors = SAMPLED[number - 1], _named("made.embeddings", number)
    neighbors = _named("made.neighbors", number)
    return (
        turns(number),
        Step(
            run=sample.STAGE,
            reads={"prompts": (_named("made.turns", number),)},
            writes=made,
            each="models",
        ),
        Step(run=embed.STAGE, reads={"images": (made,)}, writes=vectors),
        Step(
            run=search.STAGE,
            reads={"images": (made,), "vectors": (vectors,)},
            uses={"index": ("input.index",)},
            writes=neighbors,
        ),
        Step(
            run=compare.STAGE,
            reads={
                "images": (made,),
                "neighbors": (neighbors,),
                "prompts": ("made.prompts",),
            },
            uses={"pixels": ("input.pixels",)},
            only_with="images",
            writes=MATCHES[number - 1],
        ),
    )


def _named(dataset: str, number: int) -> str:
    return dataset if number == 1 else f"{dataset}_{number}"

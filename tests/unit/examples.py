"""A number of examples that goes with the run, for a property that needs more or fewer than others."""

from hypothesis import settings


def examples(whole: int) -> int:
    """As many of `whole`, the number of a whole run, as the profile of this run has of a hundred; at least two."""
    return max(2, whole * settings.default.max_examples // 100)

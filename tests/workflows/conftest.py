"""An agency to walk through, and what every story needs."""

from finview.testing.fixtures import agency, at, morning, opened, stages, watched

__all__ = ["agency", "at", "morning", "opened", "stages", "watched"]

"""From lesson files to notebooks: the learner's in `exercises/`, the instructor's in `solutions/`."""
from grader.build.layout import BuildError, Layout

__all__ = ["BuildError", "Layout"]

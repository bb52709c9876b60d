"""From collected submissions to grades, feedback and a CSV, in nbgrader's own gradebook and folders."""

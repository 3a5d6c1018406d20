"""Where the project's files lie, and how they are written."""

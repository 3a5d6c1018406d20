"""The places of the project's files, and how they are written."""

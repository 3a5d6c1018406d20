"""The software device as a Device of the search, and its sanitizer."""

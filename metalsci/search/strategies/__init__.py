"""Search strategies. Each is a small object between the archive and the next request."""

"""Search strategies. Each is a small object between a history and the next request."""

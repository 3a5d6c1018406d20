"""Tables, figures and one HTML page over many runs, read from their folders; no account, no network."""

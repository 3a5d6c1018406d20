"""Language models over HTTP: keys, retries, streams, prices."""

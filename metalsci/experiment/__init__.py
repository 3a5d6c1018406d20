"""One run as a story: schemas, building it from a config, searching, confirming, gating, exporting."""

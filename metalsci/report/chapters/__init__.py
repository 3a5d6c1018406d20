"""The chapters of a report, a file each: what is asked of many runs, answered in tables and charts."""

"""Reports: `registry.REPORTS` is what the command line and the API read."""

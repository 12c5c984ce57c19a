"""Files that carry tables in and out: their formats, their compression, and cells that a spreadsheet would run."""

"""What a person asks the database, as frozen reports; `render` turns a report into text."""

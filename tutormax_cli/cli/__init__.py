"""The command line: one file per command. It reads options, calls the library and prints."""

"""The command line: one file per command, each parsing, calling one library function, printing, and an exit code."""

"""Reading spreadsheets in a child process that a hostile file can neither hang nor kill us with."""

"""What carries a claimed job to a handler's thread."""

"""What plugin authors implement: one file per slot."""

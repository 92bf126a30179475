"""Skip tracing: who is looked for and when, by whom and for how much, and what was found."""

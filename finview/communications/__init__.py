"""Messages to people: written, gated, sent once, delivered or bounced."""

"""People and machines that sign in, what they may do, and what they may see."""

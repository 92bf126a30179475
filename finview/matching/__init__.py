"""Is an incoming debtor already known: normalise, find candidates, score, guard, decide."""

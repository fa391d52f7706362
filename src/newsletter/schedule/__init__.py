"""When: the month, the witness, the tick."""

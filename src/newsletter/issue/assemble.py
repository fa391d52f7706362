"""Which articles and news belong to an issue, and in which order."""

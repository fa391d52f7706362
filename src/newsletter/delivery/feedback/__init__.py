"""Everything that comes back about a mail goes through one door: `apply`."""

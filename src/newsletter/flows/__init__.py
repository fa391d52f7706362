"""Verbs that touch two rooms; never an address."""

"""Addresses, consent, states, the vault."""

"""Approved bytes and their manifest: write, read, verify."""

"""Feeds become NewsItems; the editor picks."""

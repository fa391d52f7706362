"""Feeds become NewsItems; the editor picks.

Feeds propose, the editor decides: nothing that stands in a feed reaches a
reader unless a person picked it and said in a sentence of their own why.
"""

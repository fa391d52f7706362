"""Newsletter: Markdown in, a website and one careful e-mail a month out.

Two wings and one door. The words wing (content, news, issue, site, checks)
knows no person; the people wing (store, subscribers, schedule, web) writes no
word; `delivery` is the only room that sees both a text and an address.
`docs/architecture.md` is the map.
"""

__version__ = "0.1.0"

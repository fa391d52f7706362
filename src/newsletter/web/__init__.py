"""The public ASGI app: the site, the forms, one click out."""

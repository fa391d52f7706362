"""The words on disk: Markdown and front matter become Articles, Pages and Letters."""

from newsletter.content.catalogue import Catalogue, load

__all__ = ["Catalogue", "load"]

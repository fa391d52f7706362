"""The words on disk: Markdown and front matter become Articles, Pages and Letters.

The two names are imported when they are asked for: whoever only wants an
address, or to know whether anything has changed, does not wait for Markdown.
"""

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from newsletter.content.catalogue import Catalogue, load

__all__ = ["Catalogue", "load"]


def __getattr__(name: str) -> Any:
    if name not in __all__:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    from newsletter.content import catalogue

    return getattr(catalogue, name)

"""Articles and frozen issues become pages in public/."""

from newsletter.site.build import BuildReport, build

__all__ = ["BuildReport", "build"]

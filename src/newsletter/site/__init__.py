"""Articles and frozen issues become pages in public/."""

"""The words on disk: Markdown and front matter become Articles, Pages and Letters."""

"""Where the links of an edition lead: to our own site, absolute, in the edition's language."""

from __future__ import annotations

from collections.abc import Callable, Sequence

from newsletter.content import urls
from newsletter.content.links import held, split
from newsletter.content.model import Article, Page

Find = Callable[[str, str], Article | Page | None]
"""(id, language) -> what is published under it, or None."""


class Links:
    """Resolves the canonical links of a prose tree (content/prose.py) for one language."""

    def __init__(
        self,
        site: str,
        forms: str,
        language: str,
        languages: Sequence[str],
        article: Find,
        page: Find,
    ) -> None:
        self.site = site
        self.forms = forms
        self.language = language
        self.languages = languages
        self._article = article
        self._page = page
        self.broken: list[str] = []

    def resolve(self, target: str) -> str:
        """`target` as an absolute address; what leads nowhere is kept in `broken`."""
        kind, name, language, anchor = split(target)
        if kind in ("http", "https", "mailto", "tel"):
            return target
        if kind == "held":
            return held(self.forms, language or self.language)
        path = self._path(kind, name, language or self.language)
        if path is None:
            self.broken.append(target)
            path = urls.home_path(self.language, self.languages)
        return self.site + path + (f"#{anchor}" if anchor else "")

    def to(self, article: Article) -> str:
        return self.site + urls.article_path(article, self.languages)

    def issue(self, period: str) -> str:
        return self.site + urls.issue_path(period, self.language, self.languages)

    def _path(self, kind: str, name: str, language: str) -> str | None:
        languages = self.languages
        match kind:
            case "article" | "page":
                find, place = (
                    (self._article, urls.article_path)
                    if kind == "article"
                    else (self._page, urls.page_path)
                )
                found = next(
                    (f for f in (find(name, tag) for tag in (language, *languages)) if f), None
                )
                return place(found, languages) if found else None
            case "topic":
                return urls.topic_path(name, language, languages)
            case "issue":
                return urls.issue_path(name, language, languages)
            case "home":
                return urls.home_path(language, languages)
            case "issues":
                return urls.archive_path(language, languages)
            case "subscribe":
                return urls.subscribe_path(language, languages)
            case "path":
                return name
            case _:
                return None

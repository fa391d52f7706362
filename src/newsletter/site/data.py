"""What an article says of itself to machines: JSON-LD, from values that readers see as well.

Source: schema.org. `lastReviewed` and `reviewedBy` belong to WebPage,
`medicalAudience` to MedicalWebPage; a review that is pending or void is not
claimed.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from typing import Any

from newsletter.content.model import Article, Author, Reference
from newsletter.content.references import links
from newsletter.language import Language

Values = dict[str, Any]
TEAMS = {"editorial team", "the editors", "redaktion", "die redaktion", "редакция"}
"""Names of nobody alone, in small letters. Under another name a group writes with `role: team`."""


def article(
    page: Mapping[str, Any],
    written: Article,
    cited: Sequence[str],
    *,
    site: str,
    ours: Collection[str],
    canonical: str,
    audience: str,
    language: Language,
) -> Values:
    """The JSON-LD of an article's page.

    `page` holds the values its template shows; `cited` the keys of its
    references in order; `ours` the names under which the publication itself
    writes, which are no person's; `audience` the words on the page, "" when it is no
    health publication.
    """
    made: Values = {
        "@context": "https://schema.org",
        "@type": "MedicalWebPage" if audience else "Article",
        "name" if audience else "headline": page["title"],
        "description": page["summary"],
        "url": canonical,
        "inLanguage": written.language,
        "datePublished": page["published"]["iso"],
        "isPartOf": {"@type": "WebSite", "name": site},
        "publisher": {"@type": "Organization", "name": site},
    }
    if page["updated"]:
        made["dateModified"] = page["updated"]["iso"]
    if written.authors:
        made["author"] = [
            {"@type": _kind(author, ours), "name": author.name} for author in written.authors
        ]
    if audience:
        made["medicalAudience"] = {"@type": "Patient", "audienceType": audience}
    review = page["review"]
    if review and not review["pending"] and not review["void"] and review["last"]:
        made["lastReviewed"] = review["last"]["iso"]
        made["reviewedBy"] = [
            {"@type": "Person", "name": person["name"]} for person in review["by"]
        ]
    references = {reference.key: reference for reference in written.references}
    citations = [_citation(references[key], language) for key in cited if references[key].title]
    if citations:
        made["citation"] = citations
    return made


def _kind(author: Author, ours: Collection[str]) -> str:
    """A person, unless the role or the name says that several write together."""
    together = author.role == "team" or author.name.casefold() in TEAMS or author.name in ours
    return "Organization" if together else "Person"


def _citation(reference: Reference, language: Language) -> Values:
    made: Values = {
        "@type": "ScholarlyArticle" if reference.doi or reference.pmid else "CreativeWork",
        "name": reference.title,
    }
    addresses = [address for _, address in links(reference, language)]
    if addresses:
        made["url"] = addresses[0]
    if reference.year:
        made["datePublished"] = str(reference.year)
    return made

"""What an article says of itself to machines: JSON-LD, from values that readers see as well.

Source: schema.org. `lastReviewed` and `reviewedBy` belong to WebPage,
`medicalAudience` to MedicalWebPage; a review that is pending or void is not
claimed.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from newsletter.content.model import Article, Reference
from newsletter.content.references import links
from newsletter.language import Language

Values = dict[str, Any]


def article(
    page: Mapping[str, Any],
    written: Article,
    cited: Sequence[str],
    *,
    site: str,
    canonical: str,
    audience: str,
    language: Language,
) -> Values:
    """The JSON-LD of an article's page.

    `page` holds the values its template shows; `cited` the keys of its
    references in order; `audience` the words on the page, "" when it is no
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
        made["author"] = [{"name": author.name} for author in written.authors]
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

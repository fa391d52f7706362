"""When two items are the same thing. Pure.

Headlines, paths and guids all change; a DOI, a PubMed number and a trial
number do not. Keys are tried strongest first, and any shared key makes two
items one (grouping.py); the keys of what an issue carried are kept for ever
in its manifest (memory.py).
"""

from __future__ import annotations

import re
import unicodedata
from urllib.parse import unquote, urlsplit

from newsletter.news.clean import canonical

_DOI = re.compile(r"\b10\.\d{4,9}/[^\s\"'<>?#&]+", re.IGNORECASE)
_PMID = re.compile(
    r"(?:pubmed\.ncbi\.nlm\.nih\.gov/|ncbi\.nlm\.nih\.gov/pubmed/|pubmed:|pmid:\s*)(\d{4,9})\b",
    re.IGNORECASE,
)
_NCT = re.compile(r"\bNCT\d{8}\b", re.IGNORECASE)


def keys(url: str, title: str, names: tuple[str, ...] = ()) -> tuple[str, ...]:
    """What an item is known by, strongest first: doi, pmid, nct, url, title.

    `names` are other identifiers the feed gives (guid, dc:identifier,
    prism:doi). The item's text is not searched: it may cite other work.
    """
    places = " ".join([unquote(url), *names])
    found = [f"doi:{match.rstrip('.,;)').lower()}" for match in _DOI.findall(places)]
    found += [f"pmid:{match}" for match in _PMID.findall(places)]
    found += [f"nct:{match.upper()}" for match in _NCT.findall(places)]
    found.append(f"url:{canonical(url)}")
    words = title_words(title)
    if len(words) >= 6:  # long enough to be one of a kind wherever it stands
        found.append(f"title:{' '.join(words)}")
    elif len(words) >= 4:  # shorter titles ("Safety notice") are many
        host = (urlsplit(url).hostname or "").removeprefix("www.")
        found.append(f"title:{host}:{' '.join(words)}")
    return tuple(dict.fromkeys(found))


def title_words(title: str) -> tuple[str, ...]:
    """The title's words, folded: no case, no accents, no punctuation."""
    folded = unicodedata.normalize("NFKD", title.casefold())
    return tuple(re.findall(r"\w+", "".join(c for c in folded if not unicodedata.combining(c))))

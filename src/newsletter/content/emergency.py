"""The number to call when life is in danger, in the country where the publication lives.

An editor writes {emergency}; the country is that of the publication's time
zone (CLDR). Source: ITU-T E.161.1 names 112 and 911 for new services; the
others are the national numbers for an ambulance.
"""

from __future__ import annotations

from functools import cache

from babel.core import get_global

EVERYWHERE = "112"
"""In the European Union by law (Directive (EU) 2018/1972, Art. 109); mobile phones know it everywhere."""
NUMBERS = {
    "US": "911", "CA": "911", "MX": "911", "AR": "911", "PH": "911", "SA": "911",
    "GB": "999", "IE": "112", "HK": "999", "SG": "995", "MY": "999", "KE": "999",
    "AU": "000", "NZ": "111", "JP": "119", "KR": "119", "TW": "119", "CN": "120",
    "BR": "192", "CL": "131", "ZA": "112", "IN": "112", "IL": "101", "EG": "123", "MA": "150",
}  # fmt: skip


@cache
def number(zone: str) -> str:
    """The number for a time zone such as "Europe/Berlin"."""
    territories = get_global("zone_territories")
    return NUMBERS.get(str(territories.get(zone, "")), EVERYWHERE)

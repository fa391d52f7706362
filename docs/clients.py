"""Makes src/newsletter/checks/clients.json: what mail clients show, of what a layout can use.

    python docs/clients.py CANIEMAIL.JSON

CANIEMAIL.JSON is the data file of the package "caniemail". Kept of it are CSS
properties, at-rules and HTML elements, and for each the newest answer of every
client below that is not a plain yes.
"""

from __future__ import annotations

import json
import re
import sys
from pathlib import Path

OUT = Path(__file__).parents[1] / "src/newsletter/checks/clients.json"
FAMILIES = (
    "apple-mail", "gmail", "outlook", "yahoo", "samsung-email", "thunderbird", "protonmail",
    "mail-ru", "gmx", "web-de", "t-online-de",
)  # fmt: skip
"""What readers in our languages use; `aol` is Yahoo's, and the rest is small elsewhere."""
NOT_OURS = re.compile(
    r"css-(selector|pseudo|unit|function|nesting|comments|important|variables|rgb|modern-color|conic|linear|radial)"
    r"|html-(aria|input|align|width|height|lang|dir|role|valign|cell|target|required|hidden|loading|srcset"
    r"|background$|mailto|anchor|doctype|comments|meta|button|popover)"
)


def main(source: str) -> None:
    """Read the package's file and write ours."""
    read = json.loads(Path(source).read_text("utf-8"))
    names = read["nicenames"]
    features: dict[str, dict[str, str]] = {}
    for each in sorted(read["data"], key=lambda one: one["slug"]):
        slug = each["slug"]
        if each["category"] not in ("css", "html") or NOT_OURS.match(slug):
            continue
        features[slug] = {
            f"{names['family'][family]} ({names['platform'].get(platform, platform)})": answer
            for family in FAMILIES
            for platform, versions in sorted(each["stats"].get(family, {}).items())
            if (answer := list(versions.values())[-1][:1]) in ("n", "a")
        }
    made = {
        "source": "caniemail.com, by the package caniemail",
        "licence": "MIT, Copyright (c) Avi Goldman, Copyright (c) Andrew Powell",
        "date": read["last_update_date"][:10],
        "answers": {"n": "not supported", "a": "supported in part"},
        "features": features,
    }
    lines = json.dumps(made | {"features": 0}, indent=1)
    rows = ",\n".join(f"  {json.dumps(k)}: {json.dumps(v)}" for k, v in features.items())
    OUT.write_text(lines.replace('"features": 0', f'"features": {{\n{rows}\n }}') + "\n", "utf-8")


if __name__ == "__main__":
    main(sys.argv[1])

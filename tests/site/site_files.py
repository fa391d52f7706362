"""A small publication in three languages, as files."""

from __future__ import annotations

DRAWING = '<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 64 25"><path id="a" stroke="#1f8a83" d="M0 0h9"/></svg>'


def article(
    title: str, *lines: str, published: str = "2026-11-01", body: str = "## One\n\nA text.\n"
) -> str:
    front = "\n".join(
        [
            f"title: {title}",
            f"summary: About {title}.",
            f"published: {published}",
            "review: pending",
            *lines,
        ]
    )
    return f"---\n{front}\n---\n{body}"


FILES: dict[str, str | bytes] = {
    "content/topics.toml": '[cells]\nen = "Cells"\nru = "Клетки"\n\n[tests]\nen = "Tests"\n',
    "content/articles/cells.en.md": article(
        "Cells & more",
        "topics: [cells]",
        "references: {study: {title: A study, doi: 10.1000/x}}",
        "picture: {path: images/cells.svg, alt: Two cells, caption: Our own}",
        body='## One\n\nA text. [@study] See [tests](tests.en.md#how) and [about](../pages/about.en.md).\n\n## Two\n\nB.\n\n## Three\n\n::: care urgent "Call if:"\n- hot\n:::\n',
    ),
    "content/articles/cells.ru.md": article("Клетки", "topics: [cells]"),
    "content/articles/tests.en.md": article(
        "Tests",
        "topics: [tests, cells]",
        "aliases: [/old/tests/]",
        published="2026-11-10",
        body="## How\n\nB.\n",
    ),
    "content/articles/later.en.md": article("Later", published="2026-12-01"),
    "content/articles/draft.en.md": article("A draft", "draft: true"),
    "content/articles/gone.en.md": article("Gone", "expires: 2026-11-05"),
    "content/articles/withdrawn.en.md": article("Withdrawn", "withdrawn: The advice has changed."),
    "content/pages/about.en.md": "---\ntitle: About us\nmenu: footer\n---\nWe.\n",
    "content/pages/about.ru.md": "---\ntitle: О нас\nmenu: footer\n---\nМы.\n",
    "content/consent/en/1.md": "I agree to the first words.\n",
    "content/consent/en/2.md": "I agree <b>explicitly</b>.\n",
    "content/images/cells.svg": DRAWING,
}

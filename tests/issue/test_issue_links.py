"""Links of an edition: absolute, whatever they lead to."""

from __future__ import annotations

from newsletter.issue.links import Links


def test_the_form_that_asks_what_is_held_lies_with_the_forms() -> None:
    made = Links(
        "https://site.example.org",
        "https://forms.example.org/in",
        "ru",
        ("en", "ru"),
        lambda *_: None,
        lambda *_: None,
    )
    assert made.resolve("held:") == "https://forms.example.org/in/data?lang=ru"
    assert made.resolve("held:@en") == "https://forms.example.org/in/data?lang=en"
    assert made.broken == []

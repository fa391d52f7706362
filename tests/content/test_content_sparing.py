"""What is left out for speed changes no character of what comes out."""

from __future__ import annotations

from xml.etree import ElementTree as ET

import markdown
import pytest
from bench import corpus
from hypothesis import example, given, settings
from hypothesis import strategies as st
from markdown.extensions.sane_lists import SaneListExtension
from markdown.extensions.tables import TableExtension
from markdown.treeprocessors import InlineProcessor

from newsletter.content import sparing
from newsletter.content.markup import Markup


class Plain(Markup):
    """Our Markdown with the library's own steps."""

    def __init__(self) -> None:
        with pytest.MonkeyPatch.context() as patch:
            patch.setattr("newsletter.content.markup.SparingInline", InlineProcessor)
            patch.setattr("newsletter.content.markup.spare_blocks", lambda md: None)
            super().__init__()


SPARING, PLAIN = Markup(), Plain()


def both(body: str) -> tuple[str, str]:
    made = []
    for markup in (SPARING, PLAIN):
        markup.begin(lambda tag: None)
        root = ET.Element("div")
        markup.blocks(root, body)
        markup.inline(root)
        made.append(ET.tostring(root, encoding="unicode"))
    return made[0], made[1]


def test_a_large_corpus_comes_out_the_same() -> None:
    for number in range(120):
        sparing_html, plain_html = both(corpus.body(number))
        assert sparing_html == plain_html
        assert len(sparing_html) > 5000


PIECES = st.sampled_from(
    ["*", "**", "_", "__", "***", "`", "``", "\\", "[", "]", "(", ")", "![", "](", "[a]: http://a.b 'c'\n", "[a]", "[a][b]", "[^n]", "[@k]",
     "<", ">", "<http://a.b>", "<a@b.c>", "<b>", "</b>", "&", "&amp;", "&#42;", "  \n", "\n", "\n\n", "# ", "===\n", "---\n", "- - -\n", "* * *\n", "_  _  _\n",
     "> ", "- ", "1. ", "    ", "| a | b |\n", "|---|--:|\n", "a", "word ", " ", "é", "\\*", "\\`", "a_b_c", "'", '"', "{", "~"]
)  # fmt: skip


@settings(max_examples=1500, deadline=None)
@given(st.lists(PIECES, max_size=30).map("".join))
@example("*a `b* c`")
@example("**a *b** c*")
@example("[a *b](c) d*")
@example("`` ` ``\\`*")
def test_hostile_markdown_comes_out_the_same(body: str) -> None:
    sparing_html, plain_html = both(body)

    assert sparing_html == plain_html


def test_every_pattern_has_a_trigger_and_no_trigger_is_left_over() -> None:
    md = markdown.Markdown(extensions=[TableExtension(), SaneListExtension()])
    known = {item.name for item in md.inlinePatterns._priority} | {"citation", "footnote"}

    assert known == set(sparing.TRIGGERS)
    assert set(sparing.BLOCK_TRIGGERS) <= {
        item.name for item in md.parser.blockprocessors._priority
    }


def test_a_pattern_nobody_thought_of_is_refused() -> None:
    with pytest.raises(ValueError, match="without a trigger"):
        sparing.SparingInline(
            markdown.Markdown(
                extensions=["markdown.extensions.footnotes", "markdown.extensions.wikilinks"]
            )
        )

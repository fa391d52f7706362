"""Prose: one Markdown text, parsed once, for every place it appears.

The page, the mail and the plain text are three serialisers over one tree.
`parse` makes the tree; `Prose.fragment` is its HTML for the page; the mail's
serialisers live in `issue/` and walk `Prose.root`.

The tree (`xml.etree.ElementTree`, plain text everywhere: no entities, no
placeholders; whitespace between blocks is "\\n")::

    div                                   the root; its children are blocks
      p  h2 h3 h4 [id]  ul ol li  dl dt dd  blockquote  hr
      pre > code [class=language-x]
      table > thead tbody > tr > th td    cells may have class=right|center
      figure > img, figcaption            a picture on a line of its own
      section class="care care-KIND"      KIND: non-urgent, urgent, emergency
        > h3, blocks
      aside class="note" | "warning"      > p class="title" (optional), blocks
      section class="checklist"           > h3 (optional), table or list
      section class="price"               > h3 (optional), table
      section class="references"          > h2, ol > li id="ref-KEY"
      section class="footnotes"           > h2, ol > li id="fn-N"
    inline: a em strong code br sup sub abbr[title] img
      sup class="cite" > a href="#ref-KEY"    a citation, its number as text
      sup class="footnote" > a href="#fn-N"

`a/@href` is an address as written, or for links inside the publication one
canonical form, resolved by whoever serialises: "article:ID", "article:ID@ru",
"page:ID", "topic:ID", "home:", "issues:", "path:/x/", each perhaps with
"#anchor". `img/@src` is the picture's path below content/, or an http address.
"""

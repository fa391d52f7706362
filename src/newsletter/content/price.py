"""The price block: a table of prices becomes what they add up to over some months.

    ::: price EUR 1 3 6 "What it may cost"
    | What       | Price | Times a month |
    |------------|------:|--------------:|
    | Infusion   |   450 |             2 |
    | Blood test |    40 |             1 |
    :::

Each row is multiplied out for each number of months, and a last row adds them
up. It is a plain table: nothing runs in the reader's browser.
"""

from __future__ import annotations

import re
from decimal import Decimal, InvalidOperation
from xml.etree import ElementTree as ET

from babel.numbers import format_currency

from newsletter.language import Language

MOST_MONTHS = 120
_CURRENCY = re.compile(r"[A-Z]{3}")


class NotAPrice(Exception):
    """What stands in the block cannot be added up; the message says what."""


def options(words: tuple[str, ...]) -> tuple[str, tuple[int, ...]]:
    """("EUR", (1, 3, 6)) of the words behind `::: price`.

    Raises:
        NotAPrice: there is no currency, or no number of months.
    """
    currency, months = (words[0] if words else ""), words[1:]
    if not _CURRENCY.fullmatch(currency):
        raise NotAPrice("the first word is a currency in three capitals, such as EUR")
    if not months or not all(word.isdecimal() and 0 < int(word) <= MOST_MONTHS for word in months):
        raise NotAPrice(f"behind the currency stand numbers of months, from 1 to {MOST_MONTHS}")
    return currency, tuple(int(word) for word in months)


def add_up(table: ET.Element, currency: str, months: tuple[int, ...], language: Language) -> None:
    """Extend a table of (what, price, times a month) by a column for each number of months.

    Raises:
        NotAPrice: a row has another number of cells, or a cell is no number.
    """
    rows = list(table.iter("tr"))
    body = table.find("tbody")
    if len(rows) < 2 or body is None:
        raise NotAPrice("there is a row of headings and at least one row of prices")
    totals = [Decimal(0)] * len(months)

    def money(amount: Decimal) -> str:
        pattern = str(language.locale.currency_formats["standard"].pattern)
        if amount == amount.to_integral():
            pattern = pattern.replace(".00", "")
        return format_currency(
            amount, currency, pattern, locale=language.locale, currency_digits=False
        )

    for row in rows[1:]:
        cells = list(row)
        if len(cells) != 3:
            raise NotAPrice("each row has three cells: what, price, times a month")
        price, times = (_number(cell) for cell in cells[1:])
        cells[1].text = money(price)
        for cell in cells[1:]:
            cell.set("class", "right")
        for place, count in enumerate(months):
            totals[place] += price * times * count
            _cell(row, "td", money(price * times * count))
    for count in months:
        _cell(rows[0], "th", language.ngettext("%(n)s month", "%(n)s months", count))
    last = ET.SubElement(body, "tr", {"class": "sum"})
    ET.SubElement(last, "th", {"scope": "row", "colspan": "3"}).text = language.gettext("Together")
    for total in totals:
        _cell(last, "td", money(total))


def _number(cell: ET.Element) -> Decimal:
    words = "".join(cell.itertext()).strip()
    plain = re.sub(r"[\s\u00a0\u202f_]", "", words)
    try:
        if not re.fullmatch(r"\d{1,9}(\.\d{1,2})?", plain):
            raise InvalidOperation
        return Decimal(plain)
    except InvalidOperation:
        raise NotAPrice(f"`{words}` is not a number; write 1250 or 1250.50") from None


def _cell(row: ET.Element, tag: str, text: str) -> None:
    ET.SubElement(row, tag, {"class": "right"}).text = text

"""The built pages: served whole, cached well, and nothing beside them."""

from __future__ import annotations

import gzip
import os
import random
from pathlib import Path

import pytest
from tests.web.house import House, make_house


def test_a_page_is_served_with_its_own_policy_and_checked_again_each_time(house: House) -> None:
    answer = house.get("/")
    assert answer.body == b"<h1>Home</h1>"
    assert answer.header("content-type") == "text/html; charset=utf-8"
    assert answer.header("cache-control") == "public, max-age=0, must-revalidate"
    policy = answer.header("content-security-policy") or ""
    assert "default-src 'none'" in policy
    assert "'unsafe-inline'" not in policy
    assert "frame-ancestors 'none'" in policy
    assert answer.header("x-content-type-options") == "nosniff"


def test_what_did_not_change_is_not_sent_again(house: House, site: Path) -> None:
    tag = house.get("/").header("etag") or ""
    again = house.get("/", headers={"If-None-Match": tag})
    assert (again.status, again.body) == (304, b"")
    (site / "index.html").write_text("<h1>New</h1>")
    assert house.get("/", headers={"If-None-Match": tag}).body == b"<h1>New</h1>"


def test_a_name_with_a_hash_is_cached_for_ever(house: House) -> None:
    answer = house.get("/site.0123456789abcdef.css")
    assert answer.header("cache-control") == "public, max-age=31536000, immutable"


def test_a_large_file_comes_whole_and_is_known_again(house: House, site: Path) -> None:
    content = random.Random(1).randbytes(500_000)
    (site / "leaflet.pdf").write_bytes(content)

    whole = house.get("/leaflet.pdf")
    head = house.ask("HEAD", "/leaflet.pdf")
    again = house.get("/leaflet.pdf", headers={"If-None-Match": whole.header("etag") or ""})
    (site / "leaflet.pdf").write_bytes(content + b"2")
    changed = house.get("/leaflet.pdf", headers={"If-None-Match": whole.header("etag") or ""})

    assert (whole.status, whole.body) == (200, content)
    assert whole.header("content-type") == "application/pdf"
    assert whole.header("content-length") == head.header("content-length") == "500000"
    assert (head.status, head.body) == (200, b"")
    assert (again.status, again.body) == (304, b"")
    assert (changed.status, len(changed.body)) == (200, 500_001)


def test_a_large_text_is_compressed_too(house: House, site: Path) -> None:
    text = b"".join(b"<p>%d</p>" % number for number in range(50_000))
    (site / "long.html").write_bytes(text)

    packed = house.get("/long.html", headers={"Accept-Encoding": "gzip"})

    assert gzip.decompress(packed.body) == text
    assert house.get("/long.html").body == text


def test_a_picture_may_be_shown_in_a_mail_that_is_read_in_a_browser(
    house: House, site: Path
) -> None:
    """A web mail is a page of another origin; what is no picture stays ours alone."""
    (site / "picture.png").write_bytes(b"\x89PNG")
    (site / "large.png").write_bytes(bytes(500_000))
    policy = "cross-origin-resource-policy"
    assert house.get("/picture.png").header(policy) == "cross-origin"
    assert house.get("/large.png").header(policy) == "cross-origin"
    assert house.get("/articles/one/").header(policy) == "same-origin"


def test_text_is_compressed_for_who_can_read_it(house: House) -> None:
    plain = house.get("/articles/one/")
    packed = house.get("/articles/one/", headers={"Accept-Encoding": "br, gzip"})
    assert gzip.decompress(packed.body) == plain.body
    assert len(packed.body) < len(plain.body)
    assert packed.header("etag") != plain.header("etag")
    assert plain.header("vary") == packed.header("vary") == "Accept-Encoding"


def test_a_folder_without_its_slash_is_led_to_it_on_the_same_host(house: House) -> None:
    answer = house.get("/articles/one")
    assert (answer.status, answer.header("location")) == (301, "/articles/one/")


def test_a_missing_page_gets_the_sites_own_404(house: House) -> None:
    answer = house.get("/articles/two/")
    assert (answer.status, answer.body) == (404, b"<h1>Not here</h1>")


def test_a_missing_page_gets_the_houses_404_when_the_site_has_none(
    house: House, site: Path
) -> None:
    (site / "404.html").unlink()
    answer = house.get("/nowhere")
    assert answer.status == 404
    assert "There is no such page" in answer.text


@pytest.mark.parametrize(
    "path",
    [
        "/../private/newsletter.db",
        "/articles/../../private/newsletter.db",
        "//etc/passwd",
        "/./index.html",
        "/articles//one/",
        "/.git/config",
        "/.hidden",
        "/articles/one/.hidden",
        "/..\\private",
        "/articles\\one",
        "/index.html\0.css",
        "/C:/index.html",
        "/index.html/",
        "/link.html",
        "/linked/newsletter.db",
        "/pipe",
        "/" + "a" * 5000,
        "/" + "a/" * 2000,
        "//evil.example.org",
    ],
)
def test_no_path_leads_out_of_the_folder(house: House, site: Path, path: str) -> None:
    (site / ".hidden").write_text("secret")
    (site / "articles" / "one" / ".hidden").write_text("secret")
    (site / "link.html").symlink_to(site.parent / "root.key")
    (site / "linked").symlink_to(site.parent / "private")
    os.mkfifo(site / "pipe")
    answer = house.ask("GET", path)
    assert answer.status == 404
    assert answer.body == b"<h1>Not here</h1>"
    assert answer.header("location") is None


def test_the_folder_may_be_switched_between_two_requests(house: House, site: Path) -> None:
    assert house.get("/").body == b"<h1>Home</h1>"
    new = site.with_name("next")
    new.mkdir()
    (new / "index.html").write_text("<h1>Second build</h1>")
    site.rename(site.with_name("old"))
    new.rename(site)
    assert house.get("/").body == b"<h1>Second build</h1>"
    assert house.get("/articles/one/").status == 404


def test_the_folder_may_be_a_link_to_the_current_build(house: House, site: Path) -> None:
    site.rename(site.with_name("build-1"))
    site.symlink_to(site.with_name("build-1"))
    assert house.get("/").body == b"<h1>Home</h1>"


def test_without_a_site_folder_the_forms_stand_alone(tmp_path: Path) -> None:
    for house in make_house(tmp_path, None, public_url="http://127.0.0.1:8000/letter"):
        page = house.get("/letter/subscribe")
        assert page.status == 200
        assert 'action="/letter/subscribe"' in page.text
        style = page.text.partition('rel="stylesheet" href="')[2].partition('"')[0]
        assert style.startswith("/letter/forms/")
        sheet = house.get(style)
        assert sheet.header("content-type") == "text/css; charset=utf-8"
        assert "immutable" in (sheet.header("cache-control") or "")
        assert "--paper:" in sheet.text
        assert house.get("/").status == 404
        for path in ("/letter/leave/x/", "/letter/subscribe/", "/leave/x"):
            answer = house.ask("POST", path)
            assert (answer.status, answer.header("location")) == (404, None)


def test_a_site_that_is_not_built_yet_is_a_404_and_no_failure(house: House, site: Path) -> None:
    site.rename(site.with_name("away"))
    assert house.get("/").status == 404
    assert house.get("/subscribe").status == 200


def test_a_page_with_the_sites_form_may_run_our_own_script_and_no_other_page(
    house: House, site: Path
) -> None:
    tag = '<script src="/forms/ask.js" defer></script>'
    (site / "subscribe").mkdir()
    (site / "subscribe" / "index.html").write_text(f"<form></form>{tag}")
    (site / "quoted.html").write_text(tag.replace("<", "&lt;"))
    (site / "foreign.html").write_text('<script src="https://evil.example/forms/ask.js"></script>')
    policy = house.get("/subscribe/").header("content-security-policy") or ""
    assert policy.endswith("; script-src 'self'; connect-src 'self'")
    assert "unsafe" not in policy
    for path in (
        "/",
        "/articles/one/",
        "/quoted.html",
        "/foreign.html",
        "/site.0123456789abcdef.css",
    ):
        assert "script-src" not in (house.get(path).header("content-security-policy") or "")
    (site / "404.html").write_text(f"<form></form>{tag}")
    assert house.get("/nowhere").header("content-security-policy") == policy

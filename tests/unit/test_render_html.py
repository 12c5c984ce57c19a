"""The page: whole, self-contained, readable without eyes or colour, and deaf to what names say."""

from html.parser import HTMLParser

from hypothesis import given

from tests.unit.reports_sample import SAMPLE
from tests.unit.test_render_hostile import HOSTILE, report_of
from tutormax_cli.reports.render import Format, render
from tutormax_cli.reports.report import Column, Kind, Report, Section, Tone

VOID = {"meta"}


class Page(HTMLParser):
    """What a browser makes of a page: its tags in order, every attribute, and the text of its cells."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.tags: list[str] = []
        self.attributes: list[tuple[str, str, str | None]] = []
        self.cells: list[str] = []
        self._open: list[str] = []
        self.feed(text)
        self.close()
        assert self._open == []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append(tag)
        self.attributes += [(tag, name, value) for name, value in attrs]
        if tag not in VOID:
            self._open.append(tag)
        if tag == "td":
            self.cells.append("")

    def handle_endtag(self, tag: str) -> None:
        assert self._open.pop() == tag

    def handle_data(self, data: str) -> None:
        if "td" in self._open:
            self.cells[-1] += data


def test_the_page_needs_nothing_else() -> None:
    page = Page(render(SAMPLE, Format.HTML))
    assert {"script", "link", "img", "iframe", "base", "form"}.isdisjoint(page.tags)
    assert {name for _, name, _ in page.attributes}.isdisjoint({"src", "href", "style"})
    assert ("html", "lang", "en") in page.attributes
    policy = [value for tag, name, value in page.attributes if (tag, name) == ("meta", "content")]
    assert "default-src 'none'; style-src 'unsafe-inline'" in policy
    assert "url(" not in render(SAMPLE, Format.HTML) and "@import" not in render(SAMPLE, Format.HTML)


def test_tables_have_headers_and_names_and_bars_have_words() -> None:
    page = Page(render(SAMPLE, Format.HTML))
    assert page.tags.count("h1") == 1
    assert page.tags.count("thead") == page.tags.count("table") > 0
    assert {value for tag, name, value in page.attributes if (tag, name) == ("th", "scope")} == {"col"}
    regions = [value for tag, name, value in page.attributes if (tag, name) == ("div", "aria-label")]
    assert len(regions) == page.tags.count("table") and all(regions)
    bars = [value for tag, name, value in page.attributes if (tag, name) == ("span", "aria-label")]
    assert bars == ["7, 7, 6, unknown, 3, 0", "5, 4.5, 3, 1"]


def test_tones_and_numbers_are_classes() -> None:
    columns = (Column("level", "level", tones={"High": Tone.WARNING}), Column("change", "7 d", Kind.CHANGE))
    text = render(Report("r", "R", (Section("rows", columns, (("High", 3), ("Low", -3))),)), Format.HTML)
    assert '<td class="warning">High</td><td class="number bad">+3</td>' in text
    assert '<td>Low</td><td class="number good">−3</td>' in text


@given(HOSTILE, HOSTILE)
def test_no_name_is_markup(name: str, other: str) -> None:
    page = Page(render(report_of(name, other), Format.HTML))
    assert page.tags == Page(render(report_of("a", "b" if other else other), Format.HTML)).tags
    assert len(page.cells) == 3

"""The page in a real browser: nothing fails, nothing is fetched, tables sort, figures enlarge, a phone can read it."""

from __future__ import annotations

import shutil
from itertools import pairwise
from pathlib import Path

import pytest
from playwright import sync_api as playwright

from carseg_lib.reporting.html.page import write_report
from carseg_lib.reporting.html.runs import write_index
from tests.helpers.browser import Visit

pytestmark = pytest.mark.browser


@pytest.fixture(scope="module")
def page_path(tmp_path_factory: pytest.TempPathFactory, finished_run: Path) -> Path:
    reports = tmp_path_factory.mktemp("reports")
    path = write_report(Path(shutil.copytree(finished_run, reports / "fake")))
    write_index(reports)
    return path


@pytest.fixture(scope="module")
def visit(browser: playwright.Browser, page_path: Path) -> Visit:
    return Visit(browser, page_path)


def test_nothing_is_fetched_and_nothing_fails(visit: Visit, page_path: Path) -> None:
    visit.page.evaluate("document.querySelectorAll('details').forEach(d => d.open = true)")
    visit.page.mouse.wheel(0, 30_000)
    visit.page.wait_for_timeout(200)
    assert visit.requests == [page_path.as_uri()]
    assert visit.complaints == []


def test_the_policy_stops_what_does_not_belong(browser: playwright.Browser, page_path: Path, tmp_path: Path) -> None:
    html = page_path.read_text(encoding="utf-8")
    for strange in ("<script>window.strange = 1</script>", '<img src="https://example.org/x.png" alt="">'):
        (tmp_path / "page.html").write_text(html.replace("</main>", strange + "</main>"), encoding="utf-8")
        other = Visit(browser, tmp_path / "page.html")
        assert len(other.complaints) == 1
        assert "Content Security Policy" in other.complaints[0]
        assert other.page.evaluate("window.strange") is None


def test_every_picture_is_loaded(visit: Visit) -> None:
    widths = visit.page.evaluate("[...document.images].map(i => i.complete && i.naturalWidth)")
    assert len(widths) > 5
    assert all(widths)


def test_headings_are_in_order(visit: Visit) -> None:
    levels = visit.page.evaluate("[...document.querySelectorAll('h1,h2,h3,h4')].map(h => Number(h.tagName[1]))")
    assert levels[0] == 1
    assert levels.count(1) == 1
    assert all(b - a <= 1 for a, b in pairwise(levels))


def test_controls_are_24_pixels_large_and_each_section_has_its_link(visit: Visit) -> None:
    visit.page.evaluate("document.querySelectorAll('details').forEach(d => d.open = true)")
    small = """[...document.querySelectorAll('a, button, input, select, summary')]
        .filter((element) => !element.closest('p, td, li, dd, figcaption, label, .notice, .skip'))
        .map((element) => [element.outerHTML.slice(0, 80), element.getBoundingClientRect()])
        .filter(([, { width, height }]) => width && height && Math.min(width, height) < 24).map(([text]) => text)"""
    assert visit.page.evaluate(small) == []
    links = visit.page.locator("section > .permalink").evaluate_all("found => found.map((link) => link.hash)")
    sections = visit.page.locator("main > section").evaluate_all("found => found.map((section) => '#' + section.id)")
    assert len(sections) > 5 and links == sections


def column(visit: Visit, table: str, index: int) -> list[str]:
    script = f"""[...document.querySelector({table!r}).tBodies[0].rows].map(r =>
        r.cells[{index}].dataset.value ?? r.cells[{index}].textContent.trim())"""
    return visit.page.evaluate(script)


def test_a_click_on_a_heading_sorts_both_ways(visit: Visit) -> None:
    table = "table.report"
    before = [float(v) if v else None for v in column(visit, table, 1)]
    numbers = sorted(v for v in before if v is not None)
    assert len(set(numbers)) > 2
    heading = visit.page.locator(table).first.locator("thead th").nth(1)
    for direction, expected in (("ascending", numbers), ("descending", numbers[::-1])):
        heading.locator("button").click()
        assert heading.get_attribute("aria-sort") == direction
        after = column(visit, table, 1)
        assert [float(v) for v in after if v] == expected
        assert after[len(numbers) :] == [""] * (len(before) - len(numbers)), "empty cells come last"
    names = visit.page.locator(table).first.locator("thead th").nth(0)
    names.locator("button").press("Enter")
    assert column(visit, table, 0) == sorted(column(visit, table, 0))
    assert heading.get_attribute("aria-sort") is None


def test_numbers_sort_as_numbers(visit: Visit) -> None:
    selector = "table:has(caption:text('Time and peak memory'))"
    heading = visit.page.locator(selector).locator("thead th").nth(1)
    heading.locator("button").click()
    cells = visit.page.locator(selector).locator("tbody td:nth-child(2)").all_inner_texts()
    assert cells == ["12.5", "41.2", "96.5", "1101.8"]


def test_a_figure_enlarges_and_closes(visit: Visit) -> None:
    page = visit.page
    page.locator("button.enlarge").first.click()
    assert page.locator("dialog[open] img").count() == 1
    assert page.evaluate("document.querySelector('#enlarged img').naturalWidth") > 500
    page.keyboard.press("Escape")
    assert page.locator("dialog[open]").count() == 0
    page.locator("button.enlarge").nth(2).click()
    page.locator("#enlarged .close").click()
    assert page.locator("dialog[open]").count() == 0


@pytest.mark.parametrize("width", [320, 390, 768, 1280])
def test_no_page_is_wider_than_its_window(browser: playwright.Browser, page_path: Path, width: int) -> None:
    for path in (page_path, page_path.parent.parent / "index.html"):
        narrow = Visit(browser, path, width)
        narrow.page.evaluate("document.querySelectorAll('details').forEach(d => d.open = true)")
        assert narrow.page.evaluate("document.documentElement.scrollWidth") <= width
        assert narrow.complaints == []
        narrow.context.close()


CONTRAST = """() => {
  const parse = (c) => c.match(/[\\d.]+/g).map(Number);
  const light = (c) => c.slice(0, 3).map(v => v / 255)
    .map(v => v <= 0.03928 ? v / 12.92 : ((v + 0.055) / 1.055) ** 2.4)
    .reduce((sum, v, i) => sum + v * [0.2126, 0.7152, 0.0722][i], 0);
  const ground = (e) => {
    for (; e; e = e.parentElement) {
      const c = parse(getComputedStyle(e).backgroundColor);
      if (c.length < 4 || c[3] === 1) return c;
    }
    return [255, 255, 255];
  };
  const low = [];
  const texts = "p, td, th, caption, figcaption, a, .badge, summary, dt, dd, h1, h2, h3, li";
  for (const e of document.querySelectorAll(texts)) {
    const [a, b] = [light(parse(getComputedStyle(e).color)), light(ground(e))].sort((x, y) => y - x);
    if ((a + 0.05) / (b + 0.05) < 4.5) low.push(e.tagName + " " + e.className + " " + e.textContent.slice(0, 30));
  }
  return low;
}"""


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_texts_have_contrast(browser: playwright.Browser, page_path: Path, scheme: str) -> None:
    other = Visit(browser, page_path, scheme=scheme)
    ground = other.page.evaluate("getComputedStyle(document.body).backgroundColor")
    assert (ground == "rgb(255, 255, 255)") == (scheme == "light")
    assert other.page.evaluate(CONTRAST) == []


def test_the_skip_link_comes_first(browser: playwright.Browser, page_path: Path) -> None:
    other = Visit(browser, page_path)
    other.page.keyboard.press("Tab")
    assert other.page.evaluate("document.activeElement.className") == "skip"
    other.page.keyboard.press("Enter")
    playwright.expect(other.page.locator("#main")).to_be_focused()


def test_a_print_is_a_summary_unless_everything_is_asked_for(browser: playwright.Browser, page_path: Path) -> None:
    other = Visit(browser, page_path)
    other.page.emulate_media(media="print")
    shown = "id => document.getElementById(id).getClientRects().length > 0"
    assert other.page.evaluate(shown, "predictions") and not other.page.evaluate(shown, "training")
    assert other.page.locator("details:not([open], .fold):visible").count() == 0
    assert other.page.locator("#deviations .gist").is_visible(), "a folded section says its finding"
    short = other.page.pdf()
    other.page.emulate_media(media="screen")
    other.page.evaluate("window.print = () => {}")  # the dialog of the browser
    other.page.locator(".print-all").click()
    other.page.emulate_media(media="print")
    assert other.page.evaluate(shown, "training")
    assert other.page.evaluate("[...document.querySelectorAll('details')].every(d => d.open)")
    whole = other.page.pdf()
    assert short.startswith(b"%PDF") and whole.count(b"/Type /Page\n") > short.count(b"/Type /Page\n") > 0

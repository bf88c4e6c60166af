"""The predictions of the page in a real browser: filters, the large view, links to photos, the keyboard alone."""

from __future__ import annotations

from pathlib import Path
from urllib.parse import quote

import pandas as pd
import pytest
from playwright import sync_api as playwright

from carseg_lib.evaluation.tables import read_predictions
from carseg_lib.reporting.html import pictures
from carseg_lib.reporting.html.page import write_report
from carseg_lib.reporting.html.render import MAX_BYTES
from tests.helpers.browser import Visit
from tests.helpers.carless import add_carless
from tests.helpers.drawn_cars import make_car_photos
from tests.helpers.fake_run import make_run
from tests.helpers.metadata import add_parameters

pytestmark = pytest.mark.browser
STEP = 24  # thumbnails at once


@pytest.fixture(scope="module")
def page_path(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("predictions")
    cars = make_car_photos(folder / "cars", {"train": 1, "validation": 4, "test": 15}, size=(120, 80))
    add_parameters(cars)
    run = make_run(folder / "reports" / "fake", cars, figures="none")
    add_carless(run, folder / "negatives")
    return write_report(run)


@pytest.fixture(scope="module")
def rows(page_path: Path) -> pd.DataFrame:
    """The test photos, the most confident first, as the gallery shows them."""
    table = read_predictions(page_path.parent / "predictions.csv")
    table = table.assign(wrong=table["predicted"] != table["body_type"], order=-table["score"].fillna(-1).round(3))
    return table[table["split"] == "test"].sort_values(["order", "photo_id"])


@pytest.fixture
def visit(browser: playwright.Browser, page_path: Path) -> Visit:
    return Visit(browser, page_path)


def names(visit: Visit) -> list[str]:
    return visit.page.locator("#gallery .name").all_inner_texts()


def found(visit: Visit) -> str:
    return visit.page.locator("#found").inner_text()


def opens(visit: Visit, name: str = "") -> None:
    """The large view opens; the address leads there, which the browser tells the page a moment after the key."""
    playwright.expect(visit.page.locator("#photo[open] .name")).to_contain_text(name)


def closes(visit: Visit) -> None:
    """The large view closes, and the address, which its event sets, no longer names its photo."""
    playwright.expect(visit.page.locator("#photo[open]")).to_have_count(0)
    visit.page.wait_for_url(lambda url: "#photo" not in url)


def test_it_opens_with_the_mistakes_of_the_split_of_the_verdict(visit: Visit, rows: pd.DataFrame) -> None:
    wrong = rows[rows["wrong"]]
    assert set(names(visit)) == set(wrong["photo_id"]) and len(wrong) > 3
    assert found(visit) == f"{len(wrong)} of {len(rows)} test photos"
    shown = visit.page.locator(".matrix:visible")
    assert shown.count() == 1 and shown.get_attribute("data-split") == "test"
    assert visit.page.locator("#gallery image").count() == len(wrong)


def test_a_cell_chooses_its_photos_and_lets_them_go(visit: Visit, rows: pd.DataFrame) -> None:
    for truth, predicted in (("suv", "suv"), tuple(rows.loc[rows["wrong"], ["body_type", "predicted"]].iloc[0])):
        cell = visit.page.locator(f'.matrix:visible [data-truth="{truth}"][data-predicted="{predicted}"]')
        chosen = rows[(rows["body_type"] == truth) & (rows["predicted"] == predicted)]
        cell.click()
        assert set(names(visit)) == set(chosen["photo_id"]) and found(visit).startswith(f"{len(chosen)} of ")
        assert cell.get_attribute("aria-pressed") == "true"
        assert visit.page.locator('.matrix [aria-pressed="true"]:visible').count() == 1
        cell.click()
        assert set(names(visit)) == set(rows.loc[rows["wrong"], "photo_id"])


def test_filters_search_and_order(visit: Visit, rows: pd.DataFrame) -> None:
    page = visit.page
    page.locator("#filters [type=reset]").click()
    assert found(visit) == f"{len(rows)} of {len(rows)} test photos" and len(names(visit)) == STEP
    page.locator("#more").click()
    assert len(names(visit)) == 2 * STEP
    page.locator("[name=from]").fill("0.5")
    page.locator("[name=to]").fill("0.7")
    between = rows[rows["score"].round(3).between(0.5, 0.7)]
    assert found(visit).startswith(f"{len(between)} of ")
    page.locator("#filters [type=reset]").click()
    page.locator("[name=elsewhere]").check()
    elsewhere = rows[(rows["predicted"] != "") & (rows["box_iou"] < 0.5)]
    assert found(visit).startswith(f"{len(elsewhere)} of ")
    page.locator("#filters [type=reset]").click()
    page.locator("[name=truth]").select_option(label="sedan")
    page.locator("[name=sort]").select_option("name")
    assert names(visit) == sorted(rows.loc[rows["body_type"] == "sedan", "photo_id"])[:STEP]
    one = rows["photo_id"].iloc[-1]
    page.locator("#filters [type=reset]").click()
    page.locator("[name=text]").fill(one.upper())
    assert names(visit) == [one]
    page.locator("[name=text]").fill("rear three-quarter")
    assert 0 < len(names(visit)) < len(rows)
    page.locator("[name=text]").fill("no such photo")
    assert names(visit) == [] and found(visit).startswith("0 of ")
    page.locator("#filters [type=reset]").click()
    page.locator("[name=split]").select_option("1")
    assert "validation photos" in found(visit)
    assert page.locator(".matrix:visible").get_attribute("data-split") == "validation"


def test_a_photo_opens_with_outlines_and_what_is_known(visit: Visit, rows: pd.DataFrame) -> None:
    page = visit.page
    name = names(visit)[0]
    page.locator("#gallery a").first.click()
    opens(visit, name)
    assert page.evaluate("decodeURIComponent(location.hash)") == f"#photo={name}"
    assert page.locator("#photo .view .labelled path:not(.casing)").count() == 1
    row = rows.set_index("photo_id").loc[name]
    assert page.locator("#photo .view .predicted path:not(.casing)").count() == (1 if row["mask"] else 0)
    assert page.evaluate("getComputedStyle(document.querySelector('#photo .view path')).fill") == "none"
    facts = page.locator("#photo dt").all_inner_texts()
    assert {"view", "camera height", "light"} <= set(facts)
    assert f"mask {row['mask_iou']:.2f}" in page.locator("#photo .overlaps").inner_text()
    page.locator("#photo [value=labelled]").uncheck()
    assert not page.locator("#photo .view .labelled").first.is_visible()
    page.locator("#photo .close").click()
    closes(visit)
    assert page.evaluate("location.hash") == "#predictions"


def test_the_keyboard_alone(visit: Visit) -> None:
    page, shown = visit.page, names(visit)
    page.locator(".matrix:visible button").first.focus()
    page.keyboard.press("Enter")
    assert page.locator('.matrix:visible [aria-pressed="true"]').count() == 1
    page.keyboard.press("Enter")
    page.locator("#filters [type=reset]").focus()
    page.keyboard.press("Tab")
    page.keyboard.press("Enter")
    opens(visit, shown[0])
    assert "1 of" in page.locator("#photo .position").inner_text()
    page.keyboard.press("ArrowRight")
    page.keyboard.press("ArrowRight")
    page.keyboard.press("ArrowLeft")
    assert shown[1] in page.locator("#photo .name").inner_text()
    assert page.evaluate("decodeURIComponent(location.hash)") == f"#photo={shown[1]}"
    page.keyboard.press("ArrowLeft")
    page.keyboard.press("ArrowLeft")
    assert shown[0] in page.locator("#photo .name").inner_text(), "there is none before the first"
    page.keyboard.press("ArrowRight")
    page.keyboard.press("Escape")
    closes(visit)
    playwright.expect(page.locator("#gallery a", has=page.get_by_text(shown[1], exact=True))).to_be_focused()
    assert visit.complaints == []


def test_a_link_opens_its_photo_also_one_that_is_filtered_out(
    browser: playwright.Browser, page_path: Path, rows: pd.DataFrame
) -> None:
    right = rows.loc[~rows["wrong"], "photo_id"].iloc[-1]
    visit = Visit(browser, page_path)
    visit.page.goto(f"{page_path.as_uri()}#photo={quote(right, safe='')}")
    visit.page.reload()
    opens(visit, right)
    assert f"of {len(rows)}" in visit.page.locator("#photo .position").inner_text()
    visit.page.evaluate("location.hash = '#photo=%E0%A4%A'")
    playwright.expect(visit.page.locator("#photo[open]")).to_have_count(0)
    visit.page.evaluate("location.hash = '#photo=unknown.jpg'")
    visit.page.wait_for_timeout(100)
    assert visit.page.locator("#photo[open]").count() == 0 and visit.complaints == []


def test_false_alarms_are_looked_at_from_their_section(visit: Visit) -> None:
    page = visit.page
    page.locator('#predictions a[href="#false-alarms"]').click()
    assert names(visit) == ["negatives/boat.jpg"] and found(visit) == "1 of 3 photos without a car (negatives)"
    assert page.locator("#wrong-only").inner_text() == "False alarms only"
    assert page.locator(".matrix:visible").count() == 0
    page.locator("#gallery a").click()
    opens(visit)
    assert "suv 0.72, labelled no car" in page.locator("#photo-title").inner_text()
    assert page.locator("#photo .detections li").count() == 1
    page.keyboard.press("Escape")
    page.locator("[name=wrong]").uncheck()
    assert len(names(visit)) == 3 and visit.complaints == []


def test_the_way_back_closes_the_photo(visit: Visit) -> None:
    visit.page.locator("#gallery a").first.click()
    opens(visit)
    visit.page.keyboard.press("ArrowRight")
    visit.page.go_back()
    playwright.expect(visit.page.locator("#photo[open]")).to_have_count(0)


@pytest.mark.parametrize(("width", "scheme"), [(390, "light"), (390, "dark"), (1280, "light")])
def test_it_fits_the_window(browser: playwright.Browser, page_path: Path, width: int, scheme: str) -> None:
    visit = Visit(browser, page_path, width, scheme)
    assert visit.page.evaluate("document.documentElement.scrollWidth") <= width
    visit.page.locator("#gallery a").first.click()
    opens(visit)
    view = visit.page.locator("#photo").bounding_box()
    assert view and view["x"] >= 0 and view["x"] + view["width"] <= width
    assert visit.page.evaluate("document.querySelector('#photo .parts').scrollWidth") <= width
    photo = visit.page.locator("#photo .view svg").bounding_box()
    assert photo and photo["width"] > 0.55 * width
    visit.page.keyboard.press("Escape")
    assert visit.requests == [page_path.as_uri()] and visit.complaints == []


def test_it_is_light(page_path: Path) -> None:
    assert page_path.stat().st_size < MAX_BYTES


def test_photos_beside_the_page_are_shown(
    browser: playwright.Browser, page_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("carseg_lib.reporting.html.page.MAX_BYTES", 0)
    html = page_path.read_bytes()
    try:
        write_report(page_path.parent)
        visit = Visit(browser, page_path)
        visit.page.wait_for_timeout(300)
        assert visit.complaints == []
        wanted = page_path.parent.as_uri() + f"/{pictures.FOLDER}/"
        assert len(visit.requests) > 1 and all(url.startswith(wanted) for url in visit.requests[1:])
        width = "createImageBitmap(document.querySelector('#gallery image')).then(b => b.width)"
        assert visit.page.evaluate(width) == 120
    finally:
        page_path.write_bytes(html)

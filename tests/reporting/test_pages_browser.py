"""The list of runs, the comparison, the data card and the page of make predict in a real browser."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest
from PIL import Image
from playwright import sync_api as playwright

from carseg_lib.core import files
from carseg_lib.evaluation.tables import PREDICTIONS, read_table
from carseg_lib.reporting.html.page import write_report
from carseg_lib.reporting.html.predicted import NOT_SURE, SURE, Predicted, write_predicted, write_thumbnail
from carseg_lib.reporting.html.runs import write_index
from tests.helpers.axe import axe_source, violations
from tests.helpers.browser import Visit
from tests.helpers.drawn_cars import make_car_photos
from tests.helpers.fake_run import make_run
from tests.helpers.metadata import add_parameters

pytestmark = pytest.mark.browser


@pytest.fixture(scope="module")
def reports(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Two runs that differ in three test photos, their pages, and a page of predicted photos."""
    folder = tmp_path_factory.mktemp("pages")
    cars = make_car_photos(folder / "cars", {"train": 1, "validation": 2, "test": 5}, size=(120, 80))
    add_parameters(cars)
    reports = folder / "reports"
    make_run(reports / "first", cars, figures="none")
    shutil.copytree(reports / "first", reports / "second")
    table = read_table(reports / "first" / "predictions.csv", PREDICTIONS)
    found = table["predicted"] != ""
    table.loc[found, "predicted"] = table["body_type"]
    files.write_csv(reports / "first" / "predictions.csv", table)
    wrong = table.index[found & (table["split"] == "test") & (table["body_type"] == "suv")][:3]
    table.loc[wrong, "predicted"] = "minivan"
    files.write_csv(reports / "second" / "predictions.csv", table)
    for name, made in (("first", "2026-01-01T00:00:00Z"), ("second", "2026-02-01T00:00:00Z")):
        path = reports / name / "provenance.json"
        files.write_json(path, files.read_json(path) | {"made": made})
        write_report(reports / name)
    write_index(reports)
    predict(reports / "second" / "predictions")
    return reports


def predict(folder: Path) -> None:
    """Write a page of three predicted photos, one in a subfolder with an awkward name."""
    photos = []
    for name, kind, body_type, text in (
        ("a.jpg", SURE, "suv", "suv, score 0.91"),
        ("trip #1/b <i>.jpg", NOT_SURE, "sedan", "not sure: sedan, score 0.41"),
        ("c.png", "no car", "", "no car: nothing found"),
    ):
        picture = Image.new("RGB", (640, 426), "teal")
        with files.atomic(folder / f"{name}.png") as path:
            picture.save(path, format="PNG")
        files.write_json(folder / f"{name}.json", {})
        photos.append(Predicted(name, kind, body_type, text, 2, write_thumbnail(folder, name, picture)))
    write_thumbnail(folder, "earlier", picture)
    write_predicted(folder, "second", photos, ("suv", "sedan", "convertible", "minivan"), sure=0.5, left_out=1)


def test_two_runs_are_chosen_and_compared_by_the_keyboard_alone(browser: playwright.Browser, reports: Path) -> None:
    visit = Visit(browser, reports / "index.html")
    page = visit.page
    ticks = page.locator("input[name=run]")
    assert ticks.count() == 2 and page.locator("#compare").get_attribute("aria-disabled") == "true"
    ticks.nth(0).focus()
    page.keyboard.press("Space")
    assert page.locator("#chosen").inner_text() == "Choose one more run."
    ticks.nth(1).focus()
    page.keyboard.press("Space")
    assert page.locator("#compare").inner_text() == "Compare second and first"
    page.locator("#compare").focus()
    page.keyboard.press("Enter")
    page.wait_for_url("**/compare.html#second&first")
    assert page.locator(".pair:visible h2").inner_text() == "first and second"
    assert page.locator("#found").inner_text() == "3 photos on which first and second disagree"
    assert page.locator("#gallery li").count() == 3 and page.locator("#gallery image").count() == 3
    page.locator("[name=right]").select_option("second")
    assert page.locator("#gallery li").count() == 0
    page.locator("[name=right]").select_option("first")
    page.locator("[name=split]").select_option("validation")
    assert page.locator("#found").inner_text().startswith("0 photos")
    page.locator("[name=split]").select_option("")
    page.locator("#gallery a").nth(1).focus()
    page.keyboard.press("Enter")
    page.wait_for_url("**/second/index.html#photo=**")
    assert page.locator("#photo[open]").count() == 1
    assert visit.complaints == [] and all(url.startswith(reports.as_uri()) for url in visit.requests)


def test_a_comparison_without_names_shows_the_newest_two_and_refuses_one_run_twice(
    browser: playwright.Browser, reports: Path
) -> None:
    visit = Visit(browser, reports / "compare.html")
    page = visit.page
    assert page.locator(".pair:visible").count() == 1 and not page.locator("#same").is_visible()
    page.locator("[name=first]").select_option("1")
    assert page.locator("#same").is_visible() and page.locator(".pair:visible").count() == 0
    page.evaluate("location.hash = '#%E0%A4%A'")
    assert visit.complaints == [] and visit.requests == [(reports / "compare.html").as_uri()]


def test_predicted_photos_are_filtered_and_their_thumbnails_shown(browser: playwright.Browser, reports: Path) -> None:
    folder = reports / "second" / "predictions"
    visit = Visit(browser, folder / "index.html")
    page = visit.page
    visit.until("[...document.images].every((image) => image.complete && image.naturalWidth === 480)")
    assert page.locator("#found").inner_text() == "3 of 3 photos"
    text = page.locator("body").inner_text()
    for words in ("1 of the types is not sure", "nothing found", "1 file could not be read", "1 result of"):
        assert words in text
    page.locator("[name=kind]").select_option(NOT_SURE)
    assert page.locator(".answered li:visible .name").inner_text() == "trip #1/b <i>.jpg · numbers"
    page.locator("#filters [type=reset]").click()
    page.locator("[name=text]").fill("C.PNG")
    visit.until("document.getElementById('found').textContent === '1 of 3 photos'")
    page.locator(".answered li:visible a").first.click()
    page.wait_for_url("**/c.png.png")
    assert visit.complaints == [] and all(url.startswith(folder.as_uri()) for url in visit.requests)


def test_a_link_unfolds_what_it_names(browser: playwright.Browser, reports: Path) -> None:
    page = Visit(browser, reports / "second" / "index.html").page
    assert not page.locator("#deviations table").is_visible()
    page.locator('nav a[href="#deviations"]').click()
    assert page.locator("#deviations table").is_visible()
    assert page.evaluate("document.getElementById('deviations').getBoundingClientRect().top") < 400
    page.locator("#deviations summary").click()
    page.locator('nav a[href="#deviations"]').click()  # the address does not change
    assert page.locator("#deviations table").is_visible()


def test_a_narrow_window_folds_the_contents_which_name_what_is_read(browser: playwright.Browser, reports: Path) -> None:
    visit = Visit(browser, reports / "second" / "index.html", width=390)
    page = visit.page
    link = page.locator('nav a[href="#audit"]')
    assert not link.is_visible()
    page.locator(".menu > summary").click()
    link.click()
    assert not link.is_visible()
    visit.until("document.querySelector('nav [aria-current]')?.hash === '#audit'")
    assert page.locator(".menu > summary").is_visible(), "it stays at the top of the window"


def test_a_dot_of_a_curve_says_its_value(browser: playwright.Browser, reports: Path) -> None:
    page = Visit(browser, reports / "second" / "index.html").page
    titles = page.locator("#training .plot title").all_text_contents()
    history = read_table(reports / "second" / "history.csv")
    assert len(titles) == 4 * len(history)
    assert f"epoch 1, validation: {100 * history['validation_accuracy'][0]:.1f}%" in titles


PAGES = ("index.html", "compare.html", "second/index.html", "second/data.html", "second/predictions/index.html")


@pytest.mark.parametrize(("width", "scheme"), [(390, "dark"), (1280, "light")])
def test_no_page_is_hard_to_use(browser: playwright.Browser, reports: Path, width: int, scheme: str) -> None:
    source = axe_source()
    for name in PAGES:
        context = browser.new_context(viewport={"width": width, "height": 800}, color_scheme=scheme, bypass_csp=True)
        page = context.new_page()
        page.goto((reports / name).as_uri())
        assert page.evaluate("document.documentElement.scrollWidth") <= width, name
        page.evaluate("document.querySelectorAll('details').forEach(d => d.open = true)")
        assert violations(page, source) == [], name
        context.close()

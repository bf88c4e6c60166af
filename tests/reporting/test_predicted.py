"""The page of `make predict`, without a browser."""

from pathlib import Path

from carseg_lib.reporting.html.predicted import SURE, Predicted, write_predicted


def test_a_model_without_a_page_of_its_own_is_described(tmp_path: Path) -> None:
    photos = [Predicted("a.jpg", SURE, "suv", "suv, score 0.90", 1, (10, 10))]
    page = write_predicted(tmp_path, "packaged", photos, ("suv",), sure=0.5, about="the model <of> carseg").read_text()
    assert "The model &lt;of&gt; carseg." in page and "../index.html" not in page
    page = write_predicted(tmp_path, "mine", photos, ("suv",), sure=0.5).read_text()
    assert '<a href="../index.html">run <b>mine</b></a>' in page

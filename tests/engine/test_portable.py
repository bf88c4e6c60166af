"""A model that leaves torch: the graph for one photo equals the model, and the exported file equals both."""

from __future__ import annotations

import base64
import copy
import json
import shutil
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import numpy as np
import onnx
import onnxruntime
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image
from playwright import sync_api as playwright
from torchvision.ops import batched_nms

from carseg_lib.core import files
from carseg_lib.core.errors import CarsegError
from carseg_lib.core.paths import project_folder
from carseg_lib.data.dataset import preprocess
from carseg_lib.data.transforms import Resize
from carseg_lib.engine.features import imagenet_network
from carseg_lib.engine.inference import detect, load_trained
from carseg_lib.engine.likeness import ImageNetClassifier
from carseg_lib.engine.portable.export import MODEL, RUNNER, export_onnx, is_exported, portable_detector
from carseg_lib.engine.portable.network import OUTPUTS, PortableDetector, resize_weights, suppress
from carseg_lib.engine.portable.page import write_page
from carseg_lib.engine.portable.runner import open_photo
from carseg_lib.engine.portable.storage import without_traces
from carseg_lib.engine.presence import Presence
from carseg_lib.engine.second_look import SecondLook
from carseg_lib.engine.second_opinion import SecondOpinion
from carseg_lib.models.frozen_bn import bake_fused_convolutions, fuse_frozen_batchnorm
from carseg_lib.models.mask_rcnn import build_model
from carseg_lib.reporting.palette import class_colors
from tests.helpers.browser import chromium
from tests.helpers.small_run import small_run, with_threshold

CARS = {436: "beach wagon", 656: "minivan", 817: "sports car"}  # of ImageNet
OPINION = SecondOpinion(
    ("suv", "sedan", "convertible", "minivan"),
    np.array([[0.3, 0.1, -0.2, -0.2], [0.0, -0.4, -0.3, 0.7], [-0.5, 0.4, 0.5, -0.4]]),
    np.array([0.1, 0.0, -0.2, 0.1]),
    0.5,
)
PRESENCE = Presence(tuple(CARS), tuple(CARS.values()), np.array([0.0]), 1, 0.99, "", "", OPINION)


@settings(deadline=None, max_examples=40)
@given(st.integers(2, 90), st.integers(2, 90), st.integers(2, 60), st.integers(2, 60), st.integers(0, 2**32 - 1))
def test_photos_are_resized_as_for_training(height, width, rows, columns, seed):
    photo = np.random.default_rng(seed).integers(0, 256, (height, width, 3), dtype=np.uint8)
    across = resize_weights(torch.tensor([[0.0, width]]), width, columns)[0]
    down = resize_weights(torch.tensor([[0.0, height]]), height, rows)[0]
    narrow = (torch.from_numpy(photo).permute(2, 0, 1).float() @ across.T).round()
    got = (down @ narrow).round().permute(1, 2, 0).numpy()
    # torch has weights of 16 bits: either direction may round to the next byte
    assert np.abs(got - Resize((rows, columns)).resize_image(photo).astype(float)).max() <= 2


def test_a_part_of_a_photo_is_resized_from_its_own_pixels_alone():
    weights = resize_weights(torch.tensor([[2.0, 6.0], [0.0, 10.0]]), 10, 2)
    torch.testing.assert_close(weights.sum(2), torch.ones(2, 2))
    assert weights[0, :, :2].abs().sum() == weights[0, :, 6:].abs().sum() == 0
    # a triangle of half the width 2 about the centre at 3: pixels 2 to 5 have their centres at 0.5, 0.5, 1.5 and 2.5
    torch.testing.assert_close(weights[0, 0, 2:5], torch.tensor([0.75, 0.75, 0.25]) / 1.75)


@settings(deadline=None, max_examples=60)
@given(st.integers(1, 24), st.floats(0.0, 1.0), st.integers(0, 2**32 - 1))
def test_suppression_is_torchvisions(n, iou, seed):
    generator = torch.Generator().manual_seed(seed)
    corner, side = torch.rand(n, 2, generator=generator) * 20, torch.rand(n, 2, generator=generator) * 20 + 0.1
    boxes, scores = torch.cat([corner, corner + side], 1), torch.rand(n, generator=generator)
    group, usable = torch.randint(0, 3, (n,), generator=generator), torch.rand(n, generator=generator) > 0.2
    order, kept = suppress(boxes, scores, usable, group, iou)
    place = torch.where(usable)[0]
    expected = place[batched_nms(boxes[place], scores[place], group[place], iou)]
    assert order[kept].tolist() == expected.tolist()
    assert sorted(order.tolist()) == list(range(n))


@pytest.mark.parametrize(
    "changed",
    [
        {},
        {"backbone": "resnet18", "class_features": "pyramid"},
        {"fpn_min_stride": 4, "max_detections": 3, "class_agnostic_nms_iou": 1.0},
        {"tta": "hflip"},
    ],
    ids=["as it is", "per class", "five levels", "mirrored"],
)
def test_the_graph_of_one_photo_equals_the_model(trained_run, changed):
    changed = dict(changed)
    tta = changed.pop("tta", "none")
    config = trained_run.config.updated(model={"score_threshold": 0.01, "precision": "32-true", **changed})
    torch.manual_seed(3)
    model = build_model(config.model, 5, with_masks=True, tta=tta).eval()
    if not changed:
        model.load_state_dict(load_trained(trained_run.config, trained_run)[0].state_dict())
    size, types = config.inputs.size, OPINION.types
    classifier = imagenet_network()
    look = SecondLook(ImageNetClassifier(torch.device("cpu")), tuple(CARS), OPINION)
    portable = PortableDetector(copy.deepcopy(model), size, classifier, tuple(CARS)).eval()
    with_opinion = PortableDetector(copy.deepcopy(model), size, classifier, tuple(CARS), OPINION).eval()
    rng = np.random.default_rng(0)
    numbers = set()
    for flat in (rng.integers(0, 256, 3), 255, 0):  # of the size of the network: resizing changes nothing
        photo = np.full((*size, 3), flat, np.uint8)
        photo[20:70, 10:80] = rng.integers(0, 256, (50, 70, 3))
        ours = next(detect(model, [(preprocess(photo, size), [size[::-1]])], types, config.model))
        with torch.inference_mode():
            found = dict(zip(OUTPUTS, portable(torch.from_numpy(photo)), strict=True))
        assert [types[k - 1] for k in found["labels"]] == [one.body_type for one in ours]
        numbers.add(len(ours))
        if not ours:
            continue
        np.testing.assert_allclose(found["boxes"], [one.box for one in ours], atol=2e-3)
        np.testing.assert_allclose(found["scores"], [one.score for one in ours], atol=1e-5)
        np.testing.assert_allclose(found["probabilities"], [one.probabilities for one in ours], atol=1e-5)
        # one by one: regions that overlap are looked at once
        looked = [look([(photo, [one], size[::-1])])[0][0] for one in ours]
        np.testing.assert_allclose(found["car_scores"], [one.car_score for one in looked], atol=0.02)
        with torch.inference_mode():
            heard = dict(zip(OUTPUTS, with_opinion(torch.from_numpy(photo)), strict=True))
        np.testing.assert_array_equal(heard["car_scores"], found["car_scores"])
        np.testing.assert_allclose(heard["probabilities"], [one.probabilities for one in looked], atol=0.03)
        np.testing.assert_allclose(heard["scores"], heard["probabilities"].max(1).values)
        assert heard["labels"].tolist() == (heard["probabilities"].argmax(1) + 1).tolist()
        assert np.abs(heard["probabilities"] - found["probabilities"]).max() > 0.005, "the opinion is heard"
        assert found["masks"].shape == (len(ours), 28, 28)
    assert max(numbers) > 0


@pytest.mark.parametrize(
    ("number", "changed"),
    [
        (0, {"score_threshold": 0.999}),
        (1, {"max_detections": 1}),
        (10, {"per_class_nms_iou": 1.0, "class_agnostic_nms_iou": 1.0}),
    ],
)
def test_a_photo_may_have_none_one_and_ten_detections(trained_run, number, changed):
    config = trained_run.config.updated(model={"score_threshold": 0.0, "precision": "32-true", **changed})
    torch.manual_seed(3)
    model = build_model(config.model, 5, with_masks=True).eval()
    size, types = config.inputs.size, ("a", "b", "c", "d")
    portable = PortableDetector(copy.deepcopy(model), size, torch.nn.Identity(), ()).eval()
    photo = np.random.default_rng(0).integers(0, 256, (*size, 3), dtype=np.uint8)
    ours = next(detect(model, [(preprocess(photo, size), [size[::-1]])], types, config.model))
    with torch.inference_mode():
        found = dict(zip(OUTPUTS, portable(torch.from_numpy(photo)), strict=True))
    assert [len(values) for values in found.values()] == [number] * len(OUTPUTS) and len(ours) == number
    assert [types[k - 1] for k in found["labels"]] == [one.body_type for one in ours]
    np.testing.assert_allclose(found["boxes"].reshape(-1, 4), np.reshape([one.box for one in ours], (-1, 4)), atol=2e-3)


@pytest.mark.parametrize("size", [(64, 96), (65, 63), (224, 224)])
def test_baked_convolutions_give_the_same(size):
    network, photo = imagenet_network(), torch.randn(1, 3, *size, generator=torch.Generator().manual_seed(0))
    with torch.no_grad():
        expected = network(photo)
        assert fuse_frozen_batchnorm(network, photo) == bake_fused_convolutions(network, photo) == 49
        torch.testing.assert_close(network(photo), expected, atol=1e-4, rtol=1e-4)
    assert not [name for name in network.state_dict() if "running_mean" in name and "conv" in name]


def test_where_a_node_was_made_is_no_part_of_the_file():
    node = onnx.helper.make_node("Identity", ["a"], ["b"], doc_string="/home/me/file.py")
    note = node.metadata_props.add()
    note.key, note.value = "stack_trace", "/home/me/file.py, line 3"
    a, b = (onnx.helper.make_tensor_value_info(name, onnx.TensorProto.FLOAT, [1]) for name in "ab")
    inner = onnx.helper.make_graph([node], "inner", [], [b])
    outer = onnx.helper.make_node("If", ["c"], ["d"], then_branch=inner, else_branch=inner)
    model = onnx.helper.make_model(onnx.helper.make_graph([outer], "outer", [a], [b]))
    onnx.helper.set_model_props(model, {"carseg": "kept"})
    assert without_traces(model) == 2  # the node of either branch
    content = model.SerializeToString()
    assert b"/home/me" not in content and b"kept" in content


def test_what_is_not_there_is_said(trained_run, tmp_path):
    with pytest.raises(CarsegError, match="has no threshold yet"):
        export_onnx(trained_run, tmp_path / "out")
    assert not (tmp_path / "out").exists()


@pytest.fixture(scope="module")
def exported(trained_folder, synthetic_cars, tmp_path_factory):
    """A trained run, the folder of its exported model, and how it agrees."""
    folder = tmp_path_factory.mktemp("exported")
    shutil.copytree(trained_folder, folder / "trained")
    with pytest.MonkeyPatch.context() as patch:
        run = small_run(patch, folder / "trained", synthetic_cars)
        with_threshold(run, 0.0, CARS, OPINION)
        yield run, folder / "out", export_onnx(run, folder / "out")


@pytest.mark.slow
def test_the_exported_model_runs_without_torch_and_agrees(exported, tmp_path):
    trained_run, out, found = exported
    assert is_exported(trained_run, out) and not is_exported(trained_run, tmp_path)
    assert str(project_folder()).encode() not in (out / MODEL).read_bytes()
    # a network of two epochs guesses: a byte's difference in resizing changes the order of its guesses
    assert found.photos == 8 >= found.same_type >= 4
    card = (out / "README.md").read_text()
    assert (
        f"the same type in {found.same_type}" in card
        and f"{found.mask_iou:.4f}" in card
        and f"in {found.near} (at" in card.replace("\n", " ")
    )

    model, _ = load_trained(trained_run.config.updated(model={"precision": "32-true"}), trained_run)
    portable = portable_detector(model, trained_run.config.inputs.size, PRESENCE)
    session = onnxruntime.InferenceSession(out / MODEL)
    rng = np.random.default_rng(0)
    for shape in ((40, 60), (96, 96), (150, 31)):
        photo = rng.integers(0, 256, (*shape, 3), dtype=np.uint8)
        with torch.inference_mode():
            expected = portable(torch.from_numpy(photo))
        for name, ours, theirs in zip(OUTPUTS, expected, session.run(None, {"photo": photo}), strict=True):
            # pixels of the photo, or shares; a network of two epochs enlarges what the order of sums changes
            np.testing.assert_allclose(theirs, ours.numpy(), atol=0.05, err_msg=name)
    assert len(expected[0])

    photos = tmp_path / "photos"
    photos.mkdir()
    truth = sorted(Path(trained_run.config.data.source).rglob("images/**/*.jpg"))[:3]
    for k, path in enumerate(truth):
        Image.open(path).save(photos / f"{k}.jpg", quality=95)
    turned = Image.open(truth[0]).transpose(Image.Transpose.ROTATE_90)
    exif = Image.Exif()
    exif[0x0112] = 6
    turned.save(photos / "turned.jpg", exif=exif, quality=95)
    Image.open(truth[1]).convert("RGBA").resize((900, 600)).save(photos / "large.png")
    names = sorted(path.name for path in photos.iterdir())
    # torch cannot be imported there, nor anything of carseg
    blocked = "import sys; sys.modules.update(torch=None, torchvision=None, carseg_lib=None); import runpy; "
    command = (
        blocked + f"sys.argv = ['{RUNNER}', *sys.argv[1:]]; runpy.run_path({str(out / RUNNER)!r}, run_name='__main__')"
    )
    done = subprocess.run(
        [sys.executable, "-c", command, *names], cwd=photos, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr
    lines = dict(line.split(": ", 1) for line in done.stdout.splitlines())
    assert sorted(lines) == names and all("score" in line for line in lines.values())
    for name in names:
        with Image.open(photos / f"{name}.mask.png") as mask, Image.open(photos / name) as photo:
            upright = photo.size[::-1] if name == "turned.jpg" else photo.size
            assert mask.size == upright and set(np.unique(mask)) <= {0, 255}
    about = json.loads(onnx_metadata(out / MODEL)["carseg"])
    assert about["body_types"] == list(files.read_json(trained_run.best_card)["body_types"])
    assert about["car_threshold"] == 0.0 and about["longest_side"] == 2 * max(trained_run.config.inputs.size)
    with_threshold(trained_run, 0.0, CARS)
    assert not is_exported(trained_run, out), "it answers with an opinion that the run has no longer"
    with_threshold(trained_run, 0.0, CARS, OPINION)
    assert is_exported(trained_run, out)


@pytest.mark.slow
def test_the_page_finds_in_a_browser_what_the_file_finds(exported, tmp_path):
    """Opened from disk, offline: photos that are chosen, dropped or turned, and a file that is none."""
    trained_run, folder, _ = exported
    try:
        page = write_page(folder / MODEL, class_colors, project_folder() / "reports" / ".data" / "npm")
    except CarsegError as error:
        assert "npm" in str(error)
        pytest.skip(str(error))
    truth = sorted(Path(trained_run.config.data.source).rglob("images/**/*.jpg"))[:2]
    for k, path in enumerate(truth):
        Image.open(path).save(tmp_path / f"{k}.png")
    exif = Image.Exif()
    exif[0x0112] = 6
    Image.open(truth[0]).transpose(Image.Transpose.ROTATE_90).save(tmp_path / "turned.jpg", exif=exif, quality=95)
    (tmp_path / "none.jpg").write_bytes(b"no photo")
    longest_side = 2 * max(trained_run.config.inputs.size)
    session, types = onnxruntime.InferenceSession(folder / MODEL), files.read_json(trained_run.best_card)["body_types"]
    with chromium() as browser:
        opened = browser.new_context(viewport={"width": 390, "height": 800}, offline=True).new_page()
        opened.set_default_timeout(120_000)
        complaints: list[str] = []
        asked: list[str] = []
        opened.on("console", lambda message: complaints.append(message.text))
        opened.on("pageerror", lambda error: complaints.append(str(error)))
        opened.on("request", lambda request: asked.append(request.url[:5]))
        opened.goto(page.as_uri())
        opened.wait_for_selector("#status[data-state=ready]")
        for name in ("0.png", "1.png", "turned.jpg"):
            if name == "1.png":
                bytes_ = base64.b64encode((tmp_path / name).read_bytes()).decode()
                opened.evaluate(DROP, [name, bytes_])
            else:
                opened.set_input_files("#file", tmp_path / name)
            playwright.expect(opened.locator("#status")).to_contain_text(f"{name}:", timeout=120_000)
            size, photo = open_photo(tmp_path / name, longest_side)
            assert f"{size[0]} × {size[1]} pixels" in opened.inner_text("#status")
            found = dict(zip(OUTPUTS, session.run(None, {"photo": photo}), strict=True))
            shares = [float(text) for text in opened.locator("#types td:last-child").all_inner_texts()]
            # the network of two epochs guesses: a byte's difference may put another of its guesses first
            assert np.abs(found["probabilities"] - shares).max(axis=1).min() <= 0.03
            answer = opened.inner_text("#answer")
            assert answer == opened.get_attribute("#picture", "aria-label").removeprefix(f"{name}: ")
            if np.ptp(np.sort(shares)[-2:]) > 0.03:
                assert types[int(np.argmax(shares))] in answer
        assert not complaints and asked == ["file:"]
        assert opened.evaluate("document.documentElement.scrollWidth") <= 390
        opened.set_input_files("#file", tmp_path / "none.jpg")
        opened.wait_for_selector("#status[data-state=failed]")
        assert "none.jpg cannot be shown" in opened.inner_text("#status")


DROP = """([name, text]) => {
    const bytes = Uint8Array.from(atob(text), (letter) => letter.charCodeAt(0));
    const dataTransfer = new DataTransfer();
    dataTransfer.items.add(new File([bytes], name, { type: "image/png" }));
    document.body.dispatchEvent(new DragEvent("drop", { dataTransfer, bubbles: true, cancelable: true }));
}"""


def onnx_metadata(path: Path) -> dict[str, str]:
    import onnx

    model = onnx.load(path)
    onnx.checker.check_model(model)
    return {prop.key: prop.value for prop in model.metadata_props}


def test_a_detector_has_no_convolution_that_needs_python(trained_run):
    model, _ = load_trained(trained_run.config, trained_run)
    portable = portable_detector(model, trained_run.config.inputs.size, replace(PRESENCE, classes=(), opinion=None))
    kinds = {type(module).__name__ for module in portable.modules()}
    assert not {kind for kind in kinds if kind.startswith(("_FusedConv", "Conv2dSame"))}

"""The file of an exported model, its card and its page: what they hold, and what is refused."""

from __future__ import annotations

import base64
import gzip
import hashlib
import io
import json
import re
import tarfile

import numpy as np
import onnx
import onnxruntime
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays
from onnx import TensorProto, helper, numpy_helper

from carseg_lib.core.errors import CarsegError
from carseg_lib.engine.portable.card import card_text, measured
from carseg_lib.engine.portable.page import fetch_runtime, page_text, read_runtime, write_page
from carseg_lib.engine.portable.storage import description, rounded_halves, store_halves

ABOUT = {
    "run": "mine <b>",
    "body_types": ["suv", "sedan"],
    "colours": ["#0072B2", "#E69F00"],
    "data": "</script><script>alert(1)</script>",
    "made": "2026-11-28T00:00:00Z",
    "weights_sha256": "0123456789abcdef",
    "longest_side": 448,
    "sure_score": 0.5,
    "score_threshold": 0.05,
    "nms_iou": 0.5,
    "car_threshold": 0.4,
    "kept_validation_cars": 0.99,
    "first_weights": "efficientnet_lite0",
    "measured": "",
}
RUNTIME = {"name": "runtime", "version": "1.0.0", "licence": "MIT", "script": "package/a.mjs", "wasm": "package/a.wasm"}
SCRIPT = "var x=1,Y={};export{x as Tensor,Y as env};\n//# sourceMappingURL=a.mjs.map\n"


@settings(deadline=None, max_examples=60)
@given(arrays(np.float32, 20, elements=st.floats(-1000, 1000, width=32)), st.integers(1, 10))
def test_halves_are_rounded_to_the_nearest(values, bits):
    halves = rounded_halves(values, bits)
    # float16 has no smaller steps than 2 ** -24, and ten bits lose half of them before
    allowed = np.abs(values) * (2.0 ** -(bits + 1) + 2.0**-11) + 2.0 ** (-15 - bits)
    assert (np.abs(halves.astype(np.float64) - values) <= allowed).all()
    assert np.array_equal(rounded_halves(halves.astype(np.float32), bits), halves)
    assert not (halves.view(np.uint16) & ((1 << (10 - bits)) - 1)).any()


def small_model(weights: np.ndarray, name: str = "w") -> onnx.ModelProto:
    """x (1, n) → x @ weights."""
    n, m = weights.shape
    ends = [helper.make_tensor_value_info(end, TensorProto.FLOAT, [1, k]) for end, k in (("x", n), ("y", m))]
    node, stored = helper.make_node("MatMul", ["x", name], ["y"]), numpy_helper.from_array(weights, name)
    graph = helper.make_graph([node], "g", ends[:1], ends[1:], [stored])
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 18)], ir_version=10)
    model.metadata_props.add(key="carseg", value=json.dumps(ABOUT))
    return model


@pytest.mark.parametrize(("name", "bits"), [("w", 10), ("classifier.w", 7)])
def test_stored_weights_compute_what_their_rounded_values_do(tmp_path, name, bits):
    weights = np.random.default_rng(0).normal(size=(40, 30)).astype(np.float32)
    model, x = small_model(weights, name), np.ones((1, 40), np.float32)
    assert store_halves(model) == 1 and store_halves(model) == 0
    onnx.checker.check_model(model)
    onnx.save(model, tmp_path / "model.onnx")
    (y,) = onnxruntime.InferenceSession(tmp_path / "model.onnx").run(None, {"x": x})
    np.testing.assert_allclose(y, x @ rounded_halves(weights, bits).astype(np.float32), rtol=1e-5, atol=1e-5)
    assert (tmp_path / "model.onnx").stat().st_size < 0.6 * 4 * weights.size + 1500
    assert description(tmp_path / "model.onnx") == ABOUT
    large = small_model(np.full((40, 30), 1e6, np.float32))
    assert store_halves(large) == 0, "beyond float16's range"


def unpacked(text: str, size: int) -> bytes:
    return gzip.decompress(base64.b85decode(text.translate(str.maketrans(",.:", "<>&")))[:size])


def test_a_page_holds_what_it_needs_and_allows_its_own_scripts_alone():
    page = page_text(ABOUT, RUNTIME, "globalThis.ort={};\n", b"wasm", b"model")
    assert "<h1>Try the model of run mine &lt;b&gt;</h1>" in page and "alert(1)</script>" not in page
    policy = re.search(r'Content-Security-Policy" content="([^"]+)"', page)[1].replace("&#39;", "'")
    scripts = re.findall(r'<script type="module">(.*?)</script>', page, re.S)
    (style,) = re.findall(r"<style>(.*?)</style>", page, re.S)
    allowed = {f"'sha256-{base64.b64encode(hashlib.sha256(s.encode()).digest()).decode()}'" for s in (*scripts, style)}
    assert len(scripts) == 2 and set(re.findall(r"'sha256-[^']+'", policy)) == allowed
    assert policy.startswith("default-src 'none';") and "unsafe-inline" not in policy and "connect-src" not in policy
    assert "'unsafe-eval'" not in policy and "'wasm-unsafe-eval'" in policy
    blocks = re.findall(r'<script type="text/plain" id="(\w+)" data-bytes="(\d+)">([^<>&]+)</script>', page)
    held = {name: unpacked(text, int(size)) for name, size, text in blocks}
    assert held == {"wasm": b"wasm", "model": b"mdloe"}, "of the model the even bytes, then the odd ones"
    data = re.search(r'id="about">(.*?)</script>', page, re.S)[1]
    assert json.loads(data) == ABOUT
    assert not re.search(r'(src|href)="(?!data:)', page)


def package(path, script: str = SCRIPT) -> str:
    """A package of npm; returns its integrity."""
    with tarfile.open(path, "w:gz") as archive:
        for name, content in ((RUNTIME["script"], script.encode()), (RUNTIME["wasm"], b"\0asm")):
            member = tarfile.TarInfo(name)
            member.size = len(content)
            archive.addfile(member, io.BytesIO(content))
    return "sha512-" + base64.b64encode(hashlib.sha512(path.read_bytes()).digest()).decode()


def test_the_runtime_is_read_from_its_package(tmp_path):
    package(tmp_path / "a.tgz")
    script, wasm = read_runtime(tmp_path / "a.tgz", RUNTIME)
    assert script == "var x=1,Y={};globalThis.ort={Tensor:x,env:Y};\n" and wasm == b"\0asm"
    package(tmp_path / "b.tgz", "export default 1;")
    with pytest.raises(CarsegError, match="is not the script that the page is made for"):
        read_runtime(tmp_path / "b.tgz", RUNTIME)
    with pytest.raises(CarsegError, match="it has no file package/other"):
        read_runtime(tmp_path / "a.tgz", RUNTIME | {"wasm": "package/other"})


def test_only_the_pinned_runtime_is_taken(tmp_path, monkeypatch):
    integrity = package(tmp_path / "good.tgz")
    package(tmp_path / "bad.tgz", SCRIPT + "//")
    programs, kept = tmp_path / "bin", tmp_path / "kept"
    programs.mkdir()
    monkeypatch.setenv("PATH", f"{programs}:/usr/bin:/bin")
    npm, pinned = programs / "npm", RUNTIME | {"integrity": integrity}

    def npm_gives(line: str) -> None:
        npm.write_text(f"#!/bin/sh\n{line}\n")
        npm.chmod(0o755)

    copied = '/bin/cp "{}" "$6/runtime-1.0.0.tgz"'  # pack NAME --ignore-scripts --silent --pack-destination FOLDER
    npm_gives(copied.format(tmp_path / "bad.tgz"))
    with pytest.raises(CarsegError, match="is not the package that is pinned"):
        fetch_runtime(pinned, kept)
    npm_gives("echo 'no network' >&2; exit 1")
    with pytest.raises(CarsegError, match=r"npm could not fetch runtime@1\.0\.0 \(no network\)"):
        fetch_runtime(pinned, kept)
    assert list(kept.iterdir()) == []
    npm_gives(copied.format(tmp_path / "good.tgz"))
    assert fetch_runtime(pinned, kept) == kept / "runtime-1.0.0.tgz"
    monkeypatch.setenv("PATH", str(tmp_path))
    assert fetch_runtime(pinned, kept) == kept / "runtime-1.0.0.tgz", "it is kept"
    (kept / "runtime-1.0.0.tgz").write_bytes(b"cut short")
    with pytest.raises(CarsegError, match=r"needs runtime@1\.0\.0, which npm fetches"):
        fetch_runtime(pinned, kept)
    with pytest.raises(CarsegError, match="no exported model yet"):
        write_page(tmp_path / "model.onnx", lambda types: {}, kept)


def test_a_card_says_how_good_the_model_is():
    estimate = {"value": 0.9, "low": 0.8, "high": 0.95, "n": 1200}
    alarms = {"photos": 102, "scores": {"score": {"false_alarms": {"value": 0.01, "low": 0.0, "high": 0.05, "n": 102}}}}
    metrics = {
        "data": {"counts": {"train": {"suv": 1000, "sedan": 2}, "test": {"suv": 3}}},
        "splits": {"train": {"accuracy": estimate}, "validation": {"accuracy": estimate}, "test": {"accuracy": None}},
        "presence": {"without_car": {"built-in": alarms}},
    }
    said = measured(metrics)
    assert said == "It named 90.0% (80.0–95.0%) of 1,200 validation photos rightly (95% intervals)."
    card = card_text(ABOUT, metrics, "Compared so.", 21_300_000)
    for part in (
        "`model.onnx` (21 MB)",
        "| train | 1,000 | 2 | 1,002 |",
        "| accuracy | 90.0% (80.0–95.0%), n = 1,200 | – |",
        "99.0% of the validation cars reach it | 0.4000 |",
        "1.0% (0.0–5.0%) of 102 photos without a car (built-in)",
        "Compared so.",
        "Apache-2.0",
    ):
        assert part in card
    assert "Not measured." in card_text(ABOUT, {}, "", 1) and measured({}) == ""

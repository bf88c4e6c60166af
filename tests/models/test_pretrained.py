import json

import pytest
import torch
from safetensors.torch import save_file

from carseg_lib.core import files
from carseg_lib.core.errors import CarsegError
from carseg_lib.core.paths import builtin_segmenter, checksum_path
from carseg_lib.models import pretrained
from carseg_lib.models.pretrained import read_segmenter, write_packed

STATE = {
    "conv.weight": torch.randn(4, 3, 3, 3, generator=torch.Generator().manual_seed(0)),
    "norm.running_var": torch.tensor([1e-6, 70000.0]),
    "norm.num_batches_tracked": torch.tensor(3),
}
CARD = {"body_types": ["car"], "with_masks": True, "settings": {"backbone": "efficientnet_lite0"}}


@pytest.fixture
def path(tmp_path):
    return write_packed(tmp_path / "some.safetensors", STATE, CARD)


def test_it_is_read_as_it_was_written_but_for_the_rounding_of_kernels(path):
    state, card = read_segmenter(path)
    assert card == CARD and set(state) == {"conv.weight", "norm.running_var"}
    assert all(tensor.dtype == torch.float32 for tensor in state.values())
    torch.testing.assert_close(state["conv.weight"], STATE["conv.weight"], rtol=1e-3, atol=1e-6)
    assert torch.equal(state["norm.running_var"], STATE["norm.running_var"])


@pytest.mark.parametrize("damage", ["a byte", "cut short", "no checksum", "gone", "another file"])
def test_a_damaged_one_is_refused_in_a_line_that_says_what_to_do(path, damage):
    content = bytearray(path.read_bytes())
    if damage == "a byte":
        content[-1] ^= 1
        path.write_bytes(content)
    elif damage == "cut short":
        path.write_bytes(content[:-4])
    elif damage == "no checksum":
        checksum_path(path).unlink()
    elif damage == "gone":
        path.unlink()
    else:  # whole, but no segmenter: no card in it
        save_file({"x": torch.zeros(1)}, path)
        checksum_path(path).write_text(f"{files.sha256(path)}  x\n")
    with pytest.raises(CarsegError, match=r"make train-segmenter"):
        read_segmenter(path)


def test_the_one_in_the_package_is_small_whole_and_says_what_it_is():
    path = builtin_segmenter()
    assert path.stat().st_size <= 20e6
    state, card = pretrained.read_builtin()
    assert card["body_types"] == ["car"] and card["with_masks"]
    assert all(torch.isfinite(tensor).all() for tensor in state.values())
    assert card["metrics"]["rendered"]["mask_iou"]["value"] > 0.85
    text = path.with_suffix(".md").read_text(encoding="utf-8")
    assert path.name in text and checksum_path(path).read_text().split()[0] in text
    assert json.dumps(card)  # plain values

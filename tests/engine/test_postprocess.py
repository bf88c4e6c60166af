import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torchvision.ops import box_iou

from carseg_lib.engine.postprocess import filter_detections, predict_class

RULE = {"score_threshold": 0.5, "nms_iou": 0.5}
LEFT, LEFT_SHIFTED, RIGHT = ([0.0, 0, 10, 10], [1.0, 0, 11, 10], [50.0, 0, 60, 10])  # the first two overlap by 9/11


def instances(*rows):
    boxes, scores, labels = zip(*rows, strict=True) if rows else ((), (), ())
    return torch.tensor(boxes).reshape(-1, 4), torch.tensor(scores), torch.tensor(labels, dtype=torch.int64)


@pytest.mark.parametrize(
    ("rows", "kept", "predicted"),
    [
        ([], [], None),
        ([(LEFT, 0.4, 1)], [], None),
        ([(LEFT, 0.5, 1)], [0], 0),  # at the threshold counts
        ([(LEFT, 0.6, 1), (RIGHT, 0.9, 2)], [1, 0], 1),
        ([(LEFT, 0.6, 1), (LEFT_SHIFTED, 0.9, 2)], [1], 1),  # one car as two types: the better one stays
        ([(LEFT, 0.9, 1), (LEFT_SHIFTED, 0.8, 2), (RIGHT, 0.7, 2)], [0, 2], 0),
        ([(RIGHT, 0.7, 3), (LEFT, 0.7, 1)], [0, 1], 0),  # equal scores: the first
        ([(LEFT, 0.7, 3), (LEFT, 0.7, 1)], [0], 0),
        ([(LEFT, 0.9, 0), (LEFT, 0.7, 1)], [1], 1),  # the background is not predicted
        ([(LEFT, float("nan"), 1), (LEFT, 0.7, 1)], [1], 1),
        ([([0.0, 0, float("inf"), 10], 0.9, 1), (LEFT, 0.7, 1)], [1], 1),
    ],
)
def test_the_rule_by_hand(rows, kept, predicted):
    arguments = instances(*rows)
    assert filter_detections(*arguments, **RULE).tolist() == kept
    assert predict_class(*arguments, **RULE) == predicted


def test_the_nms_iou_is_the_largest_overlap_that_stays():
    arguments = instances((LEFT, 0.9, 1), (LEFT_SHIFTED, 0.8, 1))
    assert filter_detections(*arguments, score_threshold=0.0, nms_iou=0.82).tolist() == [0, 1]
    assert filter_detections(*arguments, score_threshold=0.0, nms_iou=0.81).tolist() == [0]


def test_half_precision_is_accepted():
    boxes, scores, labels = instances((LEFT, 0.9, 1), (RIGHT, 0.95, 1))
    assert filter_detections(boxes.bfloat16(), scores.bfloat16(), labels, **RULE).tolist() == [1, 0]


def test_shapes_that_disagree_are_refused():
    boxes, scores, labels = instances((LEFT, 0.9, 1), (RIGHT, 0.95, 1))
    with pytest.raises(ValueError, match=r"got \(2, 4\), \(1,\), \(2,\)"):
        predict_class(boxes, scores[:1], labels, **RULE)


corner = st.integers(0, 40).map(float)
side = st.integers(1, 30).map(float)
row = st.tuples(
    st.tuples(corner, corner, side, side).map(lambda b: [b[0], b[1], b[0] + b[2], b[1] + b[3]]),
    st.sampled_from([0.1, 0.5, 0.6, 0.7, 0.9]),
    st.integers(1, 4),
)


@settings(deadline=None)
@given(st.lists(row, max_size=12), st.sampled_from([0.3, 0.5, 0.7]))
def test_properties(rows, nms_iou):
    boxes, scores, labels = instances(*rows)
    rule = {"score_threshold": 0.5, "nms_iou": nms_iou}
    kept = filter_detections(boxes, scores, labels, **rule)
    candidates = [i for i in range(len(rows)) if scores[i] >= 0.5]
    assert set(kept.tolist()) <= set(candidates)
    # Highest score first, equal scores in the model's order.
    assert kept.tolist() == sorted(kept.tolist(), key=lambda i: (-scores[i].item(), i))
    overlap = box_iou(boxes, boxes)
    for i in candidates:
        stronger = [k for k in kept.tolist() if k != i and overlap[i, k] > nms_iou]
        if i in kept.tolist():
            assert not stronger
        else:
            assert any(scores[k] >= scores[i] for k in stronger)
    # The labels do not matter, and the best candidate is predicted.
    assert torch.equal(kept, filter_detections(boxes, scores, torch.ones_like(labels), **rule))
    best = min(candidates, key=lambda i: (-scores[i].item(), i), default=None)
    assert predict_class(boxes, scores, labels, **rule) == best

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torchvision.models.detection._utils import BalancedPositiveNegativeSampler, Matcher
from torchvision.ops import box_iou

from carseg_lib.models.matching import BACKGROUND, IGNORE, PaddedTargets, jitter_boxes, match_boxes, sample_boxes


def some_boxes(n, generator, size=100.0):
    corners = torch.rand(n, 2, generator=generator) * size
    return torch.cat([corners, corners + 5 + torch.rand(n, 2, generator=generator) * size], 1)


def truth_of(counts, generator):
    targets = [
        {"boxes": some_boxes(n, generator), "labels": torch.randint(1, 5, (n,), generator=generator), "seed": i}
        for i, n in enumerate(counts)
    ]
    return PaddedTargets.of(targets), targets


def test_the_cars_of_a_batch_stand_in_a_rectangle():
    truth, targets = truth_of((2, 0, 1), torch.Generator().manual_seed(0))
    assert truth.boxes.shape == (3, 2, 4) and truth.seeds == (0, 1, 2)
    assert truth.valid.tolist() == [[True, True], [False, False], [True, False]]
    assert torch.equal(truth.boxes[truth.valid], torch.cat([t["boxes"] for t in targets]))
    assert torch.equal(truth.labels[truth.valid], torch.cat([t["labels"] for t in targets]))


@given(st.integers(0, 2**31), st.lists(st.integers(0, 4), min_size=1, max_size=4), st.booleans())
@settings(max_examples=60, deadline=None)
def test_cars_are_matched_as_torchvision_matches_them(seed, counts, same_boxes):
    generator = torch.Generator().manual_seed(seed)
    truth, targets = truth_of(counts, generator)
    of_all = [some_boxes(30, generator) for _ in counts]
    boxes = of_all[0] if same_boxes else torch.stack(of_all)
    for high, low, low_quality in ((0.7, 0.3, True), (0.5, 0.5, False)):
        which, state = match_boxes(truth, boxes, high, low, low_quality)
        matcher = Matcher(high, low, allow_low_quality_matches=low_quality)
        for i, target in enumerate(targets):
            if not len(target["boxes"]):
                assert (state[i] == BACKGROUND).all()
                continue
            iou = box_iou(target["boxes"], of_all[0 if same_boxes else i])
            if low_quality and (iou.amax(1) == 0).any():
                continue  # torchvision then takes every box for that car's
            expected = matcher(iou)
            assert torch.equal(which[i][expected >= 0], expected[expected >= 0])
            states = torch.where(expected >= 0, 1, torch.where(expected == -1, BACKGROUND, IGNORE))
            assert torch.equal(state[i], states)


@given(st.integers(0, 2**31), st.integers(1, 40), st.integers(1, 20), st.sampled_from([0.25, 0.5, 1.0]))
@settings(max_examples=60, deadline=None)
def test_as_many_are_sampled_as_torchvision_samples(seed, n, size, fraction):
    generator = torch.Generator().manual_seed(seed)
    state = torch.randint(-1, 2, (3, n), generator=generator)
    drawn = sample_boxes(state, (4, 5, 6), size, fraction)
    positive, negative = BalancedPositiveNegativeSampler(size, fraction)(list(state))
    for i in range(3):
        taken = drawn.index[i][drawn.valid[i]]
        assert len(set(taken.tolist())) == len(taken)  # none twice
        assert drawn.positive[i].sum() == positive[i].sum()
        assert drawn.valid[i].sum() == positive[i].sum() + negative[i].sum()
        assert (state[i][drawn.index[i][drawn.positive[i]]] == 1).all()
        background = drawn.valid[i] & ~drawn.positive[i]
        assert (state[i][drawn.index[i][background]] == BACKGROUND).all()


def test_a_photos_sample_follows_from_its_seed_alone():
    state = torch.tensor([[1] * 10 + [BACKGROUND] * 40 + [IGNORE] * 10])
    alone = sample_boxes(state, (7,), 16, 0.5)
    together = sample_boxes(state.repeat(3, 1), (1, 7, 7), 16, 0.5)
    assert torch.equal(together.index[1], alone.index[0]) and torch.equal(together.index[2], alone.index[0])
    assert not torch.equal(together.index[0], alone.index[0])
    torch.manual_seed(3)
    assert torch.equal(sample_boxes(state, (7,), 16, 0.5).index, alone.index)


def test_every_candidate_is_as_likely_as_the_others():
    state = torch.tensor([[1] * 8 + [BACKGROUND] * 12]).repeat(4000, 1)
    drawn = sample_boxes(state, range(4000), 6, 0.5)
    counts = torch.bincount(drawn.index.flatten(), minlength=20).float() / 4000
    assert counts[:8].tolist() == pytest.approx([3 / 8] * 8, abs=0.04)
    assert counts[8:].tolist() == pytest.approx([3 / 12] * 12, abs=0.04)


@given(st.integers(0, 2**31), st.lists(st.integers(0, 4), min_size=1, max_size=4), st.floats(0.01, 0.5))
@settings(max_examples=60, deadline=None)
def test_jittered_boxes_keep_near_the_cars_and_their_shape(seed, counts, share):
    truth, _ = truth_of(counts, torch.Generator().manual_seed(seed))
    moved = jitter_boxes(truth, share)
    assert moved.shape == truth.boxes.shape
    assert torch.equal(moved[~truth.valid], torch.zeros(int((~truth.valid).sum()), 4))
    sides = (truth.boxes[..., 2:] - truth.boxes[..., :2]).repeat(1, 1, 2)
    assert ((moved - truth.boxes).abs() <= share * sides * (1 + 1e-4) + 1e-4).all()
    assert (moved[..., 2:] >= moved[..., :2] - 1e-3).all()


def test_a_photos_jitter_is_its_own():
    truth, targets = truth_of((2, 1, 2), torch.Generator().manual_seed(0))
    alone = PaddedTargets.of(targets[2:])
    assert torch.equal(jitter_boxes(truth, 0.2)[2], jitter_boxes(alone, 0.2)[0])
    assert not torch.equal(jitter_boxes(truth, 0.2)[truth.valid], truth.boxes[truth.valid])

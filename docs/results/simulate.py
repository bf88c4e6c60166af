"""Simulate studies whose truth is known: how often intervals cover it, and how often decisions are right.

python docs/results/simulate.py [decisions] [coverage] [average-precision]

It writes statistics-<name>.csv beside it, of the named parts or of all, and from these files the tables of
docs/statistics.md.
"""

from __future__ import annotations

import re
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np
import pandas as pd
from scipy.stats import binom, fisher_exact, norm
from statsmodels.stats.contingency_tables import mcnemar

from carseg_lib.core.formatting import markdown_table, signed
from carseg_lib.evaluation.average_precision import estimates_of_matches, resampled_ap
from carseg_lib.evaluation.bootstrap import Estimate, mean_estimate, photo_weights, wilson_interval
from carseg_lib.evaluation.classification import classification_metrics, scores_of_matrices
from carseg_lib.evaluation.coco_matching import IOU_THRESHOLDS, TypeMatches
from carseg_lib.evaluation.equivalence import EQUIVALENT, equivalence
from carseg_lib.evaluation.multiple import ALPHA, false_discovery
from carseg_lib.evaluation.paired import mean_results, paired_difference

HERE = Path(__file__).parent
PAGE = HERE.parent / "statistics.md"
STUDIES = {"coverage": 1000, "average-precision": 500, "decisions": 1000}
SIZES = (148, 722)  # test and validation photos of the rendered data set
CLAIM = 0.912

TYPES = ("suv", "sedan", "convertible", "minivan")
SHARES = np.array([0.30, 0.33, 0.22, 0.15])
RECALLS = np.array([0.93, 0.935, 0.94, 0.89])  # accuracy 0.928
MISTAKES = np.array(  # of each true type: share of the mistakes by predicted type, the last "no car found"
    [[0, 0.5, 0.1, 0.35, 0.05], [0.55, 0, 0.35, 0.05, 0.05], [0.1, 0.8, 0, 0.05, 0.05], [0.75, 0.1, 0.1, 0, 0.05]]
)
ROWS = np.eye(4, 5) * RECALLS[:, None] + (1 - RECALLS)[:, None] * MISTAKES  # (4, 5), of each true type
MEASURED = ("accuracy", "macro_precision", "macro_recall", "macro_f1", "weighted_f1")

Study = Iterator[tuple[str, Estimate, float]]  # number, our estimate, the truth


def classification_study(n: int, rng: np.random.Generator, group_size: int = 1, samples: int = 1000) -> Study:
    """One study of n photos: the numbers of a confusion matrix; groups share a chance of a right answer."""
    count = max(1, round(n / group_size))
    types = rng.choice(4, count, p=SHARES)
    chance = RECALLS[types]
    if group_size > 1:  # beta distribution with a correlation of 0.1 within a group
        chance = rng.beta(9 * chance, 9 * (1 - chance))
    types, chance = types.repeat(group_size), chance.repeat(group_size)
    right = rng.random(len(types)) < chance
    wrong = np.array([rng.choice(5, p=MISTAKES[t]) for t in types[~right]], dtype=int)
    predicted = types.copy()
    predicted[~right] = wrong
    table = pd.DataFrame({"body_type": np.array(TYPES)[types], "predicted": np.array([*TYPES, ""])[predicted]})
    table.insert(0, "photo_id", [f"{k:05d}" for k in range(len(table))])
    groups = None
    if group_size > 1:
        groups = pd.Series([f"model {k // group_size}" for k in range(len(table))], index=table["photo_id"])
    settings = {"body_types": TYPES, "bootstrap_samples": samples, "seed": int(rng.integers(2**31))}
    found = classification_metrics(table, **settings, groups=groups)
    truth = scores_of_matrices((SHARES[:, None] * ROWS)[None])
    yield "accuracy", found["accuracy"], float(truth["overall"][0])
    for kind, score in (("macro", "precision"), ("macro", "recall"), ("macro", "f1"), ("weighted", "f1")):
        yield f"{kind} {score}", found[kind][score], float(truth[f"{kind}_{score}"][0])
    for c, name in ((0, "suv"), (3, "minivan")):
        for score in ("precision", "recall", "f1"):
            if estimate := found["per_type"][name][score]:
                yield f"{score}, {name}", estimate, float(truth[score][0, c])


def mean_study(n: int, rng: np.random.Generator, samples: int = 1000) -> Study:
    """One study of n photos: a mean mask IoU; one photo in fifty has no detection, one in 25 a poor mask."""
    kind = rng.random(n)
    values = np.where(kind < 0.02, 0, np.where(kind < 0.06, rng.beta(3, 3, n), rng.beta(22, 2.2, n)))
    truth = 0.04 * 0.5 + 0.94 * 22 / 24.2
    yield "mean mask IoU", mean_estimate(values, bootstrap_samples=samples, seed=int(rng.integers(2**31))), truth


def detections(n: int, rng: np.random.Generator, *, background: bool) -> list[TypeMatches]:
    """Matched detections of n photos with a car each; with background, half of them have a second, harder one."""
    types = rng.choice(4, n, p=SHARES)
    other = (types + rng.integers(1, 4, n)) % 4
    right = rng.random(n) < 0.93
    truths = np.zeros((n, 4), dtype=np.int64)
    truths[np.arange(n), types] = 1
    best = rng.beta(9, 1.5, n) * np.where(right, 1, 0.85)
    second = best * rng.beta(1, 8, n)
    photos = np.arange(n)
    parts = [
        (photos, types, np.where(right, best, second), rng.beta(22, 1.6, n), np.ones(n, bool)),
        (photos, other, np.where(right, second, best), np.zeros(n), rng.random(n) < 0.9),
    ]
    if background:
        there = rng.random(n) < 0.5
        truths[photos[there], other[there]] += 1
        found, well = there & (rng.random(n) < 0.5), rng.random(n) < 0.6
        named = np.where(well, other, (other + 1) % 4)
        parts.append((photos, named, rng.beta(2, 4, n), np.where(well, rng.beta(6, 3, n), 0), found))
    photo, of_type, score, overlap, kept = (np.concatenate(columns) for columns in zip(*parts, strict=True))
    matches = []
    for c in range(4):
        rows = np.flatnonzero(kept & (of_type == c))
        rows = rows[np.argsort(-score[rows], kind="stable")]
        matches.append(TypeMatches(photo[rows], score[rows], overlap[rows, None] >= IOU_THRESHOLDS, truths[:, c]))
    return matches


def plain_ap(matches: list[TypeMatches]) -> dict:
    """AP, AP50, AP75 and AP of each type."""
    ap = resampled_ap(matches, np.ones((1, len(matches[0].truths)), dtype=np.int64))[0]  # (10, C)
    of_types = {t: None if np.isnan(ap[0, c]) else float(ap[:, c].mean()) for c, t in enumerate(TYPES)}
    means = np.nanmean(ap, axis=1)
    return {"AP": float(means.mean()), "AP50": float(means[0]), "AP75": float(means[5]), "per_type": of_types}


def true_ap(*, background: bool) -> dict:
    """The AP of very many photos."""
    rng = np.random.default_rng(1)
    found = [plain_ap(detections(20_000, rng, background=background)) for _ in range(6)]
    truth = {name: float(np.mean([ap[name] for ap in found])) for name in ("AP", "AP50", "AP75")}
    return truth | {"minivan": float(np.mean([ap["per_type"]["minivan"] for ap in found]))}


def ap_study(n: int, rng: np.random.Generator, truth: dict, *, background: bool, samples: int = 200) -> Study:
    """One study of n photos: average precision."""
    matches = detections(n, rng, background=background)
    found = estimates_of_matches(matches, plain_ap(matches), samples, int(rng.integers(2**31)))
    cars = "with small cars behind" if background else "one car a photo"
    for name in ("AP", "AP50", "AP75"):
        yield f"{name}, {cars}", found[name], truth[name]
    if estimate := found["per_type"]["minivan"]["AP"]:
        yield f"AP of minivans, {cars}", estimate, truth["minivan"]


def trainings(
    n: int, seeds: int, rng: np.random.Generator, spread: float, photos: np.ndarray | None = None, shift: float = 0.0
) -> np.ndarray:
    """Right answers (seeds, photos) of trainings of a recipe of accuracy 0.92 + shift.

    Two trainings disagree on some 8% of the photos, and their accuracies on very many photos have this spread.
    """
    photos = rng.standard_normal(n) if photos is None else photos
    level = norm.ppf(0.92 + shift)
    seed_shifts = rng.standard_normal(seeds) * spread / norm.pdf(level)
    answers = level + seed_shifts[:, None] + 0.75**0.5 * photos + 0.25**0.5 * rng.standard_normal((seeds, n))
    return answers > 0


def seeds_study(n: int, rng: np.random.Generator, seeds: int) -> Study:
    """One study of several seeds: their mean accuracy."""
    right = trainings(n, seeds, rng, 0.015)
    table = pd.DataFrame({"body_type": "suv", "mask_iou": np.nan}, index=range(n))
    tables = [table.assign(predicted=np.where(row, "suv", "")) for row in right]
    found = mean_results(tables, bootstrap_samples=100, seed=0)["accuracy"]
    truth = norm.cdf(norm.ppf(0.92) / np.sqrt(1 + (0.015 / norm.pdf(norm.ppf(0.92))) ** 2))
    yield f"accuracy, {seeds} seeds", found, float(truth)


def coverage(study: Callable[[np.random.Generator], Study], studies: int, **columns: object) -> list[dict]:
    """Coverage of the intervals of a study: a row a number, with the misses on either side and the mean width."""
    rng = np.random.default_rng(17)
    seen: dict[str, list[tuple[bool, bool, float]]] = {}
    for _ in range(studies):
        for name, estimate, truth in study(rng):
            row = (truth < estimate["low"], truth > estimate["high"], estimate["high"] - estimate["low"])
            seen.setdefault(name, []).append(row)
    rows = []
    for name, found in seen.items():
        below, above, width = np.mean(found, axis=0)
        numbers = {"covered": 1 - below - above, "truth_below": below, "truth_above": above, "width": width}
        rows.append(columns | {"number": name, "studies": len(found)} | numbers)
    return rows


def told_apart(n: int, seeds: int, spread: float, shift: float, studies: int) -> list[dict]:
    """How often two recipes are told apart: by us, by McNemar's test, and by resampling photos alone."""
    rng = np.random.default_rng(29)
    told = {"paired, photos and seeds": 0, "resampling photos alone": 0}
    told |= {"McNemar's exact test": 0} if seeds == 1 else {}
    for _ in range(studies):
        photos = rng.standard_normal(n)
        before = trainings(n, seeds, rng, spread, photos).astype(float)
        after = trainings(n, seeds, rng, spread, photos, shift).astype(float)
        told["paired, photos and seeds"] += paired_difference(before, after)["p"] < ALPHA
        difference = (after - before).mean(axis=0)
        draws = np.concatenate([w @ difference / n for w in photo_weights(n, 200, int(rng.integers(2**31)))])
        low, high = np.percentile(draws, [2.5, 97.5])
        told["resampling photos alone"] += low > 0 or high < 0
        if seeds == 1:
            pairs = np.bincount((2 * before[0] + after[0]).astype(int), minlength=4).reshape(2, 2)
            told["McNemar's exact test"] += mcnemar(pairs, exact=True).pvalue < ALPHA
    truth = f"{'no difference' if not shift else f'{signed(100 * shift, 0)} points'}, seeds' sd {100 * spread:g} points"
    return [
        {"decision": f"told apart, {seeds} seed{'s' if seeds > 1 else ''} each: {name}", "truth": truth, "n": n}
        | {"studies": studies, "share": count / studies}
        for name, count in told.items()
    ]


def told_equivalent(n: int, accuracy: float) -> dict:
    """How often a model of this accuracy is told "equivalent" to the claim: exact, by the binomial distribution."""
    counts = np.arange(n + 1)
    told = [equivalence(int(k), n, CLAIM).verdict == EQUIVALENT for k in counts]
    share = float(binom.pmf(counts, n, accuracy) @ told)
    return {"decision": f"equivalent to {CLAIM}", "truth": f"accuracy {accuracy}", "n": n, "studies": 0, "share": share}


def slices_named(n: int, studies: int, levels: int = 40) -> list[dict]:
    """How often a level that has no effect is named, among forty: by its interval, and by the false discovery rate."""
    rng = np.random.default_rng(31)
    old = new = 0
    for _ in range(studies):
        right = rng.random(n) < 0.92
        inside = [rng.random(n) < rng.uniform(0.03, 0.4) for _ in range(levels)]
        spans = [wilson_interval(right[level].mean(), level.sum()) for level in inside]
        old += any(low > right.mean() or high < right.mean() for low, high in spans)
        tables = [[[(right & a).sum(), (~right & a).sum()] for a in (level, ~level)] for level in inside]
        new += (false_discovery(np.array([fisher_exact(t).pvalue for t in tables])) < ALPHA).any()
    truth = f"no effect of {levels} attributes"
    return [
        {"decision": f"a slice is named: {name}", "truth": truth, "n": n, "studies": studies, "share": count / studies}
        for name, count in (("its interval excludes the mean", old), ("false discovery rate of 5%", new))
    ]


def all_coverage(many: int) -> pd.DataFrame:
    """The table of intervals but for AP's, of so many studies each."""
    rows: list[dict] = []
    for n in SIZES:
        rows += coverage(lambda rng, n=n: classification_study(n, rng), many, n=n, photos="independent")
        rows += coverage(lambda rng, n=n: mean_study(n, rng), many, n=n, photos="independent")
        for seeds in (3, 5):
            rows += coverage(lambda rng, n=n, s=seeds: seeds_study(n, rng, s), many, n=n, photos="independent")
        rows += coverage(lambda rng, n=n: classification_study(n, rng, 7), many, n=n, photos="groups of seven")
    rows += coverage(lambda rng: mean_study(12, rng), many, n=12, photos="independent")
    return _sorted(rows)


def ap_coverage(many: int) -> pd.DataFrame:
    """The table of AP's intervals, of so many studies, and fewer for photos with cars behind."""
    rows: list[dict] = []
    for background, studies in ((False, many), (True, max(10, many * 2 // 5))):
        truth = true_ap(background=background)
        for n in SIZES:

            def study(rng: np.random.Generator, n: int = n, b: bool = background, t: dict = truth) -> Study:
                return ap_study(n, rng, t, background=b)

            rows += coverage(study, studies, n=n, photos="independent")
    return _sorted(rows)


def _sorted(rows: list[dict]) -> pd.DataFrame:
    columns = ["number", "photos", "n", "studies", "covered", "truth_below", "truth_above", "width"]
    by = {"by": ["photos", "number", "n"], "ascending": [False, True, True]}
    return pd.DataFrame(rows)[columns].sort_values(**by, kind="stable", ignore_index=True)


def all_decisions(many: int) -> pd.DataFrame:
    """The table of decisions, of so many studies each."""
    rows = [told_equivalent(n, accuracy) for n in SIZES for accuracy in (0.85, 0.88, 0.882, CLAIM, 0.942)]
    for n in SIZES:
        for seeds in (1, 3, 5):
            for spread in (0.01, 0.015):
                rows += told_apart(n, seeds, spread, 0.0, many)
        rows += told_apart(n, 5, 0.01, -0.03, many)
        rows += slices_named(n, max(10, many // 2))
    return pd.DataFrame(rows)


PARTS = {"decisions": all_decisions, "coverage": all_coverage, "average-precision": ap_coverage}


def coverage_table(table: pd.DataFrame) -> str:
    """The table of intervals in Markdown."""
    rows = [
        [r.number, r.photos, f"{r.n:,}", f"{r.studies:,}", *(f"{100 * x:.1f}%" for x in r[5:8]), f"{100 * r.width:.1f}"]
        for r in table.itertuples()
    ]
    header = ["number", "photos", "n", "studies", "covered", "truth below", "truth above", "mean width, points"]
    return markdown_table(header, rows, "llrrrrrr")


def decisions_table(table: pd.DataFrame) -> str:
    """The table of decisions in Markdown."""
    rows = [
        [r.decision, r.truth, f"{r.n:,}", f"{r.studies:,}" if r.studies else "exact", f"{100 * r.share:.1f}%"]
        for r in table.itertuples()
    ]
    return markdown_table(["decision", "truth", "n", "studies", "how often"], rows, "llrrr")


def blocks() -> dict[str, str]:
    """The tables of docs/statistics.md by name, from the CSV files."""
    draw = {"decisions": decisions_table, "coverage": coverage_table, "average-precision": coverage_table}
    return {name: draw[name](pd.read_csv(HERE / f"statistics-{name}.csv")) for name in PARTS}


def main(names: list[str]) -> None:
    """Simulate, and write the tables."""
    for name in names or PARTS:
        table = PARTS[name](STUDIES[name])
        table.to_csv(HERE / f"statistics-{name}.csv", index=False, float_format="%.6f")
        print(name, flush=True)
    text = PAGE.read_text(encoding="utf-8")
    for name, block in blocks().items():
        pattern = rf"(<!-- {name} -->\n).*?(<!-- /{name} -->)"
        text = re.sub(pattern, lambda found, block=block: found[1] + block + found[2], text, flags=re.DOTALL)
    PAGE.write_text(text, encoding="utf-8")


if __name__ == "__main__":
    main(sys.argv[1:])

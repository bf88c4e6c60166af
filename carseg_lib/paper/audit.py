"""The audit of the paper's numbers: what its setup says, then its Table 1 and headline, a row per check."""

import math

import pandas as pd

from carseg_lib.paper.arithmetic import HALF_WIDTH, correct_counts, rounding_interval
from carseg_lib.paper.claims import HEADLINE, TABLE, TABLE_1, VI, claim
from carseg_lib.paper.table_audit import (
    COLUMNS,
    CONSISTENT,
    IMPOSSIBLE,
    UNKNOWN,
    audit_accuracy_column,
    audit_headline,
    audit_table,
)


def _counts(rate: float, photos: int) -> tuple[str, str, str]:
    """Working, what is implied, and the verdict on a rate as whole photos of so many."""
    low, high = (end * photos for end in rounding_interval(rate))
    counts = correct_counts(rate, photos)
    implied = "…".join(dict.fromkeys(f"{end:,}" for end in (counts[0], counts[-1]))) if counts else "none"
    working = (
        f"{photos:,}·{rate - HALF_WIDTH:.4f} = {low:,.2f}, {photos:,}·{rate + HALF_WIDTH:.4f} = {high:,.2f}"
    )
    return working, implied, CONSISTENT if counts else IMPOSSIBLE


def _audit_setup() -> pd.DataFrame:
    """The counts and settings, and what can be said of the two accuracies without the table."""
    train, validation, test = (
        int(claim(f"{split} photos").value) for split in ("training", "validation", "test")
    )
    total, steps, last = train + validation + test, math.ceil(train / 8), train % 8
    gap, se = 0.912 - 0.876, math.sqrt(0.912 * 0.088 / validation + 0.876 * 0.124 / train)
    checks = (  # claims, check, working, implied, verdict, why
        (("photos", "training photos", "validation photos", "test photos"), "the split's sum",
         f"4,957 + 2,887 + 590 = {total:,}; {train / total:.1%}, {validation / total:.1%}, "
         f"{test / total:.1%}",
         f"{total:,}", CONSISTENT, "The three splits make the whole."),
        (("photos",), "a published set of this size",
         "Stanford Cars, class names ending in these words: 2,855 SUV + 3,787 sedan + 2,058 convertible + "
         "498 minivan = 9,198", "9,198", UNKNOWN,
         "The data set is neither named nor linked, and no public one with this count was found."),
        (("body types",), "rows of Table 1", f"{len(TABLE_1)} rows", f"{len(TABLE_1)}", CONSISTENT,
         "One row for each type."),
        (("photo size",), "the same in III and V", "(160 x 240); “from 160 X 240 to 224 X 224”", "160 x 240",
         CONSISTENT, "Which one is the height is not said; photos of cars are mostly wider than high."),
        (("input size",), "160 x 240 to 224 x 224", "224/160 = 1.400, 224/240 = 0.933; 1.400/0.933 = 1.5",
         "a stretch by 1.5, or a crop", UNKNOWN,
         "III crops and resizes, V only resizes; neither says how much is cropped or whether shape is kept."),
        (("flip interval", "rotation interval"), "III against V",
         "III flips “using an interval of [-90, 90]”; V rotates “in a range of [-90, 90]”, then flips",
         "rotation within ±90°, and a flip", UNKNOWN,
         "A flip has no interval. III may mean V's rotation by any angle, quarter turns, or a plain flip."),
        (("mean", "std"), "the same in III and V; known values", "ImageNet's channel means and deviations",
         "ImageNet's", CONSISTENT,
         "III normalises, then makes the tensor; V the other way round, which is how torchvision does it."),
        (("batch size",), "steps of an epoch", f"4,957 = {train // 8}·8 + {last}", f"{steps} steps",
         CONSISTENT, "V and VII agree."),
        (("epochs",), "steps of the training", f"30·{steps} = {30 * steps:,}", f"{30 * steps:,} steps",
         CONSISTENT, "V, VI and VII agree."),
        (("learning rate",), "the same in V and VII", "0.002; 0.002", "0.002", CONSISTENT,
         "No schedule, warm-up or weight decay is given."),
        (("average validation accuracy",), "whole photos of the validation split",
         *_counts(0.912, validation), "A weak check: of a thousand photos or more, some count always fits."),
        (("average training accuracy",), "whole photos of the training split", *_counts(0.876, train),
         "A weak check, as for validation."),
        (("headline accuracy",), "whole photos of the test split", *_counts(0.912, test),
         "It may be of the test split."),
        (("headline recall",), "whole photos of the test split, if pooled", *_counts(0.887, test),
         "No count fits: if it is pooled recall, it is not of the test split."),
        (("average validation accuracy", "headline accuracy"), "the same in VI and VII", "91.2%; 91.2%",
         "91.2%", UNKNOWN,
         "VI calls it an average (of epochs, batches or types?), VII the model's accuracy. An average over "
         "epochs is of no one model; otherwise what holds for the headline holds for it."),
        (("average training accuracy", "average validation accuracy"), "validation above training",
         f"{100 * gap:.1f} points; standard error √(0.912·0.088/2,887 + 0.876·0.124/4,957) = "
         f"{100 * se:.2f} points",
         f"{gap / se:.1f} standard errors", UNKNOWN,
         "Too much for chance, if one model met like photos. But training accuracy counted while the "
         "model learns, on augmented photos, is lower; how it was measured is not said."),
    )  # fmt: skip
    rows = []
    for names, *rest in checks:
        printed = ", ".join(dict.fromkeys(claim(name).printed for name in names))
        rows.append(
            (", ".join(names), printed, " · ".join(dict.fromkeys(claim(name).place for name in names)), *rest)
        )
    rows.append(("boxes and masks", "none", VI, "a figure for them", "no AP, no IoU", "none", UNKNOWN,
                 "The paper is about masks, but gives no figure for boxes or masks to compare."))  # fmt: skip
    return pd.DataFrame(rows, columns=list(COLUMNS))


def audit() -> pd.DataFrame:
    """Every number of the paper with its verdict.

    Returns:
        A row per check, all texts: claim (names of `paper.CLAIMS`, joined by ", "), printed, place (section,
        quote), check, working, implied (what the working allows), verdict (:data:`CONSISTENT`,
        :data:`IMPOSSIBLE` or :data:`UNKNOWN`) and why. A verdict holds under the reading that "check" names.
    """
    parts = (
        _audit_setup(),
        audit_table(TABLE_1),
        audit_accuracy_column(TABLE_1, TABLE),
        audit_headline(TABLE_1, HEADLINE, claim("headline accuracy").place),
    )
    return pd.concat(parts, ignore_index=True)

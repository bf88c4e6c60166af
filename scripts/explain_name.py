"""What to say about a target or a variable that make does not know; make calls this, before anything is installed.

python3 scripts/explain_name.py variable NAME known names ...
"""

import difflib
import sys

FORMER = {
    "variable": {
        "TYPES": "CLASSES",
        "WORKERS": "NPROC",
        "PHOTO": "IMAGES",
        "VERSION": "REALISM",
        "RENDERED": "SYNTHETIC",
    },
    "target": {
        "catalogue": "inspect",
        "verify": "check-reference",
        "reference": "update-reference",
        "teacher": "eval-annotator",
        "segmenter": "train-segmenter",
        "transfer": "sim2real",
        "ablate": "ablation",
        "bench": "benchmark",
        "settings": "show-config",
        "dataset": "render-dataset",
        "renderer": "setup-rendering",
    },
}


def explain(kind, name, known):  # noqa: ANN001, ANN201 (any Python 3 runs this)
    """Return one line: the present name, or the nearest one and all of them.

    Args:
        kind: "variable" or "target".
        name: What make was given.
        known: The names that there are.
    """
    if name in FORMER[kind]:
        make = "make " if kind == "target" else ""
        return "%s%s is now called %s%s" % (make, name, make, FORMER[kind][name])  # noqa: UP031
    spelled = name.upper() if kind == "variable" else name.lower()
    near = difflib.get_close_matches(spelled, known, 1)
    hint = "; did you mean %s?" % near[0] if near else "."  # noqa: UP031
    return "there is no %s %s%s The %ss are: %s" % (kind, name, hint, kind, " ".join(known))  # noqa: UP031


if __name__ == "__main__":
    print("carseg: " + explain(sys.argv[1], sys.argv[2], sys.argv[3:]))

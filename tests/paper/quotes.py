"""Whether words are the paper's, without its text: it is a third party's and not in the repository.

`quotes.sha256` has the hash of every run of four words of the text. Words are compared without the punctuation around
them. With the text at hand: `python -m tests.paper.quotes paper.txt` writes the hashes again.
"""

from __future__ import annotations

import hashlib
import sys
from pathlib import Path

RUN = 4  # words
HASHES = Path(__file__).with_name("quotes.sha256")


def hashes_of(text: str) -> set[str]:
    """The hash of each run of four words."""
    words = [bare for word in text.split() if (bare := word.strip(".,;:()“”\"'"))]
    runs = (" ".join(words[i : i + RUN]) for i in range(len(words) - RUN + 1))
    return {hashlib.sha256(run.encode()).hexdigest()[:16] for run in runs}


def is_of_the_paper(quote: str) -> bool:
    """Whether each run of four words of a quote is one of the paper's; a shorter quote never is."""
    found = hashes_of(quote)
    return bool(found) and found <= set(HASHES.read_text(encoding="ascii").split())


if __name__ == "__main__":
    text = Path(sys.argv[1]).read_text(encoding="utf-8")
    HASHES.write_text("\n".join(sorted(hashes_of(text))) + "\n", encoding="ascii")

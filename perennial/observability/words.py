"""Words that may leave the process: without the parts by which errors of others quote people."""

import re

# PostgreSQL quotes rows and values in these lines of its errors; the first line names constraint and table alone.
_QUOTED_ROW = re.compile(r"^\s*(DETAIL|CONTEXT|HINT):.*$\n?", re.MULTILINE)
_ADDRESS = re.compile(r"[\w.+-]+@[\w-]+(\.[\w-]+)+")


def presentable(words: str) -> str:
    """`words` without e-mail addresses and without what PostgreSQL quotes of a row."""
    if "DETAIL:" in words or "CONTEXT:" in words:
        words = _QUOTED_ROW.sub("", words)
    return _ADDRESS.sub("[e-mail]", words) if "@" in words else words

"""Which tags are allowed: those that TensorBoard, shells and file systems all leave as they are."""

import re

_ALLOWED = re.compile(r"[-/\w.=+,]+")


def check_tag(tag: str) -> str:
    """Return `tag` unless some reader would show it as something else.

    Raises:
        ValueError: If the tag is empty or has a character other than letters, digits and `_ - / . = + ,`.

    >>> check_tag("gradient_norm/hidden_1")
    'gradient_norm/hidden_1'
    """
    if not tag:
        msg = "a tag must not be empty"
        raise ValueError(msg)
    if not _ALLOWED.fullmatch(tag):
        wrong = sorted(set(_ALLOWED.sub("", tag)))
        msg = f"tag {tag!r} has {', '.join(map(repr, wrong))}; allowed are letters, digits and _ - / . = + ,"
        raise ValueError(msg)
    return tag

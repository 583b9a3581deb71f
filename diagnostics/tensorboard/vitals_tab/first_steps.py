"""What to type where there are no runs yet."""

from shlex import quote

TAB = "#gradvitals"
"""What an address ends in to open the tab, also while it is empty and TensorBoard does not offer it."""


def start_command(logdir: str) -> str:
    """Give a command that makes runs below a folder.

    >>> start_command("my logs")
    "gradvitals sweep learning_rate_x_initialization --logdir 'my logs'"
    """
    return f"gradvitals sweep learning_rate_x_initialization --logdir {quote(logdir)}"

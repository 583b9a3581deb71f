"""The errors a user can mend: each is one clear sentence, and the command line exits with 2."""


class UserError(Exception):
    """Something in a command, a config or a data file that its author must change.

    A sentence says where (file, then dotted key or row and column), what is wrong, and what would be right:
    ``x.toml: training.optimizer.kind: 'sdg' is not one of adam, rmsprop, sgd — did you mean 'sgd'?``

    Args:
        sentences: One sentence per fault; several faults of one file are reported together.
    """

    def __init__(self, *sentences: str) -> None:
        super().__init__(*sentences)

    @property
    def sentences(self) -> tuple[str, ...]:
        """The faults, one sentence each."""
        return tuple(str(sentence) for sentence in self.args)

    def __str__(self) -> str:
        return "\n".join(self.sentences)


def sentence_of(error: Exception) -> str:
    """Give an error's sentence, with its kind where it is not one of ours."""
    return str(error) if isinstance(error, UserError) else f"{type(error).__name__}: {error}"

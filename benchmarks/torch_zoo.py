"""The healthy zoo through `watch`: PyTorch modules that train well, and what the diagnoses say of them.

    python benchmarks/torch_zoo.py --half tuning --out FOLDER [--workers 2] [--json FILE] [--alone]

Convolutions, batch, layer and group norm, shortcuts (in place, too), recurrent layers and transformers, in loops of the
usual kind. Everything else is as in `healthy_zoo.py`: families of data set × architecture × optimizer in two halves,
selection by scores alone, `--rejudge`. With `--alone`, `watch` is given the module and nothing else.
"""

from functools import partial

from finished_runs import finish
from healthy_zoo import options_of, run_zoo
from torch_zoo_data import tasks
from torch_zoo_training import drawn, train_module


def main() -> int:
    """Train, select, write down, judge, print."""
    options = options_of(__doc__, alone="give `watch` neither data nor loss")
    options.out.mkdir(parents=True, exist_ok=True)
    every = tasks().values()
    chosen = [one for task in every for one in drawn(task) if one.half in options.halves]
    return run_zoo(
        options, {task.about.name: task.about for task in every}, chosen, partial(train_module, alone=options.alone)
    )


if __name__ == "__main__":
    finish(main)

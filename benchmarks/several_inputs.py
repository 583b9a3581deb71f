"""PyTorch modules of several inputs through `watch`: what is said of ones that learn, and of the same at wrong rates.

    python benchmarks/several_inputs.py [--rates 1 1000 0.001] [--json FILE]

Every kind is trained unwatched, watched without data, and watched with data and loss where these can be given. What it
learned is, as in `torch_zoo.py`, what it has of the margin that the training at its own rate has over the best constant
answer, or over its own first epoch where nobody knows that answer's loss: it learned with 80 % and more of it, and next
to nothing with less than 20 %. Parameters are compared to the bit with those of the unwatched training.
"""

import argparse
import json
from collections.abc import Callable
from contextlib import nullcontext
from pathlib import Path
from typing import Any

import torch
from several_inputs_kinds import KINDS, Kind
from torch.utils.data import DataLoader, TensorDataset

from gradvitals import watch

EPOCHS, BATCH = 30, 32
LEARNED, NOTHING = 0.8, 0.2


def _train(make: Callable[[], Kind], factor: float, how: str) -> tuple[list[float], torch.Tensor, Any]:
    """Train one; give the mean losses of its epochs, its parameters and its monitor."""
    torch.manual_seed(0)
    kind = make()
    optimizer = torch.optim.Adam(kind.module.parameters(), lr=factor * kind.rate)
    loader = DataLoader(TensorDataset(*kind.parts), batch_size=BATCH, shuffle=True)
    torch.manual_seed(1)
    given = dict(kind.given or {}) if how == "data" else {}
    losses = []
    with watch(kind.module, **given) if how != "unwatched" else nullcontext() as monitor:
        for _ in range(EPOCHS):
            total = 0.0
            for batch in loader:
                optimizer.zero_grad()
                loss = kind.step(kind.module, batch)
                loss.backward()
                optimizer.step()
                total += loss.item()
            losses.append(total / len(loader))
    parameters = torch.cat([each.detach().flatten() for each in kind.module.parameters()])
    return losses, parameters, monitor


def _row(make: Callable[[], Kind], factor: float) -> list[dict[str, Any]]:
    """Judge one kind at one rate, without data and with them."""
    own, bare = _train(make, 1.0, "unwatched"), _train(make, factor, "unwatched")
    kind = make()
    trivial = own[0][0] if kind.trivial is None else kind.trivial
    rows = []
    for how in ("alone",) if kind.given is None else ("alone", "data"):
        losses, parameters, monitor = _train(make, factor, how)
        context = monitor.record.context
        standing = monitor.verdict.standing
        rows.append(
            {
                "kind": make.__name__,
                "rate": factor,
                "watched": how,
                "learned": (trivial - losses[-1]) / (trivial - own[0][-1]),
                "loss": losses[-1],
                "trivial": trivial,
                "judged": context is not None and context.loss != "unknown",
                "same": bool(torch.equal(parameters, bare[1])),
                "errors": [each.key for each in standing if str(each.severity) == "error"],
                "warnings": [each.key for each in standing if str(each.severity) == "warning"],
            }
        )
    return rows


def _group(row: dict[str, Any]) -> str:
    """Name how much was learned; NaN is nothing."""
    learned = row["learned"]
    return "80 % and more" if learned >= LEARNED else "20 to 80 %" if learned >= NOTHING else "less than 20 %"


def _print(row: dict[str, Any]) -> None:
    alarms = ", ".join([*(f"error {key}" for key in row["errors"]), *row["warnings"]]) or "-"
    judged = "judged" if row["judged"] else "open"
    same = "" if row["same"] else "  NOT THE SAME PARAMETERS"
    head = f"{row['kind']:16s} x{row['rate']:<6g} {row['watched']:6s} {row['learned']:10.3g}"
    print(f"{head} {judged:7s} {alarms}{same}", flush=True)


def main() -> None:
    """Train, judge and print."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rates", type=float, nargs="+", default=[1.0, 1000.0, 0.001], help="factors of every rate")
    parser.add_argument("--json", type=Path, metavar="FILE", help="write the rows here too")
    options = parser.parse_args()
    torch.set_num_threads(1)
    rows = []
    for factor in options.rates:
        for make in KINDS:
            for row in _row(make, factor):
                rows.append(row)
                _print(row)
    for group in ("80 % and more", "20 to 80 %", "less than 20 %"):
        for judged in (True, False):
            own = [row for row in rows if _group(row) == group and row["judged"] == judged]
            errors = sum(bool(row["errors"]) for row in own)
            alarms = sum(bool(row["errors"] or row["warnings"]) for row in own)
            what = f"{group}, {'judged' if judged else 'left open'}"
            print(f"{what:26s} {len(own):3d} runs, {errors} with errors, {alarms} with errors or warnings")
    if options.json is not None:
        options.json.write_text(json.dumps(rows, indent=1))


if __name__ == "__main__":
    main()

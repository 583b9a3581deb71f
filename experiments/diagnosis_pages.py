"""The pages of docs/diagnoses, written from the classes: `python -m gradvitals.experiments.diagnosis_pages FOLDER`."""

import sys
from pathlib import Path
from textwrap import fill

from gradvitals.diagnostics.explain import LEVELS, TIERS, Explanation, explain
from gradvitals.experiments.diagnosis_guide import (
    DIAGNOSES,
    EXAMPLES,
    config_lines,
    example_commands,
    fixed_names,
    listing,
    value_text,
)
from gradvitals.experiments.errors import UserError
from gradvitals.experiments.exits import Exit
from gradvitals.experiments.files import write_text

COMMAND = "python -m gradvitals.experiments.diagnosis_pages docs/diagnoses"
WRITTEN = f"<!-- written from the class by `{COMMAND}`: change its docstring -->"
BEGIN, END = f"<!-- table: written by `{COMMAND}` -->", "<!-- end of the table -->"
INDEX = "index.md"
WIDTH = 120


def render_pages(index: str) -> dict[str, str]:
    """Render every page, by file name.

    Args:
        index: The text of index.md, of which only the table is written; empty for a new one.

    Raises:
        UserError: If the lines around the table are missing.
    """
    explanations = [explain(diagnosis) for diagnosis in DIAGNOSES]
    pages = {f"{explanation.id}.md": _page(explanation) for explanation in explanations}
    return {INDEX: _with_table(index or f"# Diagnoses\n\n{BEGIN}\n{END}\n", explanations), **pages}


def write_pages(folder: Path) -> list[Path]:
    """Write the pages into a folder, and give those that changed."""
    paths = []
    index = folder / INDEX
    for name, text in render_pages(index.read_text(encoding="utf-8") if index.is_file() else "").items():
        path = folder / name
        if not path.is_file() or path.read_text(encoding="utf-8") != text:
            write_text(path, text)
            paths.append(path)
    return paths


def _page(explanation: Explanation) -> str:
    sections = [
        WRITTEN,
        f"# {explanation.id}",
        f"Tier: {explanation.tier} ({TIERS[explanation.tier]}). [All diagnoses]({INDEX}), and how they judge.",
    ]
    for heading, text in explanation.parts.items():
        if heading not in LEVELS:
            sections += [f"## {heading}", _filled(text)]
        elif heading == LEVELS[0]:
            levels = [f"| {level.lower()} | {_cell(explanation.parts[level])} |" for level in LEVELS]
            sections += ["## When it speaks", "\n".join(("| | |", "|---|---|", *levels))]
    sections += ["## Thresholds", _thresholds(explanation)]
    fixed = [f"`{name}`" for name in fixed_names(explanation)]
    sections += [f"No config key changes {listing(fixed)}."] if fixed else []
    sections += ["## In a config", "\n".join(("```toml", *config_lines(explanation), "```"))]
    example = EXAMPLES.get(explanation.id)
    if example is not None:
        commands = f"```console\n{example_commands(example)}\n```"
        sections += ["## Example", "A sick network, and its healthy twin:", commands]
    return "\n\n".join(sections) + "\n"


def _thresholds(explanation: Explanation) -> str:
    if not explanation.thresholds:
        return "None."
    rows = [f"| `{limit.name}` | {value_text(limit)} | {_cell(limit.meaning)} |" for limit in explanation.thresholds]
    return "\n".join(("| name | value | meaning |", "|---|---|---|", *rows))


def _with_table(index: str, explanations: list[Explanation]) -> str:
    """Put the table between its two lines, and leave everything else as it is."""
    before, begin, rest = index.partition(f"{BEGIN}\n")
    _, end, after = rest.partition(END)
    if not begin or not end:
        sentence = f"{INDEX}: the table belongs between two lines, {BEGIN} and {END} — put them in"
        raise UserError(sentence)
    rows, spoken = [], []
    for explanation in explanations:
        name, example = explanation.id, EXAMPLES.get(explanation.id)
        shown = f"`{example.config}`" if example is not None else "–"
        rows.append(f"| [`{name}`]({name}.md) | {explanation.tier} | {_cell(explanation.headline)} | {shown} |")
        spoken.append(f"| `{name}` | {_cell(explanation.parts['Warning'])} | {_cell(explanation.parts['Error'])} |")
    table = "\n".join(("| id | tier | symptom | example |", "|---|---|---|---|", *rows))
    table += "\n\n## Warning and error\n\n"
    table += "\n".join(("| id | warning | error |", "|---|---|---|", *spoken))
    return f"{before}{begin}\n{table}\n\n{end}{after}"


def _cell(text: str) -> str:
    return text.replace("|", "\\|")


def _filled(text: str) -> str:
    return fill(text, WIDTH, break_long_words=False, break_on_hyphens=False)


def main(arguments: list[str]) -> int:
    """Write the pages into the folder given, and say which changed."""
    if len(arguments) != 1 or not Path(arguments[0]).is_dir():
        print(f"give the folder of the pages, which must exist: {COMMAND}", file=sys.stderr)  # noqa: T201 - a script
        return Exit.USAGE
    try:
        changed = write_pages(Path(arguments[0]))
    except UserError as error:
        print(error, file=sys.stderr)  # noqa: T201 - a script
        return Exit.USAGE
    print(*(f"wrote {path}" for path in changed) if changed else ("nothing to change",), sep="\n")  # noqa: T201
    return Exit.DONE


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))

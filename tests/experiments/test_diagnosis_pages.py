"""The pages of docs/diagnoses are those that the classes write."""

from pathlib import Path

import pytest

from gradvitals.experiments.diagnosis_guide import DIAGNOSES
from gradvitals.experiments.diagnosis_pages import BEGIN, COMMAND, END, INDEX, main, render_pages, write_pages
from gradvitals.experiments.errors import UserError

FOLDER = Path(__file__).parents[2] / "docs" / "diagnoses"


def test_the_pages_are_up_to_date() -> None:
    pages = render_pages((FOLDER / INDEX).read_text(encoding="utf-8"))
    written = {path.name: path.read_text(encoding="utf-8") for path in FOLDER.iterdir()}
    stale = sorted(name for name, text in pages.items() if written.get(name) != text)
    assert not stale, f"the classes have changed: run `{COMMAND}`"
    assert sorted(written.keys() - pages.keys()) == [], "no diagnosis has such a page: remove it"


def test_a_folder_is_filled_once_and_its_own_words_are_kept(tmp_path: Path) -> None:
    assert len(write_pages(tmp_path)) == len(DIAGNOSES) + 1
    assert write_pages(tmp_path) == []
    index = tmp_path / INDEX
    index.write_text(f"# Mine\n{BEGIN}\nan old table\n{END}\nKept.\n", encoding="utf-8")
    (tmp_path / "dead_units.md").write_text("old", encoding="utf-8")
    assert {path.name for path in write_pages(tmp_path)} == {INDEX, "dead_units.md"}
    text = index.read_text(encoding="utf-8")
    assert text.startswith(f"# Mine\n{BEGIN}\n\n| id |")
    assert text.endswith(f"\n{END}\nKept.\n")
    assert "an old table" not in text


@pytest.mark.parametrize("index", ["# Mine\n", f"{BEGIN}\n", f"{END}\n", f"{END}\n{BEGIN}\n"])
def test_an_index_without_a_place_for_the_table_is_left_alone(index: str, tmp_path: Path) -> None:
    (tmp_path / INDEX).write_text(index, encoding="utf-8")
    with pytest.raises(UserError, match="the table belongs between two lines"):
        write_pages(tmp_path)
    assert [path.name for path in tmp_path.iterdir()] == [INDEX]


def test_the_command_says_what_it_wrote(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main([str(tmp_path)]) == 0
    assert f"wrote {tmp_path / 'dead_units.md'}" in capsys.readouterr().out.splitlines()
    assert main([str(tmp_path)]) == 0
    assert capsys.readouterr().out == "nothing to change\n"


@pytest.mark.parametrize("arguments", [[], ["nowhere"], [".", "."]], ids=["none", "no folder", "two"])
def test_without_one_folder_it_says_how_it_is_called(arguments: list[str], capsys: pytest.CaptureFixture[str]) -> None:
    assert main(arguments) == 2
    assert COMMAND in capsys.readouterr().err

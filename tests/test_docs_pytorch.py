"""Every code block of the PyTorch guide runs, one after the other, and finds what is shown there."""

import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

torch: Any = pytest.importorskip("torch", reason="PyTorch is not installed")

GUIDE = (Path(__file__).parents[1] / "docs" / "pytorch.md").read_text(encoding="utf-8")
BLOCKS = re.findall(r"^```python\n(.*?)^```", GUIDE, flags=re.MULTILINE | re.DOTALL)
(SHOWN,) = re.findall(r"^```text\n(.*?)^```", GUIDE, flags=re.MULTILINE | re.DOTALL)


@pytest.fixture(autouse=True, scope="module")
def _one_thread() -> Iterator[None]:
    """Keep PyTorch from waiting for its own threads, as it mostly does on a busy machine."""
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(threads)


def test_the_blocks_run_in_order_and_the_last_finds_the_dead_layer(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    names: dict[str, Any] = {}
    printed = []
    for block in BLOCKS:
        exec(compile(block, "pytorch.md", "exec"), names)  # noqa: S102 - our own guide
        printed.append(capsys.readouterr().out)
    assert printed[0] == ""
    assert printed[1].startswith("healthy\n")
    assert "not judged: memorising" in printed[1]
    assert (tmp_path / "logs" / "pytorch").is_dir()
    assert printed[-1] == SHOWN


def test_with_a_validation_set_memorising_is_judged() -> None:
    names: dict[str, Any] = {}
    for block in (BLOCKS[0], BLOCKS[3]):
        exec(compile(block, "pytorch.md", "exec"), names)  # noqa: S102 - our own guide
    assert "memorising" not in [judgement.id for judgement in names["monitor"].verdict.not_judged]


@pytest.mark.parametrize("page", re.findall(r"\]\(([^)#]+\.md)\)", GUIDE))
def test_the_pages_it_points_to_exist(page: str) -> None:
    assert (Path(__file__).parents[1] / "docs" / page).is_file()

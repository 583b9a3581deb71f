"""The pytest plugin, on projects that have a test with a sick training and one with a healthy one."""

import inspect
import subprocess
import sys
from collections.abc import Callable
from importlib.util import find_spec
from pathlib import Path
from xml.etree import ElementTree as ET

import pytest
import rich.console  # noqa: F401 - pytester forgets what is first loaded in a session of its, and C code loads but once
import sklearn.datasets  # noqa: F401

import gradvitals.diagnostics.health
import gradvitals.engine.perceptron  # noqa: F401
from gradvitals.diagnostics.notes import Ending
from gradvitals.diagnostics.tensorboard.run_record import read_record
from gradvitals.diagnostics.vitals import Vitals, folder_name, make_run_folder
from gradvitals.diagnostics.watch import watch

MODULE = """
import numpy as np
import pytest
from sklearn.datasets import load_digits

from gradvitals import Network, perceptron, train
from gradvitals.engine.initializers import he_normal
from gradvitals.engine.optimizers import Sgd
from gradvitals.engine.training import Samples

pixels, labels = load_digits(return_X_y=True)
samples = Samples(pixels / 16.0, np.eye(10)[labels])
data = (samples.inputs, samples.targets)

def make(bias: float) -> Network:
    initial = dict(initializers=[he_normal, he_normal], generator=np.random.default_rng(0))
    return perceptron((64, 32, 10), ["relu"], "cross_entropy", biases=[bias, 0.0], **initial)

def fit(network: Network, epochs: int = 10) -> None:
    train(network, samples, Sgd(0.1), epochs=epochs, batch_size=64, generator=np.random.default_rng(0))

def attached(network: Network) -> bool:
    from gradvitals.engine.events import EpochEnded
    return network.hooks.wants(EpochEnded)
"""

DYING = """
def test_the_digits_are_learned(vitals):
    network = make(bias={bias})
    with vitals.watch(network, data=data) as monitor:
        fit(network)
    monitor.assert_healthy(max_dead=0.1)
"""

TORCH_PROJECT = """
import pytest
import torch
from sklearn.datasets import load_digits

pixels, labels = load_digits(return_X_y=True)
inputs, targets = torch.tensor(pixels / 16.0, dtype=torch.float32), torch.tensor(labels)

def test_the_digits_are_learned(vitals):
    torch.manual_seed(0)
    model = torch.nn.Sequential(torch.nn.Linear(64, 32), torch.nn.ReLU(), torch.nn.Linear(32, 10))
    with torch.no_grad():
        model[0].bias += {bias}
    optimizer = torch.optim.SGD(model.parameters(), lr=0.1)
    loss = torch.nn.CrossEntropyLoss()
    loader = torch.utils.data.DataLoader(torch.utils.data.TensorDataset(inputs, targets), batch_size=64, shuffle=True)
    with vitals.watch(model, data=loader, loss=loss, optimizer=optimizer) as monitor:
        for _ in range(11):
            for batch, labels in loader:
                optimizer.zero_grad()
                loss(model(batch), labels).backward()
                optimizer.step()
    monitor.assert_healthy(max_dead=0.1)
"""

Run = Callable[..., pytest.RunResult]


@pytest.fixture
def run(pytester: pytest.Pytester) -> Run:
    """Run pytest on tests of a project; `pyproject` is its `[tool.gradvitals]`."""

    def run(tests: str, *options: str, pyproject: str = 'unjudged = "ignore"') -> pytest.RunResult:
        pytester.makepyprojecttoml(f"[tool.gradvitals]\n{pyproject}\n")
        pytester.makepyfile(test_model=MODULE + tests)
        return pytester.runpytest_inprocess(*options)

    return run


def read_cases(path: Path) -> dict[str, ET.Element]:
    """Read the testcases of a JUnit file by name."""
    return {case.attrib["name"]: case for case in ET.parse(path).iter("testcase")}  # noqa: S314 - of our own making


def properties(case: ET.Element, name: str) -> list[str]:
    """Give the values of a testcase's properties of one name."""
    return [each.attrib["value"] for each in case.iter("property") if each.attrib["name"] == f"gradvitals.{name}"]


def test_a_dying_relu_fails_with_the_finding_on_the_screen_and_in_the_junit_file(
    run: Run, pytester: pytest.Pytester
) -> None:
    result = run(DYING.format(bias=-20.0), "--junitxml=report.xml")
    result.assert_outcomes(failed=1)
    result.stdout.fnmatch_lines(
        [
            ">       monitor.assert_healthy(max_dead=0.1)",
            "E*UnhealthyTraining: dead_units@hidden_1: 32 of 32 units of hidden_1 are silent on all 1797 *",
            "E   *error dead_units@hidden_1 since step 0",
            "E   *costs: the loss is *",
            "E   *→ use leaky_relu, whose units keep a gradient where they are inactive",
            "E   *it explains:",
            "E   *error no_learning: *",
            "E   *100 % of the units of hidden_1 are dead; the limit is 10 %.",
            "test_model.py:*: UnhealthyTraining",
        ],
        consecutive=False,
    )
    assert "diagnostics/health.py" not in result.stdout.str()
    case = read_cases(pytester.path / "report.xml")["test_the_digits_are_learned"]
    failure = case.find("failure")
    assert failure is not None
    assert "dead_units@hidden_1: 32 of 32 units of hidden_1 are silent" in failure.attrib["message"]
    found = properties(case, "finding")
    assert found[0].startswith("error dead_units@hidden_1: 32 of 32 units of hidden_1 are silent on all 1797 training")
    assert [finding.split(":")[0] for finding in found][-1] == "error max_dead@hidden_1"
    assert len(found) == len(set(found))


def test_its_healthy_twin_passes_and_says_nothing(run: Run, pytester: pytest.Pytester) -> None:
    result = run(DYING.format(bias=0.0), "--junitxml=report.xml")
    result.assert_outcomes(passed=1)
    assert "gradvitals ==" not in result.stdout.str()
    case = read_cases(pytester.path / "report.xml")["test_the_digits_are_learned"]
    assert properties(case, "finding") == []
    assert sorted(path.name for path in pytester.path.iterdir() if path.is_dir() and path.name[0] not in "_.") == []


@pytest.mark.skipif(find_spec("torch") is None, reason="PyTorch is not installed")
@pytest.mark.parametrize(("bias", "outcome"), [(-20.0, "failed"), (0.0, "passed")], ids=["dying ReLU", "healthy"])
def test_the_same_in_pytorch(bias: float, outcome: str, pytester: pytest.Pytester) -> None:
    pytester.makepyprojecttoml('[tool.gradvitals]\nunjudged = "ignore"\n')
    pytester.makepyfile(test_model=TORCH_PROJECT.format(bias=bias))
    result = pytester.runpytest_subprocess("--junitxml=report.xml")
    result.assert_outcomes(**{outcome: 1})
    found = properties(read_cases(pytester.path / "report.xml")["test_the_digits_are_learned"], "finding")
    assert any("dead_units@" in finding and "32 of 32 units" in finding for finding in found) == (outcome == "failed")
    if outcome == "failed":
        result.stdout.fnmatch_lines(["E*UnhealthyTraining: dead_units@*: 32 of 32 units *"])


def test_a_test_that_fails_otherwise_tells_what_was_found_and_what_explains_what(run: Run) -> None:
    result = run("""
def test_accuracy(vitals):
    network = make(bias=-20.0)
    with vitals.watch(network, data=data):
        fit(network)
    accuracy = 0.1
    assert accuracy > 0.9
""")
    result.assert_outcomes(failed=1)
    result.stdout.fnmatch_lines(
        [
            "E       assert 0.1 > 0.9",
            "*--- gradvitals ---*",
            "error dead_units@hidden_1: 32 of 32 units of hidden_1 are silent *",
            "  → use leaky_relu, whose units keep a gradient where they are inactive",
            "error no_learning: * (explained by dead_units@hidden_1)",
        ],
    )
    assert "assert_healthy was never called" not in result.stdout.str()


def test_monitors_are_gone_after_the_test_whatever_happened_in_it(run: Run) -> None:
    result = run("""
networks = []

def start(vitals):
    networks.append(make(bias=0.0))
    assert not attached(networks[-1])
    monitor = vitals.watch(networks[-1], data=data)
    assert attached(networks[-1])
    return monitor

def test_fails(vitals):
    start(vitals)
    raise RuntimeError("oops")

def test_skips(vitals):
    start(vitals)
    pytest.skip("not today")

def test_fails_inside(vitals):
    with start(vitals):
        fit(networks[-1], epochs=1)
        raise RuntimeError("oops")

def test_watches_two(vitals):
    start(vitals), start(vitals)

@pytest.fixture
def broken(vitals):
    start(vitals)
    raise RuntimeError("oops")

def test_has_a_broken_fixture(broken):
    pass

def test_all_are_gone():
    assert [attached(network) for network in networks] == [False] * 6
""")
    result.assert_outcomes(failed=2, skipped=1, passed=2, errors=1)


def test_networks_and_data_do_not_outlive_their_test(run: Run) -> None:
    result = run("""
import gc, weakref
alive = []

@pytest.mark.parametrize("bias", [-20.0, 0.0])
def test_watches(vitals, bias):
    network = make(bias)
    with vitals.watch(network, data=data) as monitor:
        fit(network, epochs=3)
    alive.append(weakref.ref(monitor))
    if bias == 0.0:
        monitor.assert_healthy()

def test_they_are_gone():
    gc.collect()
    assert [each() for each in alive] == [None, None]
""")
    result.assert_outcomes(passed=3)


def test_a_test_that_never_asserts_is_named_with_what_was_found_and_does_not_fail(
    run: Run, pytester: pytest.Pytester
) -> None:
    result = run(
        """
@pytest.mark.parametrize("bias", [-20.0, 0.0])
def test_watches(vitals, bias):
    network = make(bias)
    with vitals.watch(network, data=data):
        fit(network)

def test_never_trains(vitals):
    vitals.watch(make(0.0))

def test_watches_nothing(vitals):
    pass

def test_asserts_one_of_two(vitals):
    first, second = make(0.0), make(0.0)
    with vitals.watch(first, data=data) as monitor, vitals.watch(second, data=data):
        fit(first)
        fit(second)
    monitor.assert_healthy()

def test_skips(vitals):
    vitals.watch(make(0.0))
    pytest.skip("not today")

@pytest.mark.xfail
def test_is_expected_to_fail(vitals):
    vitals.watch(make(0.0))
    assert 0
""",
        "--junitxml=report.xml",
        "-W",
        "error",
    )
    result.assert_outcomes(passed=5, skipped=1, xfailed=1)
    lines = result.stdout.str().splitlines()
    first = lines.index("watched, but assert_healthy was never called:")
    assert [line.split(": ")[:3] for line in lines[first + 1 : first + 5]] == [
        ["  test_model.py::test_watches[-20.0]", "error dead_units@hidden_1", lines[first + 1].split(": ")[2]],
        ["  test_model.py::test_watches[0.0]", "nothing was found"],
        ["  test_model.py::test_never_trains", "no training was seen"],
        ["  test_model.py::test_asserts_one_of_two", "nothing was found"],
    ]
    assert not lines[first + 5].startswith("  ")
    assert properties(read_cases(pytester.path / "report.xml")["test_watches[0.0]"], "unasserted") == [
        "nothing was found"
    ]


def test_runs_are_kept_in_a_folder_for_each_test_and_run_of_it(run: Run, pytester: pytest.Pytester) -> None:
    tests = """
@pytest.mark.parametrize("bias", [0.0, 0.01], ids=["a/b \u00e9", "../.." + "x" * 300])
def test_odd(vitals, bias, monkeypatch, tmp_path):
    monkeypatch.chdir(tmp_path)
    for _ in range(2):
        network = make(bias)
        with vitals.watch(network, data=data) as monitor:
            fit(network, epochs=3)
        monitor.assert_healthy()

def test_has_a_folder_of_its_own(vitals, tmp_path):
    network = make(0.0)
    with vitals.watch(network, data=data, logdir=tmp_path) as monitor:
        fit(network, epochs=3)
    monitor.assert_healthy()
    assert list(tmp_path.iterdir())
"""
    for number in (2, 4):
        result = run(tests, "--vitals-logdir=kept/runs", "--junitxml=report.xml")
        result.assert_outcomes(passed=3)
        logs = pytester.path / "kept" / "runs"
        result.stdout.fnmatch_lines([f"4 runs kept: gradvitals board {logs}"])
        folders = sorted(logs.iterdir())
        assert [folder.name[: len("test_model.test_odd-")] for folder in folders] == ["test_model.test_odd-"] * 2
        assert all(len(folder.name) <= 87 for folder in folders)
        kept = [run for folder in folders for run in sorted(folder.iterdir())]
        assert [run.name for run in kept] == [str(n) for n in range(1, number + 1)] * 2
        assert all(read_record(run).record.notes(Ending) for run in kept)
        cases = read_cases(pytester.path / "report.xml")
        told = [path for case in cases.values() for path in properties(case, "run")]
        assert {Path(path) for path in told} == {run for run in kept if int(run.name) > number - 2}


def test_two_processes_never_get_the_same_folder(tmp_path: Path) -> None:
    program = (
        "import sys; from pathlib import Path; from gradvitals.diagnostics.vitals import make_run_folder\n"
        "for _ in range(50): print(make_run_folder(Path(sys.argv[1]), 'test.py::test'))"
    )
    workers = [
        subprocess.Popen([sys.executable, "-c", program, str(tmp_path)], stdout=subprocess.PIPE, text=True)
        for _ in range(2)
    ]
    folders = [line for worker in workers for line in worker.communicate()[0].split()]
    assert len(folders) == len(set(folders)) == 100


@pytest.mark.parametrize(
    "test",
    ["", "::", "../..::..", "a.py::t[\ud800]", "a.py::" + "é" * 999, "C:\\x::con"],
    ids=["empty", "no names", "upwards", "no unicode", "long", "a drive"],
)
def test_a_folder_s_name_is_safe_whatever_the_test_s(test: str, tmp_path: Path) -> None:
    folder = make_run_folder(tmp_path, test)
    assert folder.parent.parent == tmp_path
    assert folder.is_dir()
    assert folder_name(test).isascii()
    assert len(folder_name(test)) <= 87
    assert folder_name(test) != folder_name(test + ":")


def test_a_file_in_the_way_is_told_and_not_tried_for_ever(tmp_path: Path) -> None:
    (tmp_path / folder_name("a.py::t")).touch()
    with pytest.raises(OSError, match=r"a\.t-"):
        make_run_folder(tmp_path, "a.py::t")


@pytest.mark.parametrize(
    ("pyproject", "options", "sentence"),
    [
        ("max_ded = 0.1", [], "*pyproject.toml: [[]tool.gradvitals] max_ded: no such key — did you mean 'max_dead'?"),
        ("max_dead = 10", [], "*pyproject.toml: [[]tool.gradvitals] max_dead: 10 is not a share from 0 to 1"),
        ("max_dead = ", [], "*pyproject.toml: *"),
        ("", ["--vitals-logdir=test_model.py"], "*--vitals-logdir: 'test_model.py' is no folder"),
        ("", ["--vitals-logdir="], "*--vitals-logdir: '' is no folder"),
    ],
    ids=["unknown key", "wrong value", "no TOML", "file", "empty"],
)
def test_a_mistake_ends_the_session_in_one_sentence_before_any_test(
    pyproject: str, options: list[str], sentence: str, run: Run
) -> None:
    result = run("def test_runs(): pass", *options, pyproject=pyproject)
    assert result.ret == pytest.ExitCode.USAGE_ERROR
    result.stderr.fnmatch_lines([f"ERROR: {sentence}"])
    assert "Traceback" not in result.stderr.str()


def test_broken_toml_is_told_whoever_reads_it(pytester: pytest.Pytester) -> None:
    pytester.makefile(".ini", pytest="[pytest]\n")
    pytester.path.joinpath("pyproject.toml").write_text("[tool.gradvitals\n", encoding="utf-8")
    result = pytester.runpytest_inprocess()
    assert result.ret == pytest.ExitCode.USAGE_ERROR
    result.stderr.fnmatch_lines(["ERROR: *pyproject.toml: *at line 1, column 17)"])


def test_a_diagnosis_that_does_not_exist_is_told_by_the_test_that_would_use_it(run: Run) -> None:
    result = run(DYING.format(bias=0.0) + "def test_other(): pass", pyproject='fail_on = ["dead_unit"]')
    result.assert_outcomes(errors=1, passed=1)
    sentence = "pyproject.toml: [[]tool.gradvitals] fail_on: *'dead_unit' — did you mean 'dead_units'?"
    result.stdout.fnmatch_lines([sentence])
    assert "Traceback" not in result.stdout.str()
    assert "pytest_plugin.py" not in result.stdout.str()


@pytest.mark.parametrize(
    ("pyproject", "arguments", "outcome"),
    [
        ('unjudged = "ignore"', "", {"passed": 1}),
        ('unjudged = "ignore"\nmax_loss_ratio = 0.001', "", {"failed": 1}),
        ('unjudged = "ignore"\nmax_loss_ratio = 0.001', "max_loss_ratio=0.9", {"passed": 1}),
        ('unjudged = "ignore"\nmax_loss_ratio = 0.9', "max_loss_ratio=0.001", {"failed": 1}),
        ('unjudged = "fail"', "", {"failed": 1}),  # memorising needs a validation set
        ('unjudged = "fail"', "unjudged='ignore'", {"passed": 1}),
        ("", "", {"passed": 1, "warnings": 0}),  # a validation set that nobody gave is nothing to warn of
    ],
    ids=str,
)
def test_arguments_go_before_the_project_s_limits(
    pyproject: str, arguments: str, outcome: dict[str, int], run: Run
) -> None:
    tests = DYING.format(bias=0.0).replace("max_dead=0.1", arguments)
    run(tests, "-W", "default", pyproject=pyproject).assert_outcomes(**outcome)


def test_the_limits_are_those_of_the_root_directory_even_below_a_pytest_ini(pytester: pytest.Pytester) -> None:
    pytester.makefile(".ini", pytest="[pytest]\n")
    pytester.makepyprojecttoml("[tool.gradvitals]\nmax_loss_ratio = 0.001\n")
    pytester.mkdir("deep").joinpath("test_model.py").write_text(MODULE + DYING.format(bias=0.0), encoding="utf-8")
    result = pytester.runpytest_inprocess("deep")
    result.assert_outcomes(failed=1)
    result.stdout.fnmatch_lines(["E*UnhealthyTraining: max_loss_ratio: *"])


def test_without_the_plugin_there_is_nothing_of_it(run: Run) -> None:
    result = run(DYING.format(bias=0.0) + "def test_other(): pass", "-p", "no:gradvitals", pyproject="max_ded = 1")
    result.assert_outcomes(passed=1, errors=1)
    result.stdout.fnmatch_lines(["E       fixture 'vitals' not found"])


def test_a_session_that_does_not_use_it_loads_nothing(pytester: pytest.Pytester) -> None:
    pytester.makepyprojecttoml("[tool.gradvitals]\nmax_dead = 0.1\n")
    pytester.makepyfile("""
import sys

def test_light(request):
    heavy = {"numpy", "torch", "tensorboard", "rich", "pydantic", "matplotlib", "sklearn", "google.protobuf"}
    assert request.config.pluginmanager.hasplugin("gradvitals")
    assert heavy.isdisjoint(sys.modules)
""")
    pytester.runpytest_subprocess().assert_outcomes(passed=1)


def test_importing_the_plugin_costs_a_fraction_of_importing_numpy() -> None:
    program = """
import time, pytest
moments = [time.perf_counter()]
import gradvitals.diagnostics.pytest_plugin
moments.append(time.perf_counter())
import numpy
print((moments[1] - moments[0]) / (time.perf_counter() - moments[1]))
"""
    command = [sys.executable, "-c", program]
    ratios = [float(subprocess.run(command, capture_output=True, text=True, check=True).stdout) for _ in range(3)]
    assert min(ratios) < 0.2


@pytest.mark.skipif(find_spec("xdist") is None, reason="pytest-xdist is not installed")
def test_with_workers_every_finding_and_run_reaches_the_report(pytester: pytest.Pytester) -> None:
    pytester.makepyprojecttoml('[tool.gradvitals]\nunjudged = "ignore"\n')
    both = "@pytest.mark.parametrize('bias', [-20.0, 0.0, 0.01, 0.02])" + DYING.replace("(vitals)", "(vitals, bias)")
    forgets = "\ndef test_forgets(vitals):\n    vitals.watch(make(0.0))\n"
    pytester.makepyfile(test_model=MODULE + both.format(bias="bias") + forgets)
    result = pytester.runpytest_subprocess("-n2", "--vitals-logdir=logs", "--junitxml=report.xml")
    result.assert_outcomes(passed=4, failed=1)
    result.stdout.fnmatch_lines(["  test_model.py::test_forgets: no training was seen", "5 runs kept: *"])
    cases = read_cases(pytester.path / "report.xml")
    assert properties(cases["test_the_digits_are_learned[-20.0]"], "finding")[0].startswith("error dead_units@hidden_1")
    assert len(list((pytester.path / "logs").iterdir())) == 5


def test_the_fixture_watches_with_the_arguments_of_watch() -> None:
    ours = list(inspect.signature(Vitals.watch).parameters.values())[1:]
    assert [(each.name, each.kind, each.default) for each in ours] == [
        (each.name, each.kind, each.default) for each in inspect.signature(watch).parameters.values()
    ]

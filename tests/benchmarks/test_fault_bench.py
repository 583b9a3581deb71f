"""The fault bench: what is injected and demanded, what counts as harm, and what is held against it."""

import json
from collections import Counter
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path

import fault_judging
import numpy as np
import pytest
from campaign import Finished, Job, run_jobs, train_job
from fault_bases import BASES, Base
from fault_bench import judge_all, rate, summary, tables, write_numbers
from fault_comparators import logistic, loss_only, nan_check
from fault_harm import measure_harm
from fault_injections import HALVES, SEEDS, Injection, injections
from fault_judging import JudgedFault, first_named, judge_fault, until
from fault_kinds import FAULTS, Fault
from finished_runs import read_lines
from intervals import Share, bootstrap

from gradvitals.diagnostics.findings import Finding, Severity, Verdict
from gradvitals.diagnostics.measurements import Record
from gradvitals.diagnostics.notes import Probe
from gradvitals.experiments.config.load import parse_config
from gradvitals.experiments.data.load import load_data
from gradvitals.experiments.fit import check_fit

BLOBS = next(base for base in BASES if base.name.startswith("blobs"))
DEAD = next(fault for fault in FAULTS if fault.name == "dead biases")
SICK = Injection(BLOBS, (DEAD,), 5, SEEDS[0], DEAD.doses(BLOBS)[4])


@pytest.fixture(scope="module")
def trained() -> dict[str, tuple[Finished, Record]]:
    """Train a sick network and the twins of its base."""
    return {one.key: train_job(Job(one.key, one.config), Path()) for one in (SICK, *SICK.twins)}


@pytest.fixture(scope="module")
def lines(trained: Mapping[str, tuple[Finished, Record]]) -> dict[str, Finished]:
    """Give the lines of these runs."""
    return {key: line for key, (line, _) in trained.items()}


# the injections


def test_every_fault_has_five_doses_that_are_valid_configs_and_all_different() -> None:
    every = [one for half in HALVES for one in injections(half)]
    for one in every:
        parse_config(one.config)
    twins = {one.twin.key for one in every}
    assert len({one.key for one in every} | twins) == len(every) + len(twins)
    for fault in FAULTS:
        fitting = [base for base in BASES if fault.fits(base)]
        assert fitting
        assert {len(fault.doses(base)) for base in fitting} == {5}
        assert fault.diagnosis in fault.roots
        tuning = sum(Injection(base, (fault,), 1, SEEDS[0], {}).half == "tuning" for base in fitting)
        assert min(tuning, len(fitting) - tuning) >= max(len(fitting) // 3, 1)


@pytest.mark.parametrize("base", BASES, ids=[base.name for base in BASES])
def test_every_fault_fits_the_data_of_its_base(base: Base) -> None:
    every = [one for half in HALVES for one in injections(half) if (one.base, one.seed) == (base, SEEDS[0])]
    for one in every:
        if one.dose == 3:
            config = parse_config(one.config)
            check_fit(config, load_data(config.data, config.seed, Path(), origin="test", sequence_length=None))


def test_both_halves_have_every_fault_and_share_no_base_with_it() -> None:
    families = {half: Counter((one.base.name, one.faults) for one in injections(half)) for half in HALVES}
    tuning, held_out = (set(families[half]) for half in HALVES)
    assert not tuning & held_out
    for family in (tuning, held_out):
        assert {faults[0] for _, faults in family if len(faults) == 1} == set(FAULTS)
        assert len({name for name, _ in family}) == len(BASES)
        assert any(len(faults) == 2 for _, faults in family)


def test_an_injection_changes_its_keys_and_nothing_else() -> None:
    changed = {name for name in SICK.config if SICK.config[name] != SICK.twin.config[name]}
    assert changed == {"model"}
    assert SICK.config["model"]["bias_init"] == {"kind": "constant", "value": -100.0}
    assert "bias_init" not in BLOBS.config["model"]


def test_a_twin_has_what_makes_the_fault_worse_but_not_the_fault() -> None:
    every = [one for half in HALVES for one in injections(half) if one.faults[0].name == "frozen hidden layers"]
    for one in every:
        assert (one.twin.keys, one.twin.twin) == ({"model.hidden": one.keys["model.hidden"]}, one.twin)
        assert {twin.seed for twin in one.twins} == set(SEEDS)


# harm


def _line(key: str, score: float | None) -> Finished:
    return Finished(key, "", {"accuracy": score})


@pytest.mark.parametrize(
    ("twins", "own", "harmful"),
    [
        ((0.95, 0.96, 0.94), 0.5, True),
        ((0.95, 0.96, 0.94), 0.93, False),
        ((0.95, 0.96, 0.94), None, True),
        ((0.9, 0.6, 0.75), 0.5, False),
        ((0.95, 0.95, 0.95), 0.91, False),
        ((0.95, 0.95, 0.95), 0.89, True),
        ((0.85, 0.9, 0.95), 0.73, False),
        ((0.85, 0.9, 0.95), 0.72, True),
    ],
    ids=[
        *("large", "small", "no score", "within the seeds' spread", "below 5 points", "above 5 points"),
        *("below 3 standard errors", "above 3 standard errors"),
    ],
)
def test_harm_is_what_the_twins_score_more(twins: tuple[float, ...], own: float | None, *, harmful: bool) -> None:
    found = {twin.key: _line(twin.key, value) for twin, value in zip(SICK.twins, twins, strict=True)}
    done = measure_harm(SICK, {**found, SICK.key: _line(SICK.key, own)})
    assert done is not None
    assert done.harmful is harmful
    assert done.value == (np.inf if own is None else pytest.approx(np.mean(twins) - own))


@pytest.mark.parametrize(("own", "harmful"), [(0.41, False), (0.39, True)])
def test_of_a_regression_a_tenth_of_r2_is_harm(own: float, *, harmful: bool) -> None:
    base = next(base for base in BASES if base.yardstick == "r2")
    sick = Injection(base, (DEAD,), 5, SEEDS[0], DEAD.doses(base)[4])
    lines = {twin.key: Finished(twin.key, "", {"r2": 0.5}) for twin in sick.twins}
    done = measure_harm(sick, {**lines, sick.key: Finished(sick.key, "", {"r2": own})})
    assert done is not None
    assert done.harmful is harmful


def test_without_a_healthy_score_harm_is_not_known_and_the_injection_is_left_out(
    capsys: pytest.CaptureFixture[str],
) -> None:
    found = {one.key: _line(one.key, None) for one in (SICK, *SICK.twins)}
    assert measure_harm(SICK, found) is None
    assert judge_all([SICK], found, Path("nowhere")) == []
    assert capsys.readouterr().out == f"no healthy twin has a score, so its harm is not known: {SICK.name}\n"
    one = replace(found[SICK.twins[0].key], scores={"accuracy": 0.9})
    done = measure_harm(SICK, {**found, one.key: one})
    assert done is not None
    assert (done.value, done.error, done.harmful) == (np.inf, 0.0, True)


# judging


def test_a_fault_that_does_harm_is_named_with_root_and_layer_at_once(
    trained: Mapping[str, tuple[Finished, Record]], lines: Mapping[str, Finished]
) -> None:
    done = measure_harm(SICK, lines)
    assert done is not None
    judged = judge_fault(SICK, trained[SICK.key][1], harm=done.value, harmful=done.harmful)
    assert (judged.harmful, judged.named, judged.diagnosed, judged.root_first) == (True, True, True, True)
    assert (judged.layer_right, judged.steps) == (True, 0)


def test_what_is_demanded_elsewhere_or_of_another_diagnosis_is_not_found(
    trained: Mapping[str, tuple[Finished, Record]],
) -> None:
    record = trained[SICK.key][1]

    def judged(fault: Fault) -> JudgedFault:
        return judge_fault(replace(SICK, faults=(fault,)), record, harm=1.0, harmful=True)

    assert judged(replace(DEAD, layer="output")).layer_right is False
    other = judged(replace(DEAD, diagnosis="numerics", roots=("numerics",)))
    assert (other.named, other.diagnosed, other.root_first, other.layer_right, other.steps) == (
        *(False, False, False, None, None),
    )
    assert "error dead_units@hidden_1" in other.alarms


def test_a_record_until_a_step_is_what_was_known_then(trained: Mapping[str, tuple[Finished, Record]]) -> None:
    record = trained[SICK.key][1]
    steps = [probe.step for probe in record.notes(Probe)]
    assert len(steps) > 2
    part = until(record, steps[1])
    assert [probe.step for probe in part.notes(Probe)] == steps[:2]
    assert max(int(part.series(tag).steps[-1]) for tag in part.tags()) <= steps[1]
    assert until(record, record.last_step).tags() == record.tags()
    blocked = replace(SICK, faults=(replace(DEAD, roots=("no_learning",)),))
    later = first_named(record, blocked)
    assert later is not None
    assert later >= 90


def _finding(key: str, severity: Severity = Severity.ERROR) -> Finding:
    name, _, layer = key.partition("@")
    return Finding(name, "fact", severity, layer or None, 0, 0, 1.0, 0.0, "", "")


ONLY_ONE = (_finding("dead_units@hidden_1"), _finding("dead_units@output"))
BOTH = (_finding("initialization_scale@hidden_1"), _finding("dead_units@hidden_1"), _finding("loss_mismatch"))


@pytest.mark.parametrize(
    ("findings", "named", "diagnosed", "root_first", "layer_right", "alarms"),
    [
        (ONLY_ONE, True, False, True, True, 2),
        (BOTH, True, True, True, True, 3),
        ((_finding("numerics"), *BOTH), True, True, False, True, 4),
        ((_finding("dead_units@hidden_1", Severity.INFO),), False, False, False, None, 0),
        ((_finding("dead_units@output", Severity.WARNING),), True, False, True, False, 1),
        ((replace(BOTH[1], cleared=True),), False, False, False, None, 0),
        ((), False, False, False, None, 0),
    ],
    ids=["one of two", "both", "another first", "mild", "elsewhere", "gone", "silent"],
)
def test_of_two_faults_both_are_demanded_and_only_what_is_loud_counts(
    monkeypatch: pytest.MonkeyPatch,
    findings: tuple[Finding, ...],
    *,
    named: bool,
    diagnosed: bool,
    root_first: bool,
    layer_right: bool | None,
    alarms: int,
) -> None:
    monkeypatch.setattr(fault_judging, "judge", lambda _: Verdict((), findings))
    mismatch = next(fault for fault in FAULTS if fault.name == "double softmax")
    judged = judge_fault(replace(SICK, faults=(DEAD, mismatch)), Record(), harm=1.0, harmful=True)
    assert (judged.named, judged.diagnosed, judged.root_first) == (named, diagnosed, root_first)
    assert (judged.layer_right, len(judged.alarms)) == (layer_right, alarms)
    assert judged.errors is (alarms > 1)


# counting


def test_the_summary_counts_harmful_and_harmless_apart(trained: Mapping[str, tuple[Finished, Record]]) -> None:
    record = trained[SICK.key][1]
    runs = [judge_fault(SICK, record, harm=value, harmful=value > 0.1) for value in (0.0, 0.5, 0.6)]
    summed = summary(runs)
    assert (summed["harmful"], summed["harmless"]) == (2, 1)
    assert summed["by fault"]["dead biases"]["named"] == {"hits": 2, "total": 2, "interval_95": None}
    assert (summed["by fault"]["dead biases"]["errors where harmless"], len(summed["missed"])) == (1, 0)
    assert summed["single"]["median steps"] == 0.0
    assert rate(runs, lambda run: run.harmful or None) == {"hits": 2, "total": 2, "interval_95": None}
    text = tables(summed, {"a tool": {part: rate(runs, lambda _: True) for part in ("harmful", "harmless", "twins")}})
    assert "| dead biases (`dead_units`) | 2 of 2, 100 % |" in text
    assert "| a tool | 3 of 3, 100 % |" in text


def test_the_numbers_are_json_that_every_parser_reads(tmp_path: Path) -> None:
    run = JudgedFault(SICK, np.inf, True, ("error dead_units",), True, True, True, True, None, 3)  # noqa: FBT003 - a row
    write_numbers(tmp_path / "numbers.json", "tuning", {"missed": []}, {}, [run])
    text = (tmp_path / "numbers.json").read_text(encoding="utf-8")
    content = json.loads(text, parse_constant=pytest.fail)
    assert content["half"] == "tuning"
    assert [(each["injection"], each["harm"]) for each in content["runs"]] == [(SICK.name, "Infinity")]


def test_a_bootstrap_interval_covers_what_clusters_vary() -> None:
    generator = np.random.default_rng(0)
    covered = 0
    for _ in range(200):
        rates = generator.uniform(0.3, 0.7, 30)
        values = [float(generator.random() < share) for share in rates for _ in range(5)]
        interval = bootstrap(values, [str(n // 5) for n in range(150)], generator)
        assert interval is not None
        covered += interval[0] <= 0.5 <= interval[1]
    assert 0.88 <= covered / 200 <= 0.99
    assert bootstrap([1.0, 0.0], ["one", "one"], generator) is None


@pytest.mark.parametrize(
    ("clusters", "interval"),
    [({f"{n}": [n % 2] for n in range(16)}, (4 / 16, 12 / 16)), ({"large": [0] * 9, "small": [1]}, (0.0, 1.0))],
    ids=["of the binomial distribution", "of two unequal clusters"],
)
def test_a_bootstrap_interval_is_that_of_the_clusters_drawn(
    clusters: Mapping[str, list[float]], interval: tuple[float, float]
) -> None:
    values = [value for own in clusters.values() for value in own]
    names = [name for name, own in clusters.items() for _ in own]
    assert bootstrap(values, names, np.random.default_rng(0)) == interval


@pytest.mark.parametrize(
    ("hits", "total", "interval"),
    [(0, 30, (0.0, 0.1157)), (5, 10, (0.1871, 0.8129)), (30, 30, (0.8843, 1.0)), (0, 0, (0.0, 1.0))],
)
def test_a_clopper_pearson_interval_is_that_of_the_tables(hits: int, total: int, interval: tuple[float, float]) -> None:
    assert Share(hits, total).interval == pytest.approx(interval, abs=1e-4)


# comparators


def _history(*losses: float) -> Finished:
    scores = {"accuracy": 0.5, "val_accuracy": 0.5}
    return Finished(
        "x", "", {}, [{"step": n, "loss": loss, "val_loss": loss, **scores} for n, loss in enumerate(losses)]
    )


@pytest.mark.parametrize(
    ("losses", "nan", "loss"),
    [
        ((1.0, 0.5), False, False),
        ((1.0, 0.95), False, True),
        ((1.0, float("nan")), True, True),
        ((1.0, float("inf")), True, True),
        ((), True, True),
    ],
)
def test_the_simple_rules_go_by_the_losses_alone(losses: tuple[float, ...], *, nan: bool, loss: bool) -> None:
    assert (nan_check(_history(*losses)), loss_only(_history(*losses))) == (nan, loss)


def test_the_model_judges_a_base_by_the_others() -> None:
    names = ["a", "b", "c", "d"]
    bases = [Base(name, BLOBS.config, "accuracy") for name in names]
    faults = [Injection(base, (DEAD,), dose, 0, {"training.epochs": dose}) for base in bases for dose in range(1, 7)]
    keys = [(one.base.name, one.dose) for one in faults]
    harmful = [dose > 3 for _, dose in keys]
    lines = {one.key: _history(1.0, 1.0 if harm else 0.1) for one, harm in zip(faults, harmful, strict=True)}
    assert logistic(faults, harmful, lines) == harmful


# the campaign


def test_finished_runs_are_not_trained_again(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    bad = {**BLOBS.config, "model": {**BLOBS.config["model"], "hidden": []}, "data": {"source": "nowhere.npz"}}
    jobs = [Job("bad", bad)]
    (tmp_path / "runs.jsonl").write_text('{"key": "torn', encoding="utf-8")
    line = run_jobs(jobs, tmp_path, 1)["bad"]
    assert line.error.startswith("UserError: bad: ")
    assert run_jobs(jobs, tmp_path, 1)["bad"] == line
    assert "1 runs, 1 already trained" in capsys.readouterr().out
    assert read_lines(tmp_path, Finished) == {"bad": line}

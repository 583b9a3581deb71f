"""What a PyTorch user trains on, read into arrays without a trace."""

import random
from collections.abc import Callable, Iterator
from typing import Any

import numpy as np
import pytest

torch: Any = pytest.importorskip("torch", reason="the adapter of PyTorch needs PyTorch")

from torch.utils.data import (  # noqa: E402 - only where there is PyTorch
    BatchSampler,
    ConcatDataset,
    DataLoader,
    Dataset,
    IterableDataset,
    RandomSampler,
    Sampler,
    Subset,
    SubsetRandomSampler,
    TensorDataset,
    WeightedRandomSampler,
)

from gradvitals.diagnostics.adapters.torch_arrays import to_tensor  # noqa: E402 - it needs PyTorch
from gradvitals.diagnostics.adapters.torch_data import read_data, to_array  # noqa: E402

ROWS = 50
INPUTS = torch.arange(ROWS * 6, dtype=torch.float32).reshape(ROWS, 2, 3)
TARGETS = torch.arange(ROWS) % 4
PAIRS = TensorDataset(INPUTS, TARGETS)
NAMED = {"a": INPUTS, "b": INPUTS[:3]}


class Drawing(Dataset):  # type: ignore[misc]  # torch has no types for us
    """Draws something for every sample, from every generator there is."""

    def __init__(self, *, noise: float) -> None:
        self.noise = noise
        self.own = np.random.default_rng(7)
        self.own_torch = torch.Generator().manual_seed(7)
        self.looked = 0
        self.transforms = [{"generator": random.Random(7)}]  # noqa: S311 - of a transform

    def __len__(self) -> int:
        return ROWS

    def __getitem__(self, index: int) -> tuple[Any, int]:
        self.looked += 1
        self.opened = True  # as a file that only the first look opens
        drawn = torch.rand(()) + np.random.rand() + random.random() + self.own.random()  # noqa: NPY002, S311
        drawn += torch.rand((), generator=self.own_torch) + self.transforms[0]["generator"].random()
        return INPUTS[index] + self.noise * drawn, index % 4


class Stream(IterableDataset):  # type: ignore[misc]
    """Gives the samples one after the other."""

    def __iter__(self) -> Iterator[tuple[Any, Any]]:
        return iter(zip(INPUTS, TARGETS, strict=True))


class Endless(IterableDataset):  # type: ignore[misc]
    """Never stops."""

    def __iter__(self) -> Iterator[tuple[Any, int]]:
        return ((torch.zeros(1), 1) for _ in iter(int, 1))


class WithoutLength(Dataset):  # type: ignore[misc]
    """Does not say how long it is."""

    def __getitem__(self, index: int) -> tuple[Any, int]:
        return INPUTS[index], 0


class OnceOnly(IterableDataset):  # type: ignore[misc]
    """Cannot be read twice."""

    def __init__(self) -> None:
        self.rows = iter(zip(INPUTS, TARGETS, strict=True))

    def __iter__(self) -> Iterator[tuple[Any, Any]]:
        return self.rows


class Ragged(Dataset):  # type: ignore[misc]
    """Sequences of different lengths."""

    def __init__(self, rows: int = 30) -> None:
        self.rows = rows

    def __len__(self) -> int:
        return self.rows

    def __getitem__(self, index: int) -> tuple[Any, int]:
        return torch.full((1 + index % 5 + index // 10,), index), index % 2


class EveryThird(Sampler):  # type: ignore[misc]
    """A sampler nobody knows, with a state."""

    def __init__(self) -> None:
        self.epochs = 0

    def __iter__(self) -> Iterator[int]:
        self.epochs += 1
        return iter((torch.randperm(ROWS // 3 + 1) * 3).tolist())


def pad(samples: list[tuple[Any, int]]) -> tuple[Any, Any]:
    inputs = torch.nn.utils.rnn.pad_sequence([each for each, _ in samples], batch_first=True, padding_value=-1)
    return inputs, torch.tensor([label for _, label in samples])


def states(*generators: Any) -> list[Any]:
    held = [each.get_state().tolist() for each in generators]
    return [torch.get_rng_state().tolist(), np.random.get_state()[1].tolist(), random.getstate(), *held]  # type: ignore[index]  # noqa: NPY002


FORMS: dict[str, Callable[[], Any]] = {
    "tensors": lambda: (INPUTS, TARGETS),
    "arrays": lambda: [INPUTS.numpy(), TARGETS.numpy()],
    "a data set": lambda: PAIRS,
    "a loader": lambda: DataLoader(PAIRS, batch_size=16),
    "a shuffling loader": lambda: DataLoader(PAIRS, batch_size=16, shuffle=True, drop_last=True),
    "a loader with workers": lambda: DataLoader(PAIRS, batch_size=16, shuffle=True, num_workers=2),
    "a batch sampler": lambda: DataLoader(PAIRS, batch_sampler=BatchSampler(RandomSampler(PAIRS), 7, drop_last=False)),
    "a sampler of batches": lambda: DataLoader(
        PAIRS, sampler=BatchSampler(torch.utils.data.SequentialSampler(PAIRS), 7, drop_last=False), batch_size=None
    ),
    "samples without batches": lambda: DataLoader(PAIRS, batch_size=None),
    "a stream": lambda: DataLoader(Stream(), batch_size=16),
    "two data sets": lambda: ConcatDataset([Subset(PAIRS, range(20)), Subset(PAIRS, range(20, ROWS))]),
    "dictionaries of two": lambda: DataLoader(
        PAIRS, batch_size=16, collate_fn=lambda rows: dict(zip("yx", pad_back(rows), strict=True))
    ),
}


def pad_back(rows: list[tuple[Any, Any]]) -> tuple[Any, Any]:
    return torch.stack([label for _, label in rows]), torch.stack([each for each, _ in rows])


@pytest.mark.parametrize("form", FORMS.values(), ids=FORMS.keys())
def test_every_form_gives_all_samples_in_order_and_in_their_types(form: Callable[[], Any]) -> None:
    before = states()
    read = read_data(form())
    np.testing.assert_array_equal(read.inputs, INPUTS.numpy())
    np.testing.assert_array_equal(read.targets, TARGETS.numpy())
    assert [read.inputs.dtype.name, read.targets.dtype.name] == ["float32", "int64"]
    assert (read.complete, read.total) == (True, ROWS)
    assert states() == before


@pytest.mark.parametrize("noise", [0.0, 1.0], ids=["the same samples", "other samples"])
def test_reading_draws_from_nobodys_generator_and_leaves_no_trace(noise: float) -> None:
    data, own = Drawing(noise=noise), torch.Generator().manual_seed(3)
    loader = DataLoader(data, batch_size=8, shuffle=True, generator=own)
    before = states(own, loader.sampler.generator or own, data.own_torch)
    nested = data.transforms[0]["generator"].getstate(), data.own.bit_generator.state
    read = read_data(loader)
    assert states(own, loader.sampler.generator or own, data.own_torch) == before
    assert (data.transforms[0]["generator"].getstate(), data.own.bit_generator.state) == nested
    assert data.looked == 0
    assert not hasattr(data, "opened")
    assert read.complete == (noise == 0.0)


def test_the_training_draws_the_same_batches_whether_its_data_were_read_or_not() -> None:
    def batches(*, read: bool) -> list[list[int]]:
        torch.manual_seed(5)
        loader = DataLoader(PAIRS, batch_size=8, shuffle=True)
        if read:
            read_data(loader)
        return [labels.tolist() for _, labels in loader]

    assert batches(read=True) == batches(read=False)


def test_generators_are_given_back_after_an_error_too() -> None:
    class Failing(Drawing):
        def __getitem__(self, index: int) -> tuple[Any, int]:
            super().__getitem__(index)
            raise OSError

    before = states()
    with pytest.raises(OSError):  # noqa: PT011 - its own
        read_data(DataLoader(Failing(noise=1.0), batch_size=4, shuffle=True))
    assert states() == before


def test_tensors_in_memory_are_not_copied_and_know_no_limit() -> None:
    read = read_data(DataLoader(PAIRS, batch_size=4, shuffle=True), most_bytes=1)
    assert read.complete
    assert np.shares_memory(read.inputs, INPUTS.numpy())


def test_a_subset_sampler_gives_its_rows_and_no_others() -> None:
    read = read_data(DataLoader(PAIRS, batch_size=4, sampler=SubsetRandomSampler([9, 3, 30])))
    np.testing.assert_array_equal(read.inputs, INPUTS[[3, 9, 30]].numpy())
    assert read.complete


def test_an_unknown_sampler_is_asked_for_one_epoch_and_stays_as_it_was() -> None:
    sampler = EveryThird()
    read = read_data(DataLoader(PAIRS, batch_size=4, sampler=sampler))
    np.testing.assert_array_equal(read.inputs, INPUTS[::3].numpy())
    assert not read.complete
    assert sampler.epochs == 0


def test_weighted_samples_come_as_often_as_in_training() -> None:
    rare = torch.where(TARGETS == 3, 9.0, 1.0)
    read = read_data(DataLoader(PAIRS, batch_size=4, sampler=WeightedRandomSampler(rare, 40)))
    assert len(read.targets) == ROWS
    assert 0.5 < (read.targets == 3).mean() < 0.95  # 9·12 of 9·12 + 38
    assert not read.complete


def test_rows_that_have_no_weight_are_left_out() -> None:
    read = read_data(DataLoader(PAIRS, sampler=WeightedRandomSampler((TARGETS == 1).double(), 40)))
    assert set(read.targets.tolist()) == {1}


@pytest.mark.parametrize("form", ["two data sets", "a stream", "samples without batches"])
def test_beyond_the_limit_of_memory_a_sample_is_read_and_said_to_be_one(form: str) -> None:
    row = 6 * 4 + 8
    read = read_data(FORMS[form](), most_bytes=20 * row)
    assert len(read.inputs) == len(read.targets) <= 32
    assert not read.complete
    again = read_data(FORMS[form](), most_bytes=20 * row)
    np.testing.assert_array_equal(read.inputs, again.inputs)
    np.testing.assert_array_equal(read.targets, read.inputs[:, 0, 0] // 6 % 4)


def test_of_a_stream_without_an_end_a_beginning_is_read() -> None:
    read = read_data(DataLoader(Endless(), batch_size=1000))
    assert (len(read.inputs), read.complete) == (50_000, False)


def test_sequences_padded_batch_by_batch_are_padded_together() -> None:
    read = read_data(DataLoader(Ragged(), batch_size=4, collate_fn=pad, shuffle=True))
    assert read.inputs.shape == (30, 7)
    for row, inputs in enumerate(read.inputs):
        length = 1 + row % 5 + row // 10
        assert inputs.tolist() == [row] * length + [-1] * (7 - length)
    assert read.complete
    assert not read_data(DataLoader(Ragged(3000), batch_size=4, collate_fn=pad)).complete


@pytest.mark.parametrize(
    ("batch", "found"),
    [
        (lambda: {"image": INPUTS, "mask": INPUTS}, "'image', 'mask'"),
        (lambda: (INPUTS, TARGETS, TARGETS), "3: Tensor, Tensor, Tensor"),
        (lambda: [INPUTS], "1: Tensor"),
        (lambda: INPUTS, "Tensor"),
        (lambda: ((INPUTS, INPUTS[:3]), TARGETS), "2: tuple, Tensor"),
        (lambda: ({"a": ["x"] * 4}, TARGETS), "2: dict, Tensor"),
    ],
    ids=["a dictionary", "three parts", "one part", "no parts", "inputs of two lengths", "text"],
)
def test_batches_of_another_form_are_refused_with_what_is_understood(batch: Callable[[], Any], found: str) -> None:
    with pytest.raises(TypeError) as error:
        read_data(DataLoader(PAIRS, batch_size=4, collate_fn=lambda _: batch()))
    assert "(inputs, targets)" in str(error.value)
    assert found in str(error.value)
    assert "\n" not in str(error.value)


@pytest.mark.parametrize("data", [(NAMED, TARGETS), DataLoader(PAIRS, collate_fn=lambda _: (NAMED, TARGETS))])
def test_several_inputs_of_unequal_lengths_are_refused_with_their_shapes(data: Any) -> None:
    with pytest.raises(ValueError, match=r"a row per sample each, got shapes \(50, 2, 3\), \(3, 2, 3\)"):
        read_data(data)


@pytest.mark.parametrize(
    "data",
    [None, 3, "data", {"x": INPUTS}, (INPUTS, TARGETS, TARGETS), ("a", "b"), Ragged],
    ids=lambda each: type(each).__name__,
)
def test_what_are_no_data_is_refused(data: object) -> None:
    with pytest.raises(TypeError, match=r"data must give \(inputs, targets\)"):
        read_data(data)


@pytest.mark.parametrize(
    "data",
    [(INPUTS, TARGETS[:3]), (INPUTS[:0], TARGETS[:0]), DataLoader(Subset(PAIRS, []))],
    ids=["too few targets", "none", "an empty data set"],
)
def test_data_without_a_target_for_every_input_are_refused(data: object) -> None:
    with pytest.raises(ValueError, match="data"):
        read_data(data)


def test_a_list_of_batches_as_a_loop_makes_them_is_read_whole() -> None:
    batches = [(inputs.flatten(1), targets) for inputs, targets in DataLoader(PAIRS, batch_size=4)]
    read = read_data(batches)
    np.testing.assert_array_equal(read.inputs, np.concatenate([inputs for inputs, _ in batches]))
    np.testing.assert_array_equal(read.targets, TARGETS)
    assert (read.complete, read.total) == (True, len(INPUTS))


def test_a_list_of_what_has_not_a_row_per_sample_is_refused() -> None:
    time_first = [(torch.zeros(7, 4, 2), torch.zeros(4)), (torch.zeros(7, 4, 2), torch.zeros(4))]
    single = [(inputs, targets) for inputs, targets in PAIRS]
    for data in (time_first, single, (batch for batch in time_first)):
        with pytest.raises(TypeError, match="a list of batches"):
            read_data(data)


def test_batches_without_a_row_per_sample_are_refused() -> None:
    loader = DataLoader(
        PAIRS, batch_size=4, collate_fn=lambda rows: (torch.stack([each for each, _ in rows], 1), torch.ones(4))
    )
    with pytest.raises(TypeError, match=r"a row per sample, along the first axis: a batch of 4 .*\(2, 4, 3\)"):
        read_data(loader)


def test_a_stream_that_can_be_read_only_once_is_left_to_the_training() -> None:
    stream = OnceOnly()
    with pytest.raises(TypeError, match="only once"):
        read_data(DataLoader(stream, batch_size=4))
    assert len(list(stream)) == ROWS


@pytest.mark.parametrize(
    ("tensor", "dtype"),
    [
        (torch.ones(2, dtype=torch.bfloat16), np.float32),
        (torch.ones(2, dtype=torch.float16), np.float16),
        (torch.ones(2, requires_grad=True), np.float32),
        (torch.ones(2, dtype=torch.bool), np.bool_),
        (torch.ones(2, dtype=torch.uint8), np.uint8),
        (torch.eye(2).to_sparse(), np.float32),
        ([1, 2], np.int64),
    ],
    ids=["bfloat16", "float16", "with a gradient", "bool", "bytes", "sparse", "a list"],
)
def test_tensors_of_all_kinds_become_arrays(tensor: Any, dtype: type) -> None:
    array = to_array(tensor)
    assert array.dtype == dtype
    np.testing.assert_array_equal(array.astype(float), np.asarray(torch.as_tensor(tensor).detach().to_dense().tolist()))


@pytest.mark.parametrize(
    ("array", "dtype"),
    [(np.ones(2), "float16"), (np.ones(2, np.int64), "int64"), (np.ones(2, np.bool_), "bool")],
    ids=["floats", "indices", "truths"],
)
def test_floats_become_tensors_in_the_precision_of_the_model_and_whole_numbers_stay_whole(
    array: Any, dtype: str
) -> None:
    tensor = to_tensor(array, torch.ones(1, dtype=torch.float16))
    assert tensor.dtype is getattr(torch, dtype)
    assert tensor.tolist() == array.tolist()


def test_arrays_that_cannot_be_written_to_become_tensors_without_a_warning() -> None:
    array = np.arange(3.0)
    array.flags.writeable = False
    assert to_tensor(array, torch.ones(1)).tolist() == [0.0, 1.0, 2.0]
    assert to_tensor(np.arange(6.0)[::-2], torch.ones(1)).tolist() == [5.0, 3.0, 1.0]

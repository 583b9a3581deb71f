"""Loops as people write them, each with a fault that ruins it or surely costs: watched with one line, it is named."""

import itertools
import math
from collections.abc import Callable, Sequence
from contextlib import nullcontext
from dataclasses import dataclass
from typing import Any

import pytest
from tests.diagnostics.adapters.torch_models import Functional, Recurrent, Residual, Transformer, blobs, sentences

from gradvitals.diagnostics.diagnoses.catalogue import CATALOGUE
from gradvitals.diagnostics.findings import Severity
from gradvitals.diagnostics.monitor import Monitor
from gradvitals.diagnostics.watch import watch
from gradvitals.diagnostics.watched_data import WatchedData

torch: Any = pytest.importorskip("torch", reason="PyTorch is not installed")
nn: Any = torch.nn
functional: Any = torch.nn.functional

STEPS = 150
BATCH = 32
DEAD = -50.0
"""A bias that no input of ours makes up for."""


@dataclass
class Loop:
    """A loop to watch: the module, what `watch` is given besides, and the training itself."""

    module: Any
    watching: dict[str, Any]
    run: Callable[[], None]


@dataclass(frozen=True)
class Fault:
    """A loop with a fault, and what must be said of it.

    Attributes:
        make: Builds the loop.
        root: The key of the first finding; an id alone where its layer is a matter of chance.
        severity: How serious that is.
        also: Ids of others, roots or explained by it, that must stand as warnings or errors.
        roots: Ids of further warnings and errors that no other explains; any more would be nonsense.
    """

    make: Callable[[], Loop]
    root: str
    severity: Severity = Severity.ERROR
    also: Sequence[str] = ()
    roots: Sequence[str] = ()


def yes_or_no() -> tuple[Any, Any]:
    """Make samples of two classes, with labels `(rows, 1)` of 0.0 and 1.0."""
    inputs, labels = blobs(classes=2)
    return inputs, labels[:, None].float()


def quantities(rows: int = 400) -> tuple[Any, Any]:
    """Make the samples of a regression, with targets `(rows, 1)` of mean 0 and deviation 1."""
    generator = torch.Generator().manual_seed(7)
    inputs = torch.randn((rows, 10), generator=generator)
    targets = inputs[:, :1] - inputs[:, 1:2] * inputs[:, 2:3] + 0.1 * torch.randn((rows, 1), generator=generator)
    return inputs, (targets - targets.mean()) / targets.std()


def train(
    module: Any,
    data: tuple[Any, Any] | None = None,
    criterion: Any = None,
    *,
    optimizer: Any = None,
    take_step: Callable[[Any], None] | None = None,
    around: Any = None,
    steps: int = STEPS,
    watched: Any = None,
) -> Loop:
    """Make the plainest of loops, or one that differs in what it does with the loss or around the forward pass."""
    inputs, targets = data or blobs()
    criterion = criterion or nn.CrossEntropyLoss()
    optimizer = optimizer or sgd(module)

    def take_plain_step(loss: Any) -> None:
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()

    def run() -> None:
        for _ in range(steps):
            rows = torch.randint(0, len(inputs), (BATCH,))
            with around or nullcontext():
                loss = criterion(module(inputs[rows]), targets[rows])
            (take_step or take_plain_step)(loss)

    given = (inputs, targets) if watched is None else watched
    return Loop(module, {"data": given, "loss": criterion, "total_steps": steps}, run)


def sgd(module: Any, lr: float = 0.05) -> Any:
    return torch.optim.SGD(module.parameters(), lr=lr, momentum=0.9)


def adam(module: Any, lr: float = 0.01) -> Any:
    return torch.optim.Adam(module.parameters(), lr=lr)


def mlp(activation: Any = nn.ReLU, outputs: int = 4, hidden: Sequence[int] = (24, 16), **settings: Any) -> Any:
    widths = [10, *hidden]
    layers = [part for pair in itertools.pairwise(widths) for part in (nn.Linear(*pair), activation(**settings))]
    return nn.Sequential(*layers, nn.Linear(widths[-1], outputs))


def scaled(module: Any, factor: float) -> Any:
    """Multiply all weights."""
    with torch.no_grad():
        for parameter in module.parameters():
            if parameter.ndim > 1:
                parameter.mul_(factor)
    return module


def biased(part: Any, value: float = DEAD) -> None:
    """Set the biases of a layer, or the shifts of a norm."""
    nn.init.constant_(part.bias, value)


def alike(*parts: Any, value: float = 0.1) -> None:
    """Let all weights of layers start at one value, and their biases at 0."""
    for part in parts:
        nn.init.constant_(part.weight, value)
        biased(part, 0.0)


# The plain loop: what the catalogue knows of it.


def born_dead() -> Loop:
    module = mlp()
    biased(module[2])
    return train(module)


def killed_by_long_steps() -> Loop:
    (inputs, labels), module = blobs(), mlp()
    optimizer = torch.optim.SGD(module.parameters(), lr=30.0)

    def take_step(loss: Any) -> None:
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        if next(count) == 3:
            optimizer.param_groups[0]["lr"] = 0.05  # with more of the long ones, numbers overflow

    count = itertools.count(1)
    return train(module, (inputs + 3.0, labels), take_step=take_step)


def all_weights_zero() -> Loop:
    module = mlp()
    alike(module[0], module[2], module[4], value=0.0)
    return train(module)


def all_weights_equal() -> Loop:
    module = mlp(nn.Tanh)
    alike(module[0], module[2], module[4])
    return train(module)


def blown_up_by_long_steps() -> Loop:
    module = mlp(nn.Tanh, outputs=1)
    return train(module, quantities(), nn.MSELoss(), optimizer=sgd(module, lr=100.0))


def a_deep_net_saturates() -> Loop:
    module = scaled(mlp(nn.Tanh, hidden=[24] * 8), 5.0)
    return train(module, optimizer=sgd(module, lr=0.5))


def saturated_from_the_start() -> Loop:
    module = mlp(nn.Sigmoid)
    scaled(nn.ModuleList([module[0], module[2]]), 1000.0)
    return train(module, optimizer=sgd(module, lr=0.001))


def eight_sigmoids() -> Loop:
    return train(mlp(nn.Sigmoid, hidden=[16] * 8), steps=250)


def weights_that_make_gradients_explode() -> Loop:
    module = scaled(mlp(hidden=[24] * 8), 10.0)
    return train(module, optimizer=sgd(module, lr=0.01))


def known_by_heart() -> Loop:
    generator = torch.Generator().manual_seed(8)
    inputs = torch.randn((300, 20), generator=generator)
    labels = (inputs[:, 0] > 0).long()
    module = nn.Sequential(nn.Linear(20, 64), nn.Tanh(), nn.Linear(64, 64), nn.Tanh(), nn.Linear(64, 2))
    for parameter in module.parameters():
        nn.init.normal_(parameter, std=3.0)
    x, y = inputs.numpy(), labels.numpy()
    both = WatchedData(x[:100], y[:100], validation_inputs=x[100:], validation_targets=y[100:])
    return train(module, (inputs[:100], labels[:100]), optimizer=adam(module), steps=250, watched=both)


def trained_until_the_noise_is_learned() -> Loop:
    generator = torch.Generator().manual_seed(14)
    inputs = torch.randn((620, 5), generator=generator)
    targets = inputs[:, :1] + torch.randn((620, 1), generator=generator)
    module = nn.Sequential(nn.Linear(5, 64), nn.Tanh(), nn.Linear(64, 64), nn.Tanh(), nn.Linear(64, 1))
    x, y = inputs.numpy(), targets.numpy()
    both = WatchedData(x[:120], y[:120], validation_inputs=x[120:], validation_targets=y[120:])
    optimizer = torch.optim.Adam(module.parameters(), lr=1e-3)
    return train(module, (inputs[:120], targets[:120]), nn.MSELoss(), optimizer=optimizer, steps=1500, watched=both)


def straight_lines_through_moons() -> Loop:
    generator = torch.Generator().manual_seed(15)
    angle, side = torch.rand(400, generator=generator) * torch.pi, torch.arange(400) % 2
    sign = 1.0 - 2.0 * side
    inputs = torch.stack([torch.cos(angle) * sign + side, torch.sin(angle) * sign + 0.5 * side], dim=1)
    inputs += 0.1 * torch.randn(inputs.shape, generator=generator)
    module = nn.Sequential(nn.Linear(2, 32), nn.Linear(32, 32), nn.Linear(32, 2))
    optimizer = torch.optim.Adam(module.parameters(), lr=1e-2)
    return train(module, (inputs, side), optimizer=optimizer, steps=600)


def softmax_twice() -> Loop:
    return train(nn.Sequential(*mlp(), nn.Softmax(dim=1)))


def sigmoid_twice() -> Loop:
    return train(nn.Sequential(*mlp(outputs=1), nn.Sigmoid()), yes_or_no(), nn.BCEWithLogitsLoss())


def logits_for_log_probabilities() -> Loop:
    return train(mlp(), criterion=nn.NLLLoss())


def every_output_against_all_targets() -> Loop:
    inputs, targets = quantities()
    return train(mlp(outputs=1), (inputs, targets[:, 0]), nn.MSELoss())


def outputs_cut_off_by_a_relu() -> Loop:
    return train(nn.Sequential(*mlp(outputs=1), nn.ReLU()), quantities(), nn.MSELoss())


def certain_and_wrong() -> Loop:
    module = nn.Sequential(*mlp(outputs=1), nn.Sigmoid())
    biased(module[4], 20.0)
    return train(module, yes_or_no(), nn.MSELoss())


def probabilities_rounded_to_one() -> Loop:
    module = nn.Sequential(*mlp(outputs=1), nn.Sigmoid())
    biased(module[4], 300.0)
    return train(module, yes_or_no(), nn.BCELoss())


def steps_below_the_spacing_of_floats() -> Loop:
    module = mlp()
    return train(module, optimizer=sgd(module, lr=1e-10))


def steps_far_too_short() -> Loop:
    module = mlp()
    return train(module, optimizer=sgd(module, lr=1e-5))


def left_out_of_the_optimizer() -> Loop:
    module = mlp()
    return train(module, optimizer=sgd(nn.ModuleList([module[0], module[4]])))


def written_back() -> Loop:
    module = mlp()
    kept = module[2].weight.detach().clone()

    def write_back(*_: Any) -> None:
        with torch.no_grad():
            module[2].weight.copy_(kept)

    optimizer = sgd(module)
    optimizer.register_step_post_hook(write_back)
    return train(module, optimizer=optimizer)


def prices() -> Loop:
    inputs, targets = quantities()
    module = mlp(outputs=1)
    return train(module, (inputs, 200_000.0 + 1000.0 * targets), nn.MSELoss(), optimizer=sgd(module, lr=1e-3))


def inputs_in_units_of_their_own() -> Loop:
    inputs, labels = blobs()
    return train(mlp(), (5000.0 + 1000.0 * inputs, labels))


def gaps_in_the_data() -> Loop:
    inputs, labels = blobs()
    inputs[::7, 3] = math.nan
    return train(mlp(), (inputs, labels))


def gradients_never_cleared() -> Loop:
    module = mlp()
    optimizer = sgd(module)

    def take_step(loss: Any) -> None:
        loss.backward()
        optimizer.step()

    return train(module, take_step=take_step)


# The other loops.


def workers(inputs: Any, labels: Any, *, shuffle: bool = True) -> Loop:
    samples = torch.utils.data.TensorDataset(inputs, labels)
    loader = torch.utils.data.DataLoader(samples, BATCH, shuffle=shuffle, num_workers=1)
    module, criterion = mlp(), nn.CrossEntropyLoss()
    optimizer = sgd(module)

    def run() -> None:
        for _ in range(10):
            for x, y in loader:
                optimizer.zero_grad()
                criterion(module(x), y).backward()
                optimizer.step()

    return Loop(module, {"data": loader, "loss": criterion, "total_steps": 130}, run)


def workers_read_gaps() -> Loop:
    inputs, labels = blobs()
    inputs[100:, 3] = math.nan
    return workers(inputs, labels)


def amp(finish: Callable[[Any, Any, Any], None], module: Any = None) -> Loop:
    module = module or mlp()
    optimizer, scaler = sgd(module), torch.amp.GradScaler("cpu", init_scale=65536.0)

    def take_step(loss: Any) -> None:
        optimizer.zero_grad()
        scaler.scale(loss).backward()
        finish(module, optimizer, scaler)

    return train(module, take_step=take_step, around=torch.autocast("cpu", dtype=torch.bfloat16))


def amp_steps_with_scaled_gradients() -> Loop:
    return amp(lambda _module, optimizer, _scaler: optimizer.step())


def amp_clips_scaled_gradients() -> Loop:
    def finish(module: Any, optimizer: Any, scaler: Any) -> None:
        torch.nn.utils.clip_grad_norm_(module.parameters(), 0.1)
        scaler.step(optimizer)
        scaler.update()

    module = mlp()
    with torch.no_grad():
        module[4].bias[0] = 3.0  # one answer to everything, so that no network starts with half of them right
    return amp(finish, module)


def accumulating(module: Any, optimizer: Any, finish: Callable[[], None]) -> Loop:
    count = itertools.count(1)

    def take_step(loss: Any) -> None:
        (loss / 4).backward()
        if next(count) % 4 == 0:
            finish()

    loop = train(module, optimizer=optimizer, take_step=take_step, steps=4 * STEPS)
    return Loop(module, {**loop.watching, "total_steps": STEPS}, loop.run)


def accumulated_and_cleared_before_the_step() -> Loop:
    module = mlp()
    optimizer = sgd(module)

    def finish() -> None:
        optimizer.zero_grad(set_to_none=False)
        optimizer.step()

    return accumulating(module, optimizer, finish)


def accumulated_for_another_optimizer() -> Loop:
    module = mlp()
    optimizer = sgd(nn.ModuleList([module[2], module[4]]))

    def finish() -> None:
        optimizer.step()
        module.zero_grad()

    return accumulating(module, optimizer, finish)


def adversarial(generator: Any, critic: Any, watched: Any, criterion: Any = None, **watching: Any) -> Loop:
    for_generator, for_critic = adam(generator, 1e-3), adam(critic, 1e-3)
    criterion = criterion or nn.BCEWithLogitsLoss()

    def run() -> None:
        for _ in range(STEPS):
            real, fake = 0.5 * torch.randn(BATCH, 2) + 1.0, generator(torch.randn(BATCH, 4))
            for_critic.zero_grad()
            seen = critic(torch.cat([real, fake.detach()]))
            criterion(seen, torch.cat([torch.ones(BATCH, 1), torch.zeros(BATCH, 1)])).backward()
            for_critic.step()
            for_generator.zero_grad()
            criterion(critic(fake), torch.ones(BATCH, 1)).backward()
            for_generator.step()

    return Loop(watched, {"total_steps": STEPS, **watching}, run)


def generator_of_gan() -> Any:
    return nn.Sequential(nn.Linear(4, 16), nn.ReLU(), nn.Linear(16, 2))


def critic_of_gan() -> Any:
    return nn.Sequential(nn.Linear(2, 16), nn.LeakyReLU(0.2), nn.Linear(16, 1))


def gan_whose_generator_is_dead() -> Loop:
    generator = generator_of_gan()
    biased(generator[0])
    return adversarial(generator, critic_of_gan(), generator, data=(torch.randn(300, 4), torch.randn(300, 2)))


def gan_whose_critic_has_two_sigmoids() -> Loop:
    critic = critic_of_gan().append(nn.Sigmoid())
    points = torch.cat([0.5 * torch.randn(200, 2) + 1.0, torch.randn(200, 2)])
    labels = torch.cat([torch.ones(200, 1), torch.zeros(200, 1)])
    return adversarial(generator_of_gan(), critic, critic, data=(points, labels), loss=nn.BCEWithLogitsLoss())


def gan_with_logarithms_of_zero() -> Loop:
    def by_hand(seen: Any, real: Any) -> Any:
        probabilities = torch.sigmoid(seen)
        return -(real * probabilities.log() + (1.0 - real) * (1.0 - probabilities).log()).mean()

    critic = critic_of_gan()
    biased(critic[2], 30.0)
    return adversarial(generator_of_gan(), critic, critic, by_hand)  # not even data are given


def backbone() -> Any:
    features = nn.Sequential(nn.Linear(10, 24), nn.ReLU(), nn.Linear(24, 16), nn.ReLU())
    return nn.Sequential(features, nn.Linear(16, 4))


def backbone_that_was_to_learn() -> Loop:
    module = backbone()
    return train(module, optimizer=sgd(module[1]))


def frozen_backbone_is_dead() -> Loop:
    module = backbone()
    biased(module[0][2])
    module[0].requires_grad_(requires_grad=False)
    return train(module, optimizer=sgd(module[1]))


def in_place_relu_is_dead() -> Loop:
    module = mlp(inplace=True)
    biased(module[2])
    return train(module)


def residual_with_a_dead_stem() -> Loop:
    module = Residual()
    biased(module.stem)
    return train(module, blobs((1, 6, 6)))


def residual_with_a_dead_branch() -> Loop:
    module = Residual()
    biased(module.norm1)
    return train(module, blobs((1, 6, 6)))


def functional_relu_is_dead() -> Loop:
    module = Functional()
    biased(module.second)
    return train(module)


def functional_units_are_equal() -> Loop:
    module = Functional()
    alike(module.first, module.second, module.last)
    return train(module)


def lstm_with_two_softmaxes() -> Loop:
    module = Recurrent(nn.Softmax(dim=1))
    return train(module, blobs((7, 3)), optimizer=adam(module))


def lstm_left_out_of_the_optimizer() -> Loop:
    module = Recurrent(nn.Identity())
    return train(module, blobs((7, 3)), optimizer=adam(module.head))


def cnn(norm: Any) -> Any:
    return nn.Sequential(
        nn.Conv2d(1, 8, 3), norm, nn.ReLU(), nn.MaxPool2d(2), nn.Flatten(), nn.Dropout(0.1), nn.Linear(32, 4)
    )


def cnn_whose_norm_silences_it() -> Loop:
    module = cnn(nn.BatchNorm2d(8))
    biased(module[1])
    return train(module, blobs((1, 6, 6)))


def cnn_on_raw_pixels() -> Loop:
    inputs, labels = blobs((1, 6, 6))
    return train(cnn(nn.Identity()), (5000.0 + 1000.0 * inputs, labels))


def transformer_with_a_dead_layer() -> Loop:
    module = Transformer()
    biased(module.block.linear1)
    return train(module, sentences(), optimizer=adam(module))


def transformer_whose_embedding_stays() -> Loop:
    module = Transformer()
    return train(module, sentences(), optimizer=adam(nn.ModuleList([module.block, module.head])))


def warm_up(rate_at: Callable[[int], float]) -> Loop:
    module = mlp()
    optimizer = sgd(module)
    schedule = torch.optim.lr_scheduler.LambdaLR(optimizer, rate_at)

    def take_step(loss: Any) -> None:
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        schedule.step()

    return train(module, take_step=take_step)


def warm_up_never_ends() -> Loop:
    return warm_up(lambda step: step // 1000)


def warm_up_never_stops() -> Loop:
    return warm_up(lambda step: step**2)


def closure_with_long_steps() -> Loop:
    (inputs, labels), module, criterion = blobs(), mlp(), nn.CrossEntropyLoss()
    optimizer = torch.optim.LBFGS(module.parameters(), lr=50.0, max_iter=4)

    def run() -> None:
        def closure() -> Any:
            optimizer.zero_grad()
            loss = criterion(module(inputs), labels)
            loss.backward()
            return loss

        for _ in range(40):
            optimizer.step(closure)

    return Loop(module, {"data": (inputs, labels), "loss": criterion, "total_steps": 40}, run)


def inputs_cast_to_zero() -> Loop:
    inputs, labels = blobs()
    return train(biased_little(mlp()), ((inputs / 100).to(torch.uint8).float(), labels))


def biased_little(module: Any) -> Any:
    """Let most units be silent where the inputs are 0."""
    biased(module[0], -0.01)
    return module


class RootOfZero(nn.Module):  # type: ignore[misc]  # torch has no types for us
    """Adds the distance of the features from their own copy: 0, and without a slope there."""

    def __init__(self) -> None:
        super().__init__()
        self.first, self.last = nn.Linear(10, 16), nn.Linear(16, 4)

    def forward(self, x: Any) -> Any:
        """Give logits."""
        features = self.first(x)
        distance = (features - features.detach()).pow(2).sum(dim=1, keepdim=True).sqrt()
        return self.last(features.relu()) + distance


def root_of_zero() -> Loop:
    return train(RootOfZero())


def compiled_net_is_dead() -> Loop:
    module = mlp()
    biased(module[2])
    return train(torch.compile(module, backend="eager"))


def compiled_softmax_twice() -> Loop:
    return train(torch.compile(nn.Sequential(*mlp(), nn.Softmax(dim=1)), backend="eager"))


def skorch(module: Any, criterion: Any = nn.CrossEntropyLoss) -> Loop:
    net = pytest.importorskip("skorch", reason="skorch is not installed").NeuralNetClassifier(
        module, criterion=criterion, max_epochs=12, lr=0.05, batch_size=BATCH,
        iterator_train__shuffle=True, train_split=None, verbose=0,
    )  # fmt: skip
    net.initialize()
    inputs, labels = blobs()
    watching = {"data": (inputs, labels), "loss": net.criterion_, "total_steps": 12 * 13}
    return Loop(net.module_, watching, lambda: net.partial_fit(inputs, labels))


def skorch_with_two_softmaxes() -> Loop:
    return skorch(nn.Sequential(*mlp(), nn.Softmax(dim=1)))


def skorch_net_is_dead() -> Loop:
    module = mlp()
    biased(module[2])
    return skorch(module)


WARNING = Severity.WARNING
BLIND = ("collapsed_output", "no_learning")
"""What follows where nothing of the input reaches the output."""


FAULTS = [
    Fault(born_dead, "dead_units@2", also=BLIND),
    Fault(killed_by_long_steps, "learning_rate_too_high", also=("dead_units", "no_learning")),
    Fault(all_weights_zero, "symmetric_units@0", also=("dead_units", *BLIND)),
    Fault(all_weights_equal, "symmetric_units@0", also=("symmetric_units",)),
    Fault(blown_up_by_long_steps, "learning_rate_too_high", also=("non_finite", "no_learning")),
    Fault(a_deep_net_saturates, "learning_rate_too_high", also=("saturated_units", "no_learning")),
    Fault(saturated_from_the_start, "saturated_units@0", WARNING),
    Fault(eight_sigmoids, "vanishing_gradient@0", also=BLIND),
    Fault(weights_that_make_gradients_explode, "initialization_scale@0", also=("exploding_gradient", "non_finite")),
    Fault(known_by_heart, "initialization_scale@0", also=("memorising",)),
    Fault(straight_lines_through_moons, "underfitting", WARNING),
    Fault(trained_until_the_noise_is_learned, "memorising", WARNING, also=("overfitting",)),
    Fault(softmax_twice, "loss_mismatch"),
    Fault(sigmoid_twice, "loss_mismatch"),
    Fault(logits_for_log_probabilities, "loss_mismatch"),
    Fault(every_output_against_all_targets, "loss_mismatch"),
    Fault(outputs_cut_off_by_a_relu, "loss_mismatch"),
    Fault(certain_and_wrong, "loss_mismatch", also=("saturated_output", *BLIND)),
    Fault(probabilities_rounded_to_one, "numerics@4", also=BLIND),
    Fault(steps_below_the_spacing_of_floats, "numerics", WARNING, also=("no_learning",)),
    Fault(steps_far_too_short, "learning_rate_too_low", WARNING, also=("no_learning", "update_ratio")),
    Fault(left_out_of_the_optimizer, "frozen_parameters@2", WARNING),
    Fault(written_back, "frozen_parameters@2"),
    Fault(prices, "unscaled_targets", also=("dead_units", *BLIND)),
    Fault(inputs_in_units_of_their_own, "unscaled_inputs", also=("dead_units", "no_learning")),
    Fault(gaps_in_the_data, "data_faults", also=("non_finite",)),
    Fault(
        gradients_never_cleared,
        "learning_rate_too_high",
        also=("dead_units", "no_learning"),
        roots=("frozen_parameters",),
    ),
    Fault(inputs_cast_to_zero, "data_faults", also=("dead_units",)),
    Fault(root_of_zero, "non_finite@first", also=("no_learning",)),
    Fault(workers_read_gaps, "data_faults", also=("non_finite",)),
    Fault(amp_steps_with_scaled_gradients, "learning_rate_too_high", also=("non_finite", "no_learning")),
    Fault(amp_clips_scaled_gradients, "learning_rate_too_low", WARNING, also=("no_learning",)),
    Fault(accumulated_and_cleared_before_the_step, "frozen_parameters", also=("no_learning",)),
    Fault(accumulated_for_another_optimizer, "frozen_parameters@0", WARNING),
    Fault(gan_whose_generator_is_dead, "dead_units@0"),
    Fault(gan_whose_critic_has_two_sigmoids, "loss_mismatch"),
    Fault(gan_with_logarithms_of_zero, "non_finite@0"),
    Fault(backbone_that_was_to_learn, "frozen_parameters@0.0", WARNING),
    Fault(frozen_backbone_is_dead, "dead_units@0.2", also=BLIND),
    Fault(in_place_relu_is_dead, "dead_units@2", also=BLIND),
    Fault(residual_with_a_dead_stem, "dead_units@stem", also=BLIND),
    Fault(residual_with_a_dead_branch, "dead_units@conv1"),
    Fault(functional_relu_is_dead, "dead_units@second", also=BLIND),
    Fault(functional_units_are_equal, "symmetric_units@first"),
    Fault(lstm_with_two_softmaxes, "loss_mismatch"),
    Fault(lstm_left_out_of_the_optimizer, "frozen_parameters@lstm", WARNING),
    Fault(cnn_whose_norm_silences_it, "dead_units@0", also=BLIND),
    Fault(cnn_on_raw_pixels, "unscaled_inputs", also=("dead_units", *BLIND)),
    Fault(transformer_with_a_dead_layer, "dead_units@block.linear1"),
    Fault(transformer_whose_embedding_stays, "frozen_parameters@embedding", WARNING),
    Fault(warm_up_never_ends, "no_learning"),
    Fault(warm_up_never_stops, "learning_rate_too_high", also=("dead_units", *BLIND)),
    Fault(closure_with_long_steps, "learning_rate_too_high", also=("non_finite",)),
    Fault(compiled_net_is_dead, "dead_units@2", also=BLIND),
    Fault(compiled_softmax_twice, "loss_mismatch"),
    Fault(skorch_with_two_softmaxes, "loss_mismatch"),
    Fault(skorch_net_is_dead, "dead_units@2", also=BLIND),
]

NOT_OBSERVABLE = {"clipped_delta", "recurrent_gain"}
"""Only a function of the user's own clips its residuals, and of such a one nobody knows what it takes; and recurrent
layers are fused."""


def watched_to_its_end(make: Callable[[], Loop]) -> Monitor:
    torch.manual_seed(1)
    loop = make()
    with watch(loop.module, **loop.watching) as monitor:
        loop.run()
    return monitor


def serious(monitor: Monitor) -> dict[str, str | None]:
    """Give the keys of all warnings and errors, and what explains them."""
    standing = monitor.verdict.standing
    return {each.key: each.explained_by for each in standing if each.severity >= WARNING}


@pytest.mark.filterwarnings("ignore:Using a target size:UserWarning")  # PyTorch's own word on one of them
@pytest.mark.parametrize("fault", FAULTS, ids=lambda fault: fault.make.__name__)
def test_the_first_root_names_the_fault_and_no_other_root_is_nonsense(fault: Fault) -> None:
    monitor = watched_to_its_end(fault.make)
    first, found = monitor.verdict.standing[0], serious(monitor)
    assert fault.root in {first.key, first.id}, found
    assert (first.severity, first.explained_by) == (fault.severity, None)
    assert set(fault.also) <= {key.split("@")[0] for key in found}
    roots = {key.split("@")[0] for key, cause in found.items() if cause is None}
    assert roots == {fault.root.split("@")[0], *fault.roots}


def test_every_diagnosis_that_can_speak_of_a_module_is_shown_to() -> None:
    shown = {fault.root.split("@")[0] for fault in FAULTS}.union(*(fault.also for fault in FAULTS))
    assert shown | NOT_OBSERVABLE == {diagnosis.id for diagnosis in CATALOGUE}
    assert not shown & NOT_OBSERVABLE


def labels_without_a_meaning() -> Loop:
    inputs, labels = blobs()
    return train(mlp(), (inputs, labels[torch.randperm(len(labels))]))


def test_shuffled_labels_are_no_fault_of_the_network_and_a_warning_of_the_data() -> None:
    monitor = watched_to_its_end(labels_without_a_meaning)
    assert serious(monitor) == {"no_learning": None}
    (finding,) = (each for each in monitor.verdict.standing if each.id == "no_learning")
    assert finding.severity is WARNING
    assert "inputs and targets do not belong together any more" in finding.explanation
    assert monitor.record.series("loss_ratio").values[-1] > 0.9  # of which a network that is well would be ashamed


def logits_to_skorch() -> Loop:
    return skorch(mlp())


def probabilities_to_skorch() -> Loop:
    """Do as skorch's own examples do: it takes the logarithms that the loss wants."""
    return skorch(nn.Sequential(*mlp(), nn.Softmax(dim=1)), nn.NLLLoss)


def log_softmax_in_the_loop() -> Loop:
    module, criterion = mlp(), nn.NLLLoss()
    inputs, labels = blobs()
    optimizer = sgd(module)

    def run() -> None:
        for _ in range(STEPS):
            rows = torch.randint(0, len(inputs), (BATCH,))
            optimizer.zero_grad()
            criterion(functional.log_softmax(module(inputs[rows]), dim=1), labels[rows]).backward()
            optimizer.step()

    return Loop(module, {"data": (inputs, labels), "loss": criterion, "total_steps": STEPS}, run)


class Answering(nn.Module):  # type: ignore[misc]  # torch has no types for us
    """Logits in training, probabilities when it is asked."""

    def __init__(self) -> None:
        super().__init__()
        self.body = mlp()

    def forward(self, x: Any) -> Any:
        """Give one or the other."""
        logits = self.body(x)
        return logits if self.training else logits.softmax(dim=1)


def probabilities_when_frozen() -> Loop:
    return train(Answering())


@pytest.mark.parametrize(
    "make",
    [logits_to_skorch, probabilities_to_skorch, log_softmax_in_the_loop, probabilities_when_frozen],
    ids=lambda make: make.__name__,
)
def test_a_loop_that_transforms_what_the_module_gives_is_found_healthy(make: Callable[[], Loop]) -> None:
    torch.manual_seed(1)
    loop = make()
    with watch(loop.module, **loop.watching) as monitor:
        loop.run()
    inputs, labels = loop.watching["data"]
    with torch.no_grad():
        assert (loop.module.eval()(inputs).argmax(dim=1) == labels).float().mean() > 0.95
    assert serious(monitor) == {}


def clipped_residuals() -> Loop:
    def loss(outputs: Any, targets: Any) -> Any:
        return ((outputs - targets).clamp(-0.01, 0.01) ** 2).mean()

    return train(mlp(outputs=1), quantities(), loss)


def batches_of_one_class() -> Loop:
    inputs, labels = blobs()
    order = labels.argsort()
    return workers(inputs[order], labels[order], shuffle=False)


@pytest.mark.parametrize(
    ("make", "hidden"),
    [
        (clipped_residuals, ("clipped_delta", "not_judged", "what the loss takes is not known")),
        (batches_of_one_class, ("data_faults", "fired", "the labels come in 4 stretches")),
    ],
    ids=["a residual clipped by hand", "batches of one class"],
)
def test_what_cannot_be_seen_in_a_loop_is_not_called_clear(
    make: Callable[[], Loop], hidden: tuple[str, str, str]
) -> None:
    name, status, text = hidden
    monitor = watched_to_its_end(make)
    (judgement,) = (each for each in monitor.verdict.judgements if each.id == name)
    assert judgement.status == status
    assert text in judgement.reason + "".join(finding.evidence for finding in judgement.findings)
    assert serious(monitor) == {}

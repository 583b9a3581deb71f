"""Q-learning as a regression: the value of the action taken, towards the reward plus the value of what follows.

The targets r + γ max Q(s′, ·) are computed from the network as it was some steps ago and held fixed: nothing flows back
through them. What the loss makes of a residual beyond 1 decides whether anything is learned (see `ClippedDelta`).

References:
    Watkins & Dayan 1992, "Q-learning"; Riedmiller 2005, "Neural fitted Q iteration"; Mnih et al. 2015, "Human-level
    control through deep reinforcement learning"; Karpathy 2016, "Yes you should understand backprop", section
    "Spotting in the wild: DQN clipping".
"""

import math
from dataclasses import dataclass

import numpy as np

from gradvitals.engine.clipping import Clip
from gradvitals.engine.events import Array, TrainingEnded, TrainingStarted
from gradvitals.engine.history import Reason
from gradvitals.engine.network import Network
from gradvitals.engine.optimizers import Optimizer, describe_optimizer
from gradvitals.engine.q_network import action_values, with_actions
from gradvitals.engine.training import Samples, Trainer


@dataclass(frozen=True, slots=True)
class Transitions:
    """What was done and what came of it.

    Attributes:
        states: Before the action, `(n, features)`.
        actions: Taken, as indices `(n,)`.
        rewards: Received for it, `(n,)`.
        next_states: After it, `(n, features)`.
        ended: Whether that was the end, after which nothing follows, `(n,)`.
    """

    states: Array
    actions: Array
    rewards: Array
    next_states: Array
    ended: Array

    def __post_init__(self) -> None:
        count = len(self.states)
        rows = {array.shape for array in (self.actions, self.rewards, self.ended)}
        if self.states.ndim != 2 or self.next_states.shape != self.states.shape or rows != {(count,)} or not count:
            found = ", ".join(
                str(array.shape) for array in (self.states, self.actions, self.rewards, self.next_states, self.ended)
            )
            msg = f"transitions need states (n, features), twice, and n actions, rewards and ends; got shapes {found}"
            raise ValueError(msg)

    def __len__(self) -> int:
        return len(self.states)


def bellman_targets(network: Network, transitions: Transitions, discount: float) -> Array:
    """Compute r + γ max Q(s′, ·), and r where it ended, `(n, 1)`."""
    following = action_values(network, transitions.next_states).max(axis=1)
    targets: Array = transitions.rewards + discount * np.where(transitions.ended, 0.0, following)
    return targets[:, np.newaxis]


def learn_action_values(
    network: Network,
    transitions: Transitions,
    optimizer: Optimizer,
    *,
    discount: float,
    rounds: int,
    steps_per_round: int,
    batch_size: int,
    generator: np.random.Generator,
    clip: Clip | None = None,
) -> list[float]:
    """Train on transitions, in rounds with targets of their own; give the mean loss of every round.

    The targets of a round come from the network at its start: a target network that is brought up to date every
    `steps_per_round` steps. It stops after a round whose loss is not finite.

    Args:
        network: From `q_network`; trained in place.
        transitions: What is learned from.
        optimizer: Changes the parameters.
        discount: γ, in [0, 1].
        rounds: How often targets are computed.
        steps_per_round: Steps with the same targets.
        batch_size: Transitions per step, drawn with replacement.
        generator: Draws them.
        clip: Clips the gradient.

    Raises:
        ValueError: If the discount is not in [0, 1], or rounds, steps or batches are none.
    """
    if not 0.0 <= discount <= 1.0:
        msg = f"the discount must be in [0, 1], got {discount}"
        raise ValueError(msg)
    if min(rounds, steps_per_round, batch_size) < 1:
        msg = f"rounds, steps per round and batch size must be positive, got {rounds}, {steps_per_round}, {batch_size}"
        raise ValueError(msg)
    trainer, losses = Trainer(network, optimizer, clip=clip), []
    reason: Reason = "failed"
    hooks = network.hooks
    if hooks.wants(TrainingStarted):
        told = describe_optimizer(optimizer, clips=clip is not None)
        hooks.emit(TrainingStarted(0, rounds * steps_per_round, batch_size, optimizer=told))
    try:
        with np.errstate(over="ignore", invalid="ignore", divide="ignore"):
            for _ in range(rounds):
                samples = as_samples(network, transitions, discount)
                batches = generator.integers(0, len(samples), (steps_per_round, batch_size))
                losses.append(float(np.mean([trainer.step(samples, rows) for rows in batches])))
                if not math.isfinite(losses[-1]):
                    break
        reason = "completed" if math.isfinite(losses[-1]) else "non_finite"
    except KeyboardInterrupt:
        reason = "interrupted"
        raise
    finally:
        if hooks.wants(TrainingEnded):
            hooks.emit(TrainingEnded(trainer.steps, reason))
    return losses


def as_samples(network: Network, transitions: Transitions, discount: float) -> Samples:
    """Give the samples of a regression on the network's targets as they are now."""
    inputs = with_actions(transitions.states, transitions.actions, network.layers[-1].fan_out)
    targets = bellman_targets(network, transitions, discount)
    return Samples(np.ascontiguousarray(inputs, network.dtype), np.ascontiguousarray(targets, network.dtype))

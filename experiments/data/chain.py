"""A chain of states to walk along: the least Markov decision process in which a reward must be waited for."""

import numpy as np

from gradvitals.engine.q_learning import Transitions

LEFT, RIGHT = 0, 1


def make_chain(states: int, *, goal_reward: float, step_cost: float) -> Transitions:
    """Return every transition there is: each state but the last, each action, `2 · (states − 1)` of them.

    States are one-hot rows. The actions are 0, to the left (in the first state: nowhere), and 1, to the right. Arriving
    at the last state brings the goal's reward and the end; every other step costs.

    Args:
        states: Length of the chain, the goal included.
        goal_reward: For arriving.
        step_cost: Of every other step.

    Raises:
        ValueError: If there are fewer than 2 states.
    """
    if states < 2:
        msg = f"a chain needs at least 2 states, got {states}"
        raise ValueError(msg)
    here, actions = np.repeat(np.arange(states - 1), 2), np.tile([LEFT, RIGHT], states - 1)
    there = np.maximum(here + np.where(actions == RIGHT, 1, -1), 0)
    ended = there == states - 1
    rows = np.eye(states)
    return Transitions(rows[here], actions, np.where(ended, goal_reward, -step_cost), rows[there], ended)

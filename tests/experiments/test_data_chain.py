"""The chain: every transition, by hand."""

import numpy as np
import pytest

from gradvitals.experiments.data.chain import LEFT, RIGHT, make_chain


@pytest.mark.parametrize("states", [2, 3, 7])
def test_the_chain_holds_every_step_once(states: int) -> None:
    chain = make_chain(states, goal_reward=5.0, step_cost=0.5)
    found = {
        (int(here.argmax()), int(action)): (int(there.argmax()), float(reward), bool(ended))
        for here, action, reward, there, ended in zip(
            chain.states, chain.actions, chain.rewards, chain.next_states, chain.ended, strict=True
        )
    }
    expected = {}
    for here in range(states - 1):
        expected[here, LEFT] = (max(here - 1, 0), -0.5, False)
        expected[here, RIGHT] = (here + 1, 5.0, True) if here == states - 2 else (here + 1, -0.5, False)
    assert found == expected
    assert len(chain) == 2 * (states - 1)
    assert (np.sort(chain.states, axis=1) == [0.0] * (states - 1) + [1.0]).all()


def test_a_chain_of_one_state_is_refused() -> None:
    with pytest.raises(ValueError, match="a chain needs at least 2 states, got 1"):
        make_chain(1, goal_reward=1.0, step_cost=0.0)

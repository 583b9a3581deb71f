"""Clipping: what is clipped, by what factor, and what is left to the bit."""

from collections.abc import Callable

import numpy as np
import pytest

from gradvitals.engine.clipping import Clip, clip_norm, clip_value


def test_clip_norm_scales_down_to_the_limit_and_gives_the_factor() -> None:
    gradients = np.array([3.0, -4.0])
    assert clip_norm(2.5)(gradients) == pytest.approx(0.5, rel=1e-6)
    np.testing.assert_allclose(gradients, [1.5, -2.0], rtol=1e-6)
    assert np.linalg.norm(gradients) < 2.5


def test_clip_value_clips_each_entry_and_gives_the_ratio_of_the_norms() -> None:
    gradients = np.array([3.0, -4.0, 0.5])
    factor = clip_value(1.0)(gradients)
    assert gradients.tolist() == [1.0, -1.0, 0.5]
    assert factor == pytest.approx(1.5 / np.sqrt(25.25), rel=1e-15)


@pytest.mark.parametrize("clip", [clip_norm(5.00001), clip_value(4.0)], ids=["norm", "value"])
@pytest.mark.parametrize("gradients", [[3.0, -4.0], [0.0, 0.0]], ids=["barely within", "zero"])
def test_a_gradient_within_the_limit_is_left_to_the_bit(clip: Clip, gradients: list[float]) -> None:
    array = np.array(gradients)
    assert clip(array) == 1.0
    assert array.tolist() == gradients


@pytest.mark.parametrize("clip", [clip_norm(5.0), clip_value(4.0)], ids=["norm", "value"])
def test_a_gradient_that_is_no_number_stays_so(clip: Clip) -> None:
    array = np.array([np.nan, 1.0])
    clip(array)
    assert np.isnan(array[0])


@pytest.mark.parametrize("limit", [0.0, -1.0, np.nan])
@pytest.mark.parametrize("make", [clip_norm, clip_value], ids=["norm", "value"])
def test_a_limit_that_is_none_is_refused(make: Callable[[float], Clip], limit: float) -> None:
    with pytest.raises(ValueError, match="the limit of a clipping must be positive"):
        make(limit)

"""The data sets that come with scikit-learn, and so need no download."""

from functools import lru_cache
from typing import assert_never

import numpy as np

from gradvitals.experiments.config.data import Bundled
from gradvitals.experiments.data.dataset import Table


@lru_cache(maxsize=1)
def load_bundled(name: Bundled) -> Table:
    """Return one of scikit-learn's data sets, which is imported only now; read once for all seeds that split it."""
    from sklearn import datasets

    match name:
        case "digits":
            bunch, about = datasets.load_digits(), "handwritten digits, 8 × 8 pixels of 0 to 16"
        case "iris":
            bunch, about = datasets.load_iris(), "three species of iris, four measures in cm"
        case "wine":
            bunch, about = datasets.load_wine(), "wines of three growers, 13 measures of very different scale"
        case "breast_cancer":
            bunch, about = datasets.load_breast_cancer(), "malignant or benign, 30 measures of cell nuclei"
        case "diabetes":
            bunch, about = datasets.load_diabetes(), "progression of diabetes after a year, 10 standardised measures"
        case _:
            assert_never(name)
    classes = getattr(bunch, "target_names", None)
    table = Table(
        inputs=np.asarray(bunch.data, dtype=np.float64),
        labels=np.asarray(bunch.target),
        feature_names=tuple(str(feature) for feature in bunch.feature_names),
        task="regression" if name == "diabetes" else "classification",
        class_names=None if classes is None else tuple(str(one) for one in classes),
        description=f"{name}: {about}",
    )
    return table.freeze()

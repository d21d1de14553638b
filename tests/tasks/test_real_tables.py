"""The real tables, where they are: they run by TOML alone, and none is silently wrong.

Run as a script it prints a table: file, keys, what came of it.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

import levelfield
from levelfield.tasks import table
from levelfield.tasks.errors import UserError
from levelfield.tasks.table import TableSpec
from levelfield.tasks.tables import look

FOLDER = Path(levelfield.__file__).resolve().parents[2] / "shared" / "data" / "tables"
pytestmark = pytest.mark.skipif(not FOLDER.is_dir(), reason="the folder of real tables is not beside this checkout")

NUMBER = {"kind": "regression", "label_scale": "standard"}
BARE = {"header": False, "label": -1}
USABLE: dict[str, tuple[dict[str, Any], str]] = {  # file → the keys that its user needs, samples × features × outputs
    "Advertising.csv": ({"label": "sales", "exclude": ("SlNo",), **NUMBER}, "200x3x1"),
    "AirQualityUCI.csv": (
        {
            "label": "CO(GT)",
            "exclude": ("Date", "Time", "NMHC(GT)"),
            "missing_values": ("-200",),
            "missing": "drop",
            **NUMBER,
        },
        "892x11x1",
    ),
    "ENB2012_data.xlsx": ({"label": "Y1", "exclude": ("Y2",), **NUMBER}, "768x8x1"),
    "HR-Employee-Attrition.csv": (
        {"label": "Attrition", "text": "one-hot", "exclude": ("EmployeeNumber",)},
        "799x54x2",
    ),
    "Raisin_Dataset.arff": ({"label": "Class"}, "900x7x2"),
    "SeoulBikeData.csv": (
        {"label": "Rented Bike Count", "encoding": "latin-1", "exclude": ("Date",), "text": "one-hot", **NUMBER},
        "1460x17x1",
    ),
    "abalone.csv": ({**BARE, "text": "one-hot", **NUMBER}, "2500x10x1"),
    "adult-test.csv": ({**BARE, "text": "one-hot", "missing": "drop"}, "556x78x2"),
    "airfoil_self_noise.csv": ({**BARE, **NUMBER}, "1503x5x1"),
    "ant-1.7.csv": ({"label": "bug"}, "745x20x2"),
    "auto-mpg.csv": ({"header": False, "label": 1, "exclude": ("c8",), "missing": "median", **NUMBER}, "398x6x1"),
    "banknote_authentication.csv": (BARE, "1372x4x2"),
    "breast-cancer.csv": ({**BARE, "quote": "'", "text": "one-hot", "missing": "most-frequent"}, "286x38x2"),
    "crane.csv": ({"label": "Power", "separator": ";", "decimal": ",", **NUMBER}, "15x2x1"),
    "digits.csv.gz": (BARE, "1797x64x10"),
    "ecoli.csv": ({**BARE, "rare": 3}, "332x7x6"),
    "heart_scale": ({"label": "label", "format": "libsvm"}, "270x13x2"),
    "horse-colic.csv": (
        {"header": False, "label": 24, "exclude": ("c3", "c25", "c26", "c27"), "missing": "median"},
        "300x23x2",
    ),
    "iris-parsed-header.parquet": ({"label": "virginica"}, "150x4x3"),
    "iris-sklearn.csv": ({"label": "virginica"}, "150x4x3"),
    "iris-x_train.npz": ({"label": "y"}, "150x4x3"),
    "iris.arff": ({"label": "class"}, "150x4x3"),
    "mammography.csv": ({**BARE, "quote": "'"}, "932x6x2"),
    "mauna_loa-x_train.npz": ({"label": "y", **NUMBER}, "729x1x1"),
    "mushroom.csv": ({"label": "class", "text": "one-hot"}, "1499x65x2"),
    "occupancy-datatraining.txt": ({"label": "Occupancy", "exclude": (1, "date")}, "1018x5x2"),
    "online_shoppers_intention.csv": ({"label": "Revenue", "text": "one-hot"}, "2055x18x2"),
    "penguins-dictionary.parquet": ({"label": "species", "text": "one-hot", "missing": "drop"}, "333x10x3"),
    "penguins.csv": ({"label": "species", "text": "one-hot", "missing": "drop"}, "333x9x3"),
    "pima-indians-diabetes.csv": (BARE, "768x8x2"),
    "seeds_dataset.txt": ({**BARE, "separator": "\t"}, "210x7x3"),
    "sonar.csv": (BARE, "208x60x2"),
    "titanic-seaborn.csv": (
        {"label": "survived", "exclude": ("alive", "deck"), "text": "one-hot", "missing": "median"},
        "891x21x2",
    ),
    "titanic_features.parquet": (
        {"label": "Pclass", "exclude": ("PassengerId", "event_timestamp")},
        "891x4x3",
    ),
    "winequality-red.csv": ({"label": "quality", "separator": ";"}, "1454x11x6"),
}
NO_DATA = {  # file → why it cannot be learnt from
    "brain_networks.csv": "column",
    "cotizacion.csv": "6 different numbers in 6 rows",  # six rows, each with a name of its own
    "lfs-pointer-boston.npz": "Git LFS pointer",
    "lfs-pointer-housing.csv": "Git LFS pointer",
    "py3-objarr.npz": "no array",
}
DANGERS = {  # file → what a user who writes the label alone, and what refusals say, is warned of or refused for
    "Advertising.csv": "'SlNo' counts the rows",
    "occupancy-datatraining.txt": "'c1' counts the rows",
    "titanic_features.parquet": "'PassengerId' counts the rows",
    "titanic-seaborn.csv": "'alive' alone tells the class",
    "AirQualityUCI.csv": "-200 in",
    "ENB2012_data.xlsx": "'Y2' correlates 0.976",
}


def result(name: str, keys: dict[str, Any]) -> str:
    task = table.load("t", TableSpec(file=FOLDER / name, **keys))
    return f"{sum(len(s.x) for s in (task.train, task.validation, task.test))}x{task.features}x{task.outputs}"


@pytest.mark.parametrize("name", USABLE)
def test_a_usable_table_runs_by_toml_alone(name: str) -> None:
    if name.endswith(".xlsx"):
        pytest.importorskip("openpyxl", reason=".xlsx needs openpyxl")
    keys, expected = USABLE[name]
    assert result(name, keys) == expected


@pytest.mark.parametrize("name", NO_DATA)
def test_what_is_no_data_is_refused_by_its_cause(name: str) -> None:
    with pytest.raises(UserError) as caught:
        result(name, {"label": -1} if not name.endswith(".npz") else {"label": "y"})
    assert caught.value.hint


def test_every_table_is_among_them() -> None:
    assert {path.name for path in FOLDER.iterdir()} == {*USABLE, *NO_DATA, "README.md", "SOURCES.tsv"}


@pytest.mark.parametrize("name", DANGERS)
def test_what_would_be_silently_wrong_is_said_at_the_first_look(name: str) -> None:
    if name.endswith(".xlsx"):
        pytest.importorskip("openpyxl", reason=".xlsx needs openpyxl")
    label = USABLE[name][0]["label"]
    assert DANGERS[name] in look.look(FOLDER / name, label)


NO_HEADER = [name for name, (keys, _) in USABLE.items() if keys.get("header") is False and name != "seeds_dataset.txt"]


@pytest.mark.parametrize("name", NO_HEADER)
def test_a_first_sample_is_never_taken_for_the_header(name: str) -> None:
    with pytest.raises(UserError, match="looks like data"):
        result(name, {"label": -1})


if __name__ == "__main__":
    for name, (keys, _) in sorted(USABLE.items()):
        print(f"| {name} | {', '.join(f'{key} = {value!r}' for key, value in keys.items())} | {result(name, keys)} |")
    for name in sorted(NO_DATA):
        try:
            result(name, {"label": -1} if not name.endswith(".npz") else {"label": "y"})
        except UserError as error:
            print(f"| {name} | | refused: {error.message.removeprefix(str(FOLDER))[:110]} |")

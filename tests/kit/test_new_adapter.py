"""``levelfield new-adapter``: what it writes, and that it writes nothing when it cannot write all."""

from __future__ import annotations

import keyword
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from levelfield.harness.cli import main, new_adapter
from levelfield.tasks.errors import UserError


@pytest.fixture
def checkout(tmp_path: Path) -> Path:
    (tmp_path / "adapters").mkdir()
    (tmp_path / "tests").mkdir()
    (tmp_path / "pyproject.toml").touch()
    return tmp_path


def files(folder: Path) -> set[str]:
    return {str(path.relative_to(folder)) for path in folder.rglob("*")}


def test_in_a_checkout_it_writes_the_adapter_in_snake_case_and_a_test(checkout: Path) -> None:
    written = new_adapter.in_checkout("my-lantern-2", checkout)
    assert written == [checkout / "adapters/my_lantern_2.py", checkout / "tests/adapters/test_my_lantern_2_contract.py"]
    assert 'class MyLantern2(Adapter):\n    name = "my-lantern-2"\n' in written[0].read_text()


def test_a_package_is_a_module_a_test_a_pyproject_and_a_readme(tmp_path: Path) -> None:
    new_adapter.as_package("my-lantern", tmp_path / "deep/er")
    names = {"levelfield_my_lantern.py", "test_contract.py", "pyproject.toml", "README.md"}
    assert files(tmp_path) == {"deep", "deep/er", *(f"deep/er/{name}" for name in names)}


def test_a_package_goes_by_default_into_a_folder_of_its_name(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    assert main.main(["new-adapter", "lantern", "--package", "-q"]) == 0
    assert [path.name for path in tmp_path.iterdir()] == ["levelfield-lantern"]


@pytest.mark.parametrize("name", ["", "Lantern", "my_lantern", "3d", "a--b", "a-", "../up", "class", "été", "x" * 41])
def test_a_bad_name_is_refused_with_a_good_one(name: str, checkout: Path) -> None:
    before = files(checkout)
    with pytest.raises(UserError, match="cannot be an adapter's name") as caught:
        new_adapter.in_checkout(name, checkout)
    new_adapter.in_checkout(caught.value.hint.rpartition(" ")[2], checkout)
    assert len(files(checkout)) == len(before) + 3


@given(st.text(max_size=60))
def test_whatever_name_is_asked_for_the_one_proposed_is_an_identifier_in_both_forms(name: str) -> None:
    proposal = new_adapter._proposal(name)
    module = proposal.replace("-", "_")
    assert module.isidentifier()
    assert not keyword.iskeyword(module)
    assert new_adapter._values(proposal, module)["class_name"].isidentifier()
    assert len(proposal) <= new_adapter.LONGEST + len("-nn")


def test_the_name_of_another_adapter_is_taken(checkout: Path) -> None:
    for write in (new_adapter.in_checkout, new_adapter.as_package):
        with pytest.raises(UserError, match=r"there is an adapter 'torch-nn' already: .*torch.nn\.py"):
            write("torch-nn", checkout)


@pytest.mark.parametrize(
    "existing", ["adapters/lantern.py", "adapters/lantern", "tests/adapters/test_lantern_contract.py"]
)
def test_an_existing_file_is_kept_and_nothing_is_written_beside_it(existing: str, checkout: Path) -> None:
    (checkout / existing).parent.mkdir(exist_ok=True)
    (checkout / existing).write_text("mine")
    before = files(checkout)
    with pytest.raises(UserError, match="exists already"):
        new_adapter.in_checkout("lantern", checkout)
    assert files(checkout) == before
    assert (checkout / existing).read_text() == "mine"


def test_a_folder_with_something_in_it_is_no_place_for_a_package(tmp_path: Path) -> None:
    (tmp_path / "mine").touch()
    for taken in (tmp_path, tmp_path / "mine"):
        with pytest.raises(UserError, match="exists already") as caught:
            new_adapter.as_package("lantern", taken)
        assert caught.value.hint == "give another folder: --package DIR"
    assert files(tmp_path) == {"mine"}


def test_a_folder_that_cannot_be_made_is_one_error_and_leaves_nothing(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    with pytest.raises(UserError, match="file"):
        new_adapter.as_package("lantern", tmp_path / "file" / "package")
    assert files(tmp_path) == {"file"}


def test_outside_a_checkout_the_hint_is_to_make_a_package(tmp_path: Path) -> None:
    with pytest.raises(UserError, match="does not run from a checkout") as caught:
        new_adapter.in_checkout("lantern", tmp_path)
    assert caught.value.hint == "levelfield new-adapter lantern --package"
    assert files(tmp_path) == set()

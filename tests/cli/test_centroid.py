"""``git theta centroid``, as a person types it: the mean of versions as a file, and nothing else touched."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest

from tests.docs.test_command_reference import PARTS, code_words
from tests.integration.three_branches import BASE, MODEL, added, branch, on_main, started, values
from tests.sandbox import Sandbox, model
from tests.sharded_checkpoints import INDEX, read_checkpoint, replace_files, sharded, tensor_of


@pytest.fixture
def repository(sandbox: Sandbox) -> Sandbox:
    """main and two branches, which changed a.weight differently; one of them changed b.weight too."""
    started(sandbox)
    branch(sandbox, "x", added(BASE, a__weight=1))
    branch(sandbox, "y", added(BASE, a__weight=2, b__weight=3))
    on_main(sandbox, added(BASE, a__weight=6))
    return sandbox


def test_every_parameter_that_differs_is_averaged_whoever_changed_it(repository: Sandbox) -> None:
    """A merge would take b.weight from y, which alone changed it; a mean is a mean."""
    before = repository.git("status", "--porcelain").stdout, repository.git("rev-parse", "HEAD").stdout
    done = repository.theta("centroid", "x", "y", "main", "-o", "start.safetensors")
    assert done.stdout == (
        f"start.safetensors: the mean of {MODEL} at x, y, main: 2 parameters averaged, 1 the same in all\n"
    )
    found = (repository.root / "start.safetensors").read_bytes()
    np.testing.assert_allclose(values(found, "a.weight"), values(BASE, "a.weight") + 3, rtol=1e-6)
    np.testing.assert_allclose(values(found, "b.weight"), values(BASE, "b.weight") + 1, rtol=1e-6)
    assert np.array_equal(values(found, "a.bias"), values(BASE, "a.bias"))
    (repository.root / "start.safetensors").unlink()
    assert before == (repository.git("status", "--porcelain").stdout, repository.git("rev-parse", "HEAD").stdout)


def test_the_mean_is_in_the_file_alone(repository: Sandbox) -> None:
    before = list_store(repository)
    repository.theta("centroid", "x", "y", "main", "-o", "start.safetensors")
    assert list_store(repository) == before


def list_store(repository: Sandbox) -> list[Path]:
    folders = ("objects", "tmp")
    return sorted(path for name in folders for path in (repository.root / ".git/theta" / name).rglob("*"))


def test_versions_count_by_their_weights(repository: Sandbox) -> None:
    repository.theta("centroid", "x", "y", "-o", "out.safetensors", "--weights", " 3 ,1.0e0", "--", MODEL)
    found = (repository.root / "out.safetensors").read_bytes()
    np.testing.assert_allclose(values(found, "a.weight"), values(BASE, "a.weight") + 1.25, rtol=1e-6)


def test_it_is_the_bytes_that_a_merge_makes_where_all_changed_all(repository: Sandbox) -> None:
    repository.theta("centroid", "main", "x", "-o", "out.safetensors")
    repository.theta("merge", "x", "-s", "average")
    assert (repository.root / "out.safetensors").read_bytes() == repository.read(MODEL)


def test_every_key_of_json_is_described(repository: Sandbox) -> None:
    found = json.loads(repository.theta("centroid", "x", "y", "-o", "out.safetensors", "--json").stdout)
    assert found.keys() | found["versions"][0].keys() <= code_words(PARTS["centroid"])
    assert found["files"] == ["out.safetensors"]
    assert (found["averaged"], found["same"], found["weights"]) == (2, 1, None)


def test_shards_go_into_a_folder(sandbox: Sandbox) -> None:
    base, tuned = (sharded("ab", "c", a=delta) for delta in (0, 1))
    sandbox.theta("track", "*.safetensors")
    replace_files(sandbox, base, "base")
    sandbox.git("tag", "one")
    replace_files(sandbox, tuned, "tuned")
    sandbox.theta("centroid", "one", "HEAD", "-o", "mean", "--", INDEX)
    assert sorted(one.name for one in (sandbox.root / "mean").iterdir()) == sorted(Path(one).name for one in base)
    found = read_checkpoint(sandbox.root / "mean")
    np.testing.assert_allclose(found["a"], tensor_of("a", 0.5), rtol=1e-5, atol=1e-6)
    assert np.array_equal(found["c"], tensor_of("c"))


@pytest.mark.parametrize(
    ("arguments", "reason"),
    [
        (["x"], "a mean takes two versions or more"),
        (["x", "y", "--weights", "1,2,3"], "3 weights for 2 versions"),
        (["x", "y", "--weights", "1,-1"], "the weights add up to 0"),
        (["x", "y", "--weights", "1"], "1 weight for 2 versions"),
        (["x", "y", "--weights", "a,1"], "--weights: 'a', which is 1 of 2, is no number"),
        (["x", "y", "--weights", "1,"], "--weights: 2 of 2 is empty"),
        (["x", "y", "--weights", "1,-inf"], "--weights: '-inf', which is 2 of 2, is no number"),
        (["x", "y", "--weights", "1e999,1"], "the weight of x is inf"),
        (["x", "x"], "these versions of it are the same"),
        (["x", "nowhere"], "nowhere"),
        (["x", "y", "--", "other.safetensors"], "is no file in"),
    ],
)
def test_what_has_no_mean_is_said_and_nothing_written(repository: Sandbox, arguments: list[str], reason: str) -> None:
    done = repository.theta("centroid", "-o", "out.safetensors", *arguments, check=False)
    assert done.returncode != 0
    assert reason in done.stderr
    assert not (repository.root / "out.safetensors").exists()


def test_a_file_that_is_there_stays(repository: Sandbox) -> None:
    (repository.root / "out.safetensors").write_bytes(b"mine")
    assert "is there already" in repository.theta("centroid", "x", "y", "-o", "out.safetensors", check=False).stderr
    assert (repository.root / "out.safetensors").read_bytes() == b"mine"


def test_a_parameter_that_a_version_lacks_is_named(repository: Sandbox) -> None:
    branch(repository, "z", model(0, **{"a.weight": (8, 8)}))
    done = repository.theta("centroid", "x", "z", "-o", "out.safetensors", check=False)
    assert "z has no such parameter" in done.stderr
    assert "a.bias" in done.stderr


def test_other_shapes_have_no_mean(repository: Sandbox) -> None:
    shapes: dict[str, int | tuple[int, ...]] = {"a.weight": (8, 9), "a.bias": 8, "b.weight": 16}
    branch(repository, "z", model(0, **shapes))
    done = repository.theta("centroid", "x", "z", "-o", "out.safetensors", check=False)
    assert "not all of it has a mean: a.weight" in done.stderr
    assert not (repository.root / "out.safetensors").exists()


def test_shards_in_other_folders_stay_in_the_folder_that_is_made(sandbox: Sandbox) -> None:
    """L10: an index names what it likes; what stands beside the new folder is the person's."""
    sandbox.theta("track", "*.safetensors")
    for delta in (0, 2):
        files = sharded("ab", "c", a=delta, c=delta, folder="m/")
        index, [first, second] = f"m/{INDEX}", sorted(set(files) - {f"m/{INDEX}"})
        moved = files[index].replace(Path(second).name.encode(), b"../other/c.safetensors")  # type: ignore[union-attr]
        replace_files(sandbox, {index: moved, first: files[first], "other/c.safetensors": files[second]}, f"by {delta}")
    sandbox.write("other/c.safetensors", b"not committed")
    sandbox.theta("centroid", "HEAD~1", "HEAD", "-o", "mean", "--", f"m/{INDEX}")
    assert sandbox.read("other/c.safetensors") == b"not committed"
    assert sandbox.read(f"mean/m/{INDEX}") == moved
    found = sandbox.read("mean/other/c.safetensors")
    np.testing.assert_allclose(values(found, "c"), tensor_of("c", 1), rtol=1e-5, atol=1e-6)


def test_what_is_called_like_a_part_of_it_stays(repository: Sandbox) -> None:
    (repository.root / ".out.safetensors.part").write_bytes(b"mine")
    repository.theta("centroid", "x", "y", "-o", "out.safetensors")
    assert (repository.root / ".out.safetensors.part").read_bytes() == b"mine"
    assert [file.name for file in repository.root.glob("*.part")] == [".out.safetensors.part"]

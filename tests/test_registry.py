"""Plug-in families: our own by the public door, other people's by a fake installed package."""

from __future__ import annotations

import importlib
import re
import subprocess
import sys
import tomllib
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from git_theta.diffing.measures.base import MEASURES, Measure
from git_theta.errors import FormatError, MissingObject, PluginError
from git_theta.evaluation.base import EVALUATORS, Evaluator
from git_theta.formats.base import FORMATS, Format
from git_theta.known_plugins import BUILT_IN, KNOWN_PACKAGES, PluginFamily
from git_theta.merging.base import STRATEGIES, Strategy
from git_theta.operations.streams import FileSource
from git_theta.plugin_guard import PluginId, running_plugin
from git_theta.registry import API, Family
from git_theta.serializers.base import SERIALIZERS, Serializer
from git_theta.store.base import STORES, Store
from git_theta.transport.base import TRANSPORTS, Transport
from git_theta.updates.base import UPDATES, Update
from git_theta.vcs.atomic import replace_file

SEAMS: dict[PluginFamily, type] = {
    "formats": Format,
    "updates": Update,
    "serializers": Serializer,
    "stores": Store,
    "transports": Transport,
    "merges": Strategy,
    "measures": Measure,
    "evaluators": Evaluator,
}
FAMILIES: dict[PluginFamily, Family[Any]] = {
    family.name: family
    for family in (FORMATS, UPDATES, SERIALIZERS, STORES, TRANSPORTS, STRATEGIES, MEASURES, EVALUATORS)
}
PYPROJECT = Path(__file__).parents[1] / "pyproject.toml"
BUILT_IN_NAMES = [(family, name) for family, targets in BUILT_IN.items() for name in targets]


def test_built_in_is_what_pyproject_declares() -> None:
    declared = tomllib.loads(PYPROJECT.read_text())["project"]["entry-points"]
    assert {f"git_theta.plugins.{family}": targets for family, targets in BUILT_IN.items() if targets} == declared


@pytest.mark.parametrize(("family", "name"), BUILT_IN_NAMES)
def test_a_built_in_loads_and_knows_its_name(family: PluginFamily, name: str) -> None:
    loaded = FAMILIES[family].load_plugin(name)
    assert issubclass(loaded if isinstance(loaded, type) else type(loaded), SEAMS[family])
    assert loaded.name == name


def test_an_unknown_name_says_what_there_is() -> None:
    with pytest.raises(PluginError, match="no serializer is called 'plane'") as caught:
        SERIALIZERS.load_plugin("plane")
    assert "Did you mean 'planes'? Installed: raw, planes, frames, msgpack." in caught.value.hint


def python(site: Path, program: str) -> str:
    """What a program prints when the packages in ``site`` are installed."""
    program = f"import sys; sys.path.insert(0, {str(site)!r})\n{program}"
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    return done.stdout.strip()


def install(site: Path, package: str, entry_points: str, module: str = "") -> None:
    """Put a package in ``site`` as an installer would: its module, and a dist-info directory that describes it."""
    described = site / f"{package}-1.0.dist-info"
    described.mkdir(parents=True)
    (described / "METADATA").write_text(f"Metadata-Version: 2.1\nName: {package}\nVersion: 1.0\n")
    (described / "entry_points.txt").write_text(entry_points)
    (site / f"{package}.py").write_text(module)


FORMAT = """
from git_theta.formats.base import FORMATS, Format
class Fake(Format):
    name = "fake"
    def matches(self, head, path): return head.startswith(b"FAKE")
    def spans(self, source): return []
"""
TELL = """
from git_theta.errors import PluginError
from git_theta import registered_names
from git_theta.serializers.base import SERIALIZERS
from git_theta.updates.base import UPDATES
"""


def test_an_installed_package_is_found_and_used(tmp_path: Path) -> None:
    install(tmp_path, "fake", "[git_theta.plugins.formats]\nfake = fake:Fake\n", FORMAT)
    detect = """
from git_theta.formats.detect import detect_format
from git_theta.testing.format_hooks import MemorySource
print(registered_names.plugin_names("formats"), detect_format(MemorySource(b"FAKE"), b"FAKE", "a.fake").format)
"""
    assert python(tmp_path, TELL + detect) == f"{[*BUILT_IN['formats'], 'fake']} fake"


def test_a_name_that_two_packages_claim_is_an_error_naming_both(tmp_path: Path) -> None:
    install(tmp_path, "one", "[git_theta.plugins.updates]\ntwice = one:Update\n")
    install(tmp_path, "two", "[git_theta.plugins.updates]\ntwice = two:Update\n")
    told = python(
        tmp_path,
        f"{TELL}\ntry: UPDATES.load_plugin('twice')\nexcept PluginError as error: print(error, '|', error.hint)",
    )
    assert "two updates are called 'twice'" in told
    assert "of one 1.0 (one:Update) and two 1.0 (two:Update)" in told
    assert "Uninstall one" in told
    assert "git config --add theta.plugins.disable updates:twice" in told


def test_a_name_that_two_packages_claim_leaves_the_others_alone(tmp_path: Path) -> None:
    install(tmp_path, "one", "[git_theta.plugins.formats]\nfake = one:Fake\ntwice = one:Fake\n", FORMAT)
    install(tmp_path, "two", "[git_theta.plugins.formats]\ntwice = two:Fake\n")
    detect = """
from git_theta.formats.detect import detect_format
from git_theta.testing.format_hooks import MemorySource
found = detect_format(MemorySource(b"FAKE"), b"FAKE", "a.fake"), detect_format(MemorySource(b"else"), b"else", "a")
print(found[0].format, found[1].warnings)
"""
    told = python(tmp_path, TELL + detect)
    assert told.startswith("fake [")
    assert "two formats are called 'twice': of one 1.0 (one:Fake) and two 1.0 (two:Fake)" in told


@pytest.mark.parametrize(
    ("family", "seam", "lacking"),
    [
        (STORES, Store, "delete, get, oids, open, put, size, sync"),
        (TRANSPORTS, Transport, "fetch, lacking, open_url, push"),
        (EVALUATORS, Evaluator, "run"),
    ],
)
def test_a_class_that_is_not_written_to_its_end_says_what_it_lacks(
    family: Family[Any], seam: type, lacking: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(f"{__name__}.Unfinished", type("Unfinished", (seam,), {"name": "unfinished"}), raising=False)
    with pytest.raises(PluginError, match=f"Unfinished does not define {lacking} of {seam.__name__}$"):
        family.import_target("unfinished", f"{__name__}:Unfinished")


def test_a_package_cannot_take_the_name_of_a_built_in(tmp_path: Path) -> None:
    install(tmp_path, "thief", "[git_theta.plugins.serializers]\nraw = thief:Raw\n")
    told = python(
        tmp_path,
        f"{TELL}\nprint(type(SERIALIZERS.load_plugin('raw')).__module__, registered_names.plugin_names('serializers'))",
    )
    assert told == "git_theta.serializers.raw ['raw', 'planes', 'frames', 'msgpack']"


@pytest.mark.parametrize(
    ("target", "module", "why"),
    [
        ("broken:Update", "import a_package_that_is_not_there", "No module named"),
        ("broken:Update", "raise RuntimeError('half installed')", "half installed"),
        ("broken:Update", "", "has no attribute 'Update'"),
        ("absent:Update", "", "No module named 'absent'"),
        ("broken", "", "attribute"),
    ],
)
def test_a_plug_in_that_does_not_load_is_an_error_saying_why(
    tmp_path: Path, target: str, module: str, why: str
) -> None:
    install(tmp_path, "broken", f"[git_theta.plugins.updates]\nmine = {target}\n", module)
    told = python(
        tmp_path,
        f"{TELL}\ntry: UPDATES.load_plugin('mine')\nexcept PluginError as error: print(error, '|', error.hint)",
    )
    assert f"the update 'mine' of broken 1.0 ({target}) cannot be loaded" in told
    assert why in told
    assert "Reinstall" in told


@pytest.mark.parametrize(
    ("line", "told"),
    [
        ("api = 1", "<class 'fake.Fake'>"),
        ("api = 2", "NewerPlugin: the format 'fake' of fake 1.0 is written for version 2 of the seams, and this"),
        ("api = 'two'", "PluginError: the format 'fake' of fake 1.0 (fake:Fake) cannot be loaded: its api is 'two'"),
    ],
)
def test_a_plug_in_for_a_later_release_is_refused_by_name(tmp_path: Path, line: str, told: str) -> None:
    install(tmp_path, "fake", "[git_theta.plugins.formats]\nfake = fake:Fake\n", f"{FORMAT}    {line}\n")
    load = "from git_theta.formats.base import FORMATS\ntry: print(type(FORMATS.load_plugin('fake')))"
    tell = "except PluginError as error: print(f'{type(error).__name__}: {error}')"
    found = python(tmp_path, f"{TELL}{load}\n{tell}")
    assert found.startswith(told)


def test_every_seam_says_its_version() -> None:
    assert {family: seam.api for family, seam in SEAMS.items()} == dict.fromkeys(SEAMS, API)  # type: ignore[attr-defined]


@pytest.mark.parametrize("word", ["fake", "formats:fake"])
def test_what_is_disabled_is_neither_listed_nor_loaded(tmp_path: Path, word: str) -> None:
    install(tmp_path, "fake", "[git_theta.plugins.formats]\nfake = fake:Fake\n", FORMAT)
    load = "from git_theta.formats.base import FORMATS\nprint(FORMATS.list_names())\ntry: FORMATS.load_plugin('fake')"
    program = f"{TELL}registered_names.use_disabled(lambda: [{word!r}, 'torch', 'updates:fake'])\n{load}"
    told = python(tmp_path, f"{program}\nexcept PluginError as error: print(error, error.hint)")
    listed, refused = told.splitlines()
    assert listed == str(list(BUILT_IN["formats"]))
    assert refused.startswith(
        "the format 'fake' of fake 1.0 is disabled by theta.plugins.disable To have it back, take"
    )


@pytest.mark.parametrize("word", ["updates:fake", "stores:fake", "other"])
def test_what_is_disabled_in_another_family_is_not_disabled(tmp_path: Path, word: str) -> None:
    install(tmp_path, "fake", "[git_theta.plugins.formats]\nfake = fake:Fake\n", FORMAT)
    program = f"registered_names.use_disabled(lambda: [{word!r}])\nprint(registered_names.plugin_names('formats')[-1])"
    assert python(tmp_path, TELL + program) == "fake"


def test_a_plug_in_of_a_package_that_we_know_is_named_with_it() -> None:
    with pytest.raises(PluginError, match="no format is called 'numpy' here") as caught:
        FORMATS.load_plugin("numpy")
    assert f"It comes with git-theta-numpy: {sys.executable} -m pip install git-theta-numpy" in caught.value.hint


def test_no_other_name_is_completed_to_a_package() -> None:
    """Whoever wrote a manifest would choose what people install (L10)."""
    with pytest.raises(PluginError) as caught:
        UPDATES.load_plugin("acme-xor")
    assert "`git theta plugins` names its package" in caught.value.hint
    assert "pip install PACKAGE" in caught.value.hint
    assert "acme" not in caught.value.hint


def test_the_packages_that_we_know_are_those_of_our_own_tree() -> None:
    files = PYPROJECT.parent.glob("plugins/*/pyproject.toml")
    projects = [tomllib.loads(file.read_text())["project"] for file in files]
    declared: dict[str, dict[str, str]] = {}
    for project in projects:
        for group, points in project.get("entry-points", {}).items():
            names = declared.setdefault(group.removeprefix("git_theta.plugins."), {})
            names |= dict.fromkeys(points, project["name"])
    assert declared == KNOWN_PACKAGES


def guarded(action: Callable[[], object]) -> PluginError:
    """What becomes of an error that arises while a plug-in runs."""
    with pytest.raises(PluginError) as caught, FORMATS.guard("torch"):
        action()
    return caught.value


def test_what_goes_wrong_in_a_plug_in_is_an_error_that_names_it() -> None:
    error = guarded(lambda: {"a": 1}["key"])
    assert re.fullmatch(r"the format 'torch' of git-theta \S+ failed: KeyError: 'key'", error.message)
    assert "please report it" in error.hint
    assert isinstance(error.__cause__, KeyError)


def test_a_plug_in_does_not_end_the_process() -> None:
    assert "it tried to end the process (sys.exit(3))" in guarded(lambda: sys.exit(3)).message


def test_a_package_that_is_not_there_is_named_with_how_to_install_it() -> None:
    error = guarded(lambda: importlib.import_module("not_there.at_all"))
    assert "needs not_there, which git-theta's environment has not got" in error.message
    assert error.hint == f"Install it there: {sys.executable} -m pip install not_there"


@pytest.mark.parametrize("error", [FormatError("damaged"), KeyboardInterrupt(), MissingObject("gone")])
def test_our_own_errors_and_ctrl_c_pass(error: BaseException) -> None:
    with pytest.raises(type(error)) as caught, FORMATS.guard("torch"):
        raise error
    assert caught.value is error


def test_what_the_system_refuses_to_us_is_no_plug_ins_fault(tmp_path: Path) -> None:
    """Its own files are: no format may open any."""
    with pytest.raises(FileNotFoundError), FORMATS.guard("torch"):
        FileSource(tmp_path / "absent")
    with pytest.raises(OSError, match="/dev/null"), FORMATS.guard("torch"):
        replace_file(Path("/dev/null/below/file"), b"refused to the standard library, which we called")
    assert "FileNotFoundError" in guarded((tmp_path / "absent").read_bytes).message


def test_each_step_of_an_iterator_is_guarded() -> None:
    def blocks() -> Iterator[int]:
        yield 1
        raise ValueError("the second")

    found = SERIALIZERS.guard_iterator("raw", blocks())
    assert next(found) == 1
    assert running_plugin() is None
    with pytest.raises(PluginError, match=r"the serializer 'raw' of git-theta \S+ failed: ValueError: the second"):
        next(found)
    with pytest.raises(PluginError, match="not iterable"):
        list(SERIALIZERS.guard_iterator("raw", 7))  # type: ignore[arg-type]


def test_who_runs_is_known_while_it_runs() -> None:
    with FORMATS.guard("torch"):
        with SERIALIZERS.guard("raw"):
            assert running_plugin() == PluginId("serializers", "raw")
        assert running_plugin() == PluginId("formats", "torch")
    assert running_plugin() is None


def test_a_strategy_of_a_package_that_fails_is_named(tmp_path: Path) -> None:
    module = """
from git_theta.merging.base import Strategy
class Rogue(Strategy):
    def merge(self, contest):
        yield from 3
ROGUE = Rogue("rogue", "Fails.", "nobody", heads=(2, None))
"""
    install(tmp_path, "rogue", "[git_theta.plugins.merges]\nrogue = rogue:ROGUE\n", module)
    merge = "import torch\ntry: merge_tensors('rogue', [torch.ones(2), torch.zeros(2)], torch.full((2,), 3.0))"
    told = python(
        tmp_path, f"{TELL}from git_theta import merge_tensors\n{merge}\nexcept PluginError as error: print(error)"
    )
    assert told == "the strategy 'rogue' of rogue 1.0 failed: TypeError: 'int' object is not iterable"


def test_a_plug_in_that_goes_by_another_name_is_refused(tmp_path: Path) -> None:
    install(tmp_path, "fake", "[git_theta.plugins.formats]\nother = fake:Fake\n", FORMAT)
    load = "from git_theta.formats.base import FORMATS\ntry: FORMATS.load_plugin('other')"
    told = python(tmp_path, f"{TELL}{load}\nexcept PluginError as error: print(error)")
    assert told == "the format 'other' of fake 1.0 (fake:Fake) cannot be loaded: it calls itself 'fake'"

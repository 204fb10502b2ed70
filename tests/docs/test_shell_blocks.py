"""What the pages have a person type is typed: each block of README, tutorials and how-to pages, or here is why not."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest

from tests.docs import evaluated_heads, family
from tests.docs.typed_pages import ROOT, Block, Story, Typist, blocks_of, file_of, rows_of
from tests.sandbox import Sandbox

PAGES = [
    *("README.md", "docs/tutorial.md", "docs/tutorial-two-people.md"),
    *(str(file.relative_to(ROOT)) for file in sorted((ROOT / "docs" / "how-to").glob("*.md"))),
    *(str(file.relative_to(ROOT)) for file in sorted((ROOT / "plugins").glob("*/README.md"))),
]
OTHER_TOOLS = "docs/how-to/from-other-tools.md"
HOST = "its host is not on this machine; test_sharing_pages types the pages of those that can be"
CLUSTER = "its machines are the reader's; tests/integration/test_more_than_one_machine.py has some"
PACKAGES = "it installs packages, from wherever this machine gets them; `make` and .ci/run do"
NOT_TYPED = {
    ("README.md", "make demo"): "it takes minutes, and this test is a part of it",
    ("README.md", "python3 -m venv"): PACKAGES,
    ("docs/how-to/get-help.md", "export MANPATH"): "PREFIX is the reader's; tests/cli/test_manual.py sets a real one",
    ("docs/how-to/more-than-one-machine.md", "git theta merge"): CLUSTER,
    ("docs/how-to/more-than-one-machine.md", "dask scheduler"): CLUSTER,
    ("docs/how-to/resolve-conflicts.md", "git theta resolve -i"): "it asks on a terminal; test_resolve.py has one",
    ("docs/how-to/share-in-a-bucket.md", "git config theta.remote.origin.url s3:"): HOST,
    ("docs/how-to/share-on-a-git-lfs-host.md", "git remote add fork"): HOST,
    ("docs/how-to/share-on-a-git-lfs-host.md", "git config lfs.url"): HOST,
    ("docs/how-to/share-on-hugging-face.md", "git remote add hub"): HOST,
    ("plugins/git-theta-fisher/README.md", "git theta fisher"): "losses.py is the reader's; its own tests have one",
    ("plugins/git-theta-fisher/README.md", "git theta gram"): "run.py is the reader's; its own tests have one",
    ("plugins/git-theta-npeff/README.md", "git theta npeff fit"): "run.py is the reader's; its own tests have one",
    (
        "plugins/git-theta-npeff/README.md",
        "git theta npeff perturb",
    ): "it moves what fit has found, which is not run here",
    (
        "plugins/git-theta-smear/README.md",
        "git switch",
    ): "the model is the reader's; its own tests have one, and type this",
    **{
        (f"plugins/git-theta-{name}/README.md", "pip install"): PACKAGES
        for name in sorted(folder.name.removeprefix("git-theta-") for folder in (ROOT / "plugins").glob("git-theta-*"))
    },
}
"""Page and beginning of a block's first line, to the reason."""
TYPED_ELSEWHERE = ("docs/how-to/share-on-a-git-lfs-host.md", "docs/how-to/share-over-ssh.md", "docs/how-to/share.md")
"""By test_sharing_pages.py, with servers."""


def write_training(mine: Sandbox) -> None:
    (mine.root / "train.py").write_text(file_of("docs/tutorial-two-people.md", "python"))


def write_policy(mine: Sandbox) -> None:
    (mine.root / ".theta.toml").write_text(file_of("docs/tutorial-two-people.md", "toml"))


def write_recipe(mine: Sandbox) -> None:
    for name in ("ties.yaml", "recipe.yml"):
        (mine.root / name).write_text(file_of("docs/how-to/merge.md", "yaml"))
    family.begin_at_published(mine)


def write_rounds(mine: Sandbox) -> None:
    mine.write(".theta/rounds.toml", file_of("docs/how-to/work-in-rounds.md", "toml").encode())


DOWNLOADS = {"~/Downloads": "{world}/Downloads"}
STORIES = {
    "README.md": Story(
        family.build_family,
        apart=("git theta ls-files", "git push", "git diff", "git theta add", "git theta merge", "git theta migrate"),
        replaced={"your-repository": ".", "URL": "../origin.git ../colleague", **DOWNLOADS},
        before={
            "git add .gitattributes": family.train,
            "git diff": family.train,
            "git theta bisect": family.write_evaluation,
            "git theta describe": family.download,
            "git theta eval": evaluated_heads.configure_evaluator,
            "git theta resolve": family.begin_conflict,
            "git theta migrate import": family.commit_raw,
        },
    ),
    "docs/tutorial.md": Story(
        family.build_nothing,
        goes_on=True,
        replaced={"/somewhere/": "{world}/somewhere/", "/mnt/": "{world}/"},
        before={"git status": family.train},
    ),
    "docs/tutorial-two-people.md": Story(
        family.build_nothing,
        goes_on=True,
        at={2: "", 3: "alice", 9: "bob", 10: "alice"},
        before={"git theta track": write_training, "git add .theta.toml": write_policy},
    ),
    "docs/how-to/add-an-adapter.md": Story(family.build_family),
    "docs/how-to/choose-strategies.md": Story(
        family.build_family,
        apart=("git theta merge topic -s ties -o",),
        before={"GIT_THETA_STRATEGY=average git pull": family.begin_diverged},
    ),
    "docs/how-to/diff.md": Story(family.build_family, before={"git diff": family.train}),
    "docs/how-to/evaluate.md": Story(
        evaluated_heads.build_heads,
        goes_on=True,
        before={
            "git theta eval --gate": evaluated_heads.begin_on_main,
            "git theta merge": evaluated_heads.begin_on_arabic,
        },
    ),
    "docs/how-to/free-space.md": Story(family.build_family, replaced={"v2.0 big": "v2.0 ."}),
    "docs/how-to/get-help.md": Story(family.build_family),
    "docs/how-to/history.md": Story(
        family.build_family,
        replaced={"sentiment.safetensors": family.MODEL, **DOWNLOADS},
        before={
            "git theta bisect": family.write_evaluation,
            "git theta describe": family.download,
            "git theta doctor --values": family.bring_nan,
        },
    ),
    "docs/how-to/map.md": Story(
        family.build_family, before={"git theta map a b c -- model.safetensors.index.json": family.move_into_shards}
    ),
    "docs/how-to/merge.md": Story(
        family.build_family,
        apart=("git theta merge topic --for",),
        before={"git switch main": family.begin_at_published, "git theta merge --recipe": write_recipe},
    ),
    "docs/how-to/migrate.md": Story(
        family.build_raw_history,
        before={
            "git theta migrate undo": family.import_history,
            "git push --force-with-lease": family.import_history,
            "git for-each-ref": family.import_history,
        },
    ),
    "docs/how-to/search.md": Story(
        evaluated_heads.build_heads, before={"git theta search": evaluated_heads.begin_search}
    ),
    "docs/how-to/resolve-conflicts.md": Story(
        family.build_family,
        apart=("git theta resolve",),
        before={
            "git theta": family.begin_conflict,
            "git theta resolve --theirs --only '(frame)": family.begin_conflict_of_metadata,
            "git theta resolve --ours --only '(frame)": family.begin_conflict_of_metadata,
        },
    ),
    "docs/how-to/token-books.md": Story(family.build_family, before={"git commit": family.train}),
    "docs/how-to/use-less-space.md": Story(family.build_family),
    "docs/how-to/work-in-rounds.md": Story(
        family.build_family,
        goes_on=True,
        before={
            "git add .theta/rounds.toml": write_rounds,
            "git commit -a -m": family.train,
            "git theta round submit --base": family.tune_late,
        },
    ),
}
"""By the page; those of test_sharing_pages.py are typed there."""

HABITS = Story(
    family.build_family,
    replaced={"URL": "../origin.git ../colleague"},
    before={
        "git add model": family.train,
        "git theta merge --recipe": write_recipe,
        "git theta migrate import": family.commit_raw,
    },
)
"""The page of what people are used to: each row of its tables is typed by itself."""


def type_story(story: Story, blocks: list[Block], folder: Path) -> None:
    (folder / "world").mkdir()
    mine = Sandbox.create(folder / "world" / "my-model", install=False)
    story.build(mine)
    assert blocks
    Typist(story, mine).type_blocks(blocks)


@pytest.mark.parametrize("page", STORIES)
def test_what_a_page_has_typed_runs(page: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    if page == "docs/how-to/get-help.md" and not shutil.which("man"):
        pytest.skip("there is no man")
    (tmp_path / "man").mkdir()
    (tmp_path / "man" / "man1").symlink_to(ROOT / "docs" / "man")
    monkeypatch.setenv("MANPATH", f"{tmp_path}/man:")  # where the wheel's page would be
    monkeypatch.setenv("OMP_NUM_THREADS", "1")  # threads of torch that wait for a core wait for long where others work
    type_story(STORIES[page], [block for block in blocks_of(page) if not find_reason(block)], tmp_path)


def test_what_other_tools_users_are_to_type_runs(tmp_path: Path) -> None:
    rows = rows_of(OTHER_TOOLS)
    assert len(rows) > 40
    type_story(HABITS, rows, tmp_path)


def find_reason(block: Block) -> str:
    """Why a block is not typed; "" where it is."""
    first = block.lines[0].command
    return next((why for (page, start), why in NOT_TYPED.items() if page == block.page and first.startswith(start)), "")


@pytest.mark.parametrize("page", PAGES)
def test_every_block_is_typed_or_here_is_why_not(page: str) -> None:
    typed = [block for block in blocks_of(page) if not find_reason(block)]
    assert not typed or page in STORIES or page in TYPED_ELSEWHERE


def test_the_reasons_are_for_blocks_that_are_there() -> None:
    first = {page: [block.lines[0].command for block in blocks_of(page)] for page in PAGES}
    assert not [(page, start) for page, start in NOT_TYPED if not any(line.startswith(start) for line in first[page])]

"""The pre-push hook: run by real pushes, beside real git-lfs and other people's scripts."""

from __future__ import annotations

import os
import shlex
import shutil
import subprocess
from dataclasses import dataclass
from pathlib import Path

import pytest

from git_theta.repository.setup import hook_placing
from git_theta.vcs import hooks
from git_theta.vcs.discovery import discover_repository
from git_theta.vcs.hooks import HookState
from tests.sandbox import Sandbox

SHELLS = [shell for shell in ("sh", "bash", "dash", "zsh", "ksh") if shutil.which(shell)]


@dataclass(frozen=True)
class Theta:
    """A program in git-theta's place, which notes what it is told."""

    folder: Path

    @property
    def command(self) -> str:
        return shlex.quote(str(self.folder / "the theta"))

    @property
    def stdin(self) -> str:
        return (self.folder / "stdin").read_text()

    @property
    def arguments(self) -> list[str]:
        return (self.folder / "arguments").read_text().splitlines()

    def write(self, status: int = 0) -> Theta:
        self.folder.mkdir(exist_ok=True)
        script = self.folder / "the theta"
        here = shlex.quote(str(self.folder))
        script.write_text(f'#!/bin/sh\nprintf "%s\\n" "$@" >{here}/arguments\ncat >{here}/stdin\nexit {status}\n')
        script.chmod(0o755)
        return self


@pytest.fixture
def theta(tmp_path: Path) -> Theta:
    return Theta(tmp_path / "a program's folder").write()


@pytest.fixture
def plain(tmp_path: Path) -> Sandbox:
    """A repository with a commit to push, and a bare ``origin``."""
    Sandbox.create(tmp_path / "origin.git", install=False, bare=True)
    plain = Sandbox.create(tmp_path / "repository", install=False)
    plain.git("remote", "add", "origin", str(tmp_path / "origin.git"))
    plain.write("file", b"content")
    plain.commit()
    return plain


def hooks_dir(sandbox: Sandbox) -> Path:
    return discover_repository(sandbox.root).hooks_dir


def write_hook(folder: Path, content: bytes, mode: int = 0o755) -> Path:
    folder.mkdir(parents=True, exist_ok=True)
    file = folder / "pre-push"
    file.write_bytes(content)
    file.chmod(mode)
    return file


def pushed_refs(sandbox: Sandbox) -> str:
    oid = sandbox.git("rev-parse", "HEAD").stdout.strip()
    return f"refs/heads/main {oid} refs/heads/main {'0' * len(oid)}\n"


def test_a_push_runs_a_new_hook_and_uninstall_leaves_nothing(plain: Sandbox, theta: Theta) -> None:
    folder = hooks_dir(plain)
    before = sorted(folder.iterdir())
    assert hooks.hook_state(folder, theta.command) is HookState.ABSENT
    assert hooks.install_hook(folder, theta.command) is HookState.ABSENT
    assert hooks.hook_state(folder, theta.command) is HookState.OURS
    plain.git("push", "-q", "origin", "main")
    assert theta.stdin == pushed_refs(plain)
    assert theta.arguments == ["pre-push", "origin", str(plain.root.parent / "origin.git")]
    assert hooks.uninstall_hook(folder)
    assert sorted(folder.iterdir()) == before
    assert not hooks.uninstall_hook(folder)


def test_law_l7_a_failing_upload_fails_the_push(plain: Sandbox, theta: Theta, tmp_path: Path) -> None:
    folder = hooks_dir(plain)
    write_hook(folder, b"#!/bin/sh\ntouch ran\n")
    hooks.install_hook(folder, theta.write(status=9).command)
    temporary = tmp_path / "temporary"
    temporary.mkdir()
    push = plain.git("push", "origin", "main", check=False, env={"TMPDIR": str(temporary)})
    assert push.returncode != 0
    assert not (plain.root / "ran").exists()
    assert plain.git("ls-remote", "origin").stdout == ""
    assert list(temporary.iterdir()) == []


@pytest.mark.parametrize("shell", SHELLS)
@pytest.mark.parametrize("shebang", ["#!{path}", "#! {path} -eu", "#!/usr/bin/env {name}"])
@pytest.mark.parametrize(
    "stdin", [b"", b"one line\n", b"no last newline", b"\n\n$HOME `id` \\n %s\n\n", b"x\xff\0\n" * 9999]
)
def test_the_rest_of_a_script_reads_the_same_input(
    tmp_path: Path, theta: Theta, shell: str, shebang: str, stdin: bytes
) -> None:
    first = shebang.format(path=shutil.which(shell), name=shell)
    rest = 'cat >seen\nprintf "%s\\n" "$@" >arguments\nexit 3\n'
    file = write_hook(tmp_path / "hooks", f"{first}\n{rest}".encode(), mode=0o750)
    assert hooks.install_hook(file.parent, theta.command) is HookState.SHELL
    assert file.read_text().splitlines()[0] == first
    assert file.stat().st_mode & 0o777 == 0o750
    done = subprocess.run([file, "an origin", "url *"], input=stdin, cwd=tmp_path)
    assert done.returncode == 3
    assert (tmp_path / "seen").read_bytes() == (theta.folder / "stdin").read_bytes() == stdin
    assert (tmp_path / "arguments").read_text() == "an origin\nurl *\n"
    assert hooks.uninstall_hook(file.parent)
    assert file.read_text() == f"{first}\n{rest}"
    assert file.stat().st_mode & 0o777 == 0o750


def test_an_interpreter_that_is_gone_fails_the_push_and_says_what_to_do(plain: Sandbox, theta: Theta) -> None:
    hooks.install_hook(hooks_dir(plain), theta.command)
    shutil.rmtree(theta.folder)
    push = plain.git("push", "-q", "origin", "main", check=False)
    assert push.returncode == 1
    assert f"git-theta is not installed any more at {theta.folder}/the theta\n" in push.stderr
    assert "hint: Reinstall it and run `git theta install`, or run `git theta uninstall`" in push.stderr
    assert plain.git("ls-remote", "origin").stdout == ""


@pytest.mark.parametrize(
    ("line", "state"),
    [
        (b'python -I -m git_theta pre-push "$@"', HookState.THEIRS),
        (b'git theta pre-push "$@"', HookState.THEIRS),
        (b'subprocess.run([python, "-m", "git_theta", "pre-push", *sys.argv[1:]])', HookState.THEIRS),
        (b"# git theta pre-push is what this should run", HookState.OTHER),
    ],
)
def test_lines_that_somebody_wrote_are_recognised(tmp_path: Path, theta: Theta, line: bytes, state: HookState) -> None:
    file = write_hook(tmp_path / "elsewhere", b"#!/usr/bin/env python3\n" + line + b"\n")
    assert hooks.hook_state(file.parent, theta.command) is state
    (tmp_path / "pre-push").symlink_to(file)
    seen = hooks.hook_state(tmp_path, theta.command)
    assert seen is (state if state is HookState.THEIRS else HookState.SYMLINK)


@pytest.mark.skipif(not shutil.which("git-lfs"), reason="git-lfs is not installed")
def test_git_lfs_still_uploads(plain: Sandbox, theta: Theta, tmp_path: Path) -> None:
    plain.git("lfs", "install", "--local")
    folder = hooks_dir(plain)
    before = (folder / "pre-push").read_bytes()
    assert hooks.install_hook(folder, theta.command) is HookState.SHELL
    plain.write(".gitattributes", b"*.big filter=lfs diff=lfs merge=lfs -text\n")
    plain.write("a.big", b"a large file")
    plain.commit()
    plain.git("push", "-q", "origin", "main")
    assert theta.stdin == pushed_refs(plain)
    uploaded = [path for path in (tmp_path / "origin.git/lfs/objects").rglob("*") if path.is_file()]
    assert [path.read_bytes() for path in uploaded] == [b"a large file"]
    assert hooks.uninstall_hook(folder)
    assert (folder / "pre-push").read_bytes() == before


def test_installing_again_changes_nothing_and_another_command_is_replaced(tmp_path: Path, theta: Theta) -> None:
    file = write_hook(tmp_path, b"#!/bin/sh\necho theirs\n")
    hooks.install_hook(tmp_path, theta.command)
    once = file.read_bytes()
    assert hooks.install_hook(tmp_path, theta.command) is HookState.OURS
    assert file.read_bytes() == once
    assert hooks.hook_state(tmp_path, "/new/python") is HookState.OUTDATED
    assert hooks.install_hook(tmp_path, "/new/python") is HookState.OUTDATED
    assert hooks.hook_state(tmp_path, "/new/python") is HookState.OURS
    assert file.read_bytes() == once.replace(theta.command.encode(), b"/new/python")


@pytest.mark.parametrize(
    "content",
    [
        b"#!/usr/bin/env python3\nprint('theirs')\n",
        b"\x7fELF\x02\x01\x01\0",
        b"echo no shebang\n",
        b"#!/bin/sh\r\necho a carriage return\r\n",
        b"#!/bin/fish\n",
        b"#!/bin/sh\n# >>> git-theta >>>\necho our last line was deleted\n",
        b"",
    ],
)
def test_law_l11_what_is_no_shell_script_is_left_alone(tmp_path: Path, theta: Theta, content: bytes) -> None:
    file = write_hook(tmp_path, content)
    assert hooks.install_hook(tmp_path, theta.command) is HookState.OTHER
    assert not HookState.OTHER.is_editable
    assert not hooks.uninstall_hook(tmp_path)
    assert file.read_bytes() == content


def test_law_l10_a_symbolic_link_is_left_alone(tmp_path: Path, theta: Theta) -> None:
    target = write_hook(tmp_path / "elsewhere", b"#!/bin/sh\necho theirs\n")
    folder = tmp_path / "hooks"
    folder.mkdir()
    (folder / "pre-push").symlink_to(target)
    assert hooks.install_hook(folder, theta.command) is HookState.SYMLINK
    assert not hooks.uninstall_hook(folder)
    assert target.read_bytes() == b"#!/bin/sh\necho theirs\n"
    assert (folder / "pre-push").is_symlink()


def test_a_hook_that_is_switched_off_is_not_switched_on(tmp_path: Path, theta: Theta) -> None:
    file = write_hook(tmp_path, b"#!/bin/sh\nexit 1\n", mode=0o644)
    assert hooks.install_hook(tmp_path, theta.command) is HookState.DISABLED
    assert file.read_bytes() == b"#!/bin/sh\nexit 1\n"
    assert not os.access(file, os.X_OK)


def test_our_own_hook_becomes_executable_again(plain: Sandbox, theta: Theta) -> None:
    folder = hooks_dir(plain)
    hooks.install_hook(folder, theta.command)
    (folder / "pre-push").chmod(0o644)
    assert hooks.install_hook(folder, theta.command) is HookState.OUTDATED
    plain.git("push", "-q", "origin", "main")
    assert theta.stdin == pushed_refs(plain)


def test_core_hooks_path_is_honoured(plain: Sandbox, theta: Theta) -> None:
    plain.git("config", "core.hooksPath", "my hooks")
    hooks.install_hook(hooks_dir(plain), theta.command)
    assert (plain.root / "my hooks/pre-push").is_file()
    plain.git("push", "-q", "origin", "main")
    assert theta.stdin == pushed_refs(plain)


def test_hooks_that_are_switched_off_altogether_stay_so(plain: Sandbox, theta: Theta) -> None:
    plain.git("config", "core.hooksPath", "/dev/null")
    assert hooks.install_hook(hooks_dir(plain), theta.command) is HookState.DISABLED
    assert not hooks.uninstall_hook(hooks_dir(plain))


def test_the_lines_to_add_by_hand_are_those_we_add(tmp_path: Path, theta: Theta) -> None:
    file = write_hook(tmp_path, b"#!/bin/sh\n" + hooks.hook_block(theta.command).encode() + b"exit 0\n")
    assert hooks.hook_state(file.parent, theta.command) is HookState.OURS


def test_a_hook_is_replaced_whole(tmp_path: Path, theta: Theta) -> None:
    """A push that reads the hook while we write must never see half of it."""
    file = write_hook(tmp_path, b"#!/bin/sh\necho theirs\n")
    with file.open("rb") as reader:
        hooks.install_hook(tmp_path, theta.command)
        assert reader.read() == b"#!/bin/sh\necho theirs\n"
    assert [path.name for path in tmp_path.iterdir() if path.name.startswith(".")] == []


def test_a_filter_places_the_hooks_that_every_clone_has() -> None:
    """It has their names twice: the module that has them takes a filter too long to import."""
    assert hook_placing._HOOK_NAMES == hooks.CLONE_HOOK_NAMES


def test_a_hook_of_a_shared_repository_runs_for_all_its_members(tmp_path: Path) -> None:
    """Git passes over a hook that it may not run: a push then left the objects behind."""
    before = os.umask(0o077)
    try:
        subprocess.run(["git", "init", "--quiet", "--shared=group", tmp_path / "shared"], check=True)
        folder = tmp_path / "shared/.git/hooks"
        folder.mkdir(exist_ok=True)
        folder.chmod(0o2770)
        hooks.install_hook(folder, "true")
    finally:
        os.umask(before)
    assert (folder / hooks.HOOK_NAME).stat().st_mode & 0o777 == 0o750

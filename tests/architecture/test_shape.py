"""The shape of the house: directions, sizes, names."""

import ast
import importlib.metadata
import re
import subprocess
import sys
import tomllib
import zipfile
from pathlib import Path

import pytest

LONGEST = 350
ROOT_NAMES = ("workflows", "activities", "api", "worker")
# Parts of another package's public face, released in step with it.
COMPANIONS = {"starlette": "fastapi", "pydantic-core": "pydantic", "protobuf": "temporalio"}
# What must not stand in the tree, in two parts so that this file passes its own test.
FORBIDDEN = [
    "".join(parts)
    for parts in (
        ("pypi", ".org"), ("python", "hosted.org"), ("../", "shared"), ("/work/", "main"), ("/work/", "shared"),
        ("/work/", ".library"), ("/opt/", "wheels"), ("/opt/", "pypi"), ("/root", "/"), ("/t", "mp/w/"),
    )
]  # fmt: skip


def test_imports_go_in_one_direction(root: Path) -> None:
    linter = Path(sys.executable).parent / "lint-imports"
    done = subprocess.run([linter, "--no-logo"], cwd=root, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr


def test_the_domain_knows_the_standard_library_and_dateutil_alone(root: Path) -> None:
    allowed = sys.stdlib_module_names | {"dateutil"}
    for path in sorted((root / "perennial" / "domain").rglob("*.py")):
        for node in ast.walk(ast.parse(path.read_text())):
            names = []
            if isinstance(node, ast.Import):
                names = [alias.name for alias in node.names]
            elif isinstance(node, ast.ImportFrom):
                assert node.level == 0, f"{path}: imports are absolute"
                names = [node.module or ""]
            for name in names:
                ours = name == "perennial.domain" or name.startswith("perennial.domain.")
                assert ours or name.partition(".")[0] in allowed, f"{path} imports {name}"


def test_no_file_is_longer_than_a_story(files: list[Path]) -> None:
    lengths = {
        path: len(path.read_text().splitlines())
        for path in files
        if path.suffix == ".py" and "migrations/versions" not in path.as_posix()
    }
    assert {str(path): length for path, length in lengths.items() if length > LONGEST} == {}


def test_nothing_names_a_package_index_or_a_path_of_one_machine(files: list[Path], root: Path) -> None:
    found = []
    for path in files:
        text = path.read_bytes().decode(errors="replace")
        found += [f"{path.relative_to(root)}: {word}" for word in FORBIDDEN if word in text]
    assert [line for line in found if line != f".ci/run: {FORBIDDEN[2]}"] == []


def test_every_top_folder_says_what_it_is(files: list[Path], root: Path) -> None:
    tops = {path.relative_to(root).parts[0] for path in files if len(path.relative_to(root).parts) > 1}
    assert [top for top in sorted(tops) if not top.startswith(".") and not (root / top / "README.md").exists()] == []


def test_the_map_of_a_folder_is_its_files(files: list[Path], root: Path) -> None:
    """Where a README has a table of files, each module stands in it, and nothing that is gone."""
    wrong = []
    for readme in (path for path in files if path.name == "README.md"):
        table = re.search(r"^\| (?:file|folder) \|.*?(?=\n\n|\Z)", readme.read_text(), re.MULTILINE | re.DOTALL)
        if table is None:
            continue
        firsts = [row.split("|")[1] for row in table[0].splitlines()]
        named = {name for first in firsts for name in re.findall(r"`([^`]+)`", first)}
        modules = {path.name for path in readme.parent.glob("*.py") if not path.name.startswith("__")}
        wrong += [f"{readme.relative_to(root)}: it says nothing of {name}" for name in sorted(modules - named)]
        gone = [name for name in sorted(named) if not list(readme.parent.glob(name))]
        wrong += [f"{readme.relative_to(root)}: there is no {name}" for name in gone]
    assert wrong == []


def test_the_four_root_names_are_ours(root: Path, tmp_path: Path) -> None:
    """Generic names: another library in the environment must not take their place, whatever folder one stands in."""
    code = "import importlib.util as u, sys; print(*[u.find_spec(name).origin for name in sys.argv[1:]], sep='\\n')"
    command = [sys.executable, "-P", "-c", code, *ROOT_NAMES]
    done = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, check=True)
    expected = [root / name / "__init__.py" for name in ROOT_NAMES[:3]] + [root / "worker.py"]
    assert [Path(line) for line in done.stdout.split()] == expected


def test_the_wheel_holds_perennial_alone(root: Path, tmp_path: Path) -> None:
    source = tmp_path / "source"
    source.mkdir()
    for name in ("pyproject.toml", "LICENSE", "perennial", *ROOT_NAMES[:3], "worker.py"):
        (source / name).symlink_to(root / name) if name != "perennial" else _copy(root / name, source / name)
    command = [sys.executable, "-m", "pip", "wheel", "--quiet", "--no-deps", "--no-build-isolation"]
    subprocess.run([*command, "--wheel-dir", tmp_path, source], capture_output=True, check=True)
    (wheel,) = tmp_path.glob("perennial-*.whl")
    names = zipfile.ZipFile(wheel).namelist()
    assert {name.partition("/")[0].partition("-")[0] for name in names} == {"perennial"}
    needed = ("perennial/db/migrations/env.py", "perennial/db/migrations/script.py.mako", "perennial/py.typed")
    assert set(needed) <= set(names)
    folders = ("notifications/templates", "documents/templates", "documents/texts")
    templates = {
        str(path.relative_to(root)) for folder in folders for path in (root / "perennial" / folder).rglob("*.*")
    }
    assert templates <= set(names)


def _copy(folder: Path, target: Path) -> None:
    for path in folder.rglob("*"):
        if path.is_file() and "__pycache__" not in path.parts:
            copy = target / path.relative_to(folder)
            copy.parent.mkdir(parents=True, exist_ok=True)
            copy.write_bytes(path.read_bytes())


@pytest.mark.parametrize(
    "line",
    [
        "import datetime\nNOW = datetime.datetime.now(datetime.UTC)\n",
        "from datetime import date\nTODAY = date.today()\n",
        "import time\nNOW = time.time()\n",
        "from uuid import uuid4\nID = uuid4()\n",
        "import random\nDIE = random.randint(1, 6)\n",
        "import os\nHOME = os.environ['HOME']\n",
    ],
)
@pytest.mark.parametrize("folder", ["perennial/domain", "perennial/contracts", "workflows"])
def test_clocks_chance_and_environment_are_banned_where_replay_matters(root: Path, folder: str, line: str) -> None:
    assert _bans(root, f"{folder}/x.py", line)
    assert not _bans(root, "activities/x.py", line)


def _bans(root: Path, name: str, code: str) -> bool:
    ruff = Path(sys.executable).parent / "ruff"
    command = [ruff, "check", "--select", "TID251", "--no-cache", "--stdin-filename", name, "-"]
    done = subprocess.run(command, cwd=root, input=code, capture_output=True, text=True, check=False)
    return "TID251" in done.stdout


def test_what_is_imported_is_declared(root: Path) -> None:
    """A package that only comes along with another one can go away with it."""
    project = tomllib.loads((root / "pyproject.toml").read_text())["project"]
    declared = {re.split(r"[<>=\[]", line)[0].lower() for line in project["dependencies"]}
    distributions = importlib.metadata.packages_distributions()
    undeclared = set()
    for top in ("perennial", "workflows", "activities", "api", "worker.py", "bench"):
        for path in [root / top] if top.endswith(".py") else sorted((root / top).rglob("*.py")):
            for name in _imported(path) - sys.stdlib_module_names - {"perennial", "bench", *ROOT_NAMES}:
                owners = {owner.lower().replace("_", "-") for owner in distributions.get(name, [name])}
                owners |= {COMPANIONS.get(owner, owner) for owner in owners}
                undeclared |= set() if owners & declared else {f"{path.relative_to(root)}: {name}"}
    assert undeclared == set()


def test_the_lock_files_pin_what_is_declared(root: Path) -> None:
    project = tomllib.loads((root / "pyproject.toml").read_text())["project"]
    extra = project["optional-dependencies"]["dev"]
    for lock, declared in (("base", project["dependencies"]), ("dev", project["dependencies"] + extra)):
        lines = (root / "requirements" / f"{lock}.txt").read_text().splitlines()
        pinned = {line.partition("==")[0].lower() for line in lines if "==" in line}
        assert {re.split(r"[<>=\[]", line)[0].lower() for line in declared} <= pinned, f"run `make lock`: {lock}.txt"


def _imported(path: Path) -> set[str]:
    """The top-level names that a file imports, at its head or inside of functions."""
    names = set()
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.Import):
            names |= {alias.name.partition(".")[0] for alias in node.names}
        elif isinstance(node, ast.ImportFrom) and node.module and not node.level:
            names.add(node.module.partition(".")[0])
    return names

"""Which room may know which, how big a piece may be, and what no source file may do: read from the files."""

import ast
import importlib.util
import re
import subprocess
import sys
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Final

import numpy as np
import pytest

ROOT: Final = Path(__file__).resolve().parent.parent
PACKAGES: Final = ("dashboards", "policies", "simulator", "user_models")
FLOORS: Final[dict[str, tuple[str, ...]]] = {
    # A folder or module may import itself, its list, and what that list may import; lazily nothing more.
    "simulator.errors": (),
    "simulator.metrics": (),
    "simulator.user_days": (),
    "simulator.registration": (),
    "simulator.checked": (),
    "simulator.names": (),
    "simulator.assignment": (),
    "simulator.whole_file": (),
    "simulator.processor": (),
    "simulator.noise": ("policies.noise", "user_models.dynamics"),
    "simulator.spec": ("simulator.errors", "simulator.metrics", "simulator.checked", "simulator.names"),
    "simulator.statistics": ("simulator.metrics", "simulator.assignment"),
    "simulator.rollout": (
        "simulator.user_days",
        "simulator.noise",
        "policies.base",
        "policies.simple",
        "user_models.world",
        "user_models.dynamics",
    ),
    "simulator.runs": (
        "simulator.errors",
        "simulator.metrics",
        "simulator.user_days",
        "simulator.spec",
        "policies.base",
    ),
    "simulator.reports": ("simulator.errors", "simulator.names", "simulator.runs", "user_models.world"),
    "simulator.experiment": (
        "simulator.errors",
        "simulator.processor",
        "simulator.assignment",
        "simulator.spec",
        "simulator.rollout",
        "simulator.runs",
        "policies.registry",
    ),
    "simulator.analysis": (
        "simulator.errors",
        "simulator.assignment",
        "simulator.metrics",
        "simulator.spec",
        "simulator.noise",
        "simulator.statistics",
        "simulator.runs",
        "simulator.reports",
    ),
    "simulator.environment": (
        "simulator.errors",
        "simulator.spec",
        "simulator.rollout",
        "simulator.experiment",
        "simulator.whole_file",
        "simulator.reports",
        "policies.agents",
        "user_models.data",
    ),
    "simulator.exports": (
        "simulator.errors",
        "simulator.spec",
        "simulator.runs",
        "simulator.experiment",
        "simulator.environment",
        "user_models.data",
        "user_models.world",
    ),
    "simulator.run": (
        "simulator.processor",
        "simulator.spec",
        "simulator.runs",
        "simulator.reports",
        "simulator.experiment",
        "simulator.analysis",
    ),
    "simulator.offline": (
        "simulator.experiment",
        "simulator.rollout",
        "simulator.runs",
        "simulator.reports",
        "simulator.spec",
        "policies.histories",
        "user_models.data",
        "user_models.fit",
    ),
    "simulator.off_policy": (
        "simulator.errors",
        "simulator.assignment",
        "simulator.names",
        "simulator.experiment",
        "simulator.rollout",
        "simulator.runs",
        "simulator.reports",
        "simulator.spec",
    ),
    "simulator.validation": (
        "simulator.experiment",
        "simulator.rollout",
        "simulator.runs",
        "simulator.reports",
        "simulator.spec",
        "user_models",
    ),
    "simulator.calibration": ("simulator.validation",),
    "simulator.studies": ("simulator.run", "simulator.offline", "simulator.statistics", "policies.testing"),
    "simulator.bench": ("simulator.analysis", "simulator.environment"),
    "simulator.cli": ("simulator", "policies", "user_models", "dashboards"),  # the outermost shell
    "policies.compiled": (),
    "policies.events": (),
    "policies.kernel": ("policies.compiled", "policies.events"),
    "policies.base": ("policies.kernel",),
    "policies.checks": ("policies.base",),
    "policies.noise": ("policies.kernel",),
    "policies.histories": ("policies.base",),
    "policies.options": (),
    "policies.storage": ("policies.options",),
    "policies.simple": ("policies.base", "policies.storage"),
    "policies.registry": ("policies.base", "policies.options"),
    "policies.exploration": ("policies.registry", "policies.storage"),
    "policies.testing": ("policies.noise", "policies.histories"),
    "policies.torch_rankers": ("policies.histories", "policies.storage", "policies.checks"),
    "policies.bandits": ("policies.histories", "policies.storage", "policies.checks"),
    "policies.two_tower": ("policies.torch_rankers",),
    "policies.sequential": ("policies.torch_rankers",),
    "policies.external": ("policies.base",),
    "policies.agents": ("policies.torch_rankers",),
    "policies.flat": ("policies.agents",),
    "policies.saqrec": ("policies.two_tower",),  # families never import each other
    "policies.inf": ("policies.two_tower",),
    "policies.easq": ("policies.two_tower",),
    "user_models.errors": (),
    "user_models.targets": ("user_models.errors",),
    "user_models.dynamics": (),
    "user_models.world": ("user_models.errors", "user_models.dynamics", "user_models.targets"),
    "user_models.testing": ("user_models.world",),
    "user_models.data": ("user_models.errors",),
    "user_models.recovery": ("user_models.dynamics",),
    "user_models.fit.rows": ("user_models.data", "user_models.dynamics"),
    "user_models.fit.watch_model": ("user_models.fit.rows", "user_models.world"),
    "user_models.fit.generators": ("user_models.fit.watch_model",),
    "user_models.fit.matching": ("user_models.fit.watch_model",),
    "user_models.fit.prediction": ("user_models.fit.watch_model",),
    "user_models.fit": ("user_models",),
    "dashboards.text": ("simulator.reports", "simulator.runs", "simulator.spec", "policies.registry"),
    "dashboards.tables": ("dashboards.text",),
    "dashboards.run_control": ("dashboards.text",),
    "dashboards.figures": ("dashboards.tables",),
    "dashboards.html_pages": ("dashboards.figures",),
    "dashboards.screens": ("dashboards.html_pages", "dashboards.run_control"),
    "dashboards": ("dashboards.screens",),
}
FACES: Final = {f"{package}/__init__.py" for package in PACKAGES}
"""What a package exports, fetched when asked for."""
SHELL: Final = {"simulator/__main__.py"}
FOLDERS: Final = {".ci", ".githooks", "dashboards", "docs", "policies", "simulator", "tests", "user_models"}

LONGEST_MODULE: Final = 350
LONGEST_FUNCTION: Final = 50
LONG_WITH_REASON: Final = {
    "user_models/dynamics/kernel.py": "numba's cache looks at one file's date, so a kernel's helpers live with it",
    "policies/kernel.py": "the same",
    "user_models/dynamics/kernel.py: simulate_view": "one view in the order it is lived, on scalars",
    "user_models/dynamics/kernel.py: normal": "two polynomials",
}

UNSAFE_IMPORTS: Final = ("cloudpickle", "dill", "joblib", "marshal", "pickle", "random", "shelve")
UNSAFE_CALLS: Final = r"eval|exec|__import__|torch\.load|yaml\.load|(pd|pandas)\.read_pickle|.+\.to_pickle"
GLOBAL_RNG: Final = (
    r"np\.random\.(?!(default_rng|Generator|SeedSequence|Philox|PCG64|PCG64DXSM)$)\w+"
    r"|torch\.(random\.|cuda\.)?(manual_seed|manual_seed_all|seed)"
)
DRAWS: Final = r"torch\.(rand|randn|randint|rand_like|randn_like|randint_like|randperm|normal|bernoulli|multinomial)"
"""Calls that read torch's global generator unless they are given one."""
UNSAFE_SUFFIXES: Final = {".joblib", ".pickle", ".pkl", ".pt", ".pth"}
LARGEST_FILE: Final = 8 * 2**20


@dataclass(frozen=True)
class Import:
    """One imported name, in full: `from a import b` is `a.b`."""

    name: str
    line: int
    lazy: bool

    def within(self, packages: tuple[str, ...]) -> bool:
        return any(self.name == package or self.name.startswith(f"{package}.") for package in packages)


@dataclass(frozen=True)
class Source:
    """A module of ours."""

    path: str
    text: str
    tree: ast.Module
    imports: tuple[Import, ...]

    @property
    def package(self) -> str:
        return self.path.partition("/")[0]

    def calls(self) -> Iterator[tuple[str, ast.Call]]:
        yield from ((ast.unparse(n.func), n) for n in ast.walk(self.tree) if isinstance(n, ast.Call))

    def functions(self) -> Iterator[tuple[str, int]]:
        """Each function's name and its lines without its docstring."""
        for node in ast.walk(self.tree):
            if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
                first = node.body[0]
                doc = first if isinstance(first, ast.Expr) and isinstance(first.value, ast.Constant) else None
                yield node.name, _lines(node) - (_lines(doc) if doc else 0)


def _imports(tree: ast.Module) -> Iterator[Import]:
    functions = [node for node in ast.walk(tree) if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef)]
    inside = {id(node) for function in functions for node in ast.walk(function)}
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            names = [alias.name for alias in node.names]
        elif isinstance(node, ast.ImportFrom):
            names = [f"{'.' * node.level}{node.module or ''}.{alias.name}" for alias in node.names]
        else:
            continue
        yield from (Import(name, node.lineno, id(node) in inside) for name in names)


def _lines(node: ast.stmt) -> int:
    return (node.end_lineno or node.lineno) - node.lineno + 1


@cache
def sources() -> tuple[Source, ...]:
    files = sorted(file for package in PACKAGES for file in (ROOT / package).rglob("*.py"))
    return tuple(_parse(file) for file in files)


def _parse(file: Path) -> Source:
    path, text = file.relative_to(ROOT).as_posix(), file.read_text(encoding="utf-8")
    tree = ast.parse(text, path)
    return Source(path, text, tree, tuple(_imports(tree)))


@cache
def tracked() -> tuple[Path, ...]:
    """Files that git has or would add, so that a mistake shows before it is committed."""
    if not (ROOT / ".git").exists():
        pytest.skip("not a git checkout")
    command = ["git", "ls-files", "-z", "--cached", "--others", "--exclude-standard"]
    listed = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=True).stdout
    return tuple(path for name in listed.split("\0") if name and (path := ROOT / name).is_file())


def _text(path: Path) -> str:
    return path.read_bytes().decode("utf-8", errors="ignore")


def complain(offenders: list[str]) -> None:
    assert not offenders, "\n" + "\n".join(offenders)


def bad_imports(bad: Callable[[Source, Import], bool]) -> list[str]:
    return [
        f"{source.path}:{i.line}: imports {i.name}" for source in sources() for i in source.imports if bad(source, i)
    ]


def bad_calls(bad: Callable[[str, ast.Call], bool]) -> list[str]:
    return [
        f"{source.path}:{call.lineno}: calls {name}"
        for source in sources()
        for name, call in source.calls()
        if bad(name, call)
    ]


@cache
def modules() -> frozenset[str]:
    return frozenset(module_of(source.path) for source in sources())


def module_of(path: str) -> str:
    return path.removesuffix(".py").removesuffix("/__init__").replace("/", ".")


def imported_module(imported: Import) -> str:
    """The module that a name is taken from: `a.b.c` is module `a.b.c`, or a name of `a.b`."""
    return imported.name if imported.name in modules() else imported.name.rpartition(".")[0]


def floor_of(module: str) -> str | None:
    """The innermost entry of FLOORS that holds a module."""
    inside = [floor for floor in FLOORS if module == floor or module.startswith(f"{floor}.")]
    return max(inside, key=len, default=None)


@cache
def reachable(floor: str) -> frozenset[str]:
    """Floors that one may import: itself, its list, and theirs in turn; a package's name stands for all its floors."""
    out, waiting = set[str](), [floor]
    while waiting:
        entry = waiting.pop()
        for below in [f for f in FLOORS if f == entry or (entry in PACKAGES and f.startswith(f"{entry}."))]:
            if below not in out and (entry == floor or below not in out):
                out.add(below)
                waiting.extend(FLOORS[below] if below != "simulator.cli" or floor == "simulator.cli" else ())
    return frozenset(out)


def test_folders_import_only_floors_below():
    def forbidden(source: Source, imported: Import) -> bool:
        if not imported.within(PACKAGES) or source.path in FACES | SHELL:
            return imported.name.startswith(".")
        floor, target = floor_of(module_of(source.path)), floor_of(imported_module(imported))
        return floor is None or target is None or target not in reachable(floor)

    complain(bad_imports(forbidden))


def test_floors_have_no_circle():
    upward = [
        (floor, below) for floor in FLOORS for below in FLOORS[floor] if below in FLOORS and floor in reachable(below)
    ]
    complain([f"{floor} and {below} may import each other" for floor, below in upward])


def test_every_floor_is_there():
    complain(
        [f"{floor}: no such folder or module" for floor in FLOORS if not any(floor_of(m) == floor for m in modules())]
    )


def test_annotations_can_be_checked():
    """Postponed annotations and `Self` are out of the shape checks' reach."""
    unchecked = {"__future__.annotations", "typing.Self", "typing_extensions.Self"}
    complain(bad_imports(lambda _, imported: imported.name in unchecked))


def test_no_dashboard_module_hides_a_package():
    modules = {path.stem if path.suffix == ".py" else path.name for path in (ROOT / "dashboards").iterdir()}
    assert not modules & (set(PACKAGES) | sys.stdlib_module_names)


def test_only_kernels_are_compiled():
    """Shape checks cannot live in a compiled function, so they leave files named kernel out."""
    compiled = [s for s in sources() if any(i.name.rpartition(".")[2].startswith("compiled") for i in s.imports)]
    complain([f"{s.path}: compiles, want a name with `kernel`" for s in compiled if "kernel" not in Path(s.path).name])


def test_nothing_is_unpickled_or_evaluated():
    def unsafe(name: str, call: ast.Call) -> bool:
        pickled = any(keyword.arg == "allow_pickle" for keyword in call.keywords)
        return pickled or re.fullmatch(UNSAFE_CALLS, name) is not None

    complain(bad_imports(lambda _, imported: imported.within(UNSAFE_IMPORTS)) + bad_calls(unsafe))


def test_no_global_random_generator_is_read_or_seeded():
    def unkeyed(name: str, call: ast.Call) -> bool:
        given = any(keyword.arg == "generator" for keyword in call.keywords)
        return bool(re.fullmatch(GLOBAL_RNG, name) or (re.fullmatch(DRAWS, name) and not given))

    complain(bad_calls(unkeyed))


def test_modules_are_short():
    lengths = {source.path: source.text.count("\n") for source in sources()}
    long = {path: n for path, n in lengths.items() if n > LONGEST_MODULE and path not in LONG_WITH_REASON}
    complain([f"{path}: {n} lines, want at most {LONGEST_MODULE}" for path, n in long.items()])


def test_functions_are_short():
    lengths = [(f"{source.path}: {name}", n) for source in sources() for name, n in source.functions()]
    long = [(name, n) for name, n in lengths if n > LONGEST_FUNCTION and name not in LONG_WITH_REASON]
    complain([f"{name}: {n} lines, want at most {LONGEST_FUNCTION}" for name, n in long])


def test_the_tree_has_the_rooms_of_the_design_and_no_others():
    folders = {path.relative_to(ROOT).parts[0] for path in tracked() if path.parent != ROOT}
    assert folders <= FOLDERS


def test_no_tracked_file_is_large_or_pickled():
    complain([f"{path}: over 8 MB" for path in tracked() if path.stat().st_size > LARGEST_FILE])
    complain([f"{path}: pickled" for path in tracked() if path.suffix in UNSAFE_SUFFIXES])


def test_no_tracked_file_names_a_folder_of_this_machine():
    folders = [f"{folder}/" for folder in (str(ROOT.parent), str(Path.home())) if len(folder) > 2]
    complain([f"{path}: names {folder}" for path in tracked() for folder in folders if folder in _text(path)])


def test_no_tracked_file_is_a_kuairand_log():
    complain([f"{path}: log rows" for path in tracked() if _text(path).startswith("user_id,video_id,date,hourmin")])


@pytest.mark.real
def test_no_tracked_file_holds_a_real_row(kuairand):
    rows: set[str] = set()
    for file in kuairand.rglob("*.csv"):
        rows.update(line for line in _text(file).splitlines()[1:2000] if line.count(",") > 8)
    assert rows
    held = {path: {line.strip(" \"',\\n") for line in _text(path).splitlines()} & rows for path in tracked()}
    complain([f"{path}: {min(lines)}" for path, lines in held.items() if lines])


def test_help_comes_without_the_heavy_rooms():
    heavy = {"duckdb", "numba", "pandas", "plotly", "scipy", "statsmodels", "streamlit", "tea_tasting", "torch"}
    code = (
        "import sys\n"
        "from importlib.metadata import entry_points\n"
        "sys.argv = ['askew', '--help']\n"
        "code = 0\n"
        "try:\n"
        "    next(iter(entry_points(group='console_scripts', name='askew'))).load()()\n"
        "except SystemExit as stop:\n"
        "    code = stop.code\n"
        f"print(*sorted({heavy!r} & sys.modules.keys()), file=sys.stderr)\n"
        "sys.exit(code)\n"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    assert "run" in done.stdout
    assert not done.stderr.split()


def test_shapes_are_checked_here():
    from jaxtyping import TypeCheckError

    from policies.base import VideoTable
    from policies.noise import mix

    two, three = np.zeros(2, np.float32), np.zeros(3, np.int32)
    with pytest.raises(TypeCheckError):
        VideoTable(duration_s=two, tag=three, features=np.zeros((2, 0), np.float32), names=())
    with pytest.raises(TypeCheckError):
        mix(two)


def test_tests_run_on_one_thread():
    import torch

    assert torch.get_num_threads() == 1


def test_the_page_on_the_architecture_names_files_that_are_there():
    page = (ROOT / "docs/architecture.md").read_text(encoding="utf-8")
    paths = re.findall(r"`((?:simulator|policies|user_models|dashboards|tests)/[^`]*)`", page)
    assert len(paths) > 20
    complain([f"docs/architecture.md: {path} is not there" for path in paths if not (ROOT / path).exists()])


def test_no_study_hides_a_library():
    """A study's folder comes first on its path, so that a study called `coverage` would stand in for the library."""
    studies = {file.stem for file in (ROOT / "docs" / "studies").glob("*.py")}
    assert not {name for name in studies if importlib.util.find_spec(name) is not None}

"""Every task of a developer. `nox -l` lists them; `nox -s tests -- -k slack` passes what follows `--` on.

Nothing but Python is needed (and npm for `wire`, Debian for `e2e`):
`python3 -m venv .venv && .venv/bin/pip install -q nox && .venv/bin/nox -s tests`.
"""

import os
import shutil
import tempfile
import tomllib
from pathlib import Path

import nox

nox.needs_version = ">=2025.5.1"
nox.options.default_venv_backend = "uv|virtualenv"
nox.options.error_on_missing_interpreters = False  # nox turns it on where CI is set; not every machine has all three
nox.options.reuse_venv = "yes"
nox.options.sessions = ["lint", "types", "tests", "docs"]

ROOT = Path(__file__).parent
PYTHONS = ["3.11", "3.12", "3.13"]
EXTRAS = ["tests", "examples", "benchmarks"]  # what belongs to no distribution
GROUPS = nox.project.load_toml(ROOT / "pyproject.toml")
DISTRIBUTIONS = [ROOT / "core", *sorted(path.parent for path in ROOT.glob("plugins/*/pyproject.toml"))]

# Debian's packages of the servers that the e2e tests start, by the folder of UNPACKED that gets them. They are not
# installed: exim and postfix exclude each other there, and would take over the machine's own mail.
DEBIAN = {
    "exim": ["exim4-daemon-light", "libnss-wrapper"],
    "postfix": ["postfix", "libnss-wrapper", "libsasl2-modules", "libsasl2-modules-db", "sasl2-bin"],
    "prometheus": ["prometheus", "prometheus-alertmanager"],
}
UNPACKED = ROOT / ".nox" / "debian"
REQUIRE_SERVERS = "ALERT_CORE_REQUIRE_SERVERS"  # set: a missing server is a failure (conftest.py)
SPECS = "ALERT_CORE_SPECS"  # the folder of the vendors' API specifications (tests/wire); default: ../shared/specs
PAYLOADS = "ALERT_CORE_PAYLOADS"  # the folder of real webhook bodies; default: ../shared/payloads
PRISM = "@stoplight/prism-cli@5.16.0"  # npm's: a server that answers by an API specification

CHROMIUM = ["chromium", "chromium-driver", "fonts-noto-color-emoji", "fonts-dejavu-core"]
PAGES = sorted(ROOT.glob("plugins/*/tests/**/test_*_page*.py"))
CLIENTS = ["plugins/alert-sandbox/tests/clients"]  # the vendors' official clients, as those of tests/wire

# Many tests wait for a timeout: one process more than there are cores.
WITHOUT_CHAOS = ["-m", "not chaos"]
AT_ONCE = ["-n", str((os.cpu_count() or 1) + 1), "--dist", "loadgroup"]

# What `bench` measures beside this project.
PEERS = {
    "alert-infra": ["alert-infra[celery,redis]==0.1.5", "packaging"],  # kombu 5.7 imports it and does not say so
    "apprise": ["apprise==2.2.0"],
    "notifiers": ["notifiers==2.0.0"],
    "persist-queue": ["persist-queue==1.1.0"],
    "huey": ["huey==3.5.4"],
}


def find_pyenv() -> None:
    """Put pyenv's interpreters on the PATH: its shims refuse every version that is not the selected one."""
    versions = Path(os.environ.get("PYENV_ROOT", Path.home() / ".pyenv")) / "versions"
    folders = [str(path) for python in PYTHONS for path in sorted(versions.glob(f"{python}.*/bin"))]
    os.environ["PATH"] = os.pathsep.join([*folders, os.environ["PATH"]])


find_pyenv()


def install(session: nox.Session, *groups: str) -> None:
    """Install the named dependency groups, and every distribution from its folder, editable."""
    session.install(*nox.project.dependency_groups(GROUPS, "build", *groups))
    arguments = []
    for folder in DISTRIBUTIONS:
        project = tomllib.loads((folder / "pyproject.toml").read_text())["project"]
        extra = "[testing]" if "testing" in project.get("optional-dependencies", {}) else ""
        arguments += ["--editable", f"{folder}{extra}"]
    # The build backend is installed by now: without isolation, ten distributions take seconds, not a minute.
    session.install("--no-build-isolation", *arguments)


def run_tests(session: nox.Session, *arguments: str) -> None:
    """Run pytest without the developer's own alerting configuration."""
    ours = (REQUIRE_SERVERS, SPECS, PAYLOADS)
    foreign = [name for name in os.environ if name.startswith("ALERT_") and name not in ours]
    session.run("pytest", *arguments, *session.posargs, env=dict.fromkeys(foreign))


@nox.session
def tests(session: nox.Session) -> None:
    """Run every test of every distribution, and tests/, on the running interpreter."""
    install(session, "tests")
    run_tests(session, *AT_ONCE, *WITHOUT_CHAOS)


@nox.session(python=PYTHONS)
def tests_all(session: nox.Session) -> None:
    """Run the tests on each supported interpreter that is installed here, but for those marked `once`."""
    install(session, "tests")
    run_tests(session, *AT_ONCE, "-m", "not once and not chaos", "--hypothesis-profile=few")


@nox.session
def e2e(session: nox.Session) -> None:
    """Run the tests that need a real server; a missing server is a failure, not a skip."""
    if os.geteuid() != 0:
        session.error("the e2e tests start postfix, which takes root: sudo nox -s e2e")
    unpack_servers(session)
    install(session, "tests")
    session.env[REQUIRE_SERVERS] = "1"
    run_tests(session, "tests/e2e")


def unpack_servers(session: nox.Session) -> None:
    """Fetch DEBIAN's packages, with what they need and the machine lacks, and unpack them; apt installs nothing."""
    missing = {name: packages for name, packages in DEBIAN.items() if not (UNPACKED / name).is_dir()}
    if not missing:
        return
    if not (shutil.which("apt-get") and shutil.which("dpkg-deb")):
        session.error("the e2e tests start mail servers from Debian's packages: there is no apt-get here")
    UNPACKED.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=UNPACKED) as work:
        (Path(work) / "lists" / "partial").mkdir(parents=True)
        paths = [f"Dir::State::lists={work}/lists", f"Dir::Cache={work}/cache"]
        apt = ["apt-get", "-qq", "-y", *(f"-o{o}" for o in (*paths, "Debug::NoLocking=1", "APT::Sandbox::User=root"))]
        session.run(*apt, "update", external=True)
        fetch = [*apt, "install", "--download-only", "--reinstall", "--no-install-recommends"]
        for name, packages in missing.items():
            archives, root = Path(work, name), Path(work, f"{name}-root")
            (archives / "partial").mkdir(parents=True)
            session.run(*fetch, f"-oDir::Cache::archives={archives}", *packages, external=True, silent=True)
            for archive in sorted(archives.glob("*.deb")):
                session.run("dpkg-deb", "-x", str(archive), str(root), external=True, log=False)
            root.rename(UNPACKED / name)


@nox.session
def wire(session: nox.Session) -> None:
    """Compare what the transports send with the vendors' official clients and published specifications; needs npm."""
    if not shutil.which("npm"):
        session.error("the wire tests need npm, which comes with Node.js: Debian's package is npm")
    # Not compiled: most of the clients' modules are never imported, and Twilio's alone are hundreds.
    session.install("--no-compile", *nox.project.dependency_groups(GROUPS, "clients"))
    install(session)
    folder = Path(session.create_tmp()).resolve()
    npm = ["npm", "install", "--prefix", str(folder), "--ignore-scripts", "--no-audit", "--no-fund", "--silent"]
    session.run(*npm, PRISM, external=True)
    session.env[REQUIRE_SERVERS] = "1"
    session.env["PATH"] = os.pathsep.join([str(folder / "node_modules" / ".bin"), os.environ["PATH"]])
    run_tests(session, "tests/wire", *CLIENTS)


@nox.session(name="alert-infra")
def alert_infra(session: nox.Session) -> None:
    """Make the environment of alert-infra 0.1.5, which `compat` compares with."""
    session.install(*PEERS["alert-infra"], "alert-infra[django,legacy-email]", "pytest")


@nox.session(requires=["alert-infra"])
def compat(session: nox.Session) -> None:
    """Compare alert-infra-compat with alert-infra 0.1.5 itself."""
    install(session, "tests")
    session.env[REQUIRE_SERVERS] = "1"
    run_tests(session, "plugins/alert-infra-compat/tests", "-m", "needs")


@nox.session(python=PYTHONS[-1])
def django6(session: nox.Session) -> None:
    """Run alert-django's tests on the newest Django, which needs a newer interpreter than the oldest."""
    install(session, "tests")
    session.install("--upgrade", "django>=6,<7")
    run_tests(session, *AT_ONCE, *WITHOUT_CHAOS, "plugins/alert-django/tests", "tests/test_example_django.py")


@nox.session
def page(session: nox.Session) -> None:
    """Drive the pages of the sandbox and the gateway in headless Chromium; as root, on Debian, it installs Chromium."""
    install_chromium(session)
    install(session, "page")
    session.env[REQUIRE_SERVERS] = "1"
    run_tests(session, *map(str, PAGES), "-m", "needs")


@nox.session
def screenshots(session: nox.Session) -> None:
    """Make the pictures of the sandbox's and the gateway's page anew, in docs/images."""
    install_chromium(session)
    install(session, "page")
    for program in sorted(ROOT.glob("plugins/*/screenshots.py")):
        session.run("python", str(program), "docs/images", *session.posargs)


def install_chromium(session: nox.Session) -> None:
    """Install Debian's Chromium and its driver where they are missing and we may; else say what is missing."""
    if shutil.which("chromium") and shutil.which("chromedriver"):
        return
    install = ["apt-get", "install", "-qq", "-y", "--no-install-recommends", *CHROMIUM]
    if not shutil.which("apt-get") or os.geteuid() != 0:
        session.error(f"the page's tests need Debian's {', '.join(CHROMIUM)}: sudo {' '.join(install)}")
    quiet = {"DEBIAN_FRONTEND": "noninteractive"}
    session.run("apt-get", "update", "-qq", external=True, env=quiet)
    session.run(*install, external=True, env=quiet, silent=True)


@nox.session
def coverage(session: nox.Session) -> None:
    """Run every test and report the branches of the core that none of them took."""
    install(session, "tests")
    run_tests(session, *WITHOUT_CHAOS, "--cov", "--cov-report=term-missing")


@nox.session
def lint(session: nox.Session) -> None:
    """Check style, format, and that imports go one way."""
    session.install(*nox.project.dependency_groups(GROUPS, "lint"))
    session.run("ruff", "check", "--no-cache", ".")  # its cache forgets that a new module changes what is ours
    session.run("ruff", "format", "--check", ".")
    sources = os.pathsep.join(str(folder / "src") for folder in DISTRIBUTIONS)
    session.run("lint-imports", "--no-cache", env={"PYTHONPATH": sources})


@nox.session
def types(session: nox.Session) -> None:
    """Run mypy, strict, over the sources and the tests."""
    install(session, "types")
    session.run("mypy", "noxfile.py", "conftest.py", *(name for name in EXTRAS if any((ROOT / name).rglob("*.py"))))
    shared = ["--config-file", str(ROOT / "pyproject.toml"), "--cache-dir", str(ROOT / ".mypy_cache")]
    for folder in DISTRIBUTIONS:  # one run each, from there: their tests have modules of the same name
        with session.chdir(folder):
            session.run("mypy", *shared, "src", "tests", env={"MYPYPATH": "tests"})


@nox.session
def docs(session: nox.Session) -> None:
    """Build the documentation; a warning is an error."""
    install(session, "docs")
    session.run("sphinx-build", "-W", "--keep-going", "-q", "-b", "html", "docs", "docs/_build/html")


@nox.session
def build(session: nox.Session) -> None:
    """Build the wheel and the sdist of every distribution into dist/."""
    session.install(*nox.project.dependency_groups(GROUPS, "build"))
    shutil.rmtree(ROOT / "dist", ignore_errors=True)
    for folder in DISTRIBUTIONS:
        session.run("python", "-m", "build", "--no-isolation", "--outdir", "dist", str(folder), silent=True)
    for path in sorted((ROOT / "dist").iterdir()):
        session.log(path.name)


@nox.session
def demo(session: nox.Session) -> None:
    """Start the sandbox, and send alerts with secrets in them through every transport, faults included."""
    install(session)
    session.run("alertctl", "sandbox", "--tour", *(session.posargs or ["--port=0", "--smtp-port=0", "--smtps-port=0"]))


@nox.session
def bench(session: nox.Session) -> None:
    """Measure this project and its peers side by side; `-- --quick`: a smoke test, `-- --write`: fill docs/'s page."""
    install(session, "bench")
    peers = Path(session.create_tmp()) / "peers"
    for name, requirements in PEERS.items():  # each in an environment of its own, kept for the next run
        if not (peers / name).exists():
            session.run("python", "-m", "venv", str(peers / name))
        python = str(peers / name / "bin" / "python")
        session.run(python, "-m", "pip", "install", "-q", *requirements, external=True)
    # Else what uv installs is compiled anew in each process, and what pip has installed for the peers is not.
    compiled = {"PYTHONDONTWRITEBYTECODE": None}
    session.run("python", "benchmarks", "--peers", str(peers), *session.posargs, env=compiled)


@nox.session
def chaos(session: nox.Session) -> None:
    """Run what is marked `chaos`: two hundred kills on each database; `-- --kills 1000`: so many, on SQLite."""
    install(session, "tests")
    if not session.posargs:
        session.run("pytest", "-m", "chaos")
        return
    folder = Path(session.create_tmp()) / "outbox"
    shutil.rmtree(folder, ignore_errors=True)
    session.run("python", "plugins/alert-outbox/tests/chaos.py", str(folder), *session.posargs)


@nox.session
def fuzz(session: nox.Session) -> None:
    """Fuzz for ten minutes, or for as many seconds as are given after `--`."""
    install(session, "tests")
    session.run("python", "tests/fuzz", *(session.posargs or ["600"]))

"""The zip taken apart: what is in it, that it imports where nothing else is, and that it starts from bytecode."""

import json
import re
import shutil
import subprocess
import zipfile
from collections.abc import Iterator
from pathlib import Path

import pytest

from infra import chalice_config
from infra.bytecode import UNUSED
from infra.interpreter import RUNTIMES, interpreter
from infra.package import ChaliceFailed, absent, foreign, package, portable

ROOT = Path(__file__).parents[2]
SHIPPED = ("app.py", "chalicelib", "templates", "vendor", "requirements.txt")
#: What the Lambda runtime brings and the zip does not: boto3 and what it needs.
IN_THE_RUNTIME = ("boto3", "botocore", "s3transfer", "dateutil", "urllib3", "six.py", "jmespath")
#: What lies about on a machine where people work.
LEFTOVERS = (
    "chalicelib/__pycache__/settings.cpython-39.pyc",
    "chalicelib/.DS_Store",
    "chalicelib/settings.py.orig",
    "chalicelib/store/__pycache__/old.cpython-313.pyc",
    "templates/pages/.answer.html.swp",
    "tests/test_x.py",
    "local/stack.py",
    ".env",
)
MEGABYTE = 1_000_000


@pytest.fixture(scope="module")
def python():
    return interpreter(ROOT)


def _project(place: Path) -> Path:
    """Return a copy of what packaging reads, as a working tree looks: with leftovers."""
    place.mkdir()
    for name in SHIPPED:
        source, copy = ROOT / name, place / name
        if source.is_dir():
            shutil.copytree(source, copy, symlinks=True, ignore=shutil.ignore_patterns("__pycache__"))
        else:
            shutil.copy2(source, copy)
    for name in LEFTOVERS:
        (place / name).parent.mkdir(parents=True, exist_ok=True)
        (place / name).write_bytes(b"left over")
    return place


@pytest.fixture(scope="module")
def project(tmp_path_factory):
    return _project(tmp_path_factory.mktemp("package") / "project")


def _allow_nothing(stage, outputs, folder):
    """Write policies that let a function do nothing: they are not the subject here."""
    for name in chalice_config.FUNCTIONS:
        (folder / f"{name}.json").write_text('{"Version": "2012-10-17", "Statement": []}', "utf-8")


def _package(project, python, architecture="arm64", stage="dev"):
    return package(stage, project=project, python=python, architecture=architecture, write_policies=_allow_nothing)


@pytest.fixture(scope="module")
def made(project, python):
    return _package(project, python)


@pytest.fixture(scope="module")
def names(made):
    with zipfile.ZipFile(made.zip) as archive:
        return archive.namelist()


@pytest.fixture(scope="module")
def template(made):
    return json.loads(made.template.read_text("utf-8"))


def _functions(template) -> dict:
    return {
        each["Properties"]["FunctionName"]: each["Properties"]
        for each in template["Resources"].values()
        if each["Type"] == "AWS::Serverless::Function"
    }


# -- what is in it -----------------------------------------------------------------------------------------


def _ours(project: Path) -> set[str]:
    chalicelib = {
        each.relative_to(project).as_posix() for each in (project / "chalicelib").rglob("*") if each.is_file()
    }
    templates = {each.relative_to(project).as_posix() for each in (project / "templates").rglob("*") if each.is_file()}
    ours = ({"app.py"} | chalicelib | templates) - set(LEFTOVERS)
    return {each for each in ours if not each.endswith((".po", ".pot"))}  # what the catalogues are made of


def _of_wheels(made) -> set[str]:
    """Return what the wheels' own records list."""
    with zipfile.ZipFile(made.zip) as archive:
        records = [archive.read(name).decode() for name in archive.namelist() if name.endswith(".dist-info/RECORD")]
    return {line.split(",")[0].strip('"') for record in records for line in record.splitlines()}


def _sources(names) -> set[str]:
    return {name for name in names if not name.endswith((".pyc", ".cache"))}


def test_it_holds_every_module_every_template_the_wheels_and_nothing_else(project, made, names):
    assert len(names) == len(set(names))
    of_wheels = {each for each in _of_wheels(made) if not UNUSED.search(each)}
    assert _sources(names) == _ours(project) | {"chalice/__init__.py", "chalice/app.py"} | of_wheels


def test_every_language_has_its_catalogue_in_it(project, names):
    """And nothing that only a translator needs."""
    sources = {each.relative_to(project).with_suffix(".mo").as_posix() for each in project.rglob("*.po")}
    assert {each for each in names if "/LC_MESSAGES/" in each} == sources != set()


def test_it_stays_within_what_lambda_and_api_gateway_take(made, template):
    """Quotas: of Lambda 250 MB unzipped and 4 KB of environment, of API Gateway 300 resources an API."""
    with zipfile.ZipFile(made.zip) as archive:
        assert sum(each.file_size for each in archive.infolist()) <= 250 * MEGABYTE
    for each in _functions(template).values():
        variables = each["Environment"]["Variables"]
        assert sum(len(name) + len(json.dumps(value)) for name, value in variables.items()) <= 4096
    (api,) = [each for each in template["Resources"].values() if each["Type"] == "AWS::Serverless::Api"]
    parts = [path.strip("/").split("/") for path in api["Properties"]["DefinitionBody"]["paths"]]
    assert len({tuple(each[:length]) for each in parts for length in range(len(each) + 1)}) <= 300


def test_what_the_runtime_brings_is_left_out(names):
    assert {name for name in names if name.startswith(("boto3", "botocore"))} == set()


def test_it_is_small_enough_to_start_fast_and_as_large_as_the_page_says(made):
    size = made.zip.stat().st_size
    assert size <= 10 * MEGABYTE
    (said,) = re.findall(r"aftercare\.zip +(\d+\.\d) MB", (ROOT / "docs" / "operations.md").read_text("utf-8"))
    assert size == pytest.approx(float(said) * MEGABYTE, abs=0.3 * MEGABYTE)  # another release, another processor


def test_everyone_may_read_what_is_in_it(made):
    """Lambda runs the function as another user than the one who packaged."""
    with zipfile.ZipFile(made.zip) as archive:
        assert {oct(each.external_attr >> 16) for each in archive.infolist()} == {"0o100644"}


def test_all_that_is_pinned_is_in_it_for_its_processor(made, project):
    assert absent(made.zip, project / "requirements.txt") + foreign(made.zip, "arm64") == []


def test_a_package_that_is_pinned_and_not_in_the_zip_is_named(made, tmp_path):
    requirements = tmp_path / "requirements.txt"
    requirements.write_text("jinja2==3.1.6\n# a comment\nMarkup_Safe==9.9  # another release\nnumpy==2.0.0\n", "utf-8")
    assert absent(made.zip, requirements) == ["Markup_Safe==9.9 is not in the zip", "numpy==2.0.0 is not in the zip"]


def test_a_library_for_another_processor_is_named(made, names):
    named = [each.partition(" is not for ")[0] for each in foreign(made.zip, "x86_64")]
    assert sorted(named) == sorted(each for each in names if re.search(r"\.so(\.\d+)*$", each)) != []


def test_a_wheel_that_cannot_be_had_stops_it(project, python, tmp_path):
    """This one is for Windows alone."""
    copy = shutil.copytree(project, tmp_path / "project", symlinks=True)
    with (copy / "requirements.txt").open("a") as requirements:
        requirements.write("pywin32==312\n")
    with pytest.raises(ChaliceFailed, match="pywin32"):
        _package(copy, python)


def test_packaging_twice_makes_the_same_zip(project, made, python):
    """For whichever stage, so that a deployment can tell whether it would change anything."""
    assert _package(project, python, stage="again").zip.read_bytes() == made.zip.read_bytes()


def test_a_renamed_template_makes_another_zip(tmp_path, names, python):
    """Chalice's cache goes by contents: it would ship the template under its old name."""
    project = _project(tmp_path / "project")
    (old, *_) = sorted((project / "templates" / "pages").glob("[!.]*.html"))
    old.rename(old.with_name("renamed.html"))
    with zipfile.ZipFile(_package(project, python).zip) as archive:
        changed = _sources(archive.namelist()) ^ _sources(names)
    assert changed == {f"templates/pages/{old.name}", "templates/pages/renamed.html"}


# -- the template ------------------------------------------------------------------------------------------


def test_every_function_is_in_the_template_under_the_name_that_the_stage_knows(template):
    expected = {chalice_config.function_name("dev", each) for each in chalice_config.FUNCTIONS}
    assert _functions(template).keys() == expected


def test_every_handler_is_in_app(template):
    """Elsewhere app.py, and with it all that it sets up, would never be imported."""
    handlers = [each["Handler"] for each in _functions(template).values()]
    assert [each for each in handlers if not each.startswith("app.")] == []
    assert len(handlers) == len(chalice_config.FUNCTIONS)


def test_every_function_has_its_size_and_its_time(template):
    found = {name: (each["MemorySize"], each["Timeout"]) for name, each in _functions(template).items()}
    workers = {chalice_config.function_name("dev", each): (512, 60) for each in chalice_config.FUNCTIONS[1:]}
    assert found == {"aftercare-dev": (1024, 29), **workers}


def test_every_function_runs_this_zip_on_this_runtime(made, python, template):
    keys = ("Runtime", "Architectures", "CodeUri", "Tracing")
    found = [{key: each[key] for key in keys} for each in _functions(template).values()]
    one = {
        "Runtime": f"python{python.version}",
        "Architectures": ["arm64"],
        "CodeUri": f"./{made.zip.name}",
        "Tracing": "PassThrough",
    }
    assert found == [one] * len(chalice_config.FUNCTIONS)


def test_the_template_belongs_to_no_account(template):
    text = json.dumps(template)
    assert re.findall(r":\d{12}:|us-east-1|eu-central-1", text) == []
    variables = _functions(template)["aftercare-dev"]["Environment"]["Variables"]
    assert variables["INBOX_QUEUE_URL"] == {
        "Fn::Sub": "https://sqs.${AWS::Region}.amazonaws.com/${AWS::AccountId}/aftercare-dev-inbox"
    }
    assert variables["MAIL_FROM"] == {"Fn::Sub": "${MailFrom}"}
    assert template["Parameters"].keys() == {"BaseUrl", "MailFrom", "MailOnlyTo", "ReplyTo"}


def test_only_texts_that_name_something_are_substituted():
    resources = {
        "R": {"Type": "T", "P": ["${AWS::Region}", "${token}", {"Fn::Sub": "${AWS::Region}"}, 1, "${BaseUrl}/x"]}
    }
    made = portable({"Resources": resources}, "dev", "a.zip")["Resources"]["R"]["P"]
    region = {"Fn::Sub": "${AWS::Region}"}
    assert made == [region, "${token}", region, 1, {"Fn::Sub": "${BaseUrl}/x"}]


# -- bytecode ----------------------------------------------------------------------------------------------


def _magic(python) -> bytes:
    """Return what marks the bytecode of a release of Python."""
    program = "import importlib.util as u, sys; sys.stdout.buffer.write(u.MAGIC_NUMBER)"
    return subprocess.run([python.python, "-I", "-c", program], capture_output=True, check=True).stdout


def _compiled(source: str, version: str) -> str:
    folder, _, name = source.rpartition("/")
    tag = f"cpython-{version.replace('.', '')}"
    return f"{folder + '/' if folder else ''}__pycache__/{name.removesuffix('.py')}.{tag}.pyc"


def test_every_source_has_its_bytecode_for_the_runtime(names, python):
    sources = {name for name in names if name.endswith(".py")}
    bytecode = {name for name in names if name.endswith(".pyc")}
    assert bytecode == {_compiled(each, python.version) for each in sources}


def test_the_bytecode_is_that_of_the_runtime_and_never_checked_against_its_source(made, python):
    with zipfile.ZipFile(made.zip) as archive:
        heads = {archive.read(each)[:8] for each in archive.namelist() if each.endswith(".pyc")}
    # PEP 552: the magic number, then flags; bit 0 is "by hash", bit 1 "check it".
    assert heads == {_magic(python) + (1).to_bytes(4, "little")}


def test_every_template_has_its_code(names):
    """Compiling those of one page takes as long as a third of a cold start."""
    templates = {name for name in names if name.startswith("templates/") and not name.endswith(".cache")}
    assert len([name for name in names if name.startswith("templates/__pycache__/")]) == len(templates)


# -- in a fresh interpreter --------------------------------------------------------------------------------


def _unpacked(archive: Path, place: Path) -> Path:
    with zipfile.ZipFile(archive) as opened:
        opened.extractall(place)
    return place


def _runtime(python, place: Path) -> Path:
    """Return a folder with what the Lambda runtime brings, and nothing else that is installed here."""
    site = next((python.python.parent.parent / "lib").glob("python3*/site-packages"))
    place.mkdir()
    for name in IN_THE_RUNTIME:
        (place / name).symlink_to(site / name)
    return place


def _run(python, folders: Iterator[Path], program: str) -> subprocess.CompletedProcess:
    """Run a program with nothing but these folders to import from, and nothing in the environment."""
    path = f"import sys; sys.path[:0] = {[str(each) for each in folders]!r}\n"
    command = [python.python, "-I", "-S", "-B", "-W", "error", "-c", path + program]
    return subprocess.run(command, env={}, cwd="/", capture_output=True, text=True, check=False)


@pytest.fixture(scope="module")
def native(project, python, tmp_path_factory):
    """Return the zip for the processor of this machine, unpacked, with the runtime beside it."""
    place = tmp_path_factory.mktemp("native")
    archive = _package(project, python, _this_processor(), "native").zip
    return [_unpacked(archive, place / "task"), _runtime(python, place / "runtime")]


def _this_processor() -> str:
    machine = subprocess.run(["/usr/bin/uname", "-m"], capture_output=True, text=True, check=True).stdout.strip()
    return {"aarch64": "arm64"}.get(machine, machine)


EVERY_MODULE = """
import app, importlib, pathlib
root = pathlib.Path(app.__file__).parent
for path in sorted((root / "chalicelib").rglob("*.py")):
    parts = path.relative_to(root).with_suffix("").parts
    importlib.import_module(".".join(parts).removesuffix(".__init__"))
handlers = [each.handler_string for each in app.app.event_sources]
print(len(handlers), len(app.app.routes) > 0, all(each.startswith("app.") for each in handlers))
"""


IMPORTED = f"{len(chalice_config.FUNCTIONS) - 1} True True\n"


def test_app_and_every_module_import_in_a_fresh_interpreter_with_nothing_set(native, python):
    done = _run(python, native, EVERY_MODULE)
    assert (done.returncode, done.stdout, done.stderr) == (0, IMPORTED, "")


#: What is imported only when it is needed, of packages of which a part is left out.
NEEDED_LATER = """
import json
from joserfc import jwt
from joserfc.jwk import RSAKey
from chalicelib import telemetry
key = RSAKey.generate_key(2048)
claims = jwt.decode(jwt.encode({"alg": "RS256"}, {"sub": "ana"}, key), key).claims
try:
    raise ValueError("no")
except ValueError:
    telemetry.structured().exception("went wrong", extra={"journey_id": claims["sub"]})
"""


def test_tokens_are_checked_and_logs_are_written_with_what_is_in_the_zip(native, python):
    done = _run(python, native, NEEDED_LATER)
    line = json.loads(done.stdout)
    assert (line["message"], line["journey_id"], line["exception_name"]) == ("went wrong", "ana", "ValueError")


RENDER = """
from jinja2 import Environment
def refuse(*args, **kwargs):
    raise SystemExit("compiled anew")
Environment.compile = refuse
from chalicelib.effects.rendering import environment
names = [each for each in environment().list_templates() if "__pycache__" not in each]
print(all(environment().get_template(each).filename for each in names), len(names) > 0)
"""


def test_every_template_is_rendered_from_its_code(native, python):
    done = _run(python, native, RENDER)
    assert (done.returncode, done.stdout, done.stderr) == (0, "True True\n", "")


def test_what_runs_is_the_bytecode(native, python, tmp_path):
    """With every source of ours broken, the import still works."""
    task = shutil.copytree(native[0], tmp_path / "task")
    for source in [task / "app.py", *(task / "chalicelib").rglob("*.py")]:
        source.write_text("raise SystemExit('compiled from the source')", "utf-8")
    done = _run(python, [task, native[1]], EVERY_MODULE)
    assert (done.returncode, done.stdout, done.stderr) == (0, IMPORTED, "")


@pytest.mark.slow
@pytest.mark.parametrize("release", RUNTIMES)
def test_it_packages_and_imports_on_every_release_that_the_machine_has(project, tmp_path, release):
    python = interpreter(ROOT, release)
    if python.version != release:
        pytest.skip(f"no python{release} on this machine")
    archive = _package(project, python, _this_processor(), "native").zip
    folders = [_unpacked(archive, tmp_path / "task"), _runtime(python, tmp_path / "runtime")]
    done = _run(python, folders, EVERY_MODULE)
    assert (done.returncode, done.stdout, done.stderr) == (0, IMPORTED, "")

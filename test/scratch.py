# SPDX-License-Identifier: MIT
"""The engine in a scratch copy, with an edit in it, and its test programs built against that.

What is a test program, and of which files, is asked of meson. Without sanitizers, and only what an
edit touches is compiled again. Refuses to know why anything was edited.
"""
import atexit
import filecmp
import glob
import hashlib
import json
import os
import shutil
import signal
import subprocess
import sys
import tempfile

ROOT = os.path.dirname(os.path.dirname(os.path.abspath(__file__)))
FLAGS = ["-std=c11", "-O1", "-w", "-D_GNU_SOURCE=", f'-DP2M_HEADERS="{ROOT}/include/p2m"']
# In every program: an environment that names one test leaves out the others.
FILTER = """
void cmocka_set_test_filter(const char *pattern);
char *getenv(const char *name);
__attribute__((constructor)) static void leave_out(void)
{
    if (getenv("PODIUM_TEST"))
        cmocka_set_test_filter(getenv("PODIUM_TEST"));
}
"""
# Programs in which each basic block of the engine counts itself.
COUNTED = {"budget"}
COUNT = ["-fsanitize-coverage=trace-pc"]
WRAPPED = {"cache_random": ["-Wl,--wrap=p2m_host_alloc_frames", "-Wl,--wrap=p2m_host_free_frames"]}


def git(*words):
    return subprocess.check_output(["git", "-C", ROOT, *words], text=True).strip()


def commit():
    """The commit that is built, and whether anything is not committed."""
    changed = git("status", "--porcelain", "--untracked-files=no")
    return git("rev-parse", "--short=10", "HEAD") + (" and changes" if changed else "")


def digest(*patterns):
    """Of all that is in these files."""
    content = hashlib.sha256()
    for pattern in patterns:
        for path in sorted(glob.glob(os.path.join(ROOT, pattern), recursive=True)):
            with open(path, "rb") as file:
                content.update(file.read())
    return content.hexdigest()[:16]


class CompileError(Exception):
    """The edit is no C."""


class Workshop:
    """Objects of the unedited engine and of the tests, made once; a scratch tree a job."""

    def __init__(self, build):
        self.place = tempfile.mkdtemp(prefix="podium-scratch-")
        atexit.register(shutil.rmtree, self.place, ignore_errors=True)
        signal.signal(signal.SIGTERM, lambda *_: sys.exit(1))
        self.tests = [test["name"] for test in self.ask(build, "--tests")
                      if any(suite.endswith(":engine") for suite in test["suite"])]
        self.sources = {}
        for target in self.ask(build, "--targets"):
            name = target["name"].removeprefix("unit_")
            self.sources[name] = [
                os.path.relpath(file, ROOT)
                for group in target["target_sources"] if "sources" in group
                for file in group["sources"] if file.endswith(".c")
            ]
        self.engine = [f for f in self.sources["engine_checked"] if f.startswith("p2m/")]
        self.host = [f for f in self.sources["engine_checked"] if not f.startswith("p2m/")]
        self.tree = os.path.join(self.place, "tree")
        self.objects = os.path.join(self.place, "objects")
        os.makedirs(self.objects)
        self.copy_engine(self.tree)
        with open(os.path.join(self.place, "filter.c"), "w") as out:
            out.write(FILTER)
        self.host_objects = [self.compile(f, ROOT, self.tree) for f in self.host]
        self.host_objects.append(self.compile("filter.c", self.place, self.tree))
        self.engine_objects = {f: self.compile(f, self.tree, self.tree) for f in self.engine}

    @staticmethod
    def ask(build, what):
        return json.loads(subprocess.check_output(["meson", "introspect", build, what], text=True))

    @staticmethod
    def copy_engine(tree):
        for part in ("p2m", "include"):
            shutil.copytree(os.path.join(ROOT, part), os.path.join(tree, part), dirs_exist_ok=True)

    def compile(self, file, base, tree, to=None, flags=()):
        kind = "_counted.o" if flags else ".o"
        object_file = os.path.join(to or self.objects, file.replace("/", "_") + kind)
        if os.path.exists(object_file):
            return object_file
        command = ["gcc", *FLAGS, *flags, f"-ffile-prefix-map={base}=.", "-c", "-o", object_file]
        command += [os.path.join(base, file)]
        command += [f"-I{path}" for path in (f"{tree}/include", tree, f"{ROOT}/test", ROOT)]
        if subprocess.run(command, capture_output=True).returncode != 0:
            raise CompileError(file)
        return object_file

    def link(self, name, engine_objects, to):
        """A test program's path, with these objects as its engine."""
        program = os.path.join(to, "test_" + name)
        own = [f for f in self.sources[name] if f not in self.engine + self.host]
        objects = [self.compile(f, ROOT, self.tree) for f in own]
        command = ["gcc", "-o", program, *objects, *self.host_objects, *engine_objects.values(),
                   *WRAPPED.get(name, []), "-lcmocka"]
        subprocess.run(command, check=True, capture_output=True)
        return program


class Edited:
    """One edited engine: {file: text} in place of what is there."""

    def __init__(self, workshop, edits):
        self.workshop = workshop
        self.place = tempfile.mkdtemp(dir=workshop.place)
        try:
            self.build(edits)
        except CompileError:
            self.close()
            raise

    def build(self, edits):
        workshop, tree = self.workshop, os.path.join(self.place, "tree")
        self.objects = dict(workshop.engine_objects)
        workshop.copy_engine(tree)
        for file, text in edits.items():
            with open(os.path.join(tree, file), "w") as out:
                out.write(text)
        everything = any(file.endswith(".h") for file in edits)
        self.touched = workshop.engine if everything else list(edits)
        for file in self.touched:
            self.objects[file] = workshop.compile(file, tree, tree, to=self.place)

    def counted_objects(self):
        workshop, tree = self.workshop, os.path.join(self.place, "tree")
        return {file: workshop.compile(file, tree, tree, to=self.place, flags=COUNT)
                if file in self.touched else
                workshop.compile(file, workshop.tree, workshop.tree, flags=COUNT)
                for file in workshop.engine}

    def is_same(self, file):
        """Does the compiler make of it what it made before?"""
        return filecmp.cmp(self.objects[file], self.workshop.engine_objects[file], shallow=False)

    def close(self):
        shutil.rmtree(self.place)

    def link(self, name):
        objects = self.counted_objects() if name in COUNTED else self.objects
        return self.workshop.link(name, objects, self.place)

    def run(self, name, seconds, arguments=(), only=None):
        """What the test program said, and how it ended: "well", "badly" or "never", which is after
        so many seconds of processor time: the machine may be busy. With `only`, of one test, in all
        formats."""
        program = self.link(name)
        environment = dict(os.environ, CMOCKA_MESSAGE_OUTPUT="TAP")
        if only:
            environment["PODIUM_TEST"] = "*" + only
        try:
            done = subprocess.run(["sh", "-c", 'ulimit -S -t "$0" && exec "$@"', str(seconds),
                                   program, *arguments],
                                  env=environment, capture_output=True, text=True,
                                  errors="replace", timeout=60 + 20 * seconds)
        except subprocess.TimeoutExpired as late:
            said = late.stdout or b""
            said = said.decode(errors="replace") if isinstance(said, bytes) else said
            return said, "never"
        if done.returncode == -signal.SIGXCPU:
            return done.stdout, "never"
        return done.stdout, "badly" if done.returncode else "well"

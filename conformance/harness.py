"""What the rows of the table share: a server, frameworks fetched at test time, one of their files loaded alone."""

import ast
import asyncio
import contextlib
import glob
import hashlib
import importlib.util
import json
import os
import queue
import random
import subprocess
import sys
import tempfile
import threading
import types
import zipfile

import aiohttp  # noqa: F401 -- whole before any stub is about: modules that are written in C load only once
import numpy  # noqa: F401
import PIL.Image  # noqa: F401
import requests  # noqa: F401

HERE = os.path.dirname(os.path.abspath(__file__))
ROOT = os.path.dirname(HERE)
CACHE = os.path.join(ROOT, ".cache", "conformance")
SNIPPETS = os.path.join(ROOT, "packages", "adapters", "python")
sys.path.insert(0, SNIPPETS)


class Skip(Exception):
    """The row cannot be had here; says why."""


class Server:
    """A reward server with a judge of known preferences, and what that judge was shown."""

    def __init__(self, options):
        command = ["node", os.path.join(HERE, "server.mjs"), json.dumps(options)]
        self.process = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, cwd=HERE)
        self.lines = queue.Queue()
        threading.Thread(target=lambda: [self.lines.put(line) for line in self.process.stdout], daemon=True).start()
        self.url = f"http://127.0.0.1:{int(self.lines.get(timeout=60))}"

    def judged(self):
        """One entry per judgement since the last call: `pictures`, `question`."""
        entries = []
        with contextlib.suppress(queue.Empty):
            while True:
                entries.append(json.loads(self.lines.get(timeout=0.2)))
        return entries

    def close(self):
        self.process.stdin.close()
        try:
            self.process.wait(timeout=10)
        except subprocess.TimeoutExpired:
            self.process.kill()


@contextlib.contextmanager
def server(**options):
    running = Server(options)
    os.environ["R1REWARD_URL"] = running.url
    try:
        yield running
    finally:
        running.close()


def _pins():
    with open(os.path.join(HERE, "wheels.txt"), encoding="utf-8") as file:
        return {line.split()[0]: line.strip() for line in file if line.strip() and not line.startswith("#")}


def _has(path, line):
    with open(path, "rb") as file:
        return hashlib.sha256(file.read()).hexdigest() == line.split("sha256:")[1]


def _download(pin, line, folder):
    """The pinned wheel, whatever this machine's platform: only its Python files are read."""
    with tempfile.NamedTemporaryFile("w", suffix=".txt", delete=False) as file:
        file.write(line + "\n")
    command = [sys.executable, "-m", "pip", "download", "--quiet", "--no-deps", "--only-binary=:all:", "--require-hashes"]
    command += ["--platform=manylinux1_x86_64", "--python-version=3.11", "--ignore-requires-python"]
    command += ["--dest", folder, "-r", file.name]
    try:
        done = subprocess.run(command, capture_output=True, text=True, timeout=120, check=False)
    except subprocess.TimeoutExpired:
        raise Skip(f"{pin}: the package index does not answer") from None
    finally:
        os.unlink(file.name)
    if "DO NOT MATCH THE HASHES" in done.stderr:
        raise AssertionError(f"{pin}: not the file that was pinned")
    if done.returncode != 0:
        raise Skip(f"{pin}: not to be had from the package index")


def package(pin):
    """The folder of an unpacked framework, by its pin."""
    line, folder = _pins()[pin], os.path.join(CACHE, pin.replace("==", "-"))
    found = glob.glob(os.path.join(folder, "*.whl"))
    if not (found and _has(found[0], line)):
        _download(pin, line, folder)
        found = glob.glob(os.path.join(folder, "*.whl"))
    tree = os.path.join(folder, "tree")
    with zipfile.ZipFile(found[0]) as wheel:
        wheel.extractall(tree)
    inner = glob.glob(os.path.join(tree, "*.data", "purelib"))
    return inner[0] if inner else tree


@contextlib.contextmanager
def stubbed(**modules):
    """Modules that a file imports but the code under test does not need. `a__b` is `a.b`; parents are made."""
    before = dict(sys.modules)
    for name, members in modules.items():
        parts = name.split("__")
        for depth in range(1, len(parts) + 1):
            dotted = ".".join(parts[:depth])
            if dotted not in sys.modules or depth == len(parts):
                module = types.ModuleType(dotted)
                module.__path__ = []
                sys.modules[dotted] = module
        vars(sys.modules[name.replace("__", ".")]).update(members)
        if len(parts) > 1:
            setattr(sys.modules[".".join(parts[:-1])], parts[-1], sys.modules[".".join(parts)])
    try:
        yield
    finally:
        tops = {name.split("__")[0] for name in modules}
        for name in [name for name in sys.modules if name.split(".")[0] in tops]:
            del sys.modules[name]
        sys.modules.update(before)


def load(path, name):
    """One file of a framework as a module of its own."""
    spec = importlib.util.spec_from_file_location(name, path)
    module = importlib.util.module_from_spec(spec)
    sys.modules[name] = module
    spec.loader.exec_module(module)
    return module


def functions(path, names, top=False, **scope):
    """Functions, methods included unless `top`, cut out of a framework's file and run as they stand, decorators aside."""
    with open(path, encoding="utf-8") as file:
        tree = ast.parse(file.read())
    nodes = [node for node in (tree.body if top else ast.walk(tree)) if getattr(node, "name", None) in names]
    assert len(nodes) == len(names), f"{path}: expected {names} once each"
    for node in nodes:
        node.decorator_list = []
    exec(compile(ast.Module(body=nodes, type_ignores=[]), path, "exec"), scope)  # noqa: S102
    return [scope[name] for name in names]


class Tensor(list):
    """What the clients make tensors for, without torch."""


def logger():
    import logging

    return logging.getLogger("conformance")


def answers(count, seed=0):
    """Answers of known quality in random order, and their qualities."""
    qualities = [round((at + 1) / count, 3) for at in range(count)]
    random.Random(seed).shuffle(qualities)
    return [f"quality={quality} and so on" for quality in qualities], qualities


def ranking(rewards):
    return sorted(range(len(rewards)), key=lambda at: rewards[at])


def check_group(rewards, qualities, what="group"):
    """One number in [-1, 1] per answer, centred, ordered as the qualities are."""
    assert len(rewards) == len(qualities), f"{what}: {len(rewards)} rewards for {len(qualities)} answers"
    assert all(isinstance(reward, (int, float)) and -1 <= reward <= 1 for reward in rewards), f"{what}: {rewards}"
    assert abs(sum(rewards)) < 1e-3 * len(rewards), f"{what}: not centred: {rewards}"
    assert len(set(rewards)) == len(rewards), f"{what}: equal rewards for different answers: {rewards}"
    assert ranking(rewards) == ranking(qualities), f"{what}: {rewards} for {qualities}"


async def staggered(tasks, seed=0, span=1.0):
    """Awaits all, each started at a random moment: rollouts end when they end."""
    moments = random.Random(seed)

    async def later(task, pause):
        await asyncio.sleep(pause)
        return await task()

    return await asyncio.gather(*[later(task, moments.uniform(0, span)) for task in tasks])

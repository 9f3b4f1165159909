"""Frameworks that call a function of yours: the functions of packages/adapters/python, called by the frameworks."""

import asyncio
import contextlib
import http.server
import inspect
import io
import json
import os
import threading
import types

import numpy
import PIL.Image
from harness import SNIPPETS, Skip, answers, check_group, functions, load, logger, package, server, staggered, stubbed

MESSAGES = [{"role": "user", "content": "What is shown?"}]


def picture(colour="red"):
    return PIL.Image.new("RGB", (32, 24), colour)


def png(colour="red"):
    buffer = io.BytesIO()
    picture(colour).save(buffer, format="PNG")
    return buffer.getvalue()


def snippet(name):
    """A snippet as its users have it: loaded from its file, with the client beside it."""
    return load(os.path.join(SNIPPETS, f"{name}.py"), f"snippet_{name}")


def check_pictures(judge, count, question="What"):
    """Every judgement saw the question and one picture, `count` different ones in all."""
    shown = judge.judged()
    assert shown, "the judge was not asked"
    assert all(entry["question"].startswith(f"<image>{question}") for entry in shown), shown[0]["question"]
    assert all(len(entry["pictures"]) == 1 for entry in shown), "a judgement without its picture"
    assert len({entry["pictures"][0] for entry in shown}) == count, f"expected {count} pictures to be told apart"


class Shedding(http.server.BaseHTTPRequestHandler):
    """Says 503 twice, then gives rewards."""

    asked = 0

    def do_POST(self):
        Shedding.asked += 1
        self.rfile.read(int(self.headers["Content-Length"]))
        body = b'{"error": {}}' if Shedding.asked < 3 else b'{"groups": [{"rewards": [0.5, -0.5]}]}'
        self.send_response(503 if Shedding.asked < 3 else 200)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *_):
        pass


def client():
    import r1reward_client as shared

    texts, qualities = answers(4)
    with server(auth={"tokens": ["a-long-token"]}) as judge:
        check_group(shared.Client(token="a-long-token").group("What?", texts, png()), qualities)
        check_pictures(judge, 1)
        for refused in (shared.Client(token="another-one"), shared.Client(url=judge.url + "/nowhere", token="a-long-token")):
            with contextlib.suppress(shared.R1RewardError):
                raise AssertionError(f"expected a refusal, got {refused.group('What?', texts)}")
    with http.server.HTTPServer(("127.0.0.1", 0), Shedding) as shedding:
        threading.Thread(target=shedding.serve_forever, daemon=True).start()
        os.environ["http_proxy"] = "http://127.0.0.1:9"  # rewards take no proxy
        try:
            busy = shared.Client(url=f"http://127.0.0.1:{shedding.server_port}", deadline=10)
            assert busy.group("What?", ["a", "b"]) == [0.5, -0.5] and Shedding.asked == 3
        finally:
            del os.environ["http_proxy"]
        shedding.shutdown()
    parts = [{"type": "image_url", "image_url": {"url": "data:x"}}, {"type": "text", "text": "What?"}]
    prompt, images = shared.split_images([{"role": "user", "content": parts}])
    assert [shared.data_uri(image) for image in images] == ["data:x"] and "data:x" not in json.dumps(prompt)
    grey = shared.data_uri(PIL.Image.new("CMYK", (2, 2)))
    assert grey.startswith("data:image/png;base64,") and shared.data_uri({"bytes": None, "path": "/a.png"}) == "/a.png"
    assert [list(run) for run in shared.runs(["a", "a", "a", "b", "a"], 2)] == [[0, 1], [2], [3], [4]]
    assert shared.answer_text([{"role": "tool", "content": "x"}, {"role": "assistant", "content": "y"}]) == "y"
    return "tokens, refusals, retries after 503, no proxy, pictures in every form"


class Item:
    """One row of verl's DataProto, as its reward managers use it."""

    def __init__(self, text, **known):
        ids = numpy.array([ord(char) for char in text] + [0] * 8)
        self.batch = {"responses": ids, "attention_mask": numpy.array([1] * (5 + len(text)) + [0] * 8)}
        self.non_tensor_batch = known

    def __getitem__(self, at):
        return self if isinstance(at, (slice, int)) else None


class Tokens:
    def decode(self, ids, **_):
        return "".join(chr(int(one)) for one in ids)


def verl_modules(root):
    """The real reward managers, without verl's dependencies."""
    folder = os.path.join(root, "verl", "experimental", "reward_loop", "reward_manager")
    stubs = {
        "torch": {"Tensor": object},
        "omegaconf": {"DictConfig": dict},
        "transformers": {"AutoTokenizer": object},
        "verl": {"DataProto": Item},
        "verl__utils__ray_utils": {"get_event_loop": asyncio.new_event_loop},
        "verl__utils__reward_score": {"default_compute_score": None},
        "verl__experimental__reward_loop__reward_manager": {"register": lambda _: lambda thing: thing},
    }
    return stubs, folder


def custom_function(root, path, name, reward_kwargs):
    """What verl makes of `reward.custom_reward_function`."""
    util = os.path.join(root, "verl", "utils", "import_utils.py")
    import importlib
    from functools import partial
    from typing import Any, Optional, cast

    scope = {"importlib": importlib, "os": os, "Optional": Optional, "PKG_PATH_PREFIX": "pkg://", "FILE_PATH_PREFIX": "file://"}
    _, load_object = functions(util, ["load_module", "load_extern_object"], **scope)
    scope = {"inspect": inspect, "partial": partial, "Any": Any, "Optional": Optional, "cast": cast}
    scope |= {"DictConfig": dict, "RawRewardFn": object}
    names = ["_call_with_kwargs", "_call_with_kwargs_async", "get_custom_reward_fn"]
    *_, get = functions(os.path.join(root, "verl", "trainer", "ppo", "reward.py"), names, **scope)
    settings = {"path": path, "name": name, "reward_kwargs": reward_kwargs}
    with stubbed(verl__utils__import_utils={"load_extern_object": load_object}):
        return get(types.SimpleNamespace(reward={"custom_reward_function": settings}))


def run_managers(manager, items):
    """Runs a manager on rollouts that end at different times, on a loop of its own as its worker would have it."""

    async def all_of_them():
        manager.loop = asyncio.get_running_loop()
        return await staggered([lambda item=item: manager.run_single(item) for item in items])

    return asyncio.run(all_of_them())


def verl_function():
    root = package("verl==0.9.0")
    stubs, folder = verl_modules(root)
    groups = [answers(8, seed=at) for at in range(4)]
    uri = "data:image/png;base64," + __import__("base64").b64encode(png()).decode()
    with server() as judge, stubbed(**stubs):
        base = load(os.path.join(folder, "base.py"), "verl.experimental.reward_loop.reward_manager.base")
        assert inspect.isabstract(base.RewardManagerBase)
        naive = load(os.path.join(folder, "naive.py"), "verl_naive")
        function = custom_function(root, os.path.join(SNIPPETS, "verl_reward.py"), "compute_score", {"n": 8})
        manager = naive.NaiveRewardManager({}, Tokens(), function)
        assert manager.is_async_reward_score, "verl takes the function for a synchronous one"
        rows = [(at, text) for at, (texts, _) in enumerate(groups) for text in texts]
        info = lambda at: {"index": at, "question": f"What is shown in {at}?", "images": [uri]}
        known = lambda at: {"data_source": "x", "reward_model": {"ground_truth": "cat"}, "extra_info": info(at)}
        results = run_managers(manager, [Item(text, **known(at)) for at, text in rows])
        check_pictures(judge, 1)
    for at, (_, qualities) in enumerate(groups):
        check_group([result["reward_score"] for result in results[8 * at : 8 * at + 8]], qualities)
    extras = [result["reward_extra_info"] for result in results]
    assert all(set(extra) == {"score", "judge_failed"} and extra["judge_failed"] == 0 for extra in extras), extras[0]
    return "4 x 8 rollouts through the naive manager, awaited, with pictures; constant extra keys"


def verl_manager():
    root = package("verl==0.9.0")
    stubs, folder = verl_modules(root)
    groups = [answers(8, seed=at) for at in range(4)]
    with server() as judge, stubbed(**stubs):
        load(os.path.join(folder, "base.py"), "verl.experimental.reward_loop.reward_manager.base")
        n = types.SimpleNamespace(rollout=types.SimpleNamespace(n=8))
        manager = snippet("verl_manager").R1RewardManager(types.SimpleNamespace(actor_rollout_ref=n), Tokens())
        shown = lambda at: {"type": "image", "image": picture((at * 60, 0, 0))}
        content = lambda at: [shown(at), {"type": "text", "text": "What is shown?"}]
        prompt = lambda at: numpy.array([{"role": "user", "content": content(at)}], dtype=object)
        rows = [(at, text) for at, (texts, _) in enumerate(groups) for text in texts]
        items = [Item(text, uid=f"uid-{at % 2}", raw_prompt=prompt(at)) for at, text in rows]
        results = run_managers(manager, items)
        check_pictures(judge, 4)
    for at, (_, qualities) in enumerate(groups):
        check_group([result["reward_score"] for result in results[8 * at : 8 * at + 8]], qualities)
    return "4 x 8 rollouts by uid, PIL pictures in raw_prompt told apart"


def areal_wrapped(prompt, completions, prompt_ids, completion_ids, **columns):
    """A synchronous reward function, as AReaL's wrapper wants it; each worker process makes its own client."""
    from r1reward_client import Client

    return Client().member(columns["messages"], completions, n=4)


def areal():
    root = package("areal==1.0.4")
    logging = {"getLogger": lambda _: logger()}
    with stubbed(areal__utils={"logging": types.SimpleNamespace(**logging)}):
        api = load(os.path.join(root, "areal", "api", "reward_api.py"), "areal_reward_api")
    scope = {"Any": object, "ModelResponse": object}
    (compute,) = functions(os.path.join(root, "areal", "workflow", "rlvr.py"), ["_compute_rewards"], **scope)
    texts, qualities = answers(4)
    task = {"messages": MESSAGES, "answer": "cat"}

    async def episodes(reward_fn):
        flow = types.SimpleNamespace(tokenizer=Tokens(), async_reward_fn=reward_fn)
        tokens = lambda text: types.SimpleNamespace(input_tokens=[1], output_tokens=[ord(char) for char in text])
        return await staggered([lambda text=text: compute(flow, tokens(text), "templated", task) for text in texts])

    with server() as judge:
        wrapper = api.AsyncRewardWrapper(areal_wrapped, timeout_seconds=60, max_workers=4)
        check_group(asyncio.run(episodes(wrapper)), qualities, "wrapper")
        snip = snippet("areal_reward").areal_reward(n_samples=4)
        task = {"messages": MESSAGES, "images": [picture()]}
        judge.judged()
        check_group(asyncio.run(episodes(snip)), qualities, "snippet")
        check_pictures(judge, 1)
    return "4 episodes through RLVRWorkflow: the snippet, and AsyncRewardWrapper with its limits raised"


def verifiers():
    root = package("verifiers==0.3.0")
    folder = os.path.join(root, "verifiers")
    (maybe,) = functions(os.path.join(folder, "utils", "async_utils.py"), ["maybe_await"], Callable=object, inspect=inspect)
    anything = {name: object for name in ("GroupRewardFunc", "RewardFunc", "State")}
    waits = {"maybe_await": maybe, "maybe_call_with_named_args": maybe}
    texts, qualities = answers(6)
    with (
        stubbed(
            verifiers={"Parser": object},
            verifiers__types={**anything, "RolloutScore": dict, "TASK_INPUT_FIELDS": ()},
            verifiers__decorators={"discover_decorated": lambda *_: []},
            verifiers__utils__async_utils=waits,
        ),
    ):
        rubric = load(os.path.join(folder, "rubrics", "rubric.py"), "verifiers_rubric")

        def states():
            said = lambda text: [{"role": "assistant", "content": text}]
            return [{"prompt": MESSAGES, "completion": said(text), "answer": "", "trajectory": []} for text in texts]

        with server():
            scored = states()
            scorer = rubric.Rubric(funcs=[snippet("verifiers_reward").r1reward])
            assert scorer.has_group_rewards, "verifiers takes the function for one of single answers"
            asyncio.run(scorer.score_group(scored))
            check_group([state["reward"] for state in scored], qualities)
        refused = states()
        with server(auth={"tokens": ["another-token"]}):
            scorer = rubric.Rubric(funcs=[snippet("verifiers_reward").r1reward])
            asyncio.run(scorer.score_group(refused))
            assert [state["reward"] for state in refused] == [0.0] * 6
    return "a group function scores the group; a refused request is the framework's 0.0 for all"


def slime_group():
    source = os.environ.get("SLIME_SOURCE")
    if source is None:
        raise Skip("not on the package index: SLIME_SOURCE=<a checkout> runs it")
    path = os.path.join(source, "slime", "rollout", "rm_hub", "__init__.py")
    with server() as judge:
        hook = snippet("slime_group_rm").group_rm
        scope = {"asyncio": asyncio, "Sample": object, "load_function": lambda _: hook, "async_rm": None}
        (batched,) = functions(path, ["batched_async_rm"], **scope)
        texts, qualities = answers(8)
        shown = {"images": [picture()]}
        sample = lambda text: types.SimpleNamespace(prompt="What?", response=text, label=None, multimodal_inputs=shown)
        args = types.SimpleNamespace(custom_rm_path="slime_group_rm.group_rm")
        check_group(asyncio.run(batched(args, [sample(text) for text in texts])), qualities)
        check_pictures(judge, 1)
    return "the whole group with its PIL picture"


def easyr1():
    source = os.environ.get("EASYR1_SOURCE")
    if source is None:
        raise Skip("not on the package index: EASYR1_SOURCE=<a checkout> runs it")
    try:
        import torch
    except ImportError:
        raise Skip("torch is not to be had") from None
    path = os.path.join(source, "verl", "workers", "reward", "function.py")
    from collections import defaultdict

    groups = [answers(4, seed=at) for at in range(3)]
    rows = [(at, text) for at, (texts, _) in enumerate(groups) for text in texts]
    width = max(len(text) for _, text in rows)
    uri = "data:image/png;base64," + __import__("base64").b64encode(png()).decode()
    with server() as judge:
        scope = {"torch": torch, "defaultdict": defaultdict, "DataProto": object, "Tuple": tuple}
        (compute,) = functions(path, ["compute_reward_batch"], **scope)
        pad = lambda text: [ord(char) for char in text] + [0] * (width - len(text))
        mask = lambda text: [1] * len(text) + [0] * (width - len(text))
        packed = lambda at: json.dumps({"prompt": f"What is shown in {at}?", "images": [uri], "id": at})

        class Data:
            batch = {
                "responses": torch.tensor([pad(text) for _, text in rows]),
                "response_mask": torch.tensor([mask(text) for _, text in rows]),
            }
            non_tensor_batch = {"ground_truth": [packed(at) for at, _ in rows]}

            def __len__(self):
                return len(rows)

        config = types.SimpleNamespace(skip_special_tokens=True)
        manager = types.SimpleNamespace(reward_fn=snippet("easyr1_reward").compute_score, tokenizer=Tokens(), config=config)
        tensor, metrics = compute(manager, Data())
        check_pictures(judge, 1)
    for at, (_, qualities) in enumerate(groups):
        check_group(tensor.sum(-1)[4 * at : 4 * at + 4].tolist(), qualities)
    assert set(metrics) == {"overall", "judge_failed"}
    return "one call for 3 x 4 answers: rewards at their last tokens"


ROWS = [
    ("the snippets' shared client", client),
    ("verl 0.9.0, custom reward function", verl_function),
    ("verl 0.9.0, reward manager", verl_manager),
    ("AReaL 1.0.4, RLVR workflow", areal),
    ("verifiers 0.3.0, rubric group function", verifiers),
    ("slime, --group-rm", slime_group),
    ("EasyR1, batch reward function", easyr1),
]

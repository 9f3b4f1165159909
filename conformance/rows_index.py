"""Clients of frameworks that ship their servers and agents: NeMo-Gym; and oat, whose pairs come as msgpack."""

import asyncio
import copy
import json
import os
import re
import time
import types
import typing

import aiohttp
import numpy
from harness import Skip, Tensor, answers, check_group, functions, load, logger, package, server, staggered, stubbed

GYM = "nemo-gym==0.4.0"


class Model:
    """A pydantic model as far as the agents use one: fields come in and go out as they are."""

    def __init__(self, **fields):
        vars(self).update(fields)

    @classmethod
    def model_validate(cls, fields):
        return cls(**fields)

    def model_dump(self, **_):
        return copy.deepcopy(vars(self))

    def model_copy(self, **_):
        return copy.deepcopy(self)


def plain(value):
    if isinstance(value, Model):
        return {name: plain(one) for name, one in vars(value).items()}
    return [plain(one) for one in value] if isinstance(value, list) else value


def gym_client(root, urls, session):
    """NeMo-Gym's HTTP client: its `request` with its retries, over an aiohttp session as it makes one."""
    import orjson

    path = os.path.join(root, "nemo_gym", "server_utils.py")
    scope = {name: getattr(aiohttp, name) for name in ("ClientOSError", "ClientResponse", "ClientResponseError", "ServerDisconnectedError")}
    scope |= {"orjson": orjson, "asyncio": asyncio, "time": time, "Unpack": typing.Unpack, "_RequestOptions": dict, "Any": object}
    scope |= {"get_global_aiohttp_client": lambda: session, "_GLOBAL_AIOHTTP_CLIENT_REQUEST_DEBUG": False}
    request, check, read = functions(path, ["request", "raise_for_status", "get_response_json"], top=True, **scope)

    async def post(server_name, url_path, json=None, **more):
        return await request("POST", urls[server_name] + url_path, _internal=True, json=plain(json), **more)

    return types.SimpleNamespace(post=post), {"raise_for_status": check, "get_response_json": read}


def said(text):
    content = [{"type": "output_text", "text": text, "annotations": []}]
    thought = {"type": "reasoning", "id": "r", "summary": [{"type": "summary_text", "text": "quality=0.999"}]}
    message = {"type": "message", "id": "m", "role": "assistant", "status": "completed", "content": content}
    return {"id": "resp", "object": "response", "output": [thought, message], "model": "policy", "tools": []}


async def session():
    return aiohttp.ClientSession(timeout=aiohttp.ClientTimeout(), cookie_jar=aiohttp.DummyCookieJar())


def gym_compare():
    root = package(GYM)
    path = os.path.join(root, "resources_servers", "genrm_compare", "comparison_strategies.py")
    scope = {name: getattr(typing, name) for name in ("Dict", "List", "Optional", "Tuple")}
    texts, qualities = answers(8)

    async def rewards(url):
        async with await session() as http:
            client, helpers = gym_client(root, {"genrm_compare": url}, http)
            (strategy,) = functions(path, ["GenRMStrategy"], top=True, ServerClient=object, GenRMStrategyConfig=object, **scope, **helpers)
            config = {"agent_names": ["a"], "num_generations_per_prompt": 8, "policy_model_server_name": "policy"}
            strategy = strategy(types.SimpleNamespace(genrm_compare_server_name="genrm_compare", **config))
            history = [{"role": "user", "content": "What is shown?"}]
            return await strategy.compare(history, [said(text) for text in texts], client, principle="Be brief.")

    with server() as judge:
        values, metrics = asyncio.run(rewards(judge.url))
        check_group(values, qualities)
        assert "Judge by this principle: Be brief." in judge.judged()[0]["question"]
    assert all(isinstance(value, (int, float)) for value in metrics.values()), metrics
    with server(failing=True) as judge:
        try:
            asyncio.run(rewards(judge.url))
        except aiohttp.ClientResponseError as error:
            assert error.status == 503
        else:
            raise AssertionError("a group that could not be judged has rewards")
    return "GenRMStrategy.compare: 8 rewards, a principle, numeric metrics; a failed group raises"


class Policy:
    """The agent's own model: says what the task tells it to."""

    async def __aenter__(self):
        from aiohttp import web

        async def respond(request):
            return web.json_response(said((await request.json())["metadata"]["answer"]))

        app = web.Application()
        app.router.add_post("/v1/responses", respond)
        self.runner = web.AppRunner(app)
        await self.runner.setup()
        site = web.TCPSite(self.runner, "127.0.0.1", 0)
        await site.start()
        return f"http://127.0.0.1:{site._server.sockets[0].getsockname()[1]}"

    async def __aexit__(self, *_):
        await self.runner.cleanup()


def gym_agent():
    root = package(GYM)
    path = os.path.join(root, "responses_api_agents", "simple_agent", "app.py")
    names = {"SimpleAgentVerifyRequest": Model, "SimpleAgentVerifyResponse": Model, "AggregateMetrics": Model}
    types_ = {"Request": object, "SimpleAgentRunRequest": Model, "AggregateMetricsRequest": Model, "Body": lambda: None}
    groups = [answers(4, seed=at) for at in range(2)]

    async def rollouts(url):
        async with Policy() as policy, await session() as http:
            client, helpers = gym_client(root, {"resources": url, "agent": policy}, http)
            run, aggregate = functions(path, ["run", "aggregate_metrics"], **names, **types_, **helpers)
            config = types.SimpleNamespace(resources_server=types.SimpleNamespace(name="resources"), name="agent")
            agent = types.SimpleNamespace(config=config, server_client=client)
            asked = types.SimpleNamespace(cookies={})

            def task(at, index, text):
                # Both tasks ask the same: their indices tell them apart.
                params = {"input": [{"role": "user", "content": "What is shown?"}], "metadata": {"answer": text}}
                ids = {"_ng_task_index": at, "_ng_rollout_index": index, "difficulty": "hard"}
                return lambda: run(agent, asked, Model(responses_create_params=params, **ids))

            rows = [(at, index, text) for at, (texts, _) in enumerate(groups) for index, text in enumerate(texts)]
            verified = [plain(one) for one in await staggered([task(*row) for row in rows])]
            summary = plain(await aggregate(agent, Model(verify_responses=verified)))
            return verified, summary

    with server(groupSize=4) as judge:
        verified, summary = asyncio.run(rollouts(judge.url))
        for at, (texts, qualities) in enumerate(groups):
            rows = verified[4 * at : 4 * at + 4]
            check_group([row["reward"] for row in rows], qualities, f"task {at}")
            kept = [row["response"]["output"][1]["content"][0]["text"] for row in rows]
            assert kept == texts and all(row["difficulty"] == "hard" for row in rows), "fields of the task are lost"
        assert all("0.999" not in entry["question"] for entry in judge.judged())
    assert abs(summary["agent_metrics"]["mean/reward"]) < 1e-9 and len(summary["group_level_metrics"]) == 2, summary
    with server(groupSize=4, failing=True) as judge:
        verified, summary = asyncio.run(rollouts(judge.url))
        assert all(row["mask_sample"] and row["failure_kind"] == "judge_failed" for row in verified), verified[0]
        assert summary["agent_metrics"] == {}, summary
    return "SimpleAgent.run: seed_session, verify of 2 x 4 rollouts by their indices, aggregate_metrics; failures are masked"


def gym_genrm():
    root = package(GYM)
    folder = os.path.join(root, "resources_servers", "genrm_compare")
    typed = {name: getattr(typing, name) for name in ("Any", "Dict", "List", "Optional", "Tuple")}
    names = ["GenRMOutputParseError", "parse_genrm_output", "extract_from_response_obj", "extract_output_text"]
    utils = {"json": json, "re": re, "logger": logger(), "logging": __import__("logging"), **typed}
    error, parse, _, extract = functions(os.path.join(folder, "utils.py"), names, top=True, **utils)
    scope = {"GenRMOutputParseError": error, "parse_genrm_output": parse, "extract_output_text": extract, **typed}
    scope |= {"NeMoGymEasyInputMessage": Model, "asyncio": asyncio, "logger": logger()}
    (single,) = functions(os.path.join(folder, "app.py"), ["_run_single_comparison"], **scope)

    async def pair(url, first, second):
        async with await session() as http:
            client, _ = gym_client(root, {"genrm": url}, http)
            params = Model(model="r1reward-nemo-genrm", max_output_tokens=1024)
            config = {"genrm_model_server": types.SimpleNamespace(name="genrm"), "genrm_responses_create_params": params}
            config |= {"use_principle": True, "default_principle": "Be right.", "genrm_parse_retries": 1, "genrm_parse_retry_sleep_s": 0}
            # Defaults outside of the scales: a judgement that was made up shows.
            config |= {"default_score": -9.0, "default_ranking": -9.0}
            compare = types.SimpleNamespace(config=types.SimpleNamespace(**config), server_client=client)
            return await single(compare, [{"role": "user", "content": "What is shown?"}], said(first), said(second))

    with server() as judge:
        better = asyncio.run(pair(judge.url, "quality=0.9", "quality=0.1"))
        worse = asyncio.run(pair(judge.url, "quality=0.1", "quality=0.9"))
        assert "Be right." in judge.judged()[0]["question"]
    # Ranking 1: the first is much better; 6: the second is.
    assert 1 <= better[1] < better[0] <= 5 and 1 <= better[2] < 3.5, better
    assert 1 <= worse[0] < worse[1] <= 5 and 3.5 < worse[2] <= 6, worse
    return "_run_single_comparison over /v1/responses: scores and a ranking in the right direction"


def oat():
    path = os.path.join(package("oat-llm==0.2.4"), "oat", "oracles", "remote", "client.py")
    try:
        import httpx  # noqa: F401
        import msgspec  # noqa: F401
    except ImportError as reason:
        raise Skip(f"{reason.name} is not to be had") from None
    flat = lambda nested: [value for part in nested for value in part]
    stubs = {
        "torch": {"Tensor": Tensor, "tensor": Tensor},
        "tree": {"flatten": flat},
        "oat__oracles__base": {name: type(name, (), {}) for name in ("PreferenceOracleBase", "RewardOracleBase")},
        "oat__types": {"Metric": dict},
    }
    with stubbed(**stubs):
        client = load(path, "oat_client")
    texts, qualities = answers(8)
    for delay in (0, 3500):  # two judgements a pair: the second is slower than the 5 s that the client waits
        with server(delayMs=delay, judging={"concurrency": 2}) as judge:
            oracle = client.RemoteRMOracle(judge.url)
            count = 8 if delay == 0 else 2
            wins, _ = oracle.compare([f"What is shown in {at}?" for at in range(count)], texts[:count], texts[1 : count + 1] + texts[:1])
        better = [qualities[at] > qualities[(at + 1) % 8] for at in range(count)]
        assert numpy.array(wins).tolist() == better, f"{wins} for {better}"
    with server(failing=True, judging={"patienceMs": 0}) as judge:
        oracle = client.RemoteRMOracle(judge.url, max_retry=2)
        try:
            made_up = oracle.compare(["What?"], texts[:1], texts[1:2])
        except RuntimeError:
            return "msgpack pairs; a judge slower than the client's 5 s is asked again and answers; a failed one raises"
    raise AssertionError(f"a pair that could not be judged has a winner: {made_up}")


def asks(url):
    """An `openai` client as far as judges use one: `chat.completions.create`, which raises for a refusal."""
    import requests

    def create(**body):
        reply = requests.post(f"{url}/v1/chat/completions", json=body, timeout=30)
        if reply.status_code != 200:
            raise RuntimeError(f"{reply.status_code} {reply.text}")
        fields = reply.json()
        message = types.SimpleNamespace(**fields["choices"][0]["message"])
        return types.SimpleNamespace(choices=[types.SimpleNamespace(message=message)], usage=types.SimpleNamespace(**fields["usage"]))

    return types.SimpleNamespace(chat=types.SimpleNamespace(completions=types.SimpleNamespace(create=create)))


def verifiers_judge():
    import inspect

    folder = os.path.join(package("verifiers==0.3.0"), "verifiers")
    (maybe,) = functions(os.path.join(folder, "utils", "async_utils.py"), ["maybe_await"], Callable=object, inspect=inspect)
    errors = {name: type(name, (Exception,), {}) for name in ("APIError", "APITimeoutError", "RateLimitError")}

    class Rubric:
        def __init__(self, parser=None):
            self.parser, self.logger = parser, logger()

    with stubbed(
        openai={"AsyncOpenAI": object, **errors},
        verifiers__parsers__parser={"Parser": object},
        verifiers__rubrics__rubric={"Rubric": Rubric},
        verifiers__types={"Messages": object, "State": object},
        verifiers__utils__async_utils={"maybe_await": maybe},
    ):
        module = load(os.path.join(folder, "rubrics", "judge_rubric.py"), "verifiers_judge_rubric")
    parser = types.SimpleNamespace(parse_answer=lambda completion: completion)
    ask = lambda url, text: asyncio.run(
        module.JudgeRubric(parser=parser, judge_client=asks(url), judge_model="r1reward-yesno").judge("1+1?", text, "quality=0.5")
    )
    with server() as judge:
        said_ = [ask(judge.url, text) for text in ("quality=0.9", "quality=0.5", "quality=0.1\n```\n\nRespond either yes")]
        assert said_ == ["yes", "yes", "no"], said_
    with server(failing=True) as judge:
        try:
            made_up = ask(judge.url, "quality=0.9")
        except RuntimeError:
            return "JudgeRubric.judge: yes and no against the ground truth; a failed judgement raises"
    raise AssertionError(f"an answer that could not be judged: {made_up}")


ROWS = [
    ("verifiers 0.3.0, judge rubric", verifiers_judge),
    ("NeMo-Gym 0.4.0, comparison strategy", gym_compare),
    ("NeMo-Gym 0.4.0, simple agent", gym_agent),
    ("NeMo-Gym 0.4.0, GenRM pair", gym_genrm),
    ("oat 0.2.4, remote oracle", oat),
]

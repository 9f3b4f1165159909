"""Reward servers as the peers build them, with a judge that costs nothing: python peers.py fastapi|flask|gym PORT DELAY

fastapi: one POST route that awaits the body, scores every query in the handler and answers, on uvicorn with one worker;
flask: the same on Flask's own server, with the answer cut out of the query and its format looked at;
gym: FastAPI with pydantic models, /compare over neighbours on a circle and /verify that collects a cohort of 8.
DELAY is what one judgement takes, in seconds: it blocks where the peers block, and is awaited where they await.
"""

import asyncio
import re
import sys
import time

KIND, PORT, DELAY = sys.argv[1], int(sys.argv[2]), float(sys.argv[3])
ENDINGS = re.compile(r"(?:<\|im_end\|>|<\|endoftext\|>)+$")
OPENING = re.compile(r"<\|im_start\|>assistant\n")
FORMAT = re.compile(r"^<think>.*?</think><answer>.*?</answer>$", re.DOTALL)


def judged(text):
    if DELAY:
        time.sleep(DELAY)
    return 0.5


def fastapi_app():
    from fastapi import FastAPI, Request
    from fastapi.responses import JSONResponse

    app = FastAPI()

    @app.post("/get_reward")
    async def get_reward(request: Request):
        data = await request.json()
        queries = [ENDINGS.sub("", query) + "<|im_end|>" for query in data["query"]]
        return JSONResponse({"rewards": [judged(query) for query in queries]})

    return app


def flask_app():
    from flask import Flask, jsonify, request

    app = Flask(__name__)

    @app.route("/get_reward", methods=["POST"])
    def get_reward():
        data = request.get_json()
        rewards = []
        for query, _ in zip(data["query"], data["prompts"]):
            found = OPENING.search(query)
            answer = ENDINGS.sub("", query[found.end() :] if found else query).strip()
            rewards.append(0.5 * bool(FORMAT.match(answer)) + judged(answer))
        return jsonify({"rewards": rewards})

    return app


def gym_app():
    from typing import Any

    from fastapi import FastAPI
    from pydantic import BaseModel, ConfigDict

    class Compare(BaseModel):
        conversation_history: list[dict[str, str]]
        response_objs: list[dict[str, Any]]
        principle: str | None = None

    class Compared(BaseModel):
        rewards: list[float]
        comparison_results: list[dict[str, Any]] | None = None
        metrics: dict[str, float] | None = None

    class Verify(BaseModel):
        model_config = ConfigDict(extra="allow")
        responses_create_params: dict[str, Any]
        response: dict[str, Any]

    class Verified(Verify):
        reward: float

    app, cohorts = FastAPI(), {}

    def text(response):
        return "".join(part["text"] for item in response["output"] for part in item["content"])

    async def pair(first, second):
        if DELAY:
            await asyncio.sleep(DELAY)
        return (3.0, 3.0, 3.5) if text(first) and text(second) else (1.0, 1.0, 3.5)

    async def circle(responses):
        pairs = [(at, (at + 1) % len(responses)) for at in range(len(responses))]
        results = await asyncio.gather(*(pair(responses[i], responses[j]) for i, j in pairs))
        scores = [[] for _ in responses]
        for (i, j), (one, two, _) in zip(pairs, results):
            scores[i].append(one)
            scores[j].append(two)
        return pairs, results, [sum(of) / len(of) for of in scores]

    @app.post("/compare")
    async def compare(body: Compare) -> Compared:
        pairs, results, rewards = await circle(body.response_objs)
        names = ("score_1", "score_2", "ranking")
        details = [{"response_i": i, "response_j": j, **dict(zip(names, one))} for (i, j), one in zip(pairs, results)]
        return Compared(rewards=rewards, comparison_results=details, metrics={"mean": sum(rewards) / len(rewards)})

    @app.post("/verify")
    async def verify(body: Verify) -> Verified:
        key, waiting = str(body.responses_create_params["input"]), asyncio.get_running_loop().create_future()
        cohort = cohorts.setdefault(key, [])
        cohort.append((body.response, waiting))
        if len(cohort) == 8:
            del cohorts[key]
            _, _, rewards = await circle([response for response, _ in cohort])
            for (_, future), reward in zip(cohort, rewards):
                future.set_result(reward)
        return Verified(**body.model_dump(), reward=await waiting)

    return app


if KIND == "flask":
    import logging

    logging.getLogger("werkzeug").setLevel(logging.ERROR)
    flask_app().run(host="127.0.0.1", port=PORT, debug=False, use_reloader=False)
else:
    import uvicorn

    uvicorn.run({"fastapi": fastapi_app, "gym": gym_app}[KIND](), host="127.0.0.1", port=PORT, log_level="error", access_log=False)

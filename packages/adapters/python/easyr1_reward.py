"""EasyR1: `worker.reward.reward_function=easyr1_reward.py:compute_score`, `data.answer_key` a column of JSON text.

The function sees neither prompt nor image, so that column has to hold them: {"prompt", "images"?, "id"}.
"""

import json
from concurrent.futures import ThreadPoolExecutor

from r1reward_client import Client

REWARD_NAME, REWARD_TYPE = "r1reward", "batch"
client = Client()


def compute_score(reward_inputs, **_):
    groups = {}
    for row, given in enumerate(reward_inputs):
        groups.setdefault(given["ground_truth"], []).append(row)

    def ask(item):
        packed, rows = json.loads(item[0]), item[1]
        responses = [reward_inputs[row]["response"] for row in rows]
        return rows, client.group(packed["prompt"], responses, packed.get("images"), data_id=packed.get("id"))

    scores = [None] * len(reward_inputs)
    with ThreadPoolExecutor(max_workers=64) as threads:
        for rows, rewards in threads.map(ask, groups.items()):
            for row, reward in zip(rows, rewards):
                scores[row] = {"overall": reward or 0.0, "judge_failed": float(reward is None)}
    return scores

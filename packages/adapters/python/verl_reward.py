"""verl, the short way: a custom reward function. `verl_manager.py` also sees the prompt's uid and images.

    reward.custom_reward_function.path=verl_reward.py
    reward.custom_reward_function.name=compute_score
    +reward.custom_reward_function.reward_kwargs.n=8      # rollout.n

It is given neither prompt nor images: put them into the dataset's `extra_info` as `question` and `images`.
It must stay `async`: a synchronous function would hold verl's few threads until siblings come that need one themselves.
"""

from r1reward_client import Client

client = Client()


async def compute_score(data_source, solution_str, ground_truth, extra_info=None, n=None, **_):
    info = extra_info or {}
    asked = {"data_id": info.get("index"), "ground_truth": ground_truth, "n": n}
    reward = await client.amember(info["question"], solution_str, images=info.get("images"), **asked)
    return {"score": reward or 0.0, "judge_failed": float(reward is None)}

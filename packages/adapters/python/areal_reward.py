"""AReaL: `workflow.async_reward_fn = areal_reward(n_samples=gconfig.n_samples)` on an RLVR workflow.

In place of AsyncRewardWrapper, whose few worker processes would be held until siblings come that need one themselves, and
which gives up after 15 s.
"""

from r1reward_client import Client


def areal_reward(n_samples, question="messages", **server):
    """A reward function for groups of `n_samples`. `question`: the column the prompt is read from, if there is one."""
    client = Client(**server)

    async def reward_fn(prompt, completions, prompt_ids=None, completion_ids=None, **columns):
        images = columns.get("images") or columns.get("image")
        asked = columns.get(question) or prompt
        reward = await client.amember(asked, completions, images=images, n=n_samples)
        return reward or 0.0

    return reward_fn

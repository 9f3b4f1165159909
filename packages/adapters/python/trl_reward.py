"""TRL (GRPO, RLOO): `GRPOTrainer(reward_funcs=[r1reward(num_generations=args.num_generations)], ...)`."""

import asyncio
import os

from r1reward_client import Client, runs


def r1reward(num_generations, **server):
    """An async reward function. Unscorable answers are `None`: TRL leaves them out of the group's baseline."""
    client = Client(**server)
    rank, world = os.environ.get("RANK", "0"), int(os.environ.get("WORLD_SIZE", "1"))

    async def r1reward_judge(prompts, completions, trainer_state=None, log_metric=None, **columns):
        images = columns.get("images") or columns.get("image") or [None] * len(prompts)
        step = getattr(trainer_state, "global_step", 0)

        async def ask(rows):
            return await client.agroup(
                prompts[rows[0]],
                [completions[row] for row in rows],
                images=images[rows[0]],
                group_id=f"trl.{step}",  # the server tells the prompts of a step apart by their content
                member_ids=[f"{rank}.{row}" for row in rows],
                n=num_generations if world > 1 else len(rows),  # the rest of a group may be with other ranks
            )

        groups = await asyncio.gather(*[ask(rows) for rows in runs(prompts, num_generations)])
        rewards = [reward for group in groups for reward in group]
        if log_metric is not None:
            log_metric("r1reward/unscorable", sum(reward is None for reward in rewards) / len(rewards))
        return rewards

    return r1reward_judge

"""ms-swift: `--external_plugins ms_swift_orm.py --reward_funcs r1reward`. `None` is left out of the group's baseline."""

import asyncio
import os

from r1reward_client import Client
from swift.rewards.orm import AsyncORM, orms


class R1Reward(AsyncORM):
    def __init__(self, args=None, **_):
        super().__init__(args)
        self.client, self.n = Client(), getattr(args, "num_generations", None)

    async def __call__(self, completions, messages, prompt_id, images=None, trainer_state=None, **_):
        step, rank = getattr(trainer_state, "global_step", 0), os.environ.get("RANK", "0")
        groups = {}
        for row, name in enumerate(prompt_id):
            groups.setdefault(name, []).append(row)

        async def ask(name, rows):
            first = rows[0]
            prompt = messages[first][:-1]  # the last one is the answer
            keys = {"group_id": f"{name}.{step}", "member_ids": [f"{rank}.{row}" for row in rows]}
            answers = [completions[row] for row in rows]
            shown = images[first] if images else None
            return rows, await self.client.agroup(prompt, answers, shown, n=self.n or len(rows), **keys)

        rewards = [None] * len(completions)
        for rows, values in await asyncio.gather(*[ask(name, rows) for name, rows in groups.items()]):
            for row, value in zip(rows, values):
                rewards[row] = value
        return rewards


orms["r1reward"] = R1Reward

"""verl, the full way: a reward manager that knows a group by its uid and takes images from the prompt.

    reward.reward_manager.source=importlib
    reward.reward_manager.name=R1RewardManager
    reward.reward_manager.module.path=verl_manager.py
"""

from r1reward_client import Client
from verl.experimental.reward_loop.reward_manager.base import RewardManagerBase


class R1RewardManager(RewardManagerBase):
    def __init__(self, config, tokenizer, compute_score=None, **_):
        super().__init__(config, tokenizer, compute_score)
        self.client = Client()
        self.n = config.actor_rollout_ref.rollout.n

    async def run_single(self, data):
        item = data[-1:][0]  # of several sequences, the last is the answer
        ids, known = item.batch["responses"], item.non_tensor_batch
        length = int(item.batch["attention_mask"][-ids.shape[-1] :].sum())
        answer = self.tokenizer.decode(ids[:length], skip_special_tokens=True)
        prompt, images = list(known["raw_prompt"]), (known.get("multi_modal_data") or {}).get("image")
        reward = await self.client.amember(prompt, answer, images=images, group_id=str(known["uid"]), n=self.n)
        score = reward or 0.0
        return {"reward_score": score, "reward_extra_info": {"acc": score, "judge_failed": float(reward is None)}}

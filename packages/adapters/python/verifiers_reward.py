"""verifiers: `vf.Rubric(funcs=[r1reward])`. A group function: plural names make verifiers hand over the whole group."""

from r1reward_client import Client, neutral

client = Client()


async def r1reward(prompts, completions, answers) -> list:
    return neutral(await client.agroup(prompts[0], completions, ground_truth=answers[0]))

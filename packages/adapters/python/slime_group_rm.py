"""slime: `--group-rm --custom-rm-path slime_group_rm.group_rm`. The whole group at once, with its images."""

from r1reward_client import Client, neutral

client = Client()


async def group_rm(args, samples, **_):
    first = samples[0]
    images = (getattr(first, "multimodal_inputs", None) or {}).get("images")
    responses = [sample.response for sample in samples]
    return neutral(await client.agroup(first.prompt, responses, images=images, ground_truth=first.label))

"""Asks an R1-Reward server for rewards. Standard library only, Python 3.9 or newer; copy it beside your trainer.

Rewards are centred: between -1 and 1 with mean 0 over a group, so 0.0 says nothing. `None` means that the server could
not tell, or could not be reached in time. What will never work (a wrong token, a malformed request) raises `R1RewardError`.
"""

import asyncio
import base64
import io
import json
import logging
import os
import time
import urllib.error
import urllib.request
from concurrent.futures import ThreadPoolExecutor

log = logging.getLogger("r1reward")


class R1RewardError(RuntimeError):
    """The server refused the request and would refuse it again."""


def data_uri(image):
    """A PIL image or an image's bytes as a data URI; addresses, paths and data URIs as they are."""
    if isinstance(image, dict):  # Hugging Face's {"bytes", "path"} and OpenAI's {"url"}
        image = next((image[name] for name in ("bytes", "path", "url", "image") if image.get(name)), None)
    if hasattr(image, "save"):
        buffer = io.BytesIO()
        mode = image.mode if image.mode in ("1", "L", "LA", "P", "RGB", "RGBA") else "RGB"
        (image if image.mode == mode else image.convert(mode)).save(buffer, format="PNG")
        image = buffer.getvalue()
    if isinstance(image, (bytes, bytearray)):
        kinds = {b"\x89PN": "png", b"\xff\xd8\xff": "jpeg", b"GIF": "gif", b"RIF": "webp"}
        kind = kinds.get(bytes(image[:3]))
        if kind is None:
            raise ValueError("image: expected PNG, JPEG, GIF or WebP bytes")
        return f"data:image/{kind};base64,{base64.b64encode(image).decode()}"
    if image is None or isinstance(image, str):
        return image
    raise TypeError(f"image: expected a PIL image, bytes or text, got {type(image).__name__}")


def split_images(prompt):
    """Messages without their images, and the images in order. Text is returned as it is."""
    if isinstance(prompt, str):
        return prompt, []
    images, messages = [], []
    for message in prompt:
        content = message["content"]
        if not isinstance(content, str):
            parts = []
            for part in content or []:
                kind = part.get("type", "text") if isinstance(part, dict) else "text"
                if "image" in kind:
                    image = next((part[name] for name in ("image", "image_url", "url", "path") if part.get(name)), None)
                    images += [] if image is None else [image]
                    parts.append({"type": "image"})
                else:
                    parts.append({"type": "text", "text": part["text"] if isinstance(part, dict) else str(part)})
            content = parts
        messages.append({"role": message["role"], "content": content})
    return messages, images


def answer_text(completion):
    """The text of a completion: a string, or what the last of its messages says."""
    if isinstance(completion, str):
        return completion
    content = completion[-1]["content"] if completion else ""
    if isinstance(content, str) or content is None:
        return content or ""
    return "\n".join(part["text"] for part in content if isinstance(part, dict) and isinstance(part.get("text"), str))


def runs(prompts, longest):
    """Ranges of neighbouring equal prompts, none longer than `longest`: the groups in a trainer's batch."""
    start = 0
    for at in range(1, len(prompts) + 1):
        if at == len(prompts) or at - start == longest or prompts[at] != prompts[start]:
            yield range(start, at)
            start = at


def neutral(rewards):
    """0.0 for `None`: for trainers that need a number. The centre of the group, which says nothing."""
    return [0.0 if reward is None else reward for reward in rewards]


def _plain(value):
    """What JSON cannot say, as it says it: arrays as lists, their scalars as numbers."""
    for name in ("tolist", "item"):
        if hasattr(value, name):
            return getattr(value, name)()
    return str(value)


class Client:
    """A reward server. `deadline`: seconds after which an answer is useless, retries included."""

    def __init__(self, url=None, token=None, deadline=110.0, connections=512):
        self.url = (url or os.environ.get("R1REWARD_URL") or "http://127.0.0.1:20240").rstrip("/")
        self.token = token or os.environ.get("R1REWARD_TOKEN")
        self.deadline = deadline
        # Rewards travel inside the cluster, whatever proxy is set for the rest.
        self._opener = urllib.request.build_opener(urllib.request.ProxyHandler({}))
        # Requests are held until their group is complete: too few threads would wait for those that cannot be sent.
        self._threads = ThreadPoolExecutor(max_workers=connections, thread_name_prefix="r1reward")

    def _try(self, data, seconds):
        headers = {"Content-Type": "application/json"}
        if self.token:
            headers["Authorization"] = f"Bearer {self.token}"
        request = urllib.request.Request(f"{self.url}/v1/rewards", data=data, headers=headers)
        with self._opener.open(request, timeout=seconds) as response:
            return json.load(response)

    def post(self, body):
        """The server's answer, or `None` when there is none before the deadline."""
        end = time.monotonic() + self.deadline
        body = {**body, "deadline_ms": max(1, int(self.deadline * 1000))}
        data = json.dumps(body, default=_plain).encode()
        pause = 0.5
        while True:
            try:
                return self._try(data, max(1.0, end - time.monotonic() + 5))
            except urllib.error.HTTPError as error:
                said = error.read(500).decode(errors="replace")
                if error.code < 500 and error.code != 429:
                    raise R1RewardError(f"{self.url}: {error.code} {said}") from None
                reason = f"{error.code} {said}"
            except (OSError, ValueError) as error:  # refused, reset, timed out, cut short
                reason = str(error)
            if time.monotonic() + pause >= end:
                log.warning("no rewards from %s: %s", self.url, reason)
                return None
            time.sleep(pause)
            pause = min(pause * 2, 8.0)

    @staticmethod
    def _fields(prompt, images, more):
        prompt, inside = split_images(prompt)
        given = images if isinstance(images, (list, tuple)) else [images]
        uris = [data_uri(image) for image in (given if any(one is not None for one in given) else inside)]
        fields = {"prompt": prompt, "images": [uri for uri in uris if uri is not None], **more}
        return {name: value for name, value in fields.items() if value is not None}

    def group(self, prompt, responses, images=None, **more):
        """Rewards of answers to one prompt. Answers that others send under the same `group_id` belong to them, up to `n`.

        `more`: group_id, n, member_ids, reference, ground_truth, data_id.
        """
        responses = [answer_text(response) for response in responses]
        group = {**self._fields(prompt, images, more), "responses": responses}
        reply = self.post({"groups": [group]})
        return [None] * len(responses) if reply is None else reply["groups"][0]["rewards"]

    def member(self, prompt, response, images=None, **more):
        """The reward of one answer, once `n` answers to its prompt have arrived. `more`: group_id, member_id, n and so on."""
        reply = self.post({**self._fields(prompt, images, more), "response": answer_text(response)})
        return None if reply is None else reply["reward"]

    async def _aside(self, call, *args, **more):
        loop = asyncio.get_running_loop()
        return await loop.run_in_executor(self._threads, lambda: call(*args, **more))

    async def agroup(self, prompt, responses, images=None, **more):
        """`group`, awaited."""
        return await self._aside(self.group, prompt, responses, images, **more)

    async def amember(self, prompt, response, images=None, **more):
        """`member`, awaited."""
        return await self._aside(self.member, prompt, response, images, **more)

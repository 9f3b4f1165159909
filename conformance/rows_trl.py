"""TRL's trainer and ms-swift's reward loop on CPU torch, and a real GRPO run of a tiny model."""

import asyncio
import math
import os
import threading
import types

from harness import CACHE, Skip, answers, check_group, functions, load, logger, package, server, stubbed
from rows_hooks import check_pictures, picture, png, snippet


def tensors():
    """Torch and TRL, which are not to be had everywhere."""
    os.environ.update(HF_HUB_OFFLINE="1", HF_DATASETS_OFFLINE="1", TOKENIZERS_PARALLELISM="false")
    try:
        import torch
        import trl
    except ImportError as reason:
        raise Skip(f"{reason.name} is not to be had") from None
    torch.set_num_threads(1)
    return torch, trl


class Loop:
    """An event loop on a thread of its own, as TRL's trainers have it."""

    def __enter__(self):
        self.loop = asyncio.new_event_loop()
        self.thread = threading.Thread(target=self.loop.run_forever, daemon=True)
        self.thread.start()
        return self.loop

    def __exit__(self, *_):
        self.loop.call_soon_threadsafe(self.loop.stop)
        self.thread.join()
        self.loop.close()


def trl_calls(loop, function, rows, metrics):
    """`GRPOTrainer._calculate_rewards` on a trainer that has just what it uses."""
    from accelerate import Accelerator
    from trl.trainer.grpo_trainer import GRPOTrainer

    trainer = types.SimpleNamespace(
        accelerator=Accelerator(cpu=True),
        args=types.SimpleNamespace(report_to=[]),
        reward_funcs=[function],
        reward_processing_classes=[None],
        reward_func_names=[function.__name__],
        state=types.SimpleNamespace(global_step=3),
        environments=None,
        async_loop=loop,
        _log_completion_extra=lambda *_: None,
        _log_metric=lambda name, value: metrics.append((name, value)),
    )
    prompts = [row["prompt"] for row in rows]
    completions = [[{"role": "assistant", "content": row["answer"]}] for row in rows]
    ids = [[1]] * len(rows)
    return GRPOTrainer._calculate_rewards(trainer, rows, prompts, completions, ids)[:, 0].tolist()


def trl_rows(group, texts):
    image = picture((group * 60, 0, 0))
    content = [{"type": "image", "image": image}, {"type": "text", "text": "What is shown?"}]
    return [{"prompt": [{"role": "user", "content": content}], "image": image, "answer": text} for text in texts]


def trl_rewards():
    tensors()
    groups = [answers(8, seed=at) for at in range(3)]
    rows = [row for at, (texts, _) in enumerate(groups) for row in trl_rows(at, texts)]
    make, metrics = snippet("trl_reward").r1reward, []
    with Loop() as loop:
        with server() as judge:
            rewards = trl_calls(loop, make(num_generations=8), rows, metrics)
            check_pictures(judge, 3)
        for at, (_, qualities) in enumerate(groups):
            check_group(rewards[8 * at : 8 * at + 8], qualities)
        assert metrics == [("r1reward/unscorable", 0.0)], metrics
        with server() as judge:
            plain = [{"prompt": "What is shown?", "images": [picture()], "answer": text} for text in groups[0][0]]
            check_group(trl_calls(loop, make(num_generations=8), plain, metrics), groups[0][1])
            check_pictures(judge, 1)
        with server(failing=True, judging={"patienceMs": 0}):
            assert all(math.isnan(reward) for reward in trl_calls(loop, make(num_generations=8), rows[:8], metrics))
        assert metrics[-1] == ("r1reward/unscorable", 1.0), metrics
        gone = make(num_generations=8, url="http://127.0.0.1:9", deadline=1.0)
        assert all(math.isnan(reward) for reward in trl_calls(loop, gone, rows[:8], metrics))
    return "3 x 8 answers with PIL pictures; a judge that fails and a server that is away are None, which TRL makes NaN"


def trl_ranks():
    tensors()
    texts, qualities = answers(8)
    rows, metrics, rewards = trl_rows(1, texts), [], {}
    make = snippet("trl_reward").r1reward
    with server() as judge, Loop() as first, Loop() as second:
        os.environ["WORLD_SIZE"] = "2"
        try:
            parts = []
            for rank, loop in enumerate((first, second)):
                os.environ["RANK"] = str(rank)
                parts.append((rank, loop, make(num_generations=8)))
        finally:
            del os.environ["WORLD_SIZE"], os.environ["RANK"]

        def run(rank, loop, function):
            rewards[rank] = trl_calls(loop, function, rows[4 * rank : 4 * rank + 4], metrics)

        threads = [threading.Thread(target=run, args=part) for part in parts]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join(timeout=60)
        check_pictures(judge, 1)
    check_group(rewards[0] + rewards[1], qualities)
    return "a group of 8 with half of it on each of two ranks is judged as one"


def ms_swift():
    torch, _ = tensors()
    root = os.path.join(package("ms-swift==4.5.2"), "swift")
    (batched,) = functions(os.path.join(root, "dataset", "preprocessor", "core.py"), ["rows_to_batched"], Dict=dict, List=list, Any=object)
    keys = ["messages", "images", "videos", "audios", "tools", "objects"]  # core.py's _pair_keys
    stubs = {
        "dacite": {"from_dict": None},
        "swift__infer_engine": {"InferRequest": dict},
        "swift__infer_engine__protocol": {"RolloutOutput": object},
        "swift__template": {"Messages": list},
        "swift__utils": {"get_logger": logger, "remove_response": None},
        "swift__dataset": {"RowPreprocessor": types.SimpleNamespace(rows_to_batched=lambda rows: batched(rows))},
        "swift__dataset__preprocessor": {},
        "swift__dataset__preprocessor__core": {"_pair_keys": keys},
        "swift__rl_core": {},
        "swift__rewards": {},
    }
    groups = [answers(8, seed=at) for at in range(2)]
    with stubbed(**stubs):
        data = load(os.path.join(root, "rl_core", "data.py"), "swift.rl_core.data")
        loop = load(os.path.join(root, "rl_core", "grpo_algorithm.py"), "swift.rl_core.grpo_algorithm")
        load(os.path.join(root, "rewards", "orm.py"), "swift.rewards.orm")

        def sample(at, text):
            messages = [{"role": "user", "content": "<image>What is shown?"}, {"role": "assistant", "content": text}]
            image = {"bytes": png((at * 60, 0, 0)), "path": None}
            return data.GRPOSample(messages=messages, images=[image], prompt_id=f"prompt-{at}", request_id=text)

        samples = [sample(at, text) for at, (texts, _) in enumerate(groups) for text in texts]

        def scores(function):
            state = types.SimpleNamespace(global_step=1)
            return loop.score_completions(samples, [function], None, False, torch.device("cpu"), state)[:, 0].tolist()

        with server() as judge:
            orms = snippet("ms_swift_orm").orms
            rewards = scores(orms["r1reward"](types.SimpleNamespace(num_generations=8)))
            check_pictures(judge, 2)
        for at, (_, qualities) in enumerate(groups):
            check_group(rewards[8 * at : 8 * at + 8], qualities)
        with server(failing=True, judging={"patienceMs": 0}):
            failed = orms["r1reward"](types.SimpleNamespace(num_generations=8))
            assert all(math.isnan(reward) for reward in scores(failed))
    return "2 x 8 samples by prompt_id with pictures; a judge that fails is None, which ms-swift makes NaN"


WORDS = ["<pad>", "<eos>", "say", "good", "bad", "cat", "dog", "sun", "sea", "sky", "red", "blue", "big", "old", "new", "two"]


def tiny_policy():
    """A random two-layer Qwen2 of 16 words and its tokenizer, made here: nothing is downloaded."""
    import torch
    from tokenizers import Tokenizer, models, pre_tokenizers
    from transformers import PreTrainedTokenizerFast, Qwen2Config, Qwen2ForCausalLM

    torch.manual_seed(0)
    inner = Tokenizer(models.WordLevel({word: at for at, word in enumerate(WORDS)}, unk_token="<pad>"))
    inner.pre_tokenizer = pre_tokenizers.WhitespaceSplit()
    tokenizer = PreTrainedTokenizerFast(tokenizer_object=inner, pad_token="<pad>", eos_token="<eos>", padding_side="left")
    sizes = {"hidden_size": 32, "intermediate_size": 64, "num_hidden_layers": 2, "num_attention_heads": 2}
    ids = {"pad_token_id": 0, "eos_token_id": 1, "bos_token_id": None}
    config = Qwen2Config(vocab_size=len(WORDS), num_key_value_heads=2, max_position_embeddings=64, **sizes, **ids)
    return Qwen2ForCausalLM(config), tokenizer


def share_of_good(completions, **_):
    """What the judge prefers, measured beside it with weight 0: the share of the word among 8."""
    return [completion.split().count("good") / 8 for completion in completions]


def trl_training():
    tensors()
    from datasets import Dataset
    from transformers.trainer_callback import PrinterCallback
    from trl import GRPOConfig, GRPOTrainer

    model, tokenizer = tiny_policy()
    nouns = ["cat", "dog", "sun", "sea", "sky", "red", "blue", "big"]
    settings = GRPOConfig(
        output_dir=os.path.join(CACHE, "trl-run"),
        use_cpu=True,
        bf16=False,
        per_device_train_batch_size=32,
        num_generations=8,
        max_completion_length=8,
        max_steps=30,
        learning_rate=1e-2,
        lr_scheduler_type="constant",
        reward_weights=[1.0, 0.0],
        logging_steps=1,
        save_strategy="no",
        report_to=[],
        disable_tqdm=True,
        seed=0,
    )
    with server(word="good", group={"preset": "balanced"}):
        trainer = GRPOTrainer(
            model=model,
            args=settings,
            processing_class=tokenizer,
            train_dataset=Dataset.from_dict({"prompt": [f"say {noun}" for noun in nouns]}),
            reward_funcs=[snippet("trl_reward").r1reward(num_generations=8), share_of_good],
        )
        trainer.remove_callback(PrinterCallback)
        trainer.train()
    steps = [entry for entry in trainer.state.log_history if "rewards/share_of_good/mean" in entry]
    shares = [entry["rewards/share_of_good/mean"] for entry in steps]
    means = [entry["rewards/r1reward_judge/mean"] for entry in steps]
    with open(os.path.join(CACHE, "trl-grpo.tsv"), "w", encoding="utf-8") as file:
        file.write("step\tmean share of the preferred word\tmean reward\tunscorable\n")
        for at, entry in enumerate(steps):
            file.write(f"{at + 1}\t{shares[at]:.4f}\t{means[at]:.2e}\t{entry['r1reward/unscorable']}\n")
    early, late = sum(shares[:5]) / 5, sum(shares[-5:]) / 5
    assert len(steps) == 30 and all(abs(mean) < 1e-3 for mean in means), "rewards are not centred"
    assert all(entry["r1reward/unscorable"] == 0 for entry in steps)
    assert late > 0.6 and late > early + 0.3, f"no learning: {early:.2f} to {late:.2f}"
    return f"30 steps of GRPO: the word the judge prefers goes from {early:.2f} to {late:.2f} of an answer"


ROWS = [
    ("TRL 1.9.0, GRPOTrainer rewards", trl_rewards),
    ("TRL 1.9.0, a group split over ranks", trl_ranks),
    ("ms-swift 4.5.2, AsyncORM", ms_swift),
    ("TRL 1.9.0, a GRPO run", trl_training),
]

"""TRL's side of bench/update.mjs: python update_trl.py FOLDER WARMUP STEPS THREADS. Prints one line of JSON."""
import json
import resource
import statistics
import sys
import time

import torch
from datasets import Dataset
from safetensors.torch import load_file
from tokenizers import Tokenizer, models, pre_tokenizers
from transformers import LlamaConfig, LlamaForCausalLM, PreTrainedTokenizerFast, TrainerCallback
from trl import GRPOConfig, GRPOTrainer

folder, warmup, steps, threads = sys.argv[1], *map(int, sys.argv[2:5])
torch.set_num_threads(threads)
c = json.load(open(f"{folder}/config.json"))
m, t = c["model"], c["task"]

vocab = {f"w{i}": i for i in range(m["vocabSize"])}
words = Tokenizer(models.WordLevel(vocab, unk_token="w0"))
words.pre_tokenizer = pre_tokenizers.WhitespaceSplit()
last = f"w{m['vocabSize'] - 1}"
tokenizer = PreTrainedTokenizerFast(tokenizer_object=words, eos_token=last, pad_token=last, padding_side="left")

model = LlamaForCausalLM(
    LlamaConfig(
        vocab_size=m["vocabSize"],
        hidden_size=m["hiddenSize"],
        intermediate_size=m["intermediateSize"],
        num_hidden_layers=m["layers"],
        num_attention_heads=m["heads"],
        num_key_value_heads=m["kvHeads"],
        rms_norm_eps=1e-6,
        tie_word_embeddings=m["tiedEmbeddings"],
        eos_token_id=m["vocabSize"] - 1,
        pad_token_id=m["vocabSize"] - 1,
    )
)
missing = model.load_state_dict(load_file(f"{folder}/model.safetensors"), strict=False)
assert set(missing.missing_keys) <= {"lm_head.weight"} and not missing.unexpected_keys, missing


def even_share(completions, **_):
    rewards = []
    for text in completions:
        ids = [int(word[1:]) for word in text.split()]
        rewards.append(sum(i % 2 == 0 for i in ids) / max(1, len(ids)))
    return rewards


class Clock(TrainerCallback):
    def __init__(self):
        self.ends = []

    def on_step_end(self, *_, **__):
        self.ends.append((time.perf_counter(), time.process_time()))


rollouts = t["prompts"] * t["generations"]
clock = Clock()
trainer = GRPOTrainer(
    model=model,
    reward_funcs=even_share,
    args=GRPOConfig(
        output_dir=f"{folder}/out",
        use_cpu=True,
        bf16=False,
        gradient_checkpointing=False,
        per_device_train_batch_size=t.get("microBatch", rollouts),
        gradient_accumulation_steps=rollouts // t.get("microBatch", rollouts),
        num_generations=t["generations"],
        max_completion_length=t["newTokens"],
        generation_kwargs={"min_new_tokens": t["newTokens"]},
        temperature=1.0,
        top_p=1.0,
        top_k=0,
        beta=0.0,
        loss_type="grpo",
        learning_rate=t["learningRate"],
        lr_scheduler_type="constant",
        max_grad_norm=1.0,
        adam_beta2=0.95,
        weight_decay=0.0,
        max_steps=warmup + steps,
        logging_steps=1,
        save_strategy="no",
        report_to=[],
        disable_tqdm=True,
        seed=t["seed"],
    ),
    train_dataset=Dataset.from_dict({"prompt": [" ".join(f"w{i}" for i in ids) for ids in c["promptWords"]] * (warmup + steps)}),
    processing_class=tokenizer,
    callbacks=[clock],
)
trainer.train()
times = [1000 * (b[0] - a[0]) for a, b in zip(clock.ends, clock.ends[1:])]
cpu = [1000 * (b[1] - a[1]) for a, b in zip(clock.ends, clock.ends[1:])]
rewards = [log["reward"] for log in trainer.state.log_history if "reward" in log]
lengths = [log["completions/mean_length"] for log in trainer.state.log_history if "completions/mean_length" in log]
assert all(length == t["newTokens"] for length in lengths), lengths
peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
print(
    json.dumps(
        {
            "ms": statistics.median(times[max(0, warmup - 1) :]),
            "cpuMs": statistics.median(cpu[max(0, warmup - 1) :]),
            "rewards": rewards,
            "tokens": rollouts * t["newTokens"],
            "peakRssMb": peak,
        }
    )
)
